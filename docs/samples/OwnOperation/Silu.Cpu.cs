using Engine.Kernels;

namespace OwnOperation;

/// <summary>SiLU of a share of the elements, or with dy its gradient.</summary>
internal readonly unsafe struct SiluJob<T>(float* x, float* dy, float* result, long count) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (long i, long end) = Partition.Share(count, 1024, worker, workers);
        for (; i + T.Lanes <= end; i += T.Lanes) One<T>(i);
        for (; i < end; i++) One<SimdScalar>(i);
    }

    private void One<TR>(long i)
        where TR : unmanaged, ISimd<TR>
    {
        TR v = TR.Load(x + i);
        TR.Store(result + i, dy == null ? SiluFormula.Value(v) : SiluFormula.Gradient(v, TR.Load(dy + i)));
    }
}

using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>
/// Dropout, <c>y = keep ? x / (1 − p) : 0</c>, plus the residual. The mask is a function of random state and site alone, so that the
/// gradient is the same operation on dy.
/// </summary>
/// <param name="x">Any shape.</param>
/// <param name="randomState">I32 [3]: the lower and the upper word of the seed, and the step; see <see cref="Philox"/>.</param>
/// <param name="site">Who draws; the backward pass gives the same.</param>
/// <param name="probability">p, from 0 up to but not including 1.</param>
/// <param name="residual">The shape of x, or absent.</param>
/// <param name="y">The shape of x; may be x or the residual.</param>
public readonly unsafe struct DropoutForward(Tensor x, Tensor randomState, int site, float probability, Tensor residual, Tensor y)
    : IOperation
{
    static string IOperation.Name => "dropout";

    OperationCost IOperation.Cost => new(y.Shape, 0, (residual.IsAbsent ? 8.0 : 12.0) * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        if (!(probability >= 0 && probability < 1)) throw new ArgumentException($"a dropout probability of {probability} is not in [0, 1)");
        operands.Expect(x, operands.TypeOf(x), x.Shape);
        operands.Expect(randomState, DType.I32, new Shape(3));
        operands.ExpectIfPresent(residual, x.DType, x.Shape);
        operands.Expect(y, x.DType, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        uint* words = randomState.Pointer<uint>();
        var random = new Philox(words[0] | ((ulong)words[1] << 32), words[2], (uint)site);
        cpu.Run(new DropoutJob<T>(random, probability, x.Pointer<float>(), residual.Pointer<float>(), y.Pointer<float>(), x.Count));
    }

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        (residual.IsAbsent ? GpuKernels.Dropout : GpuKernels.DropoutResidual).For(x.DType),
        new()
        {
            X = x,
            Residual = residual,
            Y = y,
            RandomState = randomState,
            Count = x.Count,
            Threshold = (uint)(probability * 4294967296.0),
            Scale = 1 / (1 - probability),
            Site = (uint)site,
        },
        Blocks(x.Count, FlatBlock));
}

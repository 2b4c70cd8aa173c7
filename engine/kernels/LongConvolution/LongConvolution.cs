using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>
/// A causal convolution as long as the sequence, of each channel with its own filter, and a skip:
/// <c>y[t, c] = Σ_{τ ≤ t} filter[τ, c] · x[t − τ, c] + skip[c] · x[t, c]</c> within a sequence (Hyena; Poli et al., arXiv 2302.10866).
/// </summary>
/// <remarks>
/// On the CPU by Fourier transforms in O(n log n); see <see cref="FourierTransform{T}"/>. On a GPU the sum is made as it stands, in O(n²):
/// exact, without further memory, and for the lengths of fine-tuning little work for it.
/// </remarks>
/// <param name="x">[tokens, channels].</param>
/// <param name="cuSeqlens">The borders of the sequences.</param>
/// <param name="filter">[positions, channels], at least as many positions as the longest sequence has tokens.</param>
/// <param name="skip">[channels].</param>
/// <param name="y">The shape of x; not x.</param>
public readonly unsafe struct LongConvolutionForward(Tensor x, CuSeqlens cuSeqlens, Tensor filter, Tensor skip, Tensor y) : IOperation
{
    static string IOperation.Name => "long convolution";

    OperationCost IOperation.Cost => new(
        y.Shape, 30.0 * y.Count * Math.Log2(Math.Max(2, cuSeqlens.Longest)), 4.0 * (x.Count + y.Count + filter.Count));

    void IOperation.Check(OperandCheck operands)
    {
        CheckFilter(operands, filter, cuSeqlens, y.Shape[1]);
        operands.Expect(x, DType.F32, new Shape(cuSeqlens.Tokens, y.Shape[1]));
        operands.Expect(y, DType.F32, x.Shape);
        operands.Expect(skip, DType.F32, new Shape(y.Shape[1]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) => LongConvolutionRun.OnCpu(cpu, cuSeqlens, new LongConvolutionJob<T>
    {
        X = x.Pointer<float>(),
        Filter = filter.Pointer<float>(),
        Skip = skip.Pointer<float>(),
        Result = y.Pointer<float>(),
        Channels = y.Shape[1],
    });

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.LongConvolution,
        new()
        {
            X = x,
            CuSeqlens = cuSeqlens.Borders,
            Filter = filter,
            Skip = skip,
            Y = y,
            Channels = y.Shape[1],
        },
        cuSeqlens.Longest, cuSeqlens.Sequences, Chunks(y.Shape[1]));

    internal static void CheckFilter(OperandCheck operands, Tensor filter, CuSeqlens cuSeqlens, int channels)
    {
        if (filter.IsAbsent || filter.Shape.Rank != 2 || filter.Shape[0] < cuSeqlens.Longest)
            throw new ArgumentException(
                $"filter is {filter}, expected F32 [positions, {channels}] for {cuSeqlens.Longest} positions or more");
        operands.Expect(filter, DType.F32, new Shape(filter.Shape[0], channels));
    }
}

/// <summary>
/// The gradients of <see cref="LongConvolutionForward"/>: <c>dx[s, c] (+)= Σ_{t ≥ s} filter[t − s, c] · dy[t, c] + skip[c] · dy[s, c]</c>,
/// <c>dfilter[τ, c] (+)= Σ dy[t, c] · x[t − τ, c]</c>, <c>dskip[c] += Σ dy[t, c] · x[t, c]</c>, sequence by sequence in their order.
/// </summary>
/// <param name="x">[tokens, channels].</param>
/// <param name="dy">The shape of x.</param>
/// <param name="cuSeqlens">The borders of the sequences.</param>
/// <param name="filter">[positions, channels].</param>
/// <param name="skip">[channels].</param>
/// <param name="accumulateFilter">Whether to add to dfilter.</param>
/// <param name="dfilter">The shape of filter, or absent.</param>
/// <param name="dskip">[channels], or absent.</param>
/// <param name="accumulate">Whether to add to dx.</param>
/// <param name="dx">The shape of x, not dy; or absent.</param>
public readonly unsafe struct LongConvolutionBackward(
    Tensor x, Tensor dy, CuSeqlens cuSeqlens, Tensor filter, Tensor skip, bool accumulateFilter, Tensor dfilter, Tensor dskip,
    bool accumulate, Tensor dx) : IOperation
{
    static string IOperation.Name => "long convolution, gradient";

    OperationCost IOperation.Cost => new(
        dy.Shape, 50.0 * dy.Count * Math.Log2(Math.Max(2, cuSeqlens.Longest)), 4.0 * ((3 * dy.Count) + (2 * filter.Count)));

    void IOperation.Check(OperandCheck operands)
    {
        LongConvolutionForward.CheckFilter(operands, filter, cuSeqlens, dy.Shape[1]);
        operands.Expect(x, DType.F32, new Shape(cuSeqlens.Tokens, dy.Shape[1]));
        operands.Expect(dy, DType.F32, x.Shape);
        operands.Expect(skip, DType.F32, new Shape(dy.Shape[1]));
        operands.ExpectIfPresent(dfilter, DType.F32, filter.Shape);
        operands.ExpectIfPresent(dskip, DType.F32, skip.Shape);
        operands.ExpectIfPresent(dx, DType.F32, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        if (!dfilter.IsAbsent && !accumulateFilter) new Span<byte>(dfilter.Address, checked((int)dfilter.Bytes)).Clear();
        LongConvolutionRun.OnCpu(cpu, cuSeqlens, new LongConvolutionJob<T>
        {
            X = x.Pointer<float>(),
            Dy = dy.Pointer<float>(),
            Filter = filter.Pointer<float>(),
            Skip = skip.Pointer<float>(),
            DFilter = dfilter.Pointer<float>(),
            DSkip = dskip.Pointer<float>(),
            Result = dx.Pointer<float>(),
            Accumulate = accumulate,
            Channels = dy.Shape[1],
        });
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int channels = dy.Shape[1];
        if (!dfilter.IsAbsent || !dskip.IsAbsent)
            gpu.Launch(
                GpuKernels.LongConvolutionFilter,
                new()
                {
                    X = x,
                    Dy = dy,
                    CuSeqlens = cuSeqlens.Borders,
                    Dfilter = dfilter,
                    Dskip = dskip,
                    Sequences = cuSeqlens.Sequences,
                    Channels = channels,
                    Accumulate = accumulateFilter ? 1 : 0,
                },
                dfilter.IsAbsent ? 1 : filter.Shape[0], Chunks(channels));
        if (dx.IsAbsent) return;
        gpu.Launch(
            GpuKernels.LongConvolutionGradient,
            new()
            {
                Dy = dy,
                CuSeqlens = cuSeqlens.Borders,
                Filter = filter,
                Skip = skip,
                Dx = dx,
                Channels = channels,
                Accumulate = accumulate ? 1 : 0,
            },
            cuSeqlens.Longest, cuSeqlens.Sequences, Chunks(channels));
    }
}

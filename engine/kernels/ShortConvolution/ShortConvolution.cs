using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>
/// A short causal convolution of each channel with its own filter («depthwise»): within a sequence,
/// <c>y[t, c] = bias[c] + Σ_j weight[c, j] · x[t − width + 1 + j, c]</c>, with zeros before its start. PyTorch's Conv1d with one group a
/// channel and a padding of width − 1, of whose results the first ones are kept.
/// </summary>
/// <param name="x">[tokens, channels].</param>
/// <param name="cuSeqlens">The borders of the sequences.</param>
/// <param name="weight">[channels, 1, width].</param>
/// <param name="bias">[channels].</param>
/// <param name="y">The shape of x; not x.</param>
public readonly unsafe struct ShortConvolutionForward(Tensor x, CuSeqlens cuSeqlens, Tensor weight, Tensor bias, Tensor y) : IOperation
{
    static string IOperation.Name => "short convolution";

    OperationCost IOperation.Cost => new(y.Shape, 2.0 * weight.Shape[2] * y.Count, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        CheckWeight(operands, weight, y.Shape[1]);
        operands.Expect(x, DType.F32, new Shape(cuSeqlens.Tokens, y.Shape[1]));
        operands.Expect(y, DType.F32, x.Shape);
        operands.Expect(bias, DType.F32, new Shape(y.Shape[1]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) => cpu.Run(new ShortConvolutionJob<T>
    {
        X = x.Pointer<float>(),
        Y = y.Pointer<float>(),
        Weight = Transposed(cpu, weight),
        Bias = bias.Pointer<float>(),
        CuSeqlens = cuSeqlens.Borders.Pointer<int>(),
        Tokens = cuSeqlens.Tokens,
        Channels = y.Shape[1],
        Width = weight.Shape[2],
    });

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.ShortConvolution,
        new()
        {
            X = x,
            CuSeqlens = cuSeqlens.Borders,
            Weight = weight,
            Bias = bias,
            Y = y,
            Channels = y.Shape[1],
            Width = weight.Shape[2],
        },
        cuSeqlens.Longest, cuSeqlens.Sequences);

    internal static void CheckWeight(OperandCheck operands, Tensor weight, int channels)
    {
        if (weight.IsAbsent || weight.Shape.Rank != 3 || weight.Shape[2] < 1)
            throw new ArgumentException($"weight is {weight}, expected F32 [channels, 1, width]");
        operands.Expect(weight, DType.F32, new Shape(channels, 1, weight.Shape[2]));
    }

    /// <summary>The weight as [width, channels], so that the channels of a position lie side by side.</summary>
    internal static float* Transposed(CpuLauncher cpu, Tensor weight)
    {
        int channels = weight.Shape[0], width = weight.Shape[2];
        float* source = weight.Pointer<float>(), transposed = cpu.Rent(weight.Count);
        for (int c = 0; c < channels; c++)
            for (int j = 0; j < width; j++) transposed[((long)j * channels) + c] = source[((long)c * width) + j];
        return transposed;
    }
}

/// <summary>
/// The gradients of <see cref="ShortConvolutionForward"/>: <c>dx[t, c] (+)= Σ_j weight[c, j] · dy[t + width − 1 − j, c]</c> within the
/// sequence, <c>dweight[c, j] += Σ_t dy[t, c] · x[t − width + 1 + j, c]</c>. That of the bias is <see cref="SumRows"/>.
/// </summary>
/// <param name="x">[tokens, channels].</param>
/// <param name="dy">The shape of x.</param>
/// <param name="cuSeqlens">The borders of the sequences.</param>
/// <param name="weight">[channels, 1, width].</param>
/// <param name="dweight">The shape of weight, or absent.</param>
/// <param name="accumulate">Whether to add to dx.</param>
/// <param name="dx">The shape of x, not dy; or absent.</param>
public readonly unsafe struct ShortConvolutionBackward(
    Tensor x, Tensor dy, CuSeqlens cuSeqlens, Tensor weight, Tensor dweight, bool accumulate, Tensor dx) : IOperation
{
    static string IOperation.Name => "short convolution, gradient";

    OperationCost IOperation.Cost => new(dy.Shape, 4.0 * weight.Shape[2] * dy.Count, 16.0 * dy.Count);

    void IOperation.Check(OperandCheck operands)
    {
        ShortConvolutionForward.CheckWeight(operands, weight, dy.Shape[1]);
        operands.Expect(x, DType.F32, new Shape(cuSeqlens.Tokens, dy.Shape[1]));
        operands.Expect(dy, DType.F32, x.Shape);
        operands.ExpectIfPresent(dweight, DType.F32, weight.Shape);
        operands.ExpectIfPresent(dx, DType.F32, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        var job = new ShortConvolutionGradientJob<T>
        {
            X = x.Pointer<float>(),
            Dy = dy.Pointer<float>(),
            Dx = dx.Pointer<float>(),
            Weight = ShortConvolutionForward.Transposed(cpu, weight),
            DWeight = dweight.Pointer<float>(),
            CuSeqlens = cuSeqlens.Borders.Pointer<int>(),
            Sequences = cuSeqlens.Sequences,
            Channels = dy.Shape[1],
            Width = weight.Shape[2],
            Accumulate = accumulate,
        };
        cpu.Run(job);
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int channels = dy.Shape[1], width = weight.Shape[2];
        if (!dweight.IsAbsent)
            gpu.Launch(
                GpuKernels.ShortConvolutionWeight,
                new()
                {
                    X = x,
                    Dy = dy,
                    CuSeqlens = cuSeqlens.Borders,
                    Dweight = dweight,
                    Sequences = cuSeqlens.Sequences,
                    Channels = channels,
                    Width = width,
                },
                channels, width);
        if (dx.IsAbsent) return;
        gpu.Launch(
            GpuKernels.ShortConvolutionGradient,
            new()
            {
                Dy = dy,
                CuSeqlens = cuSeqlens.Borders,
                Weight = weight,
                Dx = dx,
                Channels = channels,
                Width = width,
                Accumulate = accumulate ? 1 : 0,
            },
            cuSeqlens.Longest, cuSeqlens.Sequences);
    }
}

using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>
/// Batch normalisation of each column (Ioffe and Szegedy, arXiv 1502.03167), <c>y = (x − mean) / √(variance + ε) · weight + bias</c> with
/// mean and biased variance over the rows, as in training.
/// </summary>
/// <param name="x">[rows, channels], at least two rows.</param>
/// <param name="norm">Weight and bias [channels], and ε.</param>
/// <param name="statistics">[3, channels]: mean, biased variance and unbiased variance of each column.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct BatchNormForward(Tensor x, Norm norm, Tensor statistics, Tensor y) : IOperation
{
    static string IOperation.Name => "batch norm";

    OperationCost IOperation.Cost => new(y.Shape, 7.0 * y.Count, 16.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        if (y.Shape[0] < 2) throw new ArgumentException($"y is {y}: there is no variance over less than two rows");
        operands.Expect(x, DType.F32, new Shape(y.Shape[0], y.Shape[1]));
        operands.Expect(y, DType.F32, x.Shape);
        operands.Expect(norm.Weight, DType.F32, new Shape(y.Shape[1]), "batch norm weight");
        operands.Expect(norm.Bias, DType.F32, new Shape(y.Shape[1]), "batch norm bias");
        operands.Expect(statistics, DType.F32, new Shape(3, y.Shape[1]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        cpu.Run(new BatchStatisticsJob(x.Pointer<float>(), statistics.Pointer<float>(), x.Shape[0], x.Shape[1]));
        Apply(cpu, x, statistics.Pointer<float>(), norm, y);
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        gpu.Launch(
            GpuKernels.BatchStatistics, new() { X = x, Statistics = statistics, Rows = x.Shape[0], Channels = x.Shape[1] }, x.Shape[1]);
        ApplyOnGpu(gpu, x, statistics, norm, y);
    }

    /// <summary>Normalises with the mean and the variance that begin the statistics.</summary>
    internal static void Apply(CpuLauncher cpu, Tensor x, float* statistics, in Norm norm, Tensor y)
    {
        int channels = x.Shape[1];
        float* scales = cpu.Rent(channels), weight = norm.Weight.Pointer<float>();
        for (int c = 0; c < channels; c++) scales[c] = weight[c] / MathF.Sqrt(statistics[channels + c] + norm.Epsilon);
        cpu.Run(new BatchNormJob(
            x.Pointer<float>(), statistics, scales, norm.Bias.Pointer<float>(), y.Pointer<float>(), x.Shape[0], channels));
    }

    /// <inheritdoc cref="Apply"/>
    internal static void ApplyOnGpu(GpuLauncher gpu, Tensor x, Tensor statistics, in Norm norm, Tensor y) => gpu.Launch(
        GpuKernels.BatchNorm,
        new()
        {
            X = x,
            Statistics = statistics,
            Weight = norm.Weight,
            Bias = norm.Bias,
            Y = y,
            Count = x.Count,
            Channels = x.Shape[1],
            Epsilon = norm.Epsilon,
        },
        Launches.Blocks(x.Count, Windows.Block));
}

/// <summary>Batch normalisation of each column with a given mean and variance, as in inference.</summary>
/// <param name="x">[rows, channels].</param>
/// <param name="norm">Weight and bias [channels], and ε.</param>
/// <param name="mean">[channels].</param>
/// <param name="variance">[channels].</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct BatchNormInference(Tensor x, Norm norm, Tensor mean, Tensor variance, Tensor y) : IOperation
{
    static string IOperation.Name => "batch norm, inference";

    OperationCost IOperation.Cost => new(y.Shape, 3.0 * y.Count, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        var channels = new Shape(y.Shape[1]);
        operands.Expect(x, DType.F32, new Shape(y.Shape[0], y.Shape[1]));
        operands.Expect(y, DType.F32, x.Shape);
        operands.Expect(norm.Weight, DType.F32, channels, "batch norm weight");
        operands.Expect(norm.Bias, DType.F32, channels, "batch norm bias");
        operands.Expect(mean, DType.F32, channels);
        operands.Expect(variance, DType.F32, channels);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        int channels = x.Shape[1];
        float* statistics = cpu.Rent(2L * channels);
        mean.Span<float>().CopyTo(new Span<float>(statistics, channels));
        variance.Span<float>().CopyTo(new Span<float>(statistics + channels, channels));
        BatchNormForward.Apply(cpu, x, statistics, norm, y);
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        Tensor statistics = gpu.Rent(new Shape(2, x.Shape[1]), DType.F32);
        gpu.Copy(mean, statistics.Slice(0, mean.Shape));
        gpu.Copy(variance, statistics.Slice(mean.Count, mean.Shape));
        BatchNormForward.ApplyOnGpu(gpu, x, statistics, norm, y);
    }
}

/// <summary>
/// The gradients of <see cref="BatchNormForward"/>: with <c>n = (x − mean) / √(variance + ε)</c>, <c>dbias += Σ dy</c>,
/// <c>dweight += Σ dy · n</c>, and <c>dx (+)= weight / √(variance + ε) · (dy − mean(dy) − n · mean(dy · n))</c>.
/// </summary>
/// <param name="x">What was normalised.</param>
/// <param name="dy">The shape of x.</param>
/// <param name="weight">[channels].</param>
/// <param name="statistics">Of the forward pass.</param>
/// <param name="epsilon">ε.</param>
/// <param name="dweight">[channels], or absent.</param>
/// <param name="dbias">[channels], or absent.</param>
/// <param name="accumulate">Whether to add to dx.</param>
/// <param name="dx">The shape of x, may be dy; or absent.</param>
public readonly unsafe struct BatchNormBackward(
    Tensor x, Tensor dy, Tensor weight, Tensor statistics, float epsilon, Tensor dweight, Tensor dbias, bool accumulate, Tensor dx)
    : IOperation
{
    static string IOperation.Name => "batch norm, gradient";

    OperationCost IOperation.Cost => new(x.Shape, 14.0 * x.Count, 20.0 * x.Count);

    void IOperation.Check(OperandCheck operands)
    {
        var channels = new Shape(dy.Shape[1]);
        operands.Expect(x, DType.F32, new Shape(dy.Shape[0], dy.Shape[1]));
        operands.Expect(dy, DType.F32, x.Shape);
        operands.Expect(weight, DType.F32, channels);
        operands.Expect(statistics, DType.F32, new Shape(3, dy.Shape[1]));
        operands.ExpectIfPresent(dweight, DType.F32, channels);
        operands.ExpectIfPresent(dbias, DType.F32, channels);
        operands.ExpectIfPresent(dx, DType.F32, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) => cpu.Run(new BatchNormGradientJob(
        x.Pointer<float>(), dy.Pointer<float>(), weight.Pointer<float>(), statistics.Pointer<float>(), epsilon, dweight.Pointer<float>(),
        dbias.Pointer<float>(), accumulate, dx.Pointer<float>(), x.Shape[0], x.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.BatchNormGradient,
        new()
        {
            X = x,
            Dy = dy,
            Weight = weight,
            Statistics = statistics,
            Dweight = dweight,
            Dbias = dbias,
            Dx = dx,
            Rows = x.Shape[0],
            Channels = x.Shape[1],
            Epsilon = epsilon,
            Accumulate = accumulate ? 1 : 0,
        },
        x.Shape[1]);
}

/// <summary>
/// Moves running statistics towards those of a batch, in their place: <c>mean += momentum · (batch mean − mean)</c>, and the variance
/// likewise towards the unbiased one.
/// </summary>
/// <param name="statistics">Of <see cref="BatchNormForward"/>.</param>
/// <param name="momentum">The share of the batch, from 0 to 1.</param>
/// <param name="mean">[channels].</param>
/// <param name="variance">[channels].</param>
public readonly unsafe struct RunningStatistics(Tensor statistics, float momentum, Tensor mean, Tensor variance) : IOperation
{
    static string IOperation.Name => "running statistics";

    OperationCost IOperation.Cost => new(mean.Shape, 0, 24.0 * mean.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(mean, DType.F32, new Shape(mean.Shape[0]));
        operands.Expect(variance, DType.F32, mean.Shape);
        operands.Expect(statistics, DType.F32, new Shape(3, mean.Shape[0]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        int channels = mean.Shape[0];
        float* batch = statistics.Pointer<float>(), toMean = mean.Pointer<float>(), toVariance = variance.Pointer<float>();
        for (int c = 0; c < channels; c++)
        {
            toMean[c] += momentum * (batch[c] - toMean[c]);
            toVariance[c] += momentum * (batch[(2 * channels) + c] - toVariance[c]);
        }
    }

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.RunningStatistics,
        new() { Statistics = statistics, Mean = mean, Variance = variance, Channels = mean.Shape[0], Momentum = momentum },
        Launches.Blocks(mean.Shape[0], Windows.Block));
}

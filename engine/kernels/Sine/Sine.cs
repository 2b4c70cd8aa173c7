using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>A sine with a frequency for each column, <c>y[r, c] = sin(frequency[c] · x[r, c])</c>.</summary>
/// <param name="x">[rows, width].</param>
/// <param name="frequency">width numbers, of any shape.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct SineForward(Tensor x, Tensor frequency, Tensor y) : IOperation
{
    static string IOperation.Name => "sine";

    OperationCost IOperation.Cost => new(y.Shape, 0, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, DType.F32, new Shape(y.Shape[0], y.Shape[1]));
        operands.Expect(y, DType.F32, x.Shape);
        CheckFrequency(operands, frequency, x.Shape[1]);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new SineJob<T>(x.Pointer<float>(), frequency.Pointer<float>(), y.Pointer<float>(), x.Shape[0], x.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.Sine,
        new() { X = x, Frequency = frequency, Y = y, Count = x.Count, Width = x.Shape[1] }, Blocks(x.Count, Windows.Block));

    internal static void CheckFrequency(OperandCheck operands, Tensor frequency, int width)
    {
        if (frequency.Count != width) throw new ArgumentException($"frequency is {frequency}, expected {width} numbers");
        operands.Expect(frequency, DType.F32, frequency.Shape);
    }
}

/// <summary>
/// The gradients of <see cref="SineForward"/>: <c>dx (+)= dy · frequency · cos(frequency · x)</c> and
/// <c>dfrequency += Σ_r dy · x · cos(frequency · x)</c>.
/// </summary>
/// <param name="x">[rows, width].</param>
/// <param name="dy">The shape of x.</param>
/// <param name="frequency">width numbers, of any shape.</param>
/// <param name="dfrequency">The shape of frequency, or absent.</param>
/// <param name="accumulate">Whether to add to dx.</param>
/// <param name="dx">The shape of x.</param>
public readonly unsafe struct SineBackward(Tensor x, Tensor dy, Tensor frequency, Tensor dfrequency, bool accumulate, Tensor dx)
    : IOperation
{
    static string IOperation.Name => "sine, gradient";

    OperationCost IOperation.Cost => new(dx.Shape, 0, 12.0 * dx.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, DType.F32, new Shape(dy.Shape[0], dy.Shape[1]));
        operands.Expect(dy, DType.F32, x.Shape);
        operands.Expect(dx, DType.F32, x.Shape);
        SineForward.CheckFrequency(operands, frequency, x.Shape[1]);
        operands.ExpectIfPresent(dfrequency, DType.F32, frequency.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) => cpu.Run(new SineGradientJob<T>(
        x.Pointer<float>(), dy.Pointer<float>(), frequency.Pointer<float>(), dfrequency.Pointer<float>(), accumulate, dx.Pointer<float>(),
        x.Shape[0], x.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int width = x.Shape[1];
        if (!dfrequency.IsAbsent)
            gpu.Launch(
                GpuKernels.SineFrequency,
                new() { X = x, Dy = dy, Frequency = frequency, Dfrequency = dfrequency, Rows = x.Shape[0], Width = width }, width);
        gpu.Launch(
            GpuKernels.SineGradient,
            new()
            {
                X = x,
                Dy = dy,
                Frequency = frequency,
                Dx = dx,
                Count = x.Count,
                Width = width,
                Accumulate = accumulate ? 1 : 0,
            },
            Blocks(x.Count, Windows.Block));
    }
}

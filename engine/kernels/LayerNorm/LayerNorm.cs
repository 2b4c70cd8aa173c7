using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>Layer normalisation of each row.</summary>
/// <param name="x">[rows, width].</param>
/// <param name="norm">Weight, bias [width] and eps.</param>
/// <param name="statistics">[rows, 2]: receives mean and 1 / sqrt(variance + eps) for the backward pass; or absent.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct LayerNormForward(Tensor x, Norm norm, Tensor statistics, Tensor y) : IOperation
{
    private static readonly KernelEntries Entries = new("layer_norm"), WideEntries = new("layer_norm_wide");

    static string IOperation.Name => "layer norm";

    OperationCost IOperation.Cost => new(y.Shape, 0, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), new Shape(x.Shape[0], x.Shape[1]));
        operands.ExpectIfPresent(statistics, DType.F32, new Shape(x.Shape[0], 2));
        operands.Expect(y, x.DType, x.Shape);
        norm.Check(operands, x.DType, x.Shape[1]);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new LayerNormJob<T>(
            x.Pointer<float>(), norm.Weight.Pointer<float>(), norm.Bias.Pointer<float>(), norm.Epsilon, y.Pointer<float>(),
            statistics.Pointer<float>(), x.Shape[0], x.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int rows = x.Shape[0], width = x.Shape[1];
        KernelArguments a = gpu.Begin(width > LargestRegisterRow && width % 8 == 0 ? WideEntries : Entries, x.DType, width);
        a.View(x);
        a.View(norm.Weight);
        a.View(norm.Bias);
        a.View(statistics);
        a.View(y);
        a.I32(rows);
        a.I32(width);
        a.F32(norm.Epsilon);
        gpu.Launch(Blocks(rows, WarpsPerBlock));
    }
}

/// <summary>The gradient of layer normalisation; those of weight and bias are added to what is there.</summary>
/// <param name="x">[rows, width], what was normalised.</param>
/// <param name="dy">[rows, width].</param>
/// <param name="weight">[width].</param>
/// <param name="statistics">[rows, 2], of the forward pass.</param>
/// <param name="dweight">[width], or absent.</param>
/// <param name="dbias">[width], or absent with dweight.</param>
/// <param name="accumulate">Whether to add to dx.</param>
/// <param name="dx">[rows, width], may be dy; or absent.</param>
public readonly unsafe struct LayerNormBackward(
    Tensor x, Tensor dy, Tensor weight, Tensor statistics, Tensor dweight, Tensor dbias, bool accumulate, Tensor dx) : IOperation
{
    private static readonly KernelEntries Entries = new("layer_norm_gradient"), WideEntries = new("layer_norm_gradient_wide"),
        ParametersEntries = new("layer_norm_parameters");

    static string IOperation.Name => "layer norm, gradient";

    OperationCost IOperation.Cost => new(dy.Shape, 0, 12.0 * dy.Count);

    void IOperation.Check(OperandCheck operands)
    {
        int width = x.Shape[1];
        operands.Expect(dy, operands.TypeOf(dy), x.Shape);
        operands.Expect(x, dy.DType, x.Shape);
        operands.Expect(weight, dy.DType, new Shape(width));
        operands.Expect(statistics, DType.F32, new Shape(x.Shape[0], 2));
        operands.ExpectIfPresent(dweight, DType.F32, weight.Shape);
        if (!dweight.IsAbsent) operands.Expect(dbias, DType.F32, weight.Shape);
        operands.ExpectIfPresent(dx, dy.DType, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        int rows = x.Shape[0], width = x.Shape[1];
        float* from = x.Pointer<float>(), gradient = dy.Pointer<float>(), kept = statistics.Pointer<float>();
        if (!dweight.IsAbsent)
            cpu.Run(new LayerNormParametersJob<T>(from, gradient, kept, dweight.Pointer<float>(), dbias.Pointer<float>(), rows, width));
        if (!dx.IsAbsent)
            cpu.Run(
                new LayerNormGradientJob<T>(from, gradient, weight.Pointer<float>(), kept, dx.Pointer<float>(), accumulate, rows, width));
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int rows = x.Shape[0], width = x.Shape[1];
        if (!dweight.IsAbsent) Parameters(gpu, rows, width);
        if (dx.IsAbsent) return;
        KernelArguments a = gpu.Begin(width > LargestRegisterRow && width % 8 == 0 ? WideEntries : Entries, x.DType, width);
        a.View(x);
        a.View(dy);
        a.View(weight);
        a.View(statistics);
        a.View(dx);
        a.I32(rows);
        a.I32(width);
        a.I32(accumulate ? 1 : 0);
        gpu.Launch(Blocks(rows, WarpsPerBlock));
    }

    private void Parameters(GpuLauncher gpu, int rows, int width)
    {
        int parts = RowParts.Of(rows);
        Tensor weights = gpu.Rent(new Shape(parts, width), DType.F32), biases = gpu.Rent(new Shape(parts, width), DType.F32);
        KernelArguments a = gpu.Begin(ParametersEntries, x.DType, width);
        a.View(x);
        a.View(dy);
        a.View(statistics);
        a.View(weights);
        a.View(biases);
        a.I32(rows);
        a.I32(width);
        a.I32(RowParts.Rows(rows, parts));
        gpu.Launch(Chunks(width), parts);
        RowParts.Sum(gpu, weights, dweight, parts, width, 1, accumulate: true);
        RowParts.Sum(gpu, biases, dbias, parts, width, 1, accumulate: true);
    }
}

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
        gpu.Launch(
            (width > LargestRegisterRow && width % 8 == 0 ? GpuKernels.LayerNormWide : GpuKernels.LayerNorm).For(x.DType, width),
            new()
            {
                X = x,
                Weight = norm.Weight,
                Bias = norm.Bias,
                Statistics = statistics,
                Y = y,
                Rows = rows,
                Width = width,
                Eps = norm.Epsilon,
            },
            Blocks(rows, WarpsPerBlock));
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
        bool wide = width > LargestRegisterRow && width % 8 == 0;
        gpu.Launch(
            (wide ? GpuKernels.LayerNormGradientWide : GpuKernels.LayerNormGradient).For(x.DType, width),
            new()
            {
                X = x,
                Dy = dy,
                Weight = weight,
                Statistics = statistics,
                Dx = dx,
                Rows = rows,
                Width = width,
                Accumulate = accumulate ? 1 : 0,
            },
            Blocks(rows, WarpsPerBlock));
    }

    private void Parameters(GpuLauncher gpu, int rows, int width)
    {
        int parts = RowParts.Of(rows);
        Tensor weights = gpu.Rent(new Shape(parts, width), DType.F32), biases = gpu.Rent(new Shape(parts, width), DType.F32);
        gpu.Launch(
            GpuKernels.LayerNormParameters.For(x.DType, width),
            new()
            {
                X = x,
                Dy = dy,
                Statistics = statistics,
                Dweight = weights,
                Dbias = biases,
                Rows = rows,
                Width = width,
                RowsPerPart = RowParts.Rows(rows, parts),
            },
            Chunks(width), parts);
        RowParts.Sum(gpu, weights, dweight, parts, width, 1, accumulate: true);
        RowParts.Sum(gpu, biases, dbias, parts, width, 1, accumulate: true);
    }
}

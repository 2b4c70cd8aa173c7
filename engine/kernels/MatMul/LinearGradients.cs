using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>The gradient of a linear layer's operand, <c>dx (+)= dy w</c>.</summary>
/// <param name="dy">[rows, out].</param>
/// <param name="weight">[out, in], row-major.</param>
/// <param name="accumulate">Whether to add to dx.</param>
/// <param name="dx">[rows, in].</param>
public readonly unsafe struct LinearInputBackward(Tensor dy, Tensor weight, bool accumulate, Tensor dx) : IOperation
{
    static string IOperation.Name => "linear, input gradient";

    OperationCost IOperation.Cost => new(
        new Shape(
            dy.Shape[0], weight.Shape[1], weight.Shape[0]), 2.0 * dy.Count * weight.Shape[1], 4.0 * (dy.Count + dx.Count + weight.Count));

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(dy, operands.TypeOf(dy), new Shape(dx.Shape[0], weight.Shape[0]));
        operands.Expect(weight, dy.DType, new Shape(weight.Shape[0], dx.Shape[1]));
        operands.Expect(dx, dy.DType, new Shape(dx.Shape[0], dx.Shape[1]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        int outputs = weight.Shape[0], inputs = weight.Shape[1];
        CpuProduct.RunWithRight<T>(cpu, weight.Pointer<float>(), new MatMulArguments
        {
            Rows = dy.Shape[0],
            Columns = inputs,
            Depth = outputs,
            Left = dy.Pointer<float>(),
            Residual = accumulate ? dx.Pointer<float>() : null,
            Result = dx.Pointer<float>(),
            LeadingResult = inputs,
        });
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int outputs = weight.Shape[0], inputs = weight.Shape[1];
        LinearKernelArguments product = GpuProduct.Of(dy, weight, accumulate ? dx : default, dx, outputs);
        if (dy.DType == DType.BF16)
        {
            ExpectMultipleOfEight(outputs);
            ExpectMultipleOfEight(inputs);
            gpu.Products.Launch(ProductKernel.InputGradient, product);
            return;
        }

        GpuProduct.Run(gpu, GpuKernels.LinearInputGradient, product);
    }
}

/// <summary>The gradient of a linear layer's weight, <c>dw += dyᵀ x</c>.</summary>
/// <param name="dy">[rows, out].</param>
/// <param name="x">[rows, in].</param>
/// <param name="dw">[out, in].</param>
public readonly unsafe struct LinearWeightBackward(Tensor dy, Tensor x, Tensor dw) : IOperation
{
    static string IOperation.Name => "linear, weight gradient";

    OperationCost IOperation.Cost => new(
        new Shape(dw.Shape[0], dw.Shape[1], x.Shape[0]), 2.0 * dy.Count * dw.Shape[1], 4.0 * (dy.Count + x.Count + (2.0 * dw.Count)));

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(dy, operands.TypeOf(dy), new Shape(x.Shape[0], dw.Shape[0]));
        operands.Expect(x, dy.DType, new Shape(x.Shape[0], dw.Shape[1]));
        operands.Expect(dw, DType.F32, new Shape(dw.Shape[0], dw.Shape[1]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) => CpuProduct.RunWithRight<T>(cpu, x.Pointer<float>(), new MatMulArguments
    {
        Rows = dw.Shape[0],
        Columns = dw.Shape[1],
        Depth = x.Shape[0],
        Left = dy.Pointer<float>(),
        TransposeLeft = true,
        Residual = dw.Pointer<float>(),
        Result = dw.Pointer<float>(),
        LeadingResult = dw.Shape[1],
    });

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        if (dy.DType == DType.BF16) OnTensorCores(gpu);
        else GpuProduct.Run(gpu, GpuKernels.LinearWeightGradient, GpuProduct.Of(dy, x, dw, dw, x.Shape[0]));
    }

    /// <summary>Sums over shares of the rows, so that there is work for the whole GPU, added in their order.</summary>
    private void OnTensorCores(GpuLauncher gpu)
    {
        int outputs = dw.Shape[0], inputs = dw.Shape[1], rows = x.Shape[0];
        ExpectMultipleOfEight(outputs);
        ExpectMultipleOfEight(inputs);
        ProductForm form = gpu.Products.Choose(ProductKind.WeightGradient, rows, outputs, inputs);
        (int share, int shares) = TensorCoreProducts.Divide(form, rows, outputs, inputs);
        Tensor parts = shares > 1 ? gpu.Rent(new Shape(shares, outputs, inputs), DType.F32) : default;
        gpu.Products.WeightGradient(form, dy, x, dw, parts, share);
    }
}

/// <summary>Products of gradients on a GPU.</summary>
internal static class GpuProduct
{
    private const int Tile = 128;

    /// <summary>The operands of a product without bias, and its result y, [rows, columns].</summary>
    public static LinearKernelArguments Of(Tensor left, Tensor right, Tensor residual, Tensor y, int depth) => new()
    {
        Left = left,
        Right = right,
        Bias = default,
        Residual = residual,
        Y = y,
        Rows = y.Shape[0],
        Columns = y.Shape[1],
        Depth = depth,
    };

    /// <summary>Runs a product in fp32.</summary>
    public static void Run(GpuLauncher gpu, GpuKernelFamily<LinearKernelArguments> kernel, in LinearKernelArguments product) =>
        gpu.Launch(kernel.For(DType.F32), product, Blocks(product.Columns, Tile), (int)Blocks(product.Rows, Tile));
}

using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>A linear layer, <c>y = f(x wᵀ + bias) + residual</c>; see <see cref="MatMul"/>.</summary>
/// <param name="x">[rows, in].</param>
/// <param name="weight">[out, in].</param>
/// <param name="bias">[out], or absent.</param>
/// <param name="activation">f; a gated one halves the width.</param>
/// <param name="residual">The shape of y, or absent.</param>
/// <param name="y">[rows, out], or [rows, out / 2] if it is gated; may be the residual.</param>
public readonly unsafe struct LinearForward(
    Tensor x, Weight weight, Tensor bias, Activation activation, Tensor residual, Tensor y) : IOperation
{
    private const int Tile = 128;

    static string IOperation.Name => "linear";

    OperationCost IOperation.Cost => new(
        new Shape(x.Shape[0], weight.Outputs, weight.Inputs), 2.0 * x.Shape[0] * weight.Outputs * weight.Inputs,
        4.0 * (x.Count + y.Count + ((double)weight.Outputs * weight.Inputs)));

    void IOperation.Check(OperandCheck operands)
    {
        int rows = y.Shape[0], width = activation.IsGated() ? weight.Outputs / 2 : weight.Outputs;
        if (weight.IsPacked && weight.PackedFor.IsGated() != activation.IsGated())
            throw new ArgumentException($"the weight was packed for {weight.PackedFor}, not for {activation}");
        operands.Expect(x, operands.TypeOf(x), new Shape(rows, weight.Inputs));
        if (!weight.IsPacked) operands.Expect(weight.Data, x.DType, weight.Data.Shape, nameof(weight));
        operands.ExpectIfPresent(bias, x.DType, new Shape(weight.Outputs));
        operands.ExpectIfPresent(residual, x.DType, y.Shape);
        operands.Expect(y, x.DType, new Shape(rows, width));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        Weight packed = weight.IsPacked ? weight : CpuProduct.Pack<T>(cpu, weight, activation, cpu.Scratch);
        MatMulTile tile = CpuProduct.TileFor<T>(cpu, activation, weight.Outputs);
        CpuProduct.Run<T>(cpu, new MatMulArguments
        {
            Rows = x.Shape[0],
            Columns = weight.Outputs,
            Depth = weight.Inputs,
            Left = x.Pointer<float>(),
            Right = MatMulRight.At(packed.Data.Pointer<uint>(), tile, weight.Outputs, weight.Inputs, activation),
            Bias = bias.Pointer<float>(),
            Residual = residual.Pointer<float>(),
            Result = y.Pointer<float>(),
            LeadingResult = y.Shape[1],
            Activation = activation,
            Tile = tile,
        });
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int rows = y.Shape[0], columns = y.Shape[1];
        LinearKernelArguments product = new()
        {
            Left = x,
            Right = weight.Data,
            Bias = bias,
            Residual = residual,
            Y = y,
            Rows = rows,
            Columns = columns,
            Depth = weight.Inputs,
        };
        if (x.DType == DType.BF16)
        {
            ExpectMultipleOfEight(weight.Inputs);
            ProductKernel onTensorCores = activation switch
            {
                Activation.None => ProductKernel.Linear,
                Activation.Gelu => ProductKernel.Gelu,
                Activation.Geglu => ProductKernel.Geglu,
                _ => ProductKernel.Swiglu,
            };
            gpu.Products.Launch(onTensorCores, product);
            return;
        }

        GpuKernelFamily<LinearKernelArguments> kernel = activation switch
        {
            Activation.None => GpuKernels.Linear,
            Activation.Gelu => GpuKernels.LinearGelu,
            Activation.Geglu => GpuKernels.LinearGeglu,
            _ => GpuKernels.LinearSwiglu,
        };
        gpu.Launch(
            kernel.For(x.DType), product, Blocks(columns, activation.IsGated() ? Tile / 2 : Tile), (int)Blocks(rows, Tile));
    }
}

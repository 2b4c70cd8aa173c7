namespace Engine.Kernels;

/// <summary>The parameters of a layer normalisation.</summary>
/// <param name="Weight">[width].</param>
/// <param name="Bias">[width].</param>
/// <param name="Epsilon">Added to the variance.</param>
public readonly record struct Norm(Tensor Weight, Tensor Bias, float Epsilon)
{
    internal void Check(OperandCheck operands, DType dtype, int width)
    {
        operands.Expect(Weight, dtype, new Shape(width), "layer norm weight");
        operands.Expect(Bias, dtype, new Shape(width), "layer norm bias");
    }
}

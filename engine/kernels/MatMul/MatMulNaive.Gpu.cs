using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>
/// The product of a linear layer as one writes it first, a thread a result, which the others are measured against; no operation uses it.
/// </summary>
internal static class MatMulNaiveKernels
{
    private const int Tile = 16;

    public static void Register(KernelList list) => list.Add("linear_naive_f32", Product, Tile * Tile);

    /// <summary>y = left · rightᵀ; operands as in <see cref="MatMulKernels"/>, bias and residual empty. Grid: (⌈columns / 16⌉; ⌈rows / 16⌉).</summary>
    public static void Product(
        ArrayView<float> left, ArrayView<float> right, ArrayView<float> bias, ArrayView<float> residual, ArrayView<float> y, int rows, int columns, int depth)
    {
        int row = (Grid.IdxY * Tile) + (Group.IdxX / Tile), column = (Grid.IdxX * Tile) + (Group.IdxX % Tile);
        if (row >= rows || column >= columns) return;
        ArrayView<float> a = left.SubView((long)row * depth, depth), b = right.SubView((long)column * depth, depth);
        float sum = 0;
        for (int k = 0; k < depth; k++) sum = Ptx.Fma(a[k], b[k], sum);
        y[((long)row * columns) + column] = sum;
    }
}

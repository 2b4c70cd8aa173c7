using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>The product of ranges of columns on the GPU: a thread an element. Grid: elements / 256.</summary>
internal static class ColumnProductKernels
{
    public static void Register(KernelList list) => list.Add("multiply_columns", Forward, Flat.Threads);

    /// <summary>y[r, yFirst + i] (+)= x[r, xFirst + i] · z[r, zFirst + i], i below width.</summary>
    public static void Forward(
        ArrayView<float> x, ArrayView<float> z, ArrayView<float> y, long count, int width, int xFirst, int xColumns, int zFirst,
        int zColumns, int yFirst, int yColumns, int accumulate)
    {
        long i = ((long)Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        long row = i / width, column = i - (row * width), target = (row * yColumns) + yFirst + column;
        float product = x[(row * xColumns) + xFirst + column] * z[(row * zColumns) + zFirst + column];
        if (accumulate != 0) product += y[target];
        y[target] = product;
    }
}

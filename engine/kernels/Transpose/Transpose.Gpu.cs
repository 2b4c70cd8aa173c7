using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>Transposed matrices on the GPU: a thread an element of the result.</summary>
internal static class TransposeKernels
{
    public static void Register(KernelList list) => list.Add("transpose_matrices", Forward, Flat.Threads);

    /// <summary>y[b, c, r] (+)= x[b, r, c]. Grid: elements / 256.</summary>
    public static void Forward(ArrayView<float> x, ArrayView<float> y, long count, int rows, int columns, int accumulate)
    {
        long i = ((long)Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        long row = i / rows, matrix = row / columns;
        float value = x[(((matrix * rows) + (i - (row * rows))) * columns) + (row - (matrix * columns))];
        if (accumulate != 0) value += y[i];
        y[i] = value;
    }
}

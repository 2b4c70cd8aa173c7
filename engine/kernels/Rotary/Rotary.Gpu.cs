using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>Rotary positions on the GPU: a block a token, a thread a pair of numbers at a time.</summary>
internal static class RotaryKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily("rotary", Flat.Threads, f32: Forward<F32, float>, bf16: Forward<BF16, ushort>);
    }

    /// <summary>
    /// See <see cref="RotaryFormula"/>. x, y: [tokens, width], which may be one; table: [positions, headSize], cosines and sines;
    /// cuSeqlens: [sequences + 1]. The first <paramref name="heads"/> heads of a row are rotated, those from there to
    /// <paramref name="all"/> copied. Grid: (longest, sequences).
    /// </summary>
    public static void Forward<TE, T>(
        ArrayView<T> x, ArrayView<T> y, ArrayView<float> table, ArrayView<int> cuSeqlens, int width, int headSize, int heads,
        int all, float sign)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int position = Grid.IdxX, start = cuSeqlens[Grid.IdxY];
        if (position >= cuSeqlens[Grid.IdxY + 1] - start) return;
        int half = headSize / 2;
        ArrayView<float> angles = table.SubView((long)position * headSize, headSize);
        ArrayView<T> source = x.SubView((long)(start + position) * width, width),
            target = y.SubView((long)(start + position) * width, width);
        for (int pair = Group.IdxX; pair < all * half; pair += Flat.Threads)
        {
            int head = pair / half, i = pair - (head * half), first = (head * headSize) + i;
            float a = TE.Get(source, first), b = TE.Get(source, first + half);
            if (head < heads)
            {
                float cos = angles[i], sin = angles[half + i] * sign, turned = RotaryFormula.Turn<GpuFloat>(a, b, cos, -sin).Value;
                b = RotaryFormula.Turn<GpuFloat>(b, a, cos, sin).Value;
                a = turned;
            }

            TE.Set(target, first, a);
            TE.Set(target, first + half, b);
        }
    }
}

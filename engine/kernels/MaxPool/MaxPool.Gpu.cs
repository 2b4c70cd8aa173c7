using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>The maximum over stretches of time on the GPU: a thread an element of the result. Grid: elements / 256.</summary>
internal static class MaxPoolKernels
{
    public static void Register(KernelList list)
    {
        list.Add("max_pool", Forward, Flat.Threads);
        list.Add("max_pool_gradient", Gradient, Flat.Threads);
    }

    /// <summary>y[b, p, c] = max_j x[b, p · width + j, c]. x: [batch · length, channels].</summary>
    public static void Forward(ArrayView<float> x, ArrayView<float> y, long count, int channels, int length, int width)
    {
        long i = ((long)Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        int stretches = length / width;
        long row = i / channels, sequence = row / stretches, first = (sequence * length) + ((row - (sequence * stretches)) * width);
        int c = (int)(i - (row * channels));
        y[i] = x[((first + Largest(x, first, channels, c, width)) * channels) + c];
    }

    /// <summary>dx (+)= dy at the first of the largest elements of each stretch, else 0. x, dx: [batch · length, channels].</summary>
    public static void Gradient(
        ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dx, long count, int channels, int length, int width, int accumulate)
    {
        long i = ((long)Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        int stretches = length / width;
        long row = i / channels, sequence = row / length;
        int c = (int)(i - (row * channels)), t = (int)(row - (sequence * length)), p = t / width;
        float gradient = 0;
        if (accumulate != 0) gradient = dx[i];
        if (p < stretches && Largest(x, row - t + ((long)p * width), channels, c, width) == t - (p * width))
            gradient += dy[(((sequence * stretches) + p) * channels) + c];
        dx[i] = gradient;
    }

    /// <summary>The position, from a row on, of the first of the largest elements, or of the first that is no number.</summary>
    private static int Largest(ArrayView<float> x, long first, int channels, int c, int width)
    {
        int best = 0;
        float largest = x[(first * channels) + c];
        for (int j = 1; j < width; j++)
        {
            float value = x[((first + j) * channels) + c];
            if (IsNumber(largest) && (value > largest || !IsNumber(value)))
            {
                largest = value;
                best = j;
            }
        }

        return best;
    }

    // No comparison with NaN holds.
    private static bool IsNumber(float value) => value <= 0f || value > 0f;
}

using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>The windows of a convolution on the GPU: a thread an element of the result. Grid: elements / 256.</summary>
internal static class UnfoldKernels
{
    public static void Register(KernelList list)
    {
        list.Add("unfold", Unfold, Flat.Threads);
        list.Add("fold", Fold, Flat.Threads);
    }

    /// <summary>y[b, t, c · width + j] = x[b, t + j, c]. x: [batch · length, channels].</summary>
    public static void Unfold(ArrayView<float> x, ArrayView<float> y, long count, int channels, int length, int width)
    {
        long i = ((long)Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        int windows = length - width + 1, columns = channels * width;
        long row = i / columns, sequence = row / windows;
        int column = (int)(i - (row * columns)), c = column / width, t = (int)(row - (sequence * windows)) + column - (c * width);
        y[i] = x[(((sequence * length) + t) * channels) + c];
    }

    /// <summary>dx[b, t, c] (+)= Σ_j dy[b, t − j, c · width + j]. dx: [batch · length, channels].</summary>
    public static void Fold(
        ArrayView<float> dy, ArrayView<float> dx, long count, int channels, int length, int width, int accumulate)
    {
        long i = ((long)Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        int windows = length - width + 1;
        long row = i / channels, sequence = row / length;
        int c = (int)(i - (row * channels)), t = (int)(row - (sequence * length));
        int first = t - windows + 1, last = t < width ? t : width - 1;
        float sum = 0;
        if (accumulate != 0) sum = dx[i];
        for (int j = first > 0 ? first : 0; j <= last; j++)
            sum += dy[(((sequence * windows) + t - j) * channels * width) + (c * width) + j];
        dx[i] = sum;
    }
}

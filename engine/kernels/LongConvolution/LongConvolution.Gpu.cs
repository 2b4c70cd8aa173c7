using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>
/// The long causal convolution on the GPU, as the sum that it is: a thread a channel of one position, so that what a warp reads lies side
/// by side. Sums of many terms are made of parts, in one order.
/// </summary>
internal static class LongConvolutionKernels
{
    // Terms of a part of a sum.
    private const int Part = 128;

    public static void Register(KernelList list)
    {
        list.Add("long_convolution", Forward, Flat.Threads);
        list.Add("long_convolution_gradient", Gradient, Flat.Threads);
        list.Add("long_convolution_filter", FilterGradient, Flat.Threads);
    }

    /// <summary>
    /// x, y: [tokens, channels]; cuSeqlens: [sequences + 1]; filter: [positions, channels]; skip: [channels]. Grid:
    /// (longest, sequences, ⌈channels / 256⌉).
    /// </summary>
    public static void Forward(
        ArrayView<float> x, ArrayView<int> cuSeqlens, ArrayView<float> filter, ArrayView<float> skip, ArrayView<float> y, int channels)
    {
        int position = Grid.IdxX, start = cuSeqlens[Grid.IdxY], c = (Grid.IdxZ * Flat.Threads) + Group.IdxX;
        if (position >= cuSeqlens[Grid.IdxY + 1] - start || c >= channels) return;
        long i = ((long)(start + position) * channels) + c, k = c;
        float sum = skip[c] * x[i];
        for (int first = 0; first <= position; first += Part)
        {
            int end = first + Part;
            end = end <= position ? end : position + 1;
            float part = 0;
            for (int tau = first; tau < end; tau++)
                part = Ptx.Fma(filter[k + ((long)tau * channels)], x[i - ((long)tau * channels)], part);
            sum += part;
        }

        y[i] = sum;
    }

    /// <summary>dy, dx: [tokens, channels]; the others as in <see cref="Forward"/>. Grid: (longest, sequences, ⌈channels / 256⌉).</summary>
    public static void Gradient(
        ArrayView<float> dy, ArrayView<int> cuSeqlens, ArrayView<float> filter, ArrayView<float> skip, ArrayView<float> dx, int channels,
        int accumulate)
    {
        int position = Grid.IdxX, start = cuSeqlens[Grid.IdxY], c = (Grid.IdxZ * Flat.Threads) + Group.IdxX;
        int left = cuSeqlens[Grid.IdxY + 1] - start - position;
        if (left <= 0 || c >= channels) return;
        long i = ((long)(start + position) * channels) + c, k = c;
        float sum = skip[c] * dy[i];
        for (int first = 0; first < left; first += Part)
        {
            int end = first + Part;
            end = end < left ? end : left;
            float part = 0;
            for (int tau = first; tau < end; tau++)
                part = Ptx.Fma(filter[k + ((long)tau * channels)], dy[i + ((long)tau * channels)], part);
            sum += part;
        }

        if (accumulate != 0) sum += dx[i];
        dx[i] = sum;
    }

    /// <summary>
    /// dfilter[τ, c] (+)= Σ dy[t, c] · x[t − τ, c], and for τ = 0 the same for the skip. x, dy: [tokens, channels]; dfilter: [positions,
    /// channels], or empty; dskip: [channels], or empty. Grid: (positions, ⌈channels / 256⌉).
    /// </summary>
    public static void FilterGradient(
        ArrayView<float> x, ArrayView<float> dy, ArrayView<int> cuSeqlens, ArrayView<float> dfilter, ArrayView<float> dskip, int sequences,
        int channels, int accumulate)
    {
        int tau = Grid.IdxX, c = (Grid.IdxY * Flat.Threads) + Group.IdxX;
        if (c >= channels) return;
        float sum = 0;
        for (int sequence = 0; sequence < sequences; sequence++)
        {
            int end = cuSeqlens[sequence + 1];
            for (int first = cuSeqlens[sequence] + tau; first < end; first += Part)
            {
                int last = first + Part;
                last = last < end ? last : end;
                float part = 0;
                for (int t = first; t < last; t++)
                    part = Ptx.Fma(dy[((long)t * channels) + c], x[((long)(t - tau) * channels) + c], part);
                sum += part;
            }
        }

        if (tau == 0 && dskip.Length > 0) dskip[c] += sum;
        if (dfilter.Length == 0) return;
        long i = ((long)tau * channels) + c;
        if (accumulate != 0) sum += dfilter[i];
        dfilter[i] = sum;
    }
}

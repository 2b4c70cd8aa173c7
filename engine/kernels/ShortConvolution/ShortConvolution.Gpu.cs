using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>The short causal convolution on the GPU: a block a token, a thread a channel at a time.</summary>
internal static class ShortConvolutionKernels
{
    public static void Register(KernelList list)
    {
        list.Add("short_convolution", Forward, Flat.Threads);
        list.Add("short_convolution_gradient", Gradient, Flat.Threads);
        list.Add("short_convolution_weight", WeightGradient, Flat.Threads);
    }

    /// <summary>
    /// x, y: [tokens, channels]; cuSeqlens: [sequences + 1]; weight: [channels, width]; bias: [channels]. Grid: (longest, sequences).
    /// </summary>
    public static void Forward(
        ArrayView<float> x, ArrayView<int> cuSeqlens, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> y, int channels,
        int width)
    {
        int position = Grid.IdxX, start = cuSeqlens[Grid.IdxY];
        if (position >= cuSeqlens[Grid.IdxY + 1] - start) return;
        int first = width - 1 - position;
        first = first > 0 ? first : 0;
        for (int c = Group.IdxX; c < channels; c += Flat.Threads)
        {
            float sum = bias[c];
            for (int j = first; j < width; j++)
                sum = Ptx.Fma(weight[((long)c * width) + j], x[((long)(start + position - width + 1 + j) * channels) + c], sum);
            y[((long)(start + position) * channels) + c] = sum;
        }
    }

    /// <summary>dy, dx: [tokens, channels]; weight: [channels, width]. Grid: (longest, sequences).</summary>
    public static void Gradient(
        ArrayView<float> dy, ArrayView<int> cuSeqlens, ArrayView<float> weight, ArrayView<float> dx, int channels, int width,
        int accumulate)
    {
        int position = Grid.IdxX, start = cuSeqlens[Grid.IdxY], length = cuSeqlens[Grid.IdxY + 1] - start;
        if (position >= length) return;
        int first = position + width - length;
        first = first > 0 ? first : 0;
        for (int c = Group.IdxX; c < channels; c += Flat.Threads)
        {
            long i = ((long)(start + position) * channels) + c;
            float sum = 0;
            if (accumulate != 0) sum = dx[i];
            for (int j = first; j < width; j++)
                sum = Ptx.Fma(weight[((long)c * width) + j], dy[((long)(start + position + width - 1 - j) * channels) + c], sum);
            dx[i] = sum;
        }
    }

    /// <summary>
    /// dweight[c, j] += Σ_t dy[t, c] · x[t − width + 1 + j, c]. x, dy: [tokens, channels]; dweight: [channels, width]. Grid:
    /// (channels, width); the threads of a block take every 256th token of each sequence.
    /// </summary>
    public static void WeightGradient(
        ArrayView<float> x, ArrayView<float> dy, ArrayView<int> cuSeqlens, ArrayView<float> dweight, int sequences, int channels, int width)
    {
        ArrayView<float> partial = SharedMemory.Allocate<float>(8);
        int c = Grid.IdxX, j = Grid.IdxY, back = width - 1 - j;
        float sum = 0;
        for (int sequence = 0; sequence < sequences; sequence++)
        {
            int end = cuSeqlens[sequence + 1];
            for (int t = cuSeqlens[sequence] + back + Group.IdxX; t < end; t += Flat.Threads)
                sum = Ptx.Fma(dy[((long)t * channels) + c], x[((long)(t - back) * channels) + c], sum);
        }

        sum = Warp.BlockSum(sum, partial);
        if (Group.IdxX == 0) dweight[((long)c * width) + j] += sum;
    }
}

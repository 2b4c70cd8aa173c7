using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>Batch normalisation on the GPU. Sums over rows: a block a column, its threads every 256th row, always in one order.</summary>
internal static class BatchNormKernels
{
    public static void Register(KernelList list)
    {
        list.Add("batch_statistics", Statistics, Flat.Threads);
        list.Add("batch_norm", Forward, Flat.Threads);
        list.Add("batch_norm_gradient", Gradient, Flat.Threads);
        list.Add("running_statistics", Running, Flat.Threads);
    }

    /// <summary>Mean, biased and unbiased variance. x: [rows, channels]; statistics: [3, channels]. Grid: channels.</summary>
    public static void Statistics(ArrayView<float> x, ArrayView<float> statistics, int rows, int channels)
    {
        ArrayView<float> first = SharedMemory.Allocate<float>(8), second = SharedMemory.Allocate<float>(8);
        int c = Grid.IdxX;
        float sum = 0, squares = 0;
        for (int r = Group.IdxX; r < rows; r += Flat.Threads) sum += x[((long)r * channels) + c];
        float mean = Warp.BlockSum(sum, first) / rows;
        for (int r = Group.IdxX; r < rows; r += Flat.Threads)
        {
            float centered = x[((long)r * channels) + c] - mean;
            squares = Ptx.Fma(centered, centered, squares);
        }

        squares = Warp.BlockSum(squares, second);
        if (Group.IdxX > 0) return;
        statistics[c] = mean;
        statistics[channels + c] = squares / rows;
        statistics[(2 * channels) + c] = squares / (rows - 1);
    }

    /// <summary>x, y: [rows, channels], which may be one; statistics: mean and variance, each [channels]. Grid: elements / 256.</summary>
    public static void Forward(
        ArrayView<float> x, ArrayView<float> statistics, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> y, long count,
        int channels, float epsilon)
    {
        long i = ((long)Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        int c = (int)(i % channels);
        float scale = weight[c] * GpuMath.ReciprocalSqrt(statistics[channels + c] + epsilon);
        y[i] = Ptx.Fma(x[i] - statistics[c], scale, bias[c]);
    }

    /// <summary>
    /// x, dy, dx: [rows, channels]; dx may be dy, or empty; weight: [channels]; statistics: [3, channels]; dweight, dbias: [channels], or
    /// empty. Grid: channels.
    /// </summary>
    public static void Gradient(
        ArrayView<float> x, ArrayView<float> dy, ArrayView<float> weight, ArrayView<float> statistics, ArrayView<float> dweight,
        ArrayView<float> dbias, ArrayView<float> dx, int rows, int channels, float epsilon, int accumulate)
    {
        ArrayView<float> first = SharedMemory.Allocate<float>(8), second = SharedMemory.Allocate<float>(8);
        int c = Grid.IdxX;
        float mean = statistics[c], scale = GpuMath.ReciprocalSqrt(statistics[channels + c] + epsilon), sum = 0, product = 0;
        for (int r = Group.IdxX; r < rows; r += Flat.Threads)
        {
            long i = ((long)r * channels) + c;
            sum += dy[i];
            product = Ptx.Fma(dy[i], (x[i] - mean) * scale, product);
        }

        sum = Warp.BlockSum(sum, first);
        product = Warp.BlockSum(product, second);
        if (Group.IdxX == 0 && dbias.Length > 0) dbias[c] += sum;
        if (Group.IdxX == 0 && dweight.Length > 0) dweight[c] += product;
        if (dx.Length == 0) return;
        for (int r = Group.IdxX; r < rows; r += Flat.Threads)
        {
            long i = ((long)r * channels) + c;
            float normal = (x[i] - mean) * scale, value = weight[c] * scale * (dy[i] - (sum / rows) - (normal * (product / rows)));
            if (accumulate != 0) value += dx[i];
            dx[i] = value;
        }
    }

    /// <summary>mean, variance: [channels], moved towards the first and third row of statistics. Grid: channels / 256.</summary>
    public static void Running(
        ArrayView<float> statistics, ArrayView<float> mean, ArrayView<float> variance, int channels, float momentum)
    {
        int c = (Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (c >= channels) return;
        mean[c] += momentum * (statistics[c] - mean[c]);
        variance[c] += momentum * (statistics[(2 * channels) + c] - variance[c]);
    }
}

using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>The sine with a frequency for each column on the GPU: a thread an element; for the frequencies a block a column.</summary>
internal static class SineKernels
{
    public static void Register(KernelList list)
    {
        list.Add("sine", Forward, Flat.Threads);
        list.Add("sine_gradient", Gradient, Flat.Threads);
        list.Add("sine_frequency", Frequency, Flat.Threads);
    }

    /// <summary>y = sin(frequency · x). x, y: [rows, width], which may be one; frequency: [width]. Grid: elements / 256.</summary>
    public static void Forward(ArrayView<float> x, ArrayView<float> frequency, ArrayView<float> y, long count, int width)
    {
        long i = ((long)Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        y[i] = SineFormula.Sin<GpuFloat>(frequency[(int)(i % width)] * x[i]).Value;
    }

    /// <summary>dx (+)= dy · frequency · cos(frequency · x). x, dy, dx: [rows, width]. Grid: elements / 256.</summary>
    public static void Gradient(
        ArrayView<float> x, ArrayView<float> dy, ArrayView<float> frequency, ArrayView<float> dx, long count, int width, int accumulate)
    {
        long i = ((long)Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        float a = frequency[(int)(i % width)], value = dy[i] * SineFormula.Cos<GpuFloat>(a * x[i]).Value * a;
        if (accumulate != 0) value += dx[i];
        dx[i] = value;
    }

    /// <summary>dfrequency += Σ_r dy · x · cos(frequency · x). x, dy: [rows, width]; dfrequency: [width]. Grid: width.</summary>
    public static void Frequency(
        ArrayView<float> x, ArrayView<float> dy, ArrayView<float> frequency, ArrayView<float> dfrequency, int rows, int width)
    {
        ArrayView<float> partial = SharedMemory.Allocate<float>(8);
        int c = Grid.IdxX;
        float a = frequency[c], sum = 0;
        for (int r = Group.IdxX; r < rows; r += Flat.Threads)
        {
            long i = ((long)r * width) + c;
            sum = Ptx.Fma(dy[i] * x[i], SineFormula.Cos<GpuFloat>(a * x[i]).Value, sum);
        }

        sum = Warp.BlockSum(sum, partial);
        if (Group.IdxX == 0) dfrequency[c] += sum;
    }
}

using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>Positions and decay of Hyena's implicit filter on the GPU.</summary>
internal static class HyenaFilterKernels
{
    public static void Register(KernelList list)
    {
        list.Add("filter_positions", Positions, Flat.Threads);
        list.Add("filter_decay", Decay, Flat.Threads);
    }

    /// <summary>z: [positions, 1 + 2 · bands]; a thread a position. Grid: positions / 256.</summary>
    public static void Positions(ArrayView<float> z, int positions, int bands, int longest)
    {
        int i = (Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= positions) return;
        long row = (long)i * (1 + (2 * bands));
        z[row] = i / (float)(longest - 1);
        for (int band = 0; band < bands; band++)
        {
            GpuFloat angle = HyenaFilterFormula.Angle<GpuFloat>((float)i, band, bands, longest);
            z[row + 1 + band] = SineFormula.Cos(angle).Value;
            z[row + 1 + bands + band] = -SineFormula.Sin(angle).Value;
        }
    }

    /// <summary>x, y: [positions, channels], which may be one; a thread an element. Grid: elements / 256.</summary>
    public static void Decay(ArrayView<float> x, ArrayView<float> y, long count, int channels, float step, int longest, int accumulate)
    {
        long i = ((long)Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        long position = i / channels;
        float delta = Ptx.Fma((float)(i - (position * channels)), step, HyenaFilterFormula.Slowest), t = position / (float)(longest - 1);
        float value = x[i] * HyenaFilterFormula.Decay<GpuFloat>(t, delta).Value;
        if (accumulate != 0) value += y[i];
        y[i] = value;
    }
}

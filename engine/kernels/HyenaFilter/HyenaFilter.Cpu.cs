namespace Engine.Kernels;

/// <summary>Writes a share of the positions; see <see cref="FilterPositions"/>.</summary>
internal readonly unsafe struct FilterPositionsJob(float* z, int positions, int bands, int longest) : IJob
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(positions, 1, worker, workers);
        for (int i = start; i < end; i++)
        {
            float* row = z + ((long)i * (1 + (2 * bands)));
            row[0] = i / (float)(longest - 1);
            for (int band = 0; band < bands; band++)
            {
                SimdScalar angle = HyenaFilterFormula.Angle<SimdScalar>(i, band, bands, longest);
                row[1 + band] = SineFormula.Cos(angle).Value;
                row[1 + bands + band] = -SineFormula.Sin(angle).Value;
            }
        }
    }
}

/// <summary>The decay of a share of the positions; see <see cref="ApplyFilterDecay"/>.</summary>
internal readonly unsafe struct FilterDecayJob<T>(float* x, float* y, int positions, int channels, int longest, bool accumulate) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(positions, 1, worker, workers);
        int vectors = channels - (channels % T.Lanes);
        for (int i = start; i < end; i++)
        {
            Channels<T>(i, 0, vectors);
            Channels<SimdScalar>(i, vectors, channels);
        }
    }

    private void Channels<TR>(int position, int start, int end)
        where TR : unmanaged, ISimd<TR>
    {
        TR t = position / (float)(longest - 1), step = HyenaFilterFormula.DecayStep(channels), slowest = HyenaFilterFormula.Slowest;
        long row = (long)position * channels;
        for (int c = start; c < end; c += TR.Lanes)
        {
            TR delta = TR.MultiplyAdd(TR.LaneIndices + c, step, slowest);
            TR value = TR.Load(x + row + c) * HyenaFilterFormula.Decay(t, delta);
            TR.Store(y + row + c, accumulate ? TR.Load(y + row + c) + value : value);
        }
    }
}

namespace Dnabert2.Hyena;

/// <summary>
/// What published files store in each layer besides parameters, by its formulas in float64: the positions and the decays of the filter.
/// </summary>
/// <param name="config">The hyper-parameters.</param>
internal sealed class HyenaBuffers(HyenaConfig config)
{
    private float[]? _positions, _times, _decays;

    /// <summary>z: [longest, emb].</summary>
    public float[] Positions => _positions ??= MakePositions();

    /// <summary>t: [longest].</summary>
    public float[] Times => _times ??= [.. Enumerable.Range(0, config.MaxSeqLen).Select(i => (float)Time(i))];

    /// <summary>δ: [d].</summary>
    public float[] Decays => _decays ??= [.. Enumerable.Range(0, config.DModel).Select(Decay)];

    private double Time(int position) => position / (double)(config.MaxSeqLen - 1);

    private float Decay(int channel)
    {
        double slowest = Math.Log(0.01) / 1.5, fastest = Math.Log(0.01) / 0.3;
        return (float)(config.DModel == 1 ? slowest : slowest + ((fastest - slowest) * channel / (config.DModel - 1)));
    }

    private float[] MakePositions()
    {
        int width = config.EmbDim, bands = width / 2;
        var z = new float[(long)config.MaxSeqLen * width];
        for (int i = 0; i < config.MaxSeqLen; i++)
        {
            long row = (long)i * width;
            z[row] = (float)Time(i);
            for (int band = 0; band < bands; band++)
            {
                double frequency = bands == 1 ? 1e-4 : 1e-4 + (band * (bands - 1 - 1e-4) / (bands - 1));
                (double sin, double cos) = Math.SinCos(2 * Math.PI * i / config.MaxSeqLen * frequency);
                z[row + 1 + band] = (float)cos;
                z[row + 1 + bands + band] = (float)-sin;
            }
        }

        return z;
    }
}

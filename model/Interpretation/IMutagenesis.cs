namespace Dnabert2.Interpretation;

/// <summary>
/// All substitutions in one window, on one strand: first the forward passes they need, then, when these are run, the effects.
/// </summary>
internal interface IMutagenesis
{
    /// <summary>The number of passes, known once it is prepared.</summary>
    int Passes { get; }

    /// <summary>Finds what is to be run.</summary>
    /// <param name="bases">The bases of the window; kept.</param>
    /// <param name="from">The first base to substitute.</param>
    /// <param name="to">One past the last one.</param>
    /// <param name="cancellation">Ends it between two bases.</param>
    /// <returns>How many bases of the window the model sees; those past them are not substituted.</returns>
    int Prepare(byte[] bases, int from, int to, CancellationToken cancellation);

    /// <summary>A pass, and its tokens without special ones around them.</summary>
    ForwardPass Pass(int index, List<int> tokens);

    /// <summary>
    /// The probability of each class for the bases as they stand, when all passes are run; empty where there are no classes.
    /// </summary>
    double[] Probabilities();

    /// <summary>The effects, when all passes are run.</summary>
    /// <param name="label">The class they are on, where there are classes.</param>
    StrandEffects Finish(int label);
}

/// <summary>The effects of substitutions on one strand.</summary>
/// <param name="Effects">[bases, 4], as in <see cref="SubstitutionEffects"/>.</param>
/// <param name="LogitEffects">[bases, 4]; empty where there is no class.</param>
internal readonly record struct StrandEffects(float[] Effects, float[] LogitEffects)
{
    /// <summary>
    /// The averages with the effects on the other strand, where the last base comes first, and T, G, C, A are put for A, C, G, T.
    /// </summary>
    public StrandEffects AverageWith(in StrandEffects other)
    {
        Average(Effects, other.Effects);
        Average(LogitEffects, other.LogitEffects);
        return this;
    }

    private static void Average(float[] effects, float[] other)
    {
        for (int i = 0; i < effects.Length; i++) effects[i] = (effects[i] + other[^(i + 1)]) / 2;
    }
}

/// <summary>The substitutions of a range of bases, in the order in which their effects are stored.</summary>
internal static class Substitutions
{
    /// <summary>The bases that are put in place of others.</summary>
    public static ReadOnlySpan<byte> Bases => "ACGT"u8;

    /// <summary>Effects before they are known: NaN at N, 0 elsewhere.</summary>
    public static float[] Empty(ReadOnlySpan<byte> bases)
    {
        float[] effects = new float[4 * bases.Length];
        for (int i = 0; i < bases.Length; i++)
            if (!IsKnown(bases[i])) effects.AsSpan(4 * i, 4).Fill(float.NaN);
        return effects;
    }

    /// <summary>Whether the base may be substituted.</summary>
    public static bool IsKnown(byte b) => Bases.Contains(b);
}

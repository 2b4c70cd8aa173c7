using Dnabert2.Sequences;

namespace Dnabert2.Interpretation;

/// <summary>All substitutions in one window: first the forward passes they need, then, when these are run, the effects.</summary>
internal interface IMutagenesis
{
    /// <summary>The number of passes, known once it is prepared.</summary>
    int Passes { get; }

    /// <summary>Finds what is to be run.</summary>
    /// <param name="bases">The bases of the window; kept.</param>
    /// <param name="from">The first base to substitute.</param>
    /// <param name="to">One past the last one.</param>
    /// <param name="cancellation">Ends it between two bases.</param>
    void Prepare(byte[] bases, int from, int to, CancellationToken cancellation);

    /// <summary>A pass, and its tokens without [CLS] and [SEP].</summary>
    ForwardPass Pass(int index, List<int> tokens);

    /// <summary>The effects, when all passes are run.</summary>
    SubstitutionEffects Finish(SequenceRecord record, AttributionWindow window);
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

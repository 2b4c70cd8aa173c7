using System.Runtime.InteropServices;
using Dnabert2.Tokenizers;

namespace Dnabert2.Interpretation;

/// <summary>The tokens of bases, and the first base of each.</summary>
/// <param name="Ids">The tokens, special ones not counted.</param>
/// <param name="Starts">The first base of each.</param>
/// <param name="Bases">How many bases they are of.</param>
internal readonly record struct EncodedBases(List<int> Ids, List<int> Starts, int Bases)
{
    public ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(Ids);

    public static EncodedBases Of(ReadOnlySpan<byte> bases, ISequenceTokenizer tokenizer)
    {
        var encoded = new EncodedBases([], [], bases.Length);
        tokenizer.EncodeSequence(bases, encoded.Ids, encoded.Starts);
        return encoded;
    }

    /// <summary>The first tokens, at most so many.</summary>
    public EncodedBases Beginning(int most, int overlap) =>
        Ids.Count <= most ? this : new(Ids[..most], Starts[..most], SeenBases.Of(Bases, Starts, most, overlap));

    /// <summary>
    /// The bases that some tokens in a row stand for; where tokens overlap, one for each of them, since each says one more.
    /// </summary>
    /// <param name="first">The first of them.</param>
    /// <param name="count">How many.</param>
    /// <param name="overlap">The bases that a token shares with the one before it.</param>
    public int BasesOf(int first, int count, int overlap)
    {
        if (count == 0) return 0;
        return (first + count < Starts.Count ? Starts[first + count] : Bases - overlap) - Starts[first];
    }
}

/// <summary>The window with one allele, as the model sees it on either strand.</summary>
internal sealed class AlleleTokens
{
    private readonly byte[] _bases;

    /// <summary>Encodes a window.</summary>
    /// <param name="bases">Its bases; kept.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="room">The most tokens of a sequence that is seen whole, special ones not counted.</param>
    /// <param name="bothStrands">Whether the other strand is wanted.</param>
    public AlleleTokens(byte[] bases, ISequenceTokenizer tokenizer, int room, bool bothStrands)
    {
        _bases = bases;
        Forward = EncodedBases.Of(bases, tokenizer);
        Seen = Forward.Beginning(room, tokenizer.Overlap);
        if (!bothStrands) return;
        Turned = EncodedBases.Of(ReverseComplement.Of(bases), tokenizer);
        // The other strand is of the same bases: it is cut where this one is, and not again.
        TurnedSeen = Seen.Bases == bases.Length ? Turned
            : EncodedBases.Of(ReverseComplement.Of(bases.AsSpan(0, Seen.Bases)), tokenizer);
    }

    /// <summary>The bases as they stand.</summary>
    public EncodedBases Forward { get; }

    /// <summary>What is seen of them, where the model takes no more tokens.</summary>
    public EncodedBases Seen { get; }

    /// <summary>The reverse complement, if wanted.</summary>
    public EncodedBases Turned { get; }

    /// <summary>The reverse complement of what is seen, if wanted.</summary>
    public EncodedBases TurnedSeen { get; }

    /// <summary>Whether it is of these bases.</summary>
    public bool IsOf(ReadOnlySpan<byte> bases) => bases.SequenceEqual(_bases);
}

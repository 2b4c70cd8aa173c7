using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Dnabert2.Tokenizers;

/// <summary>
/// The tokenizer of HyenaDNA (<c>tokenization_hyena.py</c> of the published models): one token a letter, and <c>[SEP]</c> at the end.
/// Immutable; any number of threads may use one.
/// </summary>
/// <remarks>
/// Ids: [CLS] [SEP] [BOS] [MASK] [PAD] [RESERVED] [UNK] = 0 to 6, A C G T N = 7 to 11. Any other letter, in lower case too, is [UNK].
/// </remarks>
/// <param name="maxTokens">Tokens that a sequence is truncated to, [SEP] included, from 1.</param>
[SuppressMessage("Performance", "CA1822:Mark members as static", Justification = "a tokenizer is used as an instance")]
public sealed class HyenaTokenizer(int maxTokens = int.MaxValue)
{
    private static readonly string[] AllTokens =
        ["[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", "[RESERVED]", "[UNK]", "A", "C", "G", "T", "N"];

    /// <summary>The id of [CLS], which is not added.</summary>
    public const int ClsId = 0;

    /// <summary>The id of [SEP].</summary>
    public const int SepId = 1;

    /// <summary>The id of [MASK].</summary>
    public const int MaskId = 3;

    /// <summary>The id of [PAD].</summary>
    public const int PadId = 4;

    /// <summary>The id of [UNK].</summary>
    public const int UnknownId = 6;

    /// <summary>Tokens that a sequence is truncated to, [SEP] included.</summary>
    public int MaxTokens { get; } = maxTokens >= 1
        ? maxTokens : throw new ArgumentOutOfRangeException(nameof(maxTokens), maxTokens, "there is at least [SEP]");

    /// <summary>The number of ids.</summary>
    public int VocabularySize => AllTokens.Length;

    /// <summary>The token with an id.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public string Token(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, VocabularySize);
        return AllTokens[id];
    }

    /// <summary>Encodes a sequence, without [SEP] and not truncated.</summary>
    /// <param name="sequence">ASCII, <c>[n]</c>; bases in upper case.</param>
    /// <param name="ids">Receives a token id for each letter, after what it holds.</param>
    public void EncodeSequence(ReadOnlySpan<byte> sequence, List<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        foreach (byte letter in sequence) ids.Add(IdOf(letter));
    }

    /// <summary>Encodes a sequence: its letters, of which as many are left out at the end as there are too many, and [SEP].</summary>
    public int[] Encode(string sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        List<int> ids = [];
        Add(sequence, ids);
        if (ids.Count >= MaxTokens) ids.RemoveRange(MaxTokens - 1, ids.Count - MaxTokens + 1);
        ids.Add(SepId);
        return [.. ids];
    }

    /// <summary>Encodes a pair of sequences, each with [SEP] at its end.</summary>
    /// <exception cref="ArgumentException">They have more tokens than <see cref="MaxTokens"/>; a pair is not truncated.</exception>
    public int[] Encode(string first, string second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        List<int> ids = [];
        Add(first, ids);
        ids.Add(SepId);
        Add(second, ids);
        ids.Add(SepId);
        return ids.Count <= MaxTokens
            ? [.. ids] : throw new ArgumentException($"the pair has {ids.Count} tokens, more than {MaxTokens}; a pair is not truncated");
    }

    private static void Add(string sequence, List<int> ids)
    {
        foreach (Rune letter in sequence.EnumerateRunes()) ids.Add(letter.IsAscii ? IdOf((byte)letter.Value) : UnknownId);
    }

    private static int IdOf(byte letter) => letter switch
    {
        (byte)'A' => 7,
        (byte)'C' => 8,
        (byte)'G' => 9,
        (byte)'T' => 10,
        (byte)'N' => 11,
        _ => UnknownId,
    };
}

using System.Runtime.InteropServices;
using System.Text;

namespace Dnabert2.Tokenizers;

/// <summary>
/// The k-mer tokenizers DNABERT-2 is compared with: overlapping, one k-mer at each base (DNABERT), or one after the other (Nucleotide
/// Transformer). Immutable; any number of threads may use one.
/// </summary>
/// <remarks>
/// Ids: [UNK] [CLS] [SEP] [PAD] [MASK] = 0 to 4, as in DNABERT-2, then the 4^k k-mers in alphabetical order, AAA… = 5. A k-mer with
/// any character other than A, C, G, T in it is [UNK]. A remainder shorter than k — at the end, where they do not overlap, or a whole
/// sequence — is one [UNK].
/// </remarks>
public sealed class KmerTokenizer
{
    private const int FirstKmer = 5;
    private const string Bases = "ACGT";
    private static readonly string[] SpecialTokens = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"];

    /// <summary>A tokenizer for k-mers of one length.</summary>
    /// <param name="k">The length, 3 to 6.</param>
    /// <param name="overlapping">Whether a k-mer begins at each base; else at each k-th.</param>
    public KmerTokenizer(int k, bool overlapping)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 3);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(k, 6);
        K = k;
        Overlapping = overlapping;
    }

    /// <summary>The length of a k-mer.</summary>
    public int K { get; }

    /// <summary>Whether a k-mer begins at each base; else at each k-th.</summary>
    public bool Overlapping { get; }

    /// <summary>The number of ids: 5 + 4^k.</summary>
    public int VocabularySize => FirstKmer + (1 << 2 * K);

    /// <summary>The id of [UNK].</summary>
    public const int UnknownId = 0;

    /// <summary>The id of [CLS].</summary>
    public const int ClsId = 1;

    /// <summary>The id of [SEP].</summary>
    public const int SepId = 2;

    /// <summary>The id of [PAD].</summary>
    public const int PadId = 3;

    /// <summary>The id of [MASK].</summary>
    public const int MaskId = 4;

    /// <summary>Encodes a sequence, without special tokens around it.</summary>
    /// <param name="sequence">ASCII, <c>[n]</c>; bases in upper case.</param>
    /// <param name="ids">Receives the token ids, after what it holds.</param>
    /// <param name="starts">Receives for each token the index of its first base; may be null.</param>
    public void EncodeSequence(ReadOnlySpan<byte> sequence, List<int> ids, List<int>? starts = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        if (sequence.IsEmpty) return;
        int stride = Overlapping ? 1 : K;
        int whole = sequence.Length < K ? 0 : (sequence.Length - K) / stride + 1;
        bool remainder = whole == 0 || (!Overlapping && sequence.Length % K != 0);
        int first = ids.Count;
        CollectionsMarshal.SetCount(ids, first + whole + (remainder ? 1 : 0));
        Span<int> output = CollectionsMarshal.AsSpan(ids)[first..];
        EncodeWhole(sequence[..(whole == 0 ? 0 : (whole - 1) * stride + K)], output, stride);
        if (remainder) output[^1] = UnknownId;
        if (starts is null) return;
        for (int i = 0; i < output.Length; i++) starts.Add(i * stride);
    }

    /// <summary>The token with an id.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public string Token(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, VocabularySize);
        return id < FirstKmer ? SpecialTokens[id] : string.Create(K, id - FirstKmer, static (text, code) =>
        {
            for (int i = text.Length - 1; i >= 0; i--, code >>= 2) text[i] = Bases[code & 3];
        });
    }

    /// <summary>The id of a token.</summary>
    /// <exception cref="ArgumentException">It is neither a k-mer of this length nor a special token.</exception>
    public int Id(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        int special = Array.IndexOf(SpecialTokens, token);
        if (special >= 0) return special;
        int code = 0;
        foreach (char c in token)
        {
            int digit = Bases.IndexOf(c, StringComparison.Ordinal);
            if (digit < 0 || token.Length != K)
                throw new ArgumentException($"\"{token}\" is neither a {K}-mer nor a special token", nameof(token));
            code = code << 2 | digit;
        }
        return token.Length == K ? FirstKmer + code : throw new ArgumentException("an empty token", nameof(token));
    }

    /// <summary>
    /// The sequence the k-mers spell. A base that no known k-mer covers is N, so [UNK] in place of a remainder counts as a whole
    /// k-mer; other special tokens are left out.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> ids)
    {
        var text = new StringBuilder();
        int stride = Overlapping ? 1 : K, position = 0;
        foreach (int id in ids)
        {
            string token = Token(id);
            if (id != UnknownId && id < FirstKmer) continue;
            text.Append('N', position + K - text.Length);
            if (id != UnknownId)
                for (int i = 0; i < K; i++) text[position + i] = token[i];
            position += stride;
        }
        return text.ToString();
    }

    private void EncodeWhole(ReadOnlySpan<byte> sequence, Span<int> output, int stride)
    {
        int mask = (1 << 2 * K) - 1;
        int code = 0, known = 0, next = K - 1, written = 0;
        for (int i = 0; i < sequence.Length; i++)
        {
            int digit = sequence[i] switch { (byte)'A' => 0, (byte)'C' => 1, (byte)'G' => 2, (byte)'T' => 3, _ => -1 };
            known = digit < 0 ? 0 : known + 1;
            code = (code << 2 | digit & 3) & mask;
            if (i != next) continue;
            output[written++] = known >= K ? FirstKmer + code : UnknownId;
            next += stride;
        }
    }
}

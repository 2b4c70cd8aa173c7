using System.Runtime.InteropServices;
using Dnabert2.Files;

namespace Dnabert2.Tokenizers;

/// <summary>
/// The tokenizer of DNABERT (Ji et al., doi 10.1093/bioinformatics/btab083): overlapping k-mers, one at each base. Immutable; any number
/// of threads may use one.
/// </summary>
/// <remarks>
/// A k-mer with any character other than A, C, G, T in it is [UNK], so one N costs k of them. A sequence shorter than k has no token.
/// </remarks>
public sealed class DnabertTokenizer : ISequenceTokenizer
{
    private const int Pad = 0, Unknown = 1, Cls = 2, Sep = 3, Mask = 4;
    private static readonly string[] SpecialTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    private readonly KmerVocabulary _vocabulary;

    private DnabertTokenizer(KmerVocabulary vocabulary) => _vocabulary = vocabulary;

    /// <summary>The tokenizer for k-mers of one length, whose vocabulary is that of the published models.</summary>
    /// <param name="k">The length, from 1 to 8.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is another one.</exception>
    public DnabertTokenizer(int k)
        : this(KmerVocabulary.Of(SpecialTokens, k, []))
    {
    }

    /// <summary>The length of a k-mer.</summary>
    public int K => _vocabulary.K;

    /// <inheritdoc/>
    public int VocabularySize => _vocabulary.Size;

    /// <inheritdoc/>
    public int? UnknownId => Unknown;

    /// <inheritdoc/>
    public int? ClsId => Cls;

    /// <inheritdoc/>
    public int? SepId => Sep;

    /// <inheritdoc/>
    public int? PadId => Pad;

    /// <inheritdoc/>
    public int? MaskId => Mask;

    /// <summary>Reads a <c>vocab.txt</c>.</summary>
    /// <exception cref="InvalidDataException">It is no vocabulary of DNABERT; the message names file and line.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static DnabertTokenizer Load(string path) => Parse(RegularFile.Read(path, KmerVocabulary.MaxBytes), path);

    /// <summary>Reads the content of a <c>vocab.txt</c>.</summary>
    /// <param name="content">The content.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="InvalidDataException">It is no vocabulary of DNABERT; the message names file and line.</exception>
    public static DnabertTokenizer Parse(ReadOnlySpan<byte> content, string name) =>
        new(KmerVocabulary.Read(content, name, SpecialTokens, [], "DNABERT"));

    /// <inheritdoc/>
    public void EncodeSequence(ReadOnlySpan<byte> sequence, List<int> ids, List<int>? starts = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        int k = K, count = sequence.Length - k + 1, mask = (1 << (2 * k)) - 1, code = 0, known = 0, first = ids.Count;
        if (count <= 0) return;
        CollectionsMarshal.SetCount(ids, first + count);
        Span<int> output = CollectionsMarshal.AsSpan(ids)[first..];
        for (int i = 0; i < sequence.Length; i++)
        {
            int digit = KmerVocabulary.Digit(sequence[i]);
            known = digit < 0 ? 0 : known + 1;
            code = ((code << 2) | (digit & 3)) & mask;
            if (i >= k - 1) output[i - k + 1] = known >= k ? _vocabulary.FirstKmer + code : Unknown;
        }

        if (starts is null) return;
        for (int i = 0; i < count; i++) starts.Add(i);
    }

    /// <summary><c>[CLS] … [SEP]</c>, and of a pair <c>[CLS] … [SEP] … [SEP]</c>.</summary>
    /// <inheritdoc/>
    public SpecialTokenFrame Frame(bool pair) => new(new[] { Cls }, pair ? new[] { Sep } : default(ReadOnlyMemory<int>), new[] { Sep });

    /// <inheritdoc/>
    public string Token(int id) => _vocabulary.Token(id);

    /// <inheritdoc/>
    public void Save(Stream stream) => _vocabulary.Save(stream);
}

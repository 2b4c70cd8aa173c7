using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using Dnabert2.Files;

namespace Dnabert2.Tokenizers;

/// <summary>
/// The tokenizer of DNABERT (Ji et al., doi 10.1093/bioinformatics/btab083): overlapping k-mers, one at each base. Immutable; any number
/// of threads may use one.
/// </summary>
/// <remarks>
/// A k-mer with any character other than A, C, G, T in it is [UNK], so one N costs k of them. A sequence shorter than k has no token. The
/// text of k-mers with a space between them is what BERT's own tokenizer reads, so one with white space or punctuation in it is several
/// [UNK], or a special token that is written out.
/// </remarks>
public sealed class DnabertTokenizer : ISequenceTokenizer
{
    private const string Kind = "DNABERT";
    private const int Pad = 0, Unknown = 1, Cls = 2, Sep = 3, Mask = 4;
    private static readonly string[] SpecialTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    private static readonly SearchValues<byte> Breaking = SearchValues.Create(
        " \t\n\v\f\r!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"u8);

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
    public static DnabertTokenizer Load(string path) => Load((StoredFile)path);

    internal static DnabertTokenizer Load(StoredFile file) => Parse(KmerVocabulary.Read(file).Span, file.Path);

    /// <summary>Reads the content of a <c>vocab.txt</c>.</summary>
    /// <param name="content">The content.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="InvalidDataException">It is no vocabulary of DNABERT; the message names file and line.</exception>
    public static DnabertTokenizer Parse(ReadOnlySpan<byte> content, string name) =>
        new(KmerVocabulary.Parse(content, name, SpecialTokens, [], Kind));

    /// <inheritdoc/>
    public void EncodeSequence(ReadOnlySpan<byte> sequence, List<int> ids, List<int>? starts = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        int k = K, count = sequence.Length - k + 1, mask = (1 << (2 * k)) - 1, code = 0, known = 0, first = ids.Count;
        if (count <= 0) return;
        if (sequence.ContainsAny(Breaking))
        {
            for (int i = 0; i < count; i++) EncodeKmer(sequence.Slice(i, k), i, ids, starts);
            return;
        }

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

    /// <summary>A k-mer as BERT reads it: words between white space, each punctuation mark for itself, special tokens whole.</summary>
    private void EncodeKmer(ReadOnlySpan<byte> kmer, int start, List<int> ids, List<int>? starts)
    {
        int code = 0;
        bool inWord = false;
        for (int i = 0; i < kmer.Length;)
        {
            int digit = KmerVocabulary.Digit(kmer[i]), special = SpecialAt(kmer[i..]), length = 1;
            code = digit < 0 || code < 0 ? -1 : (code << 2) | digit;
            bool breaks = Breaking.Contains(kmer[i]), isSpace = kmer[i] is (byte)' ' or (>= 9 and <= 13);
            if (special >= 0) length = SpecialTokens[special].Length;
            if (special >= 0 || (breaks && !isSpace) || (!breaks && !inWord))
            {
                ids.Add(special >= 0 ? special : Unknown);
                starts?.Add(start + i);
            }

            inWord = !breaks;
            i += length;
        }

        if (code >= 0) ids[^1] = _vocabulary.FirstKmer + code;
    }

    private static int SpecialAt(ReadOnlySpan<byte> text)
    {
        for (int id = 0; id < SpecialTokens.Length; id++)
            if (text.Length >= SpecialTokens[id].Length && Ascii.Equals(text[..SpecialTokens[id].Length], SpecialTokens[id])) return id;
        return -1;
    }

    /// <summary><c>[CLS] … [SEP]</c>, and of a pair <c>[CLS] … [SEP] … [SEP]</c>.</summary>
    /// <inheritdoc/>
    public SpecialTokenFrame Frame(bool pair) => new(new[] { Cls }, pair ? new[] { Sep } : default(ReadOnlyMemory<int>), new[] { Sep });

    /// <inheritdoc/>
    public string Token(int id) => _vocabulary.Token(id);

    /// <summary>All but one of a k-mer's letters.</summary>
    public int Overlap => K - 1;

    /// <inheritdoc/>
    public bool IsSpecial(int id) => id >= 0 && id < _vocabulary.FirstKmer;

    /// <inheritdoc/>
    public int LengthOf(int id) => id == Unknown || id >= _vocabulary.FirstKmer ? K : Token(id).Length;

    /// <inheritdoc/>
    public int? BasesThatDecide(int tokens) => tokens <= Array.MaxLength - K ? tokens + K : null;

    /// <inheritdoc/>
    public int? BasesThatFit(int tokens) => tokens <= 0 ? 0 : (int)Math.Min(int.MaxValue, (long)tokens + Overlap);

    /// <inheritdoc/>
    public void Save(Stream stream) => _vocabulary.Save(stream);
}

using Dnabert2.Files;

namespace Dnabert2.Tokenizers;

/// <summary>
/// The tokenizer of the Nucleotide Transformer (Dalla-Torre et al., doi 10.1038/s41592-024-02523-z): k-mers one after the other, of six
/// letters in the published models. The versions differ in the order of the vocabulary. Immutable; any number of threads may use one.
/// </summary>
/// <remarks>
/// Read from the left, a token is a k-mer where k bases follow, and else a single base, as at the end. N is a token of its own; white space
/// vanishes; a run of anything else is one <c>&lt;unk&gt;</c>. After each of these the next k-mer begins. Special tokens that are written
/// out, such as <c>&lt;mask&gt;</c>, are what they say. There is no token at the end: Hugging Face's classes are given padding for it by
/// some programs, which the model does not see.
/// </remarks>
public sealed class NucleotideTransformerTokenizer : ISequenceTokenizer
{
    private const string Kind = "the Nucleotide Transformer";
    private const int Unknown = 0, Pad = 1, Mask = 2, Cls = 3;
    private static readonly string[] Special = ["<unk>", "<pad>", "<mask>", "<cls>"], Ends = ["<eos>", "<bos>"],
        Singles = ["A", "T", "C", "G", "N"];

    // What stands before the k-mers and behind them, in version 1 and in version 2.
    private static readonly (string[] Before, string[] After)[] Orders =
        [(Special, [.. Singles, .. Ends]), ([.. Special, .. Ends], Singles)];
    private readonly KmerVocabulary _vocabulary;

    private NucleotideTransformerTokenizer(KmerVocabulary vocabulary, int version) => (_vocabulary, Version) = (vocabulary, version);

    /// <summary>The tokenizer for k-mers of one length, whose vocabulary is that of the published models.</summary>
    /// <param name="k">The length, from 1 to 8; 6 in the published models.</param>
    /// <param name="version">The version of the models, 1 or 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is another one.</exception>
    public NucleotideTransformerTokenizer(int k = 6, int version = 1)
        : this(KmerVocabulary.Of(OrderOf(version).Before, k, OrderOf(version).After), version)
    {
    }

    /// <summary>The version of the models whose order the vocabulary has: in that of 2 all special tokens come first.</summary>
    public int Version { get; }

    /// <summary>The length of a k-mer.</summary>
    public int K => _vocabulary.K;

    /// <inheritdoc/>
    public int VocabularySize => _vocabulary.Size;

    /// <summary>
    /// The ids that a model has rows for: in version 1 without <c>&lt;eos&gt;</c> and <c>&lt;bos&gt;</c>, which are the last ones.
    /// </summary>
    public int SequenceIds => Version == 1 ? VocabularySize - Ends.Length : VocabularySize;

    /// <inheritdoc/>
    public int? UnknownId => Unknown;

    /// <inheritdoc/>
    public int? ClsId => Cls;

    /// <inheritdoc/>
    public int? SepId => null;

    /// <inheritdoc/>
    public int? PadId => Pad;

    /// <inheritdoc/>
    public int? MaskId => Mask;

    /// <summary>Reads a <c>vocab.txt</c>.</summary>
    /// <exception cref="InvalidDataException">
    /// It is no vocabulary of the Nucleotide Transformer; the message names file and line.
    /// </exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static NucleotideTransformerTokenizer Load(string path) => Load((StoredFile)path);

    internal static NucleotideTransformerTokenizer Load(StoredFile file) => Parse(KmerVocabulary.Read(file).Span, file.Path);

    /// <summary>Reads the content of a <c>vocab.txt</c>.</summary>
    /// <param name="content">The content.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="InvalidDataException">
    /// It is no vocabulary of the Nucleotide Transformer; the message names file and line.
    /// </exception>
    public static NucleotideTransformerTokenizer Parse(ReadOnlySpan<byte> content, string name)
    {
        int end = content.IndexOf("<eos>"u8), version = end >= 0 && end < content.IndexOf("\nA"u8) ? 2 : 1;
        return new(KmerVocabulary.Parse(content, name, OrderOf(version).Before, OrderOf(version).After, Kind), version);
    }

    /// <inheritdoc/>
    public void EncodeSequence(ReadOnlySpan<byte> sequence, List<int> ids, List<int>? starts = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        bool unknown = false;
        for (int at = 0; at < sequence.Length;)
        {
            (int id, int length) = Next(sequence[at..]);
            bool goesOn = unknown && id == Unknown && length == 1;
            unknown = id == Unknown && length == 1;
            if (id >= 0 && !goesOn)
            {
                ids.Add(id);
                starts?.Add(at);
            }

            at += length;
        }
    }

    /// <summary><c>&lt;cls&gt; …</c>; nothing is between the sequences of a pair, and nothing at the end.</summary>
    /// <inheritdoc/>
    public SpecialTokenFrame Frame(bool pair) => new(new[] { Cls }, default, default);

    /// <inheritdoc/>
    public string Token(int id) => _vocabulary.Token(id);

    /// <summary>0: tokens lie one after the other.</summary>
    public int Overlap => 0;

    /// <inheritdoc/>
    public bool IsSpecial(int id) => (id >= 0 && id < _vocabulary.FirstKmer) || (id >= SequenceIds && id < VocabularySize);

    /// <inheritdoc/>
    public int LengthOf(int id) => id == Unknown ? 1 : Token(id).Length;

    /// <inheritdoc/>
    public int? BasesThatDecide(int tokens) => (tokens + 1L) * K is <= int.MaxValue and long bases ? (int)bases : null;

    /// <inheritdoc/>
    public int? BasesThatFit(int tokens)
    {
        // What is left of whole k-mers takes a token a base, at the worst k − 1 of them; one base more and it is a k-mer.
        long bases = Math.Max(tokens, (K * (tokens - K + 3L)) - 2);
        return (int)Math.Clamp(bases, 0, int.MaxValue);
    }

    /// <inheritdoc/>
    public void Save(Stream stream) => _vocabulary.Save(stream);

    private static (string[] Before, string[] After) OrderOf(int version)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(version, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(version, Orders.Length);
        return Orders[version - 1];
    }

    /// <summary>The token that a text begins with, −1 for white space, and its length; an unknown character has the length 1.</summary>
    private (int Id, int Length) Next(ReadOnlySpan<byte> text)
    {
        int code = 0, known = 0, k = K;
        while (known < k && known < text.Length && KmerVocabulary.Digit(text[known]) is >= 0 and int digit)
        {
            code = (code << 2) | digit;
            known++;
        }

        if (known == k) return (_vocabulary.FirstKmer + code, k);
        int single = _vocabulary.FirstAfter;
        if (known > 0) return (single + KmerVocabulary.Digit(text[0]), 1);
        return text[0] switch
        {
            (byte)'N' => (single + Singles.Length - 1, 1),
            (byte)' ' or (>= 9 and <= 13) => (-1, 1),
            (byte)'<' => SpecialOf(text),
            _ => (Unknown, 1),
        };
    }

    private (int Id, int Length) SpecialOf(ReadOnlySpan<byte> text)
    {
        for (int id = 0; id < Special.Length + Ends.Length; id++)
        {
            int at = id < _vocabulary.FirstKmer ? id : SequenceIds + id - _vocabulary.FirstKmer;
            string token = Token(at);
            if (text.Length >= token.Length && System.Text.Ascii.Equals(text[..token.Length], token)) return (at, token.Length);
        }

        return (Unknown, 1);
    }
}

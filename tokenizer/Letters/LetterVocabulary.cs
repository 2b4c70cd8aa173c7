using System.Text;
using System.Text.Unicode;
using Dnabert2.Files;

namespace Dnabert2.Tokenizers;

/// <summary>
/// The tokenizer of the convolutional network of Genomic Benchmarks: one token a letter between <c>&lt;bos&gt;</c> and
/// <c>&lt;eos&gt;</c>, the vocabulary being what the training set holds. Immutable; any number of threads may use one.
/// </summary>
/// <remarks>
/// Ids: <c>&lt;unk&gt;</c> = 0, then the tokens in the order in which they first appear in the training set, <c>&lt;bos&gt;</c> = 1 and
/// <c>&lt;eos&gt;</c> behind the letters of the first sequence; <c>&lt;pad&gt;</c> is the last, and only there if sequences differ in
/// length. In a file, <c>vocab.txt</c>, there is a token a line, in the order of the ids.
/// </remarks>
public sealed class LetterVocabulary : ISequenceTokenizer
{
    private const string UnknownToken = "<unk>", Begin = "<bos>", End = "<eos>", Padding = "<pad>";
    private const string Remedy = "take the vocab.txt of the model's own folder";
    private const int Unknown = 0, MostBytes = 1 << 20;
    private readonly List<string> _tokens = [UnknownToken];
    private readonly Dictionary<Rune, int> _letters = [];
    private readonly int[] _ascii = new int[128];
    private int _begin, _end;

    private LetterVocabulary()
    {
    }

    /// <summary>The vocabulary of a training set.</summary>
    /// <param name="sequences">Its sequences, in its order.</param>
    /// <exception cref="ArgumentException">There is no sequence, or a control character in one.</exception>
    public static LetterVocabulary FromSequences(IEnumerable<string> sequences)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        var made = new LetterVocabulary();
        int longest = -1, shortest = int.MaxValue;
        foreach (string sequence in sequences)
        {
            if (made._begin == 0) made._begin = made.Add(Begin);
            int length = 0;
            foreach (Rune letter in sequence.EnumerateRunes())
            {
                if (!made._letters.ContainsKey(letter)) made.AddLetter(letter);
                length++;
            }

            if (made._end == 0) made._end = made.Add(End);
            (longest, shortest) = (Math.Max(longest, length), Math.Min(shortest, length));
        }

        if (longest < 0) throw new ArgumentException("there is no sequence to take a vocabulary from", nameof(sequences));
        bool differ = shortest < longest;
        if (differ) made.PadId = made.Add(Padding);
        made.InputLength = longest + (differ ? 3 : 2);
        return made;
    }

    /// <summary>Reads a <c>vocab.txt</c>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="inputLength">See <see cref="InputLength"/>, which the file does not say.</param>
    /// <exception cref="InvalidDataException">It is no such vocabulary; the message names file and line.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static LetterVocabulary Load(string path, int inputLength) => Load((StoredFile)path, inputLength);

    internal static LetterVocabulary Load(StoredFile file, int inputLength) =>
        Parse(file.Read(MostBytes).Span, file.Path, inputLength);

    /// <summary>Reads the content of a <c>vocab.txt</c>.</summary>
    /// <param name="content">The content.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="inputLength">See <see cref="InputLength"/>.</param>
    /// <exception cref="InvalidDataException">It is no such vocabulary; the message names file and line.</exception>
    public static LetterVocabulary Parse(ReadOnlySpan<byte> content, string name, int inputLength)
    {
        if (content.Length > MostBytes)
            throw new InvalidDataException($"{name}: has {content.Length} bytes; a vocabulary has at most {MostBytes}");
        if (!Utf8.IsValid(content)) throw new InvalidDataException($"{name}: is not text in UTF-8; {Remedy}");
        string[] lines = Encoding.UTF8.GetString(content).Split('\n');
        int count = lines[^1].Length == 0 ? lines.Length - 1 : lines.Length;
        var made = new LetterVocabulary { InputLength = inputLength };
        for (int i = 0; i < count; i++)
        {
            string token = lines[i].TrimEnd('\r');
            string? expected = i == 0 ? UnknownToken : i == 1 ? Begin : null;
            if (expected is not null && token != expected) throw Fault(i, $"expected {expected}");
            if (i == 0) continue;
            if (made.PadId is not null) throw Fault(i, $"{Padding} is the last token");
            if (i == 1) made._begin = made.Add(token);
            else if (token == End && made._end == 0) made._end = made.Add(token);
            else if (token == Padding) made.PadId = made.Add(token);
            else if (Rune.DecodeFromUtf16(token, out Rune letter, out int used) != System.Buffers.OperationStatus.Done
                || used != token.Length || Rune.IsControl(letter)) throw Fault(i, "expected a letter");
            else if (made._letters.ContainsKey(letter)) throw Fault(i, "it is on an earlier line already");
            else made.AddLetter(letter);
        }

        if (made._end == 0) throw new InvalidDataException($"{name}: has no {End}; {Remedy}");
        int least = made.PadId is null ? 2 : 3;
        return inputLength >= least ? made : throw new InvalidDataException(
            $"{name}: an input of {inputLength} tokens has no room for the special ones; {Remedy}");

        InvalidDataException Fault(int line, string what)
        {
            string shown = lines[line].Length <= 24 ? lines[line] : lines[line][..24] + "…";
            return new($"{name}: line {line + 1} is '{string.Concat(shown.Select(c => char.IsControl(c) ? '?' : c))}': {what}; {Remedy}");
        }
    }

    /// <summary>The tokens, by id.</summary>
    public IReadOnlyList<string> Tokens => _tokens;

    /// <inheritdoc/>
    public int VocabularySize => _tokens.Count;

    /// <summary>
    /// Tokens of every encoded sequence: the letters of the longest one and the two around them, and one of padding where there is any.
    /// </summary>
    public int InputLength { get; private set; }

    /// <summary>The id of a letter that the training set lacks.</summary>
    public int? UnknownId => Unknown;

    /// <summary>The id of <c>&lt;bos&gt;</c>.</summary>
    public int? ClsId => _begin;

    /// <summary>The id of <c>&lt;eos&gt;</c>.</summary>
    public int? SepId => _end;

    /// <summary>The id of <c>&lt;pad&gt;</c>, or null where the training set's sequences have one length.</summary>
    public int? PadId { get; private set; }

    /// <summary>There is none.</summary>
    public int? MaskId => null;

    /// <summary>Encodes a sequence; where the vocabulary has padding, to <see cref="InputLength"/>.</summary>
    /// <param name="sequence">The letters, [n].</param>
    /// <returns>The ids, [<see cref="InputLength"/>] or, without padding, [n + 2].</returns>
    /// <exception cref="ArgumentException">With padding, the sequence is longer than the input.</exception>
    public int[] Encode(string sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        List<int> ids = [_begin];
        foreach (Rune letter in sequence.EnumerateRunes()) ids.Add(_letters.GetValueOrDefault(letter, Unknown));
        ids.Add(_end);
        if (PadId is not { } padding) return [.. ids];
        if (ids.Count > InputLength)
            throw new ArgumentException(
                $"the sequence has {ids.Count} tokens, the input {InputLength}: none is longer than the longest of the training set",
                nameof(sequence));
        while (ids.Count < InputLength) ids.Add(padding);
        return [.. ids];
    }

    /// <inheritdoc/>
    public void EncodeSequence(ReadOnlySpan<byte> sequence, List<int> ids, List<int>? starts = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        for (int i = 0; i < sequence.Length; i++)
        {
            ids.Add(sequence[i] < _ascii.Length ? _ascii[sequence[i]] : Unknown);
            starts?.Add(i);
        }
    }

    /// <summary>
    /// <c>&lt;bos&gt; … &lt;eos&gt;</c>; of a pair, which Genomic Benchmarks has none of, with <c>&lt;eos&gt;</c> between, too.
    /// </summary>
    /// <inheritdoc/>
    public SpecialTokenFrame Frame(bool pair) =>
        new(new[] { _begin }, pair ? new[] { _end } : default(ReadOnlyMemory<int>), new[] { _end });

    /// <inheritdoc/>
    public string Token(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, VocabularySize);
        return _tokens[id];
    }

    /// <inheritdoc/>
    public int LengthOf(int id) => id == Unknown ? 1 : Token(id).Length;

    /// <summary>0: tokens are single letters.</summary>
    public int Overlap => 0;

    /// <inheritdoc/>
    public bool IsSpecial(int id) => id == Unknown || id == _begin || id == _end || id == PadId;

    /// <inheritdoc/>
    public int? BasesThatDecide(int tokens) => tokens;

    /// <inheritdoc/>
    public int? BasesThatFit(int tokens) => Math.Max(tokens, 0);

    /// <inheritdoc/>
    public void Save(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        foreach (string token in _tokens) stream.Write(Encoding.UTF8.GetBytes(token + "\n"));
    }

    private void AddLetter(Rune letter)
    {
        if (Rune.IsControl(letter)) throw new ArgumentException($"a sequence holds the control character {letter.Value}");
        int id = Add(letter.ToString());
        _letters.Add(letter, id);
        if (letter.IsAscii) _ascii[letter.Value] = id;
    }

    private int Add(string token)
    {
        _tokens.Add(token);
        return _tokens.Count - 1;
    }
}

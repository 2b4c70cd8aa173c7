using System.Text;
using Dnabert2.Files;

namespace Dnabert2.Tokenizers;

/// <summary>
/// The vocabulary of a tokenizer of k-mers: a <c>vocab.txt</c>, a token a line, whose ids are the numbers of the lines from 0. Special
/// tokens come first, then all 4^k k-mers in the order of their letters A, T, C, G, the first letter being the most significant, then
/// other tokens.
/// </summary>
internal sealed class KmerVocabulary
{
    /// <summary>The most letters of a k-mer.</summary>
    public const int MostLetters = 8;

    private const int MaxBytes = 1 << 20;

    private const string Letters = "ATCG", Remedy = "take the vocab.txt of the model's own folder";

    private readonly string[] _before, _after;

    private KmerVocabulary(string[] before, int k, string[] after)
    {
        (_before, K, _after) = (before, k, after);
        Size = FirstAfter + after.Length;
    }

    /// <summary>The letters of a k-mer.</summary>
    public int K { get; }

    /// <summary>The number of tokens.</summary>
    public int Size { get; }

    /// <summary>The id of the first k-mer, and of the first token behind the last one.</summary>
    public int FirstKmer => _before.Length;

    public int FirstAfter => FirstKmer + (1 << (2 * K));

    /// <summary>The place of a letter in the order A, T, C, G, or -1.</summary>
    public static int Digit(byte letter) => letter switch
    {
        (byte)'A' => 0,
        (byte)'T' => 1,
        (byte)'C' => 2,
        (byte)'G' => 3,
        _ => -1,
    };

    /// <summary>The vocabulary of all k-mers.</summary>
    /// <param name="before">The tokens before them.</param>
    /// <param name="k">Their letters, from 1 to 8.</param>
    /// <param name="after">The tokens behind them.</param>
    public static KmerVocabulary Of(string[] before, int k, string[] after)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(k, MostLetters);
        return new(before, k, after);
    }

    /// <summary>Reads a file, for <see cref="Parse"/>.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ReadOnlyMemory<byte> Read(StoredFile file) => file.Read(MaxBytes);

    /// <summary>Reads the content of a file and holds each line against its place.</summary>
    /// <param name="bytes">Its content.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="before">The tokens that it begins with.</param>
    /// <param name="after">The tokens that it ends with.</param>
    /// <param name="kind">Whose vocabulary is expected, for messages.</param>
    /// <exception cref="InvalidDataException">It is another one; the message names the line.</exception>
    public static KmerVocabulary Parse(ReadOnlySpan<byte> bytes, string name, string[] before, string[] after, string kind)
    {
        if (bytes.Length > MaxBytes)
            throw new InvalidDataException($"{name}: has {bytes.Length} bytes; a vocabulary has at most {MaxBytes}");
        if (!Ascii.IsValid(bytes)) throw new InvalidDataException($"{name}: is not ASCII text; {Remedy}");
        string[] lines = Encoding.ASCII.GetString(bytes).Split('\n');
        for (int i = 0; i < lines.Length; i++) lines[i] = lines[i].TrimEnd('\r');
        int count = lines[^1].Length == 0 ? lines.Length - 1 : lines.Length;
        for (int i = 0; i < before.Length; i++)
            if (i >= count || lines[i] != before[i]) throw Fault(i, before[i]);
        int k = count > before.Length ? lines[before.Length].Length : 0;
        if (k is 0 or > MostLetters || lines[before.Length].AsSpan().ContainsAnyExcept('A'))
            throw Fault(before.Length, "the first k-mer, A once or up to 8 times");
        var vocabulary = new KmerVocabulary(before, k, after);
        for (int i = before.Length; i < Math.Min(count, vocabulary.Size); i++)
            if (lines[i] != vocabulary.Token(i)) throw Fault(i, vocabulary.Token(i));
        return count == vocabulary.Size ? vocabulary : throw new InvalidDataException(
            $"{name}: has {count} tokens; the vocabulary of {kind} with k-mers of {k} letters has {vocabulary.Size}; {Remedy}");

        InvalidDataException Fault(int at, string expected)
        {
            if (at >= count) return new($"{name}: ends after line {count}, before {expected}; {Remedy}");
            int first = Array.IndexOf(lines, lines[at]);
            string repeats = first < at ? $", which is on line {first + 1} already" : "";
            string shown = lines[at].Length <= 24 ? lines[at] : lines[at][..24] + "…";
            return new($"{name}: line {at + 1} is '{Printable(shown)}'{repeats}; the vocabulary of {kind} has {expected} there; {Remedy}");
        }
    }

    /// <summary>The token with an id.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public string Token(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, Size);
        if (id < FirstKmer) return _before[id];
        if (id >= FirstAfter) return _after[id - FirstAfter];
        return string.Create(K, id - FirstKmer, static (text, code) =>
        {
            for (int i = text.Length - 1; i >= 0; i--, code >>= 2) text[i] = Letters[code & 3];
        });
    }

    /// <summary>Writes the lines, without an end of the last one, as in most of the published files.</summary>
    public void Save(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        for (int id = 0; id < Size; id++) stream.Write(Encoding.ASCII.GetBytes(id == 0 ? Token(id) : "\n" + Token(id)));
    }

    private static string Printable(string text) => string.Concat(text.Select(c => char.IsControl(c) ? '?' : c));
}

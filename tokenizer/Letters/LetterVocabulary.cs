using System.Text;

namespace Dnabert2.Tokenizers;

/// <summary>
/// The tokenizer of the convolutional network of Genomic Benchmarks: one token a letter between <c>&lt;bos&gt;</c> and
/// <c>&lt;eos&gt;</c>, the vocabulary being what the training set holds. Immutable; any number of threads may use one.
/// </summary>
/// <remarks>
/// Ids: <c>&lt;unk&gt;</c> = 0, then the tokens in the order in which they first appear in the training set, <c>&lt;bos&gt;</c> = 1 and
/// <c>&lt;eos&gt;</c> behind the letters of the first sequence; <c>&lt;pad&gt;</c> is the last, and only there if sequences differ in
/// length.
/// </remarks>
public sealed class LetterVocabulary
{
    private const string Unknown = "<unk>", Begin = "<bos>", End = "<eos>", Padding = "<pad>";
    private readonly List<string> _tokens = [Unknown];
    private readonly Dictionary<Rune, int> _letters = [];
    private int _begin, _end;

    private LetterVocabulary()
    {
    }

    /// <summary>The vocabulary of a training set.</summary>
    /// <param name="sequences">Its sequences, in its order.</param>
    /// <exception cref="ArgumentException">There is no sequence.</exception>
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
                if (!made._letters.ContainsKey(letter)) made._letters.Add(letter, made.Add(letter.ToString()));
                length++;
            }

            if (made._end == 0) made._end = made.Add(End);
            (longest, shortest) = (Math.Max(longest, length), Math.Min(shortest, length));
        }

        if (longest < 0) throw new ArgumentException("there is no sequence to take a vocabulary from", nameof(sequences));
        bool differ = shortest < longest;
        if (differ) made.PaddingId = made.Add(Padding);
        made.InputLength = longest + (differ ? 3 : 2);
        return made;
    }

    /// <summary>The id of a letter that the training set lacks.</summary>
    public const int UnknownId = 0;

    /// <summary>The tokens, by id.</summary>
    public IReadOnlyList<string> Tokens => _tokens;

    /// <summary>The number of ids.</summary>
    public int VocabularySize => _tokens.Count;

    /// <summary>
    /// Tokens of every encoded sequence: the letters of the longest one and the two around them, and one of padding where there is any.
    /// </summary>
    public int InputLength { get; private set; }

    /// <summary>The id of <c>&lt;pad&gt;</c>, or null where the training set's sequences have one length.</summary>
    public int? PaddingId { get; private set; }

    /// <summary>Encodes a sequence; where the vocabulary has padding, to <see cref="InputLength"/>.</summary>
    /// <param name="sequence">The letters, [n].</param>
    /// <returns>The ids, [<see cref="InputLength"/>] or, without padding, [n + 2].</returns>
    /// <exception cref="ArgumentException">With padding, the sequence is longer than the input.</exception>
    public int[] Encode(string sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        List<int> ids = [_begin];
        foreach (Rune letter in sequence.EnumerateRunes()) ids.Add(_letters.GetValueOrDefault(letter, UnknownId));
        ids.Add(_end);
        if (PaddingId is not { } padding) return [.. ids];
        if (ids.Count > InputLength)
            throw new ArgumentException(
                $"the sequence has {ids.Count} tokens, the input {InputLength}: none is longer than the longest of the training set",
                nameof(sequence));
        while (ids.Count < InputLength) ids.Add(padding);
        return [.. ids];
    }

    private int Add(string token)
    {
        _tokens.Add(token);
        return _tokens.Count - 1;
    }
}

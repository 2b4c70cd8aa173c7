namespace Dnabert2.Tokenizers;

/// <summary>
/// Trains a BPE tokenizer on DNA by the rule of Hugging Face's trainer: merge the pair that occurs most often, overlapping occurrences
/// counted; of equals the one with the smallest left id, then right id.
/// </summary>
/// <remarks>
/// Add the sequences, then train, once. Not thread-safe. Memory: two bytes a base for the sequences and about twelve for the places
/// of pairs, at the peak.
/// </remarks>
public sealed class BpeTrainer
{
    private const string Bases = "ACGT";

    private readonly BpeTrainerOptions _options;
    private PairText? _text = new();

    /// <summary>A trainer without sequences.</summary>
    /// <exception cref="ArgumentException">The options contradict each other.</exception>
    public BpeTrainer(BpeTrainerOptions? options = null)
    {
        _options = options ?? new BpeTrainerOptions();
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.VocabularySize, ushort.MaxValue, "VocabularySize");
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.VocabularySize, _options.SpecialTokens.Count + Bases.Length, "VocabularySize");
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MaxTokenLength, 1, "MaxTokenLength");
        ArgumentOutOfRangeException.ThrowIfNegative(_options.MinimumCount, "MinimumCount");
        if (_options.SpecialTokens.Any(token => token.Length > AddedTokens.MaxLength))
            throw new ArgumentException($"one of SpecialTokens has more than {AddedTokens.MaxLength} characters", nameof(options));
        foreach (string token in _options.SpecialTokens)
            if (token.Length == 0 || token.All(Bases.Contains))
                throw new ArgumentException($"\"{token}\" cannot be one of SpecialTokens: it is made of bases only", nameof(options));
        if (_options.SpecialTokens.Distinct(StringComparer.Ordinal).Count() != _options.SpecialTokens.Count)
            throw new ArgumentException("a special token is given twice", nameof(options));
    }

    /// <summary>The number of bases added so far.</summary>
    public long BaseCount { get; private set; }

    /// <summary>Adds a sequence. It is broken at every character other than A, C, G, T: no token reaches across.</summary>
    /// <param name="sequence">ASCII, in upper case.</param>
    /// <exception cref="InvalidOperationException">The training is over, or more than about two billion bases were added.</exception>
    public void Add(ReadOnlySpan<byte> sequence) => BaseCount += Text.Add(sequence);

    /// <summary>Finds the merges. The result depends on the added sequences alone, not on their order.</summary>
    /// <param name="progress">Told after each merge.</param>
    /// <param name="cancellation">Stops the training between two merges.</param>
    /// <exception cref="InvalidOperationException">No two adjacent bases were added, or the trainer was used before.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; the trainer cannot be used again.</exception>
    public BpeTokenizer Train(IProgress<BpeTrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        PairText text = Text;
        _text = null;
        int offset = _options.SpecialTokens.Count - 1;
        var tokens = new List<string>([.. _options.SpecialTokens, .. Bases.Select(b => b.ToString())]);
        var merges = new List<Merge>();
        int total = _options.VocabularySize - tokens.Count;

        text.Index(_options);
        if (!text.TryTakeMostFrequent(out int left, out int right))
            throw new InvalidOperationException("no two adjacent bases to train on were added");
        while (merges.Count < total)
        {
            cancellation.ThrowIfCancellationRequested();
            merges.Add(new Merge(left + offset, right + offset, tokens.Count));
            tokens.Add(tokens[left + offset] + tokens[right + offset]);
            progress?.Report(new BpeTrainingProgress(merges.Count, total));
            if (merges.Count == total) break;
            text.MergeTaken();
            if (!text.TryTakeMostFrequent(out left, out right)) break;
        }
        return Assemble(tokens, merges);
    }

    private PairText Text => _text ?? throw new InvalidOperationException("a trainer trains once: make a new one");

    private BpeTokenizer Assemble(List<string> tokens, List<Merge> merges)
    {
        var model = new BpeModel([.. tokens], merges, IndexOf("[UNK]"));
        var added =
            new AddedTokens([.. _options.SpecialTokens.Select((token, id) => new AddedToken(id, token, Special: true, Normalized: false))]);
        int cls = IndexOf("[CLS]"), sep = IndexOf("[SEP]");
        return new BpeTokenizer(
            new TokenizerParts(model, added, SplitsWords: true, cls >= 0 && sep >= 0 ? Template.ClsSep(cls, sep) : null));

        int IndexOf(string special) => tokens.IndexOf(special, 0, _options.SpecialTokens.Count);
    }
}

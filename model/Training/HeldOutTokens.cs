using Dnabert2.Data;

namespace Dnabert2.Training;

/// <summary>
/// The held-out windows that are evaluated, and which of their tokens are masked: the same ones for every model, every baseline and
/// every run. A species with few held-out windows has them evaluated in several rounds, each with other tokens masked, so that small
/// genomes are scored on more than a few tokens; no token is scored twice.
/// </summary>
/// <param name="corpus">The corpus.</param>
/// <param name="windows">The most windows of each species; one that is masked anew counts again.</param>
/// <param name="maskProbability">The probability with which each token is masked.</param>
internal sealed class HeldOutTokens(Corpus corpus, int windows, double maskProbability)
{
    private const uint Site = 0x48454C44;
    private readonly ushort[] _window = new ushort[corpus.Options.MaxTokens];
    private readonly int _overlap = corpus.Tokenizer.Overlap;
    private readonly int[] _lengths = [.. Enumerable.Range(0, corpus.Tokenizer.VocabularySize)
        .Select(id => corpus.Tokenizer.IsSpecial(id) ? 0 : corpus.Tokenizer.Token(id).Length)];

    public Corpus Corpus { get; } = corpus;

    /// <summary>What is asked of a window.</summary>
    public ITargets Asked { get; } = Targets.ForEvaluation(corpus.Tokenizer, maskProbability);

    private int Rounds => Math.Max(1, (int)(1 / Asked.Share));

    /// <summary>
    /// The bases of a masked token that no token in sight shows: all of them where tokens lie one after the other; of a special one none.
    /// </summary>
    /// <param name="places">The places of the window's masked tokens in ascending order, each <paramref name="first"/> too high.</param>
    /// <param name="index">Which of them.</param>
    /// <param name="label">What it is.</param>
    /// <param name="first">What is taken from a place.</param>
    /// <param name="tokens">The tokens of the window.</param>
    public int HiddenBases(ReadOnlySpan<int> places, int index, int label, int first, int tokens)
    {
        if (_overlap == 0) return _lengths[label];
        int begin = index, end = index, place = places[index] - first;
        while (begin > 0 && places[begin - 1] == places[begin] - 1) begin--;
        while (end < places.Length - 1 && places[end + 1] == places[end] + 1) end++;
        (begin, end) = (places[begin] - first, places[end] - first);
        // The token before the stretch shows all but the last base of the first token in it; the one behind shows what is behind the last
        // one's first base.
        int from = begin == 0 ? 0 : begin + _overlap, to = end == tokens - 1 ? tokens + _overlap : end + 1;
        return Math.Max(0, Math.Min(place + _overlap + 1, to) - Math.Max(place, from));
    }

    /// <summary>How many windows of a species are evaluated, those of all rounds together.</summary>
    public int Count(int species) => (int)Math.Min(windows, Rounds * Corpus.Species[species].HeldOut.Windows);

    /// <summary>One of them: its tokens, until the next one is asked for, and the number and the round that decide its masks.</summary>
    public ReadOnlySpan<ushort> Window(int species, int index, out long number, out int round)
    {
        long heldOut = Corpus.Species[species].HeldOut.Windows;
        long window = new Permutation(0, (uint)species, Site, heldOut).At(index % heldOut);
        number = ((long)species << 40) | window;
        round = (int)(index / heldOut);
        return Corpus.Window(Split.HeldOut, species, window, _window);
    }

    /// <summary>Evaluates species after species.</summary>
    public Evaluation Collect(Func<int, Score> scoreOf)
    {
        var scores = new List<SpeciesScore>();
        for (int s = 0; s < Corpus.Species.Count; s++)
            if (Count(s) > 0) scores.Add(new SpeciesScore(Corpus.Species[s].Name, scoreOf(s)));
        return new Evaluation(scores.Aggregate(default(Score), (sum, s) => sum + s.Score), scores);
    }
}

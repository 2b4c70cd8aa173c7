using Dnabert2.Data;

namespace Dnabert2.Training;

/// <summary>
/// A Markov model of tokens, to compare a masked language model with. Of order 0 it knows how frequent each token is; of order 1 and 2
/// it sees one or two tokens to the left, unmasked, [CLS] before the first; where k-mers overlap, these show all bases but the last. Orders
/// are interpolated after Witten and Bell ("The zero-frequency problem", IEEE Trans. Inf. Theory 37, 1991, method C):
/// <c>p(w | u v) = (n(u v w) + t(u v) · p(w | v)) / (n(u v) + t(u v))</c> with n the counts in the training windows and t the number of
/// different tokens that followed; <c>p(w) = (n(w) + 1) / (n + vocabulary)</c> over the tokens that are not special.
/// </summary>
public sealed class MarkovBaseline
{
    private readonly double[] _unigram;
    // Every occurrence of v w and of u v w as a number of 16 bits a token, sorted: those of a context lie together.
    private readonly uint[] _pairs;
    private readonly ulong[] _triples;
    private readonly int _order;

    private MarkovBaseline(int order, double[] unigram, uint[] pairs, ulong[] triples)
    {
        (_order, _unigram, _pairs, _triples) = (order, unigram, pairs, triples);
    }

    /// <summary>Counts the tokens of the training windows. Memory: 12 bytes a token for order 2.</summary>
    /// <param name="corpus">The corpus.</param>
    /// <param name="order">0, 1 or 2.</param>
    /// <param name="species">The number of the species whose windows are counted; null: all.</param>
    /// <exception cref="ArgumentOutOfRangeException">The order is another one, or there is no such species.</exception>
    /// <exception cref="ArgumentException">There are more tokens than fit an array.</exception>
    public static MarkovBaseline Train(Corpus corpus, int order, int? species = null)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        ArgumentOutOfRangeException.ThrowIfNegative(order);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(order, 2);
        (int first, int end) = species is { } one ? (one, one + 1) : (0, corpus.Species.Count);
        long total = 0;
        for (int s = first; s < end; s++) total += corpus.Species[s].Training.Tokens;
        if (total > Array.MaxLength)
            throw new ArgumentException($"{total:N0} tokens are more than this baseline can count; give one species");
        var counts = new long[corpus.Tokenizer.VocabularySize];
        uint[] pairs = order >= 1 ? new uint[total] : [];
        ulong[] triples = order >= 2 ? new ulong[total] : [];
        ushort[] window = new ushort[corpus.Options.MaxTokens];
        int cls = Beginning(corpus), n = 0;
        for (int s = first; s < end; s++)
        {
            for (long i = 0; i < corpus.Species[s].Training.Windows; i++)
            {
                int u = cls, v = cls;
                foreach (ushort w in corpus.Window(Split.Training, s, i, window))
                {
                    counts[w]++;
                    if (order >= 1) pairs[n] = Pair(v, w);
                    if (order >= 2) triples[n] = ((ulong)u << 32) | Pair(v, w);
                    (u, v) = (v, w);
                    n++;
                }
            }
        }

        Array.Sort(pairs);
        Array.Sort(triples);
        return new MarkovBaseline(order, Unigram(corpus, counts, total), pairs, triples);
    }

    /// <summary>Scores the baseline on the masked tokens on which an <see cref="Evaluator"/> of the same settings scores a model.</summary>
    /// <param name="corpus">The corpus.</param>
    /// <param name="windows">The most windows of each species.</param>
    /// <param name="maskProbability">The probability with which each token is masked.</param>
    public Evaluation Evaluate(Corpus corpus, int windows = 1000, double maskProbability = 0.15)
    {
        var tokens = new HeldOutTokens(corpus, windows, maskProbability);
        int longest = corpus.Options.MaxTokens, cls = Beginning(corpus);
        int[] ids = new int[longest], rows = new int[longest], labels = new int[longest];
        var p = new double[_unigram.Length];
        return tokens.Collect(species =>
        {
            Score score = default;
            for (int i = 0; i < tokens.Count(species); i++)
            {
                ReadOnlySpan<ushort> window = tokens.Window(species, i, out long number, out int round);
                int masked = tokens.Asked.Choose(number, window, ids, -tokens.Asked.Before, rows, labels, round);
                score += new Score(1, 0, 0, 0, 0);
                for (int m = 0; m < masked; m++)
                {
                    int at = rows[m] + tokens.Asked.Ahead, label = labels[m];
                    Distribution(at > 1 ? window[at - 2] : cls, at > 0 ? window[at - 1] : cls, p);
                    int bases = tokens.HiddenBases(rows.AsSpan(0, masked), m, label, 0, window.Length);
                    score += new Score(0, 1, bases, -Math.Log(p[label]), Array.IndexOf(p, p.Max()) == label ? 1 : 0);
                }
            }

            return score;
        });
    }

    /// <summary>The probability of each token after u v.</summary>
    internal void Distribution(int u, int v, Span<double> p)
    {
        _unigram.CopyTo(p);
        if (_order >= 1) Interpolate(_pairs, Pair(v, 0), Pair(v, 0xFFFF), p);
        if (_order >= 2) Interpolate(_triples, ((ulong)u << 32) | Pair(v, 0), ((ulong)u << 32) | Pair(v, 0xFFFF), p);
    }

    private static void Interpolate<T>(T[] sorted, T first, T last, Span<double> p)
        where T : unmanaged, System.Numerics.IBinaryInteger<T>
    {
        int start = LowerBound(sorted, first), end = start;
        int kinds = 0;
        for (; end < sorted.Length && sorted[end] <= last; end++)
            if (end == start || sorted[end] != sorted[end - 1]) kinds++;
        if (kinds == 0) return;
        double total = end - start + kinds;
        foreach (ref double value in p) value *= kinds / total;
        for (int i = start; i < end; i++) p[int.CreateTruncating(sorted[i] - first)] += 1 / total;
    }

    private static int LowerBound<T>(T[] sorted, T value)
        where T : IComparable<T>
    {
        int low = 0, high = sorted.Length;
        while (low < high)
        {
            int middle = (int)(((uint)low + (uint)high) / 2);
            if (sorted[middle].CompareTo(value) < 0) low = middle + 1;
            else high = middle;
        }

        return low;
    }

    // Where nothing stands before a window, a token that is never in one stands for its beginning.
    private static int Beginning(Corpus corpus) =>
        WindowFrame.Of(corpus.Tokenizer).Before is { IsEmpty: false } before ? before.Span[^1] : corpus.Tokenizer.ClsId!.Value;

    private static uint Pair(int v, int w) => ((uint)v << 16) | (uint)w;

    private static double[] Unigram(Corpus corpus, long[] counts, long total)
    {
        var p = new double[counts.Length];
        int ordinary = Enumerable.Range(0, p.Length).Count(id => !corpus.Tokenizer.IsSpecial(id));
        for (int id = 0; id < p.Length; id++) p[id] = corpus.Tokenizer.IsSpecial(id) ? 0 : (counts[id] + 1.0) / (total + ordinary);
        return p;
    }
}

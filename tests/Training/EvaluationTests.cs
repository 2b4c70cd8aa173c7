using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Training;

public sealed class EvaluationTests : IDisposable
{
    private readonly Toy _toy = new();
    private readonly Corpus _corpus;

    public EvaluationTests() => _corpus = _toy.Build();

    public void Dispose()
    {
        _corpus.Dispose();
        _toy.Dispose();
    }

    [Fact]
    public void The_score_is_that_of_every_window_and_round_taken_by_itself()
    {
        using Backend backend = CpuBackend.Create(1);
        using Dnabert2Model model = Toy.Model(backend);
        using var evaluator = new Evaluator(model, _corpus, windows: 1_000_000, microBatchTokens: 150);
        Evaluation evaluation = evaluator.Run();
        Masker masker = Masker.ForEvaluation(Toy.Tokenizer, 0.15);
        using var arena = new Arena(backend);
        Tape tape = Tape.ForInference(arena);
        for (int s = 0; s < 2; s++)
        {
            double nats = 0;
            long correct = 0, tokens = 0, bases = 0, windows = _corpus.Species[s].HeldOut.Windows;
            // Of 15 % there are six rounds.
            for (long n = 0; n < 6 * windows; n++)
            {
                (long w, int round) = (n % windows, (int)(n / windows));
                ushort[] window = _corpus.Window(Split.HeldOut, s, w).ToArray();
                int[] ids = new int[window.Length + 2], rows = new int[window.Length], labels = new int[window.Length];
                int masked = masker.Choose(((long)s << 40) | w, window, ids, 0, rows, labels, round);
                tape.Reset();
                var batch = new Batch(arena, ids, [ids.Length]);
                Tensor logits = model.MlmHead!.Forward(tape, model.Encoder.Forward(tape, batch)).Data;
                float[] values = new float[logits.Count];
                backend.Download<float>(logits, values);
                for (int m = 0; m < masked; m++)
                {
                    float[] row = values[(rows[m] * 64)..((rows[m] * 64) + 64)];
                    nats += Math.Log(row.Sum(x => Math.Exp(x))) - row[labels[m]];
                    correct += Array.IndexOf(row, row.Max()) == labels[m] ? 1 : 0;
                    bases += Toy.Tokenizer.Token(labels[m]).Length;
                    tokens++;
                }
            }

            Score score = evaluation.Species[s].Score;
            Assert.Equal((6 * windows, tokens, bases, correct), (score.Windows, score.Tokens, score.Bases, score.Correct));
            Assert.Equal(nats, score.Nats, 1e-5 * nats);
        }

        Score total = evaluation.Total;
        Assert.Equal(evaluation.Species.Sum(s => s.Score.Nats), total.Nats, 1e-6);
        Assert.Equal(total.Nats / total.Tokens, total.Loss);
        Assert.Equal((double)total.Correct / total.Tokens, total.Accuracy);
        Assert.Equal(total.Nats / Math.Log(2) / total.Bases, total.BitsPerBase);
    }

    [Fact]
    public void A_limit_evaluates_the_same_windows_every_time()
    {
        using Backend backend = CpuBackend.Create(1);
        using Dnabert2Model model = Toy.Model(backend);
        using var evaluator = new Evaluator(model, _corpus, windows: 5);
        Evaluation first = evaluator.Run(), second = evaluator.Run();
        Assert.All(first.Species, s => Assert.Equal(5, s.Score.Windows));
        Assert.Equal(first.Total, second.Total);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_baseline_gives_the_interpolated_frequencies_of_a_plain_count(int order)
    {
        MarkovBaseline baseline = MarkovBaseline.Train(_corpus, order);
        var windows = new List<int[]>();
        for (int s = 0; s < 2; s++)
            for (long w = 0; w < _corpus.Species[s].Training.Windows; w++)
                windows.Add([1, 1, .. _corpus.Window(Split.Training, s, w).ToArray().Select(t => (int)t)]);
        var p = new double[64];
        foreach ((int u, int v) in (ReadOnlySpan<(int, int)>)[(1, 1), (1, windows[0][2]), (windows[0][2], windows[0][3]),
            (windows[5][4], windows[5][5]), (63, 63), (2, 2)])
        {
            baseline.Distribution(u, v, p);
            Assert.Equal(1, p.Sum(), 1e-9);
            for (int w = 0; w < 64; w++) Assert.Equal(Plain(order, u, v, w), p[w], 1e-12);
        }

        double Plain(int n, int u, int v, int w)
        {
            // Places of the windows' own tokens: after the two [CLS].
            IEnumerable<(int U, int V, int W)> places =
                windows.SelectMany(t => Enumerable.Range(2, t.Length - 2).Select(i => (t[i - 2], t[i - 1], t[i])));
            if (n == 0) return w < 5 ? 0 : (places.Count(x => x.W == w) + 1.0) / (places.Count() + 59);
            int[] after = [.. places.Where(x => x.V == v && (n == 1 || x.U == u)).Select(x => x.W)];
            int kinds = after.Distinct().Count();
            double lower = Plain(n - 1, u, v, w);
            return kinds == 0 ? lower : (after.Count(x => x == w) + (kinds * lower)) / (after.Length + kinds);
        }
    }

    [Fact]
    public void Baselines_are_scored_on_the_masked_tokens_of_the_evaluator()
    {
        using Backend backend = CpuBackend.Create(1);
        using Dnabert2Model model = Toy.Model(backend);
        using var evaluator = new Evaluator(model, _corpus, windows: 30);
        Evaluation ours = evaluator.Run();
        Evaluation[] baselines =
            [.. Enumerable.Range(0, 3).Select(order => MarkovBaseline.Train(_corpus, order).Evaluate(_corpus, windows: 30))];
        foreach (Evaluation theirs in baselines)
            Assert.Equal(
                ours.Species.Select(s => (s.Name, s.Score.Windows, s.Score.Tokens, s.Score.Bases)),
                theirs.Species.Select(s => (s.Name, s.Score.Windows, s.Score.Tokens, s.Score.Bases)));
        // These genomes are Markov chains of bases: to see the token before helps.
        Assert.True(baselines[1].Total.Loss < baselines[0].Total.Loss - 0.1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_baseline_sees_the_true_tokens_to_the_left(int order)
    {
        MarkovBaseline baseline = MarkovBaseline.Train(_corpus, order);
        Masker masker = Masker.ForEvaluation(Toy.Tokenizer, 0.5);
        var p = new double[64];
        double nats = 0;
        long correct = 0;
        long windows = _corpus.Species[0].HeldOut.Windows;
        for (long n = 0; n < 2 * windows; n++)
        {
            (long w, int round) = (n % windows, (int)(n / windows));
            ReadOnlySpan<ushort> window = _corpus.Window(Split.HeldOut, 0, w);
            int[] ids = new int[window.Length + 2], rows = new int[window.Length], labels = new int[window.Length];
            int masked = masker.Choose(w, window, ids, 0, rows, labels, round);
            int[] seen = [1, 1, .. window.ToArray().Select(t => (int)t)];
            for (int m = 0; m < masked; m++)
            {
                // Row 1 is the first token, which stands at place 2.
                baseline.Distribution(seen[rows[m] - 1], seen[rows[m]], p);
                nats -= Math.Log(p[seen[rows[m] + 1]]);
                correct += p[labels[m]] == p.Max() ? 1 : 0;
            }
        }

        Score score = baseline.Evaluate(_corpus, windows: 1_000_000, maskProbability: 0.5).Species[0].Score;
        Assert.Equal(nats, score.Nats, 1e-9 * nats);
        Assert.Equal(correct, score.Correct);
    }

    [Fact]
    public void A_baseline_of_one_species_knows_that_one_only()
    {
        MarkovBaseline alpha = MarkovBaseline.Train(_corpus, 1, species: 0), beta = MarkovBaseline.Train(_corpus, 1, species: 1);
        Score ofAlpha = alpha.Evaluate(_corpus).Species[1].Score, ofBeta = beta.Evaluate(_corpus).Species[1].Score;
        Assert.True(ofBeta.Loss < ofAlpha.Loss - 0.1, $"{ofBeta.Loss} and {ofAlpha.Loss}");
    }
}

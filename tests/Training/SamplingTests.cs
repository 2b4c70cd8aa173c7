using Dnabert2.Data;
using Dnabert2.Training;

namespace Tests.Training;

public sealed class SamplingTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(1000)]
    [InlineData(4097)]
    public void A_permutation_takes_every_number_once(int count)
    {
        var permutation = new Permutation(5, 1, 2, count);
        Assert.Equal(Enumerable.Range(0, count).Select(i => (long)i), Enumerable.Range(0, count).Select(i => permutation.At(i)).Order());
        if (count < 64) return;
        var other = new Permutation(5, 2, 2, count);
        // Of two random orders about one place agrees; of a random order and the plain one, too.
        Assert.InRange(Enumerable.Range(0, count).Count(i => permutation.At(i) == other.At(i)), 0, 10);
        Assert.InRange(Enumerable.Range(0, count).Count(i => permutation.At(i) == i), 0, 10);
    }

    [Fact]
    public void Large_numbers_are_permuted_within_their_range()
    {
        var permutation = new Permutation(5, 1, 2, 1L << 40);
        long[] images = [.. Enumerable.Range(0, 1000).Select(i => permutation.At(i))];
        Assert.All(images, image => Assert.InRange(image, 0, (1L << 40) - 1));
        Assert.Equal(1000, images.Distinct().Count());
        Assert.InRange(images.Average(), 0.45 * (1L << 40), 0.55 * (1L << 40));
    }

    [Fact]
    public void The_windows_of_a_species_come_without_replacement_in_every_epoch_in_a_new_order()
    {
        long[] windows = [50, 7, 1000];
        var sampler = new Sampler(windows, [1, 1, 2], seed: 3);
        var drawn = new List<long>[] { [], [], [] };
        for (long n = 0; n < 5000; n++)
        {
            Sample sample = sampler.At(n);
            drawn[sample.Species].Add(sample.Window);
        }

        for (int s = 0; s < 3; s++)
        {
            long[][] epochs = [.. drawn[s].Chunk((int)windows[s])];
            Assert.True(epochs.Length > 2);
            foreach (long[] epoch in epochs.SkipLast(1)) Assert.Equal(windows[s], epoch.Distinct().Count());
            Assert.NotEqual(epochs[0], epochs[1]);
        }
    }

    [Fact]
    public void Species_are_drawn_by_their_weights_in_every_stretch()
    {
        double[] weights = [3, 1, 0, 1e-9];
        var sampler = new Sampler([10, 10, 10, 10], weights, seed: 4);
        int[] counts = new int[4];
        for (long n = 0; n < Sampler.Period; n++) counts[sampler.At(n).Species]++;
        Assert.InRange(counts[0], (0.75 * Sampler.Period) - 2, (0.75 * Sampler.Period) + 2);
        Assert.Equal(0, counts[2]);
        // However rare a species, it comes.
        Assert.Equal(1, counts[3]);
        // A stretch of a batch has about its part; five standard deviations.
        for (long start = 0; start < Sampler.Period; start += 10_000)
        {
            int first = 0;
            for (long n = start; n < Math.Min(start + 4096, Sampler.Period); n++) first += sampler.At(n).Species == 0 ? 1 : 0;
            double n0 = Math.Min(4096, Sampler.Period - start);
            Assert.InRange(first, (0.75 * n0) - (5 * Math.Sqrt(n0 * 0.1875)), (0.75 * n0) + (5 * Math.Sqrt(n0 * 0.1875)));
        }
    }

    [Fact]
    public void Weights_follow_the_bases_or_are_as_stated()
    {
        using var toy = new Toy();
        using Corpus corpus = toy.Build();
        double[] bases = [.. corpus.Species.Select(s => (double)s.Training.Bases)];
        Assert.Equal(bases, Sampler.Weights(corpus, Toy.Recipe));
        Assert.Equal([1, 1], Sampler.Weights(corpus, Toy.Recipe with { SpeciesExponent = 0 }));
        Assert.Equal([Math.Sqrt(bases[0]), Math.Sqrt(bases[1])], Sampler.Weights(corpus, Toy.Recipe with { SpeciesExponent = 0.5 }));
        Assert.Equal([0, 3], Sampler.Weights(corpus, Stated(("beta", 3), ("alpha", 0))));
        Assert.Contains("'gamma'", Assert.Throws<ArgumentException>(() => Sampler.Weights(corpus, Stated(("gamma", 1)))).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "'alpha' has no weight", Assert.Throws<ArgumentException>(() => Sampler.Weights(corpus, Stated(("beta", 1)))).Message,
            StringComparison.Ordinal);

        static PretrainOptions Stated(params (string Name, double Weight)[] weights) =>
            Toy.Recipe with { SpeciesWeights = weights.ToDictionary(w => w.Name, w => w.Weight) };
    }

    [Fact]
    public void Masks_have_the_rates_of_the_recipe_and_spare_the_special_tokens()
    {
        Masker masker = Masker.ForTraining(Toy.Tokenizer, Toy.Recipe);
        ushort[] window = [.. Enumerable.Range(0, 126).Select(i => (ushort)(5 + (i % 59)))];
        int[] ids = new int[128], rows = new int[126], labels = new int[126];
        int mask = Toy.Tokenizer.MaskId!.Value;
        long tokens = 0, chosen = 0, masked = 0, same = 0, other = 0;
        var randoms = new int[64];
        for (long n = 0; n < 4000; n++)
        {
            int count = masker.Choose(n * 7919, window, ids, 0, rows, labels);
            Assert.Equal((Toy.Tokenizer.ClsId, Toy.Tokenizer.SepId), (ids[0], ids[127]));
            tokens += window.Length;
            chosen += count;
            int changed = 0;
            for (int i = 0; i < count; i++)
            {
                Assert.Equal(window[rows[i] - 1], labels[i]);
                int now = ids[rows[i]];
                if (now == mask) masked++;
                else if (now == labels[i]) same++;
                else
                {
                    other++;
                    randoms[now]++;
                }

                changed += now == labels[i] ? 0 : 1;
            }

            Assert.Equal(changed, Enumerable.Range(0, window.Length).Count(i => ids[i + 1] != window[i]));
        }

        Near(chosen, tokens, 0.15);
        Near(masked, chosen, 0.8);
        // A random token is the true one once in 59 times.
        Near(same, chosen, 0.1 + (0.1 / 59));
        Near(other, chosen, 0.1 * 58 / 59);
        Assert.All(randoms[..5], count => Assert.Equal(0, count));
        Assert.All(randoms[5..], count => Near(count, other, 1.0 / 59));

        // Five standard deviations of a binomial distribution.
        static void Near(long count, long n, double p) =>
            Assert.InRange(count, (n * p) - (5 * Math.Sqrt(n * p * (1 - p))), (n * p) + (5 * Math.Sqrt(n * p * (1 - p))));
    }

    [Fact]
    public void In_evaluation_every_chosen_token_is_hidden()
    {
        Masker masker = Masker.ForEvaluation(Toy.Tokenizer, 0.15);
        ushort[] window = [.. Enumerable.Range(0, 100).Select(i => (ushort)(5 + i % 59))];
        int[] ids = new int[102], rows = new int[100], labels = new int[100];
        int chosen = 0;
        for (long n = 0; n < 50; n++)
        {
            int count = masker.Choose(n, window, ids, 0, rows, labels);
            chosen += count;
            Assert.Equal(count, ids.Count(id => id == Toy.Tokenizer.MaskId));
        }

        Assert.InRange(chosen, 600, 900);
    }

    [Fact]
    public void Rounds_of_an_evaluation_mask_other_tokens_each_and_in_the_end_nearly_all()
    {
        Masker masker = Masker.ForEvaluation(Toy.Tokenizer, 0.15);
        ushort[] window = [.. Enumerable.Range(0, 100).Select(i => (ushort)(5 + i % 59))];
        int[] ids = new int[102], rows = new int[100], labels = new int[100];
        int masked = 0;
        for (long n = 0; n < 50; n++)
        {
            var seen = new HashSet<int>();
            for (int round = 0; round < 6; round++)
            {
                int count = masker.Choose(n, window, ids, 0, rows, labels, round);
                Assert.All(rows[..count], row => Assert.True(seen.Add(row), $"row {row} is masked in two rounds"));
            }

            masked += seen.Count;
        }

        // 6 · 15 % of 5000, and five standard deviations.
        Assert.InRange(masked, 4390, 4610);
    }

    [Fact]
    public void A_sample_is_masked_alike_in_every_batch()
    {
        Masker masker = Masker.ForTraining(Toy.Tokenizer, Toy.Recipe);
        ushort[][] windows =
            [.. Enumerable.Range(0, 20).Select(i => Enumerable.Range(0, 1 + (i * 2)).Select(j => (ushort)(5 + ((i + j) % 59))).ToArray())];
        List<(int[] Ids, int[] Rows, int[] Labels)> one = Samples(budget: 1), many = Samples(budget: 97), all = Samples(budget: 10_000);
        Assert.Equal(one, many, SameSample);
        Assert.Equal(one, all, SameSample);

        List<(int[], int[], int[])> Samples(int budget)
        {
            var batch = new MaskedBatch(masker, 20, 40, budget);
            for (int i = 0; i < 20; i++) batch.Add(1000 + i, windows[i]);
            Assert.Equal(20, batch.Sequences);
            Assert.Equal(windows.Sum(w => (long)(w.Length + 2) * (w.Length + 2)), batch.SquaredLengths);
            var samples = new List<(int[], int[], int[])>();
            int tokens = 0, masked = 0;
            for (int m = 0; m < batch.MicroBatches; m++)
            {
                MicroBatch part = batch[m];
                Assert.True(part.Ids.Length <= budget || part.Lengths.Length == 1);
                Assert.Equal(samples.Count, part.FirstSequence);
                int start = 0;
                foreach (int length in part.Lengths)
                {
                    int from = start, end = start + length;
                    int[] picked = [.. Enumerable.Range(0, part.Rows.Length)];
                    int[] rows = part.Rows.ToArray(), labels = part.Labels.ToArray();
                    picked = [.. picked.Where(i => rows[i] >= from && rows[i] < end)];
                    samples.Add(
                        (part.Ids[start..end].ToArray(), [.. picked.Select(i => rows[i] - from)], [.. picked.Select(i => labels[i])]));
                    start = end;
                }

                tokens += part.Ids.Length;
                masked += part.Labels.Length;
            }

            Assert.Equal((batch.Tokens, batch.Masked), (tokens, masked));
            return samples;
        }

        static bool SameSample((int[] Ids, int[] Rows, int[] Labels) a, (int[] Ids, int[] Rows, int[] Labels) b) =>
            a.Ids.SequenceEqual(b.Ids) && a.Rows.SequenceEqual(b.Rows) && a.Labels.SequenceEqual(b.Labels);
    }
}

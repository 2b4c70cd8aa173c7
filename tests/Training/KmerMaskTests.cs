using System.Text;
using Dnabert2.Data;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Kernels;

namespace Tests.Training;

/// <summary>Corpora of k-mers, and which of their tokens are masked.</summary>
public sealed class KmerMaskTests : IDisposable
{
    private readonly Toy _toy = new();

    public void Dispose() => _toy.Dispose();

    public static TheoryData<ISequenceTokenizer> Tokenizers => [
        new DnabertTokenizer(3), new DnabertTokenizer(4), new DnabertTokenizer(6), new NucleotideTransformerTokenizer(3),
        new NucleotideTransformerTokenizer()];

    [Theory]
    [InlineData(3, 1, 1)]
    [InlineData(4, 1, 2)]
    [InlineData(5, 2, 2)]
    [InlineData(6, 2, 3)]
    public void Around_each_centre_as_many_tokens_are_chosen_as_in_the_program_of_DNABERT(int k, int before, int after)
    {
        var tokenizer = new DnabertTokenizer(k);
        Masker masker = Masker.ForTraining(tokenizer, Toy.Recipe);
        ushort[] window = Window(tokenizer, 120);
        int[] ids = new int[window.Length + 2], rows = new int[window.Length], labels = new int[window.Length];
        long tokens = 0, chosen = 0, masked = 0, random = 0;
        for (uint n = 0; n < 500; n++)
        {
            int count = masker.Choose(n, window, ids, 0, rows, labels);
            var draws = new Philox(Toy.Recipe.Seed, 0, 0x4D41534B);
            var expected = new SortedSet<int>();
            for (int centre = 0; centre < window.Length; centre++)
            {
                if (draws.Block(((ulong)n << 32) + (uint)centre).X >= Math.Round(0.15 / k * 4294967296.0)) continue;
                for (int at = centre - before; at <= centre + after; at++)
                    if (at >= 0 && at < window.Length) expected.Add(at);
            }

            Assert.Equal(expected, rows[..count].Select(row => row - 1));
            Assert.Equal(rows[..count].Select(row => (int)window[row - 1]), labels[..count]);
            Assert.Equal((tokenizer.ClsId, tokenizer.SepId), (ids[0], ids[^1]));
            (tokens, chosen) = (tokens + window.Length, chosen + count);
            masked += rows[..count].Count(row => ids[row] == tokenizer.MaskId);
            random += rows[..count].Count(row => ids[row] != tokenizer.MaskId && ids[row] != window[row - 1]);
            Assert.All(rows[..count], row => Assert.True(ids[row] == tokenizer.MaskId || !tokenizer.IsSpecial(ids[row])));
        }

        Assert.Equal(1 - Math.Pow(1 - (0.15 / k), k), (double)chosen / tokens, 0.015);
        Assert.Equal(0.8, (double)masked / chosen, 0.03);
        Assert.Equal(0.1, (double)random / chosen, 0.02);
    }

    [Fact]
    public void Tokens_that_lie_one_after_the_other_are_chosen_one_by_one_and_single_bases_among_them()
    {
        var tokenizer = new NucleotideTransformerTokenizer(3);
        Masker masker = Masker.ForTraining(tokenizer, Toy.Recipe);
        ushort[] window = Window(tokenizer, 122);
        int[] ids = new int[window.Length + 1], rows = new int[window.Length], labels = new int[window.Length];
        int chosen = 0, last = 0;
        for (long n = 0; n < 1000; n++)
        {
            int count = masker.Choose(n, window, ids, 0, rows, labels);
            Assert.Equal(tokenizer.ClsId, ids[0]);
            Assert.All(ids.Skip(1), id => Assert.True(id == tokenizer.MaskId || !tokenizer.IsSpecial(id)));
            chosen += count;
            last += rows.AsSpan(0, count).Contains(window.Length) ? 1 : 0;
        }

        Assert.Equal(0.15, chosen / (1000.0 * window.Length), 0.01);
        Assert.InRange(last, 90, 210);
    }

    [Fact]
    public void Rounds_of_an_evaluation_hide_other_stretches_of_k_tokens_each_and_in_the_end_nearly_all()
    {
        var tokenizer = new DnabertTokenizer(6);
        Masker masker = Masker.ForEvaluation(tokenizer, 0.15);
        ushort[] window = Window(tokenizer, 125);
        int[] ids = new int[window.Length + 2], rows = new int[window.Length], labels = new int[window.Length];
        int masked = 0;
        for (long n = 0; n < 200; n++)
        {
            var seen = new HashSet<int>();
            for (int round = 0; round < 6; round++)
            {
                int count = masker.Choose(n, window, ids, -1, rows, labels, round);
                int[] hidden = rows[..count];
                Assert.All(hidden, row => Assert.True(seen.Add(row)));
                Assert.All(hidden, row => Assert.All(
                    Enumerable.Range(row / 6 * 6, 6).Where(other => other < window.Length), other => Assert.Contains(other, hidden)));
                Assert.Equal(count, ids.Count(id => id == tokenizer.MaskId));
            }

            masked += seen.Count;
        }

        Assert.Equal(0.9, masked / (200.0 * window.Length), 0.02);
    }

    [Theory]
    [MemberData(nameof(Tokenizers), DisableDiscoveryEnumeration = true)]
    public void The_bases_that_are_scored_are_those_that_no_token_in_sight_holds(ISequenceTokenizer tokenizer)
    {
        using Corpus corpus = CorpusBuilder.Build(_toy["corpus"], _toy.Sources, tokenizer, Toy.Cuts);
        var tokens = new HeldOutTokens(corpus, windows: 20, maskProbability: 0.3);
        int[] ids = new int[64], rows = new int[64], labels = new int[64];
        int compared = 0;
        for (int i = 0; i < tokens.Count(0); i++)
        {
            ushort[] window = tokens.Window(0, i, out long number, out int round).ToArray();
            int masked = tokens.Asked.Choose(number, window, ids, 7 - tokens.Asked.Before, rows, labels, round);
            int[] starts = new int[window.Length];
            for (int t = 1; t < window.Length; t++) starts[t] = starts[t - 1] + tokenizer.LengthOf(window[t - 1]) - tokenizer.Overlap;
            HashSet<int> seen = [.. Enumerable.Range(0, window.Length).Where(t => !rows.Take(masked).Contains(t + 7)).SelectMany(Bases)];
            for (int m = 0; m < masked; m++, compared++)
                Assert.Equal(
                    Bases(rows[m] - 7).Count(b => !seen.Contains(b)),
                    tokens.HiddenBases(rows.AsSpan(0, masked), m, labels[m], 7, window.Length));

            IEnumerable<int> Bases(int token) => Enumerable.Range(starts[token], tokenizer.LengthOf(window[token]));
        }

        Assert.True(compared > 50);
    }

    [Theory]
    [MemberData(nameof(Tokenizers), DisableDiscoveryEnumeration = true)]
    public void Windows_of_k_mers_tile_a_record_and_are_tokenised_each_by_itself(ISequenceTokenizer tokenizer)
    {
        using Corpus built = CorpusBuilder.Build(
            _toy["corpus"], _toy.Sources, tokenizer, Toy.Cuts with { HeldOut = 0, MaxTokens = 24 });
        using Corpus corpus = Corpus.Open(_toy["corpus"]);
        Assert.True(TokenizerFile.AreSame(tokenizer, corpus.Tokenizer));
        Assert.Equal(built.Hash, corpus.Hash);
        CorpusSpecies beta = corpus.Species[1];
        string genome = Encoding.ASCII.GetString(SequenceReader.Read(_toy["beta.fa"]).Select(r => r.Copy()).Single().Sequence);
        int at = 0, room = 24 - WindowFrame.CountOf(tokenizer);
        for (long i = 0; i < beta.Training.Windows; i++)
        {
            ushort[] window = corpus.Window(Split.Training, 1, i).ToArray();
            Assert.InRange(window.Length, 1, room);
            string bases = Text(tokenizer, window);
            Assert.Equal(genome.Substring(at, bases.Length), bases);
            var ids = new List<int>();
            tokenizer.EncodeSequence(Encoding.ASCII.GetBytes(bases), ids);
            Assert.Equal(ids, window.Select(id => (int)id));
            at += bases.Length;
        }

        Assert.Equal((at, genome.Length - at), (beta.Training.Bases, beta.RestBases));
        Assert.InRange(genome.Length - at, 0, Toy.Cuts.MinBases - 1);
    }

    [Theory]
    [MemberData(nameof(Tokenizers), DisableDiscoveryEnumeration = true)]
    public void Held_out_windows_of_k_mers_that_repeat_a_training_window_are_left_out(ISequenceTokenizer tokenizer)
    {
        string shared = Toy.Bases(21, 40), other = Toy.Bases(22, 30);
        Assert.True(Share(20, shared, other + shared[3..25] + other));
        Assert.True(Share(22, shared, other + shared[3..25] + other));
        Assert.False(Share(23, shared, other[..29] + Other(shared[2]) + shared[3..25] + Other(shared[25]) + other));
        using Corpus corpus = CorpusBuilder.Build(_toy["corpus"], _toy.Sources, tokenizer, Toy.Cuts with { RepeatBases = 16 });
        Assert.All(corpus.Species, s => Assert.Equal(s.Bases, s.RestBases + s.RepeatedBases + s.Training.Bases + s.HeldOut.Bases));
        Assert.True(corpus.Species.Sum(s => s.RepeatedWindows) > 0 && corpus.Species.Sum(s => s.HeldOut.Windows) > 0);
        HashSet<string> trained = [.. from s in new[] { 0, 1 }
                                      from w in Windows(corpus, Split.Training, s)
                                      from at in Enumerable.Range(0, Math.Max(0, w.Length - 15))
                                      select w.Substring(at, 16)];
        for (int s = 0; s < 2; s++)
            foreach (string window in Windows(corpus, Split.HeldOut, s))
                for (int at = 0; at + 16 <= window.Length; at++) Assert.DoesNotContain(window.Substring(at, 16), trained);

        bool Share(int length, string heldOut, string training)
        {
            var runs = new SharedRuns(length, tokenizer, heldOut.Length);
            runs.AddHeldOut(Ids(tokenizer, heldOut));
            runs.Compare(Ids(tokenizer, training));
            return runs.IsShared(Ids(tokenizer, heldOut));
        }

        static char Other(char b) => b == 'A' ? 'C' : 'A';
    }

    [Fact]
    public void Windows_that_may_be_shorter_than_a_k_mer_are_refused() => Assert.Contains(
        "MinBases is 5: a token has 6 bases",
        Assert.Throws<ArgumentException>(() => CorpusBuilder.Build(
            _toy["corpus"], _toy.Sources, new DnabertTokenizer(6), Toy.Cuts with { MinBases = 5 })).Message, StringComparison.Ordinal);

    private static IEnumerable<string> Windows(Corpus corpus, Split split, int species)
    {
        for (long i = 0; i < corpus.Species[species].Of(split).Windows; i++)
            yield return Text(corpus.Tokenizer, corpus.Window(split, species, i).ToArray());
    }

    private static string Text(ISequenceTokenizer tokenizer, ushort[] window) =>
        string.Concat(window.Select((id, i) => tokenizer.Token(id)[(i == 0 ? 0 : tokenizer.Overlap)..]));

    private static ushort[] Window(ISequenceTokenizer tokenizer, int bases) => Ids(tokenizer, Toy.Bases(9, bases));

    private static ushort[] Ids(ISequenceTokenizer tokenizer, string bases)
    {
        var ids = new List<int>();
        tokenizer.EncodeSequence(Encoding.ASCII.GetBytes(bases), ids);
        return [.. ids.Select(id => (ushort)id)];
    }
}

using System.Text;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.Tokenizers;

namespace Tests.Training;

/// <summary>Held-out windows that repeat one to train on.</summary>
public sealed class CorpusRepeatTests : IDisposable
{
    private readonly Toy _toy = new();

    public void Dispose() => _toy.Dispose();

    [Theory]
    [InlineData(32, 300)]
    [InlineData(32, 1 << 20)]
    [InlineData(21, 1 << 20)]
    public void A_window_that_repeats_one_to_train_on_is_not_held_out(int run, int shardTokens)
    {
        // Half of beta is also in alpha, the other strand of a fifth of it, and one run each that is just long enough or just too short.
        string bases = Toy.Bases(5, 10_000), other = Toy.Bases(6, 4000);
        _toy.Write("beta.fa", $">b\n{bases}\n");
        _toy.Write("alpha.fa", $">a\n{other[..1000]}{bases[..5000]}{other[1000..2000]}{OtherStrand(bases[5000..7000])}{other[2000..3000]}" +
            $"{bases[8000..(8000 + run)]}{other[3000..3500]}{OtherStrand(bases[9000..(9000 + run - 1)])}{other[3500..]}\n");
        CorpusOptions cuts = Toy.Cuts with { ShardTokens = shardTokens };
        using Corpus all = _toy.Build(cuts with { RepeatBases = 0 }, "all"), corpus = _toy.Build(cuts with { RepeatBases = run });
        Assert.Equal((0, run), (all.Options.RepeatBases, corpus.Options.RepeatBases));
        var training = new HashSet<string>();
        for (int s = 0; s < 2; s++)
        {
            Assert.Equal(all.Species[s].Training, corpus.Species[s].Training);
            foreach (string window in Windows(corpus, Split.Training, s))
                foreach (string part in Parts(window).Concat(Parts(OtherStrand(window)))) training.Add(part);
        }

        for (int s = 0; s < 2; s++)
        {
            List<string> expected = [.. Windows(all, Split.HeldOut, s).Where(w => !Parts(w).Any(training.Contains))];
            Assert.Equal(expected, Windows(corpus, Split.HeldOut, s));
            CorpusSpecies species = corpus.Species[s];
            Assert.Equal(all.Species[s].HeldOut.Windows, species.HeldOut.Windows + species.RepeatedWindows);
            Assert.Equal(all.Species[s].HeldOut.Bases, species.HeldOut.Bases + species.RepeatedBases);
            Assert.True(species is { RepeatedWindows: > 10, HeldOut.Windows: > 10 }, $"{species}");
        }

        IEnumerable<string> Parts(
            string window) => Enumerable.Range(0, Math.Max(0, window.Length - run + 1)).Select(i => window.Substring(i, run));
    }

    [Fact]
    public void Shared_runs_are_found_at_every_length_place_and_strand_and_shorter_ones_are_not()
    {
        for (int length = 1; length <= 32; length++)
        {
            string bases = Toy.Bases((ulong)length, 100 + length);
            for (int at = 0; at <= bases.Length - length; at += 7)
            {
                Assert.True(Share(bases, bases.Substring(at, length)));
                Assert.True(Share(bases, OtherStrand(bases.Substring(at, length))));
            }

            Assert.False(Share(bases, bases[..(length - 1)]));
            Assert.False(Share(bases[..(length - 1)], bases));

            bool Share(string heldOut, string training) => SharesRun(length, Toy.Tokenizer, heldOut, training);
        }
    }

    [Fact]
    public void A_base_that_the_tokenizer_does_not_know_ends_a_run_and_is_counted()
    {
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = 30 });
        trainer.Add(Encoding.ASCII.GetBytes(Toy.Bases(3, 5000).Replace("T", "", StringComparison.Ordinal)));
        ResultFiles.Write(_toy["t.json"], trainer.Train().Save);
        File.WriteAllText(_toy["t.json"], File.ReadAllText(_toy["t.json"]).Replace("\"T\"", "\"X\"", StringComparison.Ordinal));
        BpeTokenizer noT = BpeTokenizer.Load(_toy["t.json"]);
        string left = "ACGGACCA", right = "GGCAGACC";
        Assert.False(SharesRun(12, noT, left + "T" + right, left + right));
        Assert.False(SharesRun(12, noT, left + "T" + right, left + "T" + right));
        Assert.True(SharesRun(8, noT, left + "T" + right, right + "T" + left));
        using Corpus corpus = CorpusBuilder.Build(_toy["corpus"], _toy.Sources, noT, Toy.Cuts with { RepeatBases = 6 });
        Assert.All(corpus.Species, s => Assert.Equal(s.Bases, s.RestBases + s.RepeatedBases + s.Training.Bases + s.HeldOut.Bases));
        Assert.All(corpus.Species, s => Assert.True(s is { RepeatedWindows: > 0, HeldOut.Windows: > 0 }, $"{s}"));
        for (int s = 0; s < 2; s++)
            Assert.Equal(corpus.Species[s].HeldOut.Bases,
                Windows(corpus, Split.HeldOut, s).Sum(w => w.Replace("[UNK]", "T", StringComparison.Ordinal).Length));
    }

    [Fact]
    public void More_held_out_bases_than_can_be_compared_are_refused_with_the_way_out() => Assert.Contains(
        "hold out a smaller part",
        Assert.Throws<ArgumentException>(() => new SharedRuns(32, Toy.Tokenizer, 1L << 31)).Message, StringComparison.Ordinal);

    private static List<string> Windows(Corpus corpus, Split split, int species)
    {
        var windows = new List<string>();
        for (long i = 0; i < corpus.Species[species].Of(split).Windows; i++)
            windows.Add(string.Concat(corpus.Window(split, species, i).ToArray().Select(id => corpus.Tokenizer.Token(id))));
        return windows;
    }

    private static bool SharesRun(int length, BpeTokenizer tokenizer, string heldOut, string training)
    {
        var runs = new SharedRuns(length, tokenizer, heldOut.Length);
        runs.AddHeldOut(Ids(heldOut));
        runs.Compare(Ids(training));
        return runs.IsShared(Ids(heldOut));

        ushort[] Ids(string bases) => [.. tokenizer.Encode(bases, addSpecialTokens: false).Ids.ToArray().Select(id => (ushort)id)];
    }

    private static string OtherStrand(string bases) =>
        string.Concat(bases.Reverse().Select(c => "TGCA"["ACGT".IndexOf(c, StringComparison.Ordinal)]));
}

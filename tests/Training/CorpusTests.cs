using System.Text;
using Dnabert2.Data;
using Dnabert2.Sequences;

namespace Tests.Training;

/// <summary>What becomes of sequences in a corpus: windows of tokens, to train on or held out.</summary>
public sealed class CorpusTests : IDisposable
{
    private readonly Toy _toy = new();

    public void Dispose() => _toy.Dispose();

    [Fact]
    public void The_windows_of_a_record_tile_it_and_are_tokenised_as_the_tokenizer_does()
    {
        using Corpus corpus = _toy.Build(Toy.Cuts with { HeldOut = 0 });
        CorpusSpecies beta = corpus.Species[1];
        string genome = Encoding.ASCII.GetString(SequenceReader.Read(_toy["beta.fa"]).Select(r => r.Copy()).Single().Sequence);
        int at = 0;
        bool cut = false;
        for (long i = 0; i < beta.Training.Windows; i++)
        {
            ReadOnlySpan<ushort> window = corpus.Window(Split.Training, 1, i);
            string bases = string.Concat(window.ToArray().Select(id => corpus.Tokenizer.Token(id)));
            Assert.InRange(window.Length, 1, Toy.Cuts.MaxTokens - 2);
            Assert.InRange(bases.Length, 1, Toy.Cuts.MaxBases);
            Assert.Equal(genome.Substring(at, bases.Length), bases);
            if (window.Length < Toy.Cuts.MaxTokens - 2)
                Assert.Equal(
                    Toy.Tokenizer.Encode(bases, addSpecialTokens: false).Ids.ToArray().Select(id => (ushort)id), window.ToArray());
            else cut = true;
            at += bases.Length;
        }

        Assert.True(cut, "no window reached the limit of tokens");
        Assert.InRange(genome.Length - at, 0, Toy.Cuts.MinBases - 1);
        Assert.Equal((genome.Length, genome.Length - at, (long)at), (beta.Bases, beta.RestBases, beta.Training.Bases));
        Assert.Equal(4, corpus.Species[0].Records);
    }

    [Fact]
    public void Windows_with_other_letters_are_dropped_and_counted()
    {
        string bases = Toy.Bases(5, 3000);
        _toy.Write("beta.fa", $">r\n{bases[..1000]}{new string('N', 500)}{bases[1000..2000]}R{bases[2000..]}\n>short\nACGTACGT\n");
        using Corpus corpus = _toy.Build();
        CorpusSpecies beta = corpus.Species[1];
        Assert.InRange(beta.AmbiguousWindows, 3, 30);
        Assert.InRange(beta.AmbiguousBases, 501, 501 + (4 * Toy.Cuts.MaxBases));
        Assert.Equal(3000 + 501 + 8, beta.Bases);
        Assert.Equal(beta.Bases, beta.AmbiguousBases + beta.RestBases + beta.RepeatedBases + beta.Training.Bases + beta.HeldOut.Bases);
        Assert.All(Enumerable.Range(0, (int)beta.Training.Windows), i =>
            Assert.All(corpus.Window(Split.Training, 1, i).ToArray(), id => Assert.Matches("^[ACGT]+$", corpus.Tokenizer.Token(id))));
    }

    [Fact]
    public void A_genome_of_few_windows_has_held_out_ones_all_the_same()
    {
        using Corpus corpus = _toy.Build(Toy.Cuts with { HeldOut = 0.001 }, "few");
        Assert.All(corpus.Species, s =>
        {
            long first = Math.Min(32, s.Training.Windows + s.HeldOut.Windows);
            Assert.True(s.HeldOut.Windows >= first / 4, $"{s.Name}: {s.HeldOut.Windows} of {s.Training.Windows}");
        });
    }

    [Fact]
    public void A_window_is_held_out_or_trained_on_and_never_both()
    {
        using Corpus all = _toy.Build(Toy.Cuts with { HeldOut = 0 }, "all");
        using Corpus split = _toy.Build(Toy.Cuts with { HeldOut = 0.3 }, "split");
        for (int s = 0; s < 2; s++)
        {
            int training = 0, heldOut = 0;
            for (long i = 0; i < all.Species[s].Training.Windows; i++)
            {
                ReadOnlySpan<ushort> window = all.Window(Split.Training, s, i);
                if (training < split.Species[s].Training.Windows && window.SequenceEqual(split.Window(Split.Training, s, training)))
                    training++;
                else Assert.True(window.SequenceEqual(split.Window(Split.HeldOut, s, heldOut++)));
            }

            Assert.Equal((training, heldOut), (split.Species[s].Training.Windows, split.Species[s].HeldOut.Windows));
            // Five standard deviations of a binomial distribution.
            double n = training + heldOut;
            Assert.InRange(heldOut, (0.3 * n) - (5 * Math.Sqrt(n * 0.21)), (0.3 * n) + (5 * Math.Sqrt(n * 0.21)));
        }
    }

    [Fact]
    public void Small_shards_hold_the_same_windows_as_large_ones()
    {
        using Corpus large = _toy.Build(), small = _toy.Build(Toy.Cuts with { ShardTokens = 300 }, "small");
        Assert.True(Directory.GetFiles(small.Folder, "shard-*").Length > 20);
        Assert.Equal(large.Species, small.Species);
        for (int s = 0; s < 2; s++)
            foreach (Split split in Enum.GetValues<Split>())
                for (long i = 0; i < large.Species[s].Of(split).Windows; i++)
                    Assert.True(large.Window(split, s, i).SequenceEqual(small.Window(split, s, i)));
        Assert.Throws<ArgumentOutOfRangeException>(() => small.Window(Split.HeldOut, 0, small.Species[0].HeldOut.Windows).Length);
    }

    [Fact]
    public void Progress_goes_on_through_cutting_and_comparing_to_the_end()
    {
        var told = new List<CorpusProgress>();
        CorpusBuilder.Build(_toy["corpus"], _toy.Sources, Toy.Tokenizer, Toy.Cuts, new Report<CorpusProgress>(told.Add)).Dispose();
        Assert.Equal(told.OrderBy(p => p.Share), told);
        Assert.Equal(told.OrderBy(p => p.Comparing), told);
        Assert.All(told, p => Assert.InRange(p.Share, 0, 1));
        Assert.True(told[^1].Comparing);
        told.Clear();
        CorpusBuilder.Build(
            _toy["all"], _toy.Sources, Toy.Tokenizer, Toy.Cuts with { RepeatBases = 0 }, new Report<CorpusProgress>(told.Add)).Dispose();
        Assert.Equal((1, false), (told[^1].Share, told[^1].Comparing));
    }

    [Fact]
    public void A_corpus_without_a_usable_window_is_refused_and_nothing_is_left()
    {
        _toy.Write("n.fa", $">n\n{new string('N', 5000)}\n>short\nACGT\n");
        string message = Assert.Throws<InvalidDataException>(
            () => CorpusBuilder.Build(_toy["c"], [CorpusSource.Parse(_toy["n.fa"])], Toy.Tokenizer, Toy.Cuts)).Message;
        Assert.Contains("no usable window", message, StringComparison.Ordinal);
        Assert.Contains("n.fa", message, StringComparison.Ordinal);
        Assert.Equal(["alpha.fa", "beta.fa", "n.fa"], _toy.Names);
    }

    [Theory]
    [InlineData("yeast=a/b.fa.gz", "yeast", "a/b.fa.gz")]
    [InlineData("a/b.fa.gz", "b", "a/b.fa.gz")]
    [InlineData("SARS-CoV-2_MN908947.3.fasta", "SARS-CoV-2_MN908947.3", "SARS-CoV-2_MN908947.3.fasta")]
    [InlineData(".fa", ".fa", ".fa")]
    public void A_source_is_named_by_its_file_unless_given_a_name(string text, string species, string path) =>
        Assert.Equal(new CorpusSource(species, path), CorpusSource.Parse(text));
}

using System.Text;
using Dnabert2.Tokenizers;

namespace Tests.Tokenizers;

public class BpeDropoutTests
{
    private static readonly BpeTokenizer Tokenizer = Trained();

    [Fact]
    public void Without_dropout_tokens_are_the_usual_ones_and_with_all_of_it_single_characters()
    {
        byte[] sequence = Sequence(5, 500);
        List<int> usual = [], none = [], starts = [], all = [];
        Tokenizer.EncodeSequence(sequence, usual);
        Tokenizer.EncodeWithDropout(sequence, 0, 1, none, starts);
        Assert.Equal(usual, none);
        Assert.Equal(starts, Starts(none));
        Tokenizer.EncodeWithDropout(sequence, 1, 1, all);
        Assert.Equal(sequence.Select(b => Tokenizer.Id(((char)b).ToString())), all);
        foreach (double p in (double[])[-0.1, 1.1, double.NaN])
            Assert.Throws<ArgumentOutOfRangeException>(() => Tokenizer.EncodeWithDropout(sequence, p, 1, []));
    }

    [Fact]
    public void A_seed_decides_how_the_same_bases_are_cut()
    {
        byte[] sequence = Sequence(6, 400);
        List<int> first = [], again = [], other = [], starts = [];
        Tokenizer.EncodeWithDropout(sequence, 0.1, 1, first, starts);
        Tokenizer.EncodeWithDropout(sequence, 0.1, 1, again);
        Tokenizer.EncodeWithDropout(sequence, 0.1, 2, other);
        Assert.Equal(first, again);
        Assert.NotEqual(first, other);
        string bases = Encoding.ASCII.GetString(sequence);
        foreach (List<int> ids in (List<int>[])[first, other]) Assert.Equal(bases, string.Concat(ids.Select(Tokenizer.Token)));
        Assert.Equal(starts, Starts(first));
    }

    /// <summary>Were pairs drawn again after each merge, next to none would be left out of a long sequence.</summary>
    [Fact]
    public void As_many_merges_are_left_out_of_a_long_sequence_as_the_probability_says()
    {
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = 10, MaxTokenLength = 2 });
        trainer.Add("ACGTACACAC"u8);
        BpeTokenizer pairs = trainer.Train();
        Assert.True(pairs.TryGetId("AC", out int merged));
        foreach (double p in (double[])[0.1, 0.5])
        {
            List<int> ids = [];
            pairs.EncodeWithDropout(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("ACG", 20_000))), p, 3, ids);
            Assert.Equal(1 - p, ids.Count(id => id == merged) / 20_000.0, 0.01);
        }
    }

    private static IEnumerable<int> Starts(List<int> ids) => ids.Select((_, i) => ids.Take(i).Sum(id => Tokenizer.LengthOf(id)));

    private static byte[] Sequence(int seed, int length)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => (byte)"ACGT"[random.Next(4)])];
    }

    private static BpeTokenizer Trained()
    {
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = 200 });
        trainer.Add(Sequence(1, 20_000));
        return trainer.Train();
    }
}

using System.Text;
using Dnabert2.Tokenizers;

namespace Tests.Tokenizers;

public class VocabularyReportTests
{
    [Fact]
    public void The_first_merges_of_a_large_training_are_the_training_of_the_smaller_vocabulary()
    {
        BpeTokenizer large = Train(Sequence(1, 20_000), 600);
        foreach (int size in new[] { 9, 10, 64, 256, 600 })
        {
            BpeTokenizer small = large.WithVocabularySize(size);
            Assert.Equal(size, small.VocabularySize);
            if (size > 9) Assert.Equal(BpeTrainerTests.Saved(Train(Sequence(1, 20_000), size)), BpeTrainerTests.Saved(small));
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => large.WithVocabularySize(8));
        Assert.Throws<ArgumentOutOfRangeException>(() => large.WithVocabularySize(601));
    }

    [Fact]
    public void A_vocabulary_of_the_bases_alone_has_one_base_a_token_and_the_cost_follows_the_formula()
    {
        BpeTokenizer t = Train(Sequence(2, 20_000), 300);
        byte[] sample = Encoding.ASCII.GetBytes("NN" + Sequence(3, 5000) + "N" + Sequence(4, 5000));
        IReadOnlyList<VocabularyReportRow> rows = VocabularyReport.Measure(t, [9, 300], [sample], sequenceLength: 300);
        Assert.Equal((9, 1.0, 1, 1.0), (rows[0].VocabularySize, rows[0].MeanTokenLength, rows[0].MaxTokenLength, rows[0].BasesPerToken));

        var ids = new List<int>();
        t.EncodeSequence(sample, ids);
        Assert.Equal(10_000.0 / (ids.Count - 3), rows[1].BasesPerToken, 12);
        string[] tokens = [.. Enumerable.Range(5, 295).Select(t.Token)];
        Assert.Equal(tokens.Average(token => token.Length), rows[1].MeanTokenLength, 12);
        Assert.Equal(tokens.Max(token => token.Length), rows[1].MaxTokenLength);
        Assert.Equal(1.0, rows[1].RelativeFlops);
        Assert.Equal(Flops(302, 9) / Flops(300 / rows[1].BasesPerToken + 2, 300), rows[0].RelativeFlops, 12);
    }

    [Fact]
    public void A_sample_without_bases_and_a_tokenizer_that_was_not_trained_so_are_refused()
    {
        BpeTokenizer t = Train(Sequence(5, 2000), 100);
        Assert.Throws<ArgumentException>(() => VocabularyReport.Measure(t, [50], ["NNN"u8.ToArray()]));
        BpeTokenizer shuffled = BpeTokenizer.Parse(
            """{"version":"1.0","model":{"type":"BPE","vocab":{"A":0,"C":1,"AC":3,"CA":2},"merges":["A C","C A"]}}"""u8.ToArray(),
            "x.json");
        Assert.Throws<InvalidOperationException>(() => shuffled.WithVocabularySize(3));
    }

    /// <summary>The encoder's layers and the masked-language head, multiply and add counted as two.</summary>
    private static double Flops(double n, int vocabulary)
        => 12 * (n * 2 * (768 * 2304 + 768 * 768 + 768 * 6144 + 3072 * 768) + 2 * 2 * n * n * 768) + n * 2 * (768 * 768 + 768 * vocabulary);

    private static BpeTokenizer Train(string sequence, int size)
    {
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = size });
        trainer.Add(Encoding.ASCII.GetBytes(sequence));
        return trainer.Train();
    }

    private static string Sequence(int seed, int length)
    {
        var random = new Random(seed);
        return string.Create(length, random, static (text, r) =>
        {
            for (int i = 0; i < text.Length; i++) text[i] = "AACGTTTA"[r.Next(8)];
        });
    }
}

using System.Text;
using System.Text.Json;
using Dnabert2.Tokenizers;

namespace Tests.Tokenizers;

public class BpeTrainerTests
{
    [Fact]
    public void Training_finds_the_reference_merges_one_by_one()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path("golden/bpe_train/tokenizer.json")));
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = 30000, SpecialTokens = [] });
        foreach (string line in File.ReadLines(SharedData.Path("golden/bpe_train/yeast_chrI_200bp_lines.txt")))
            trainer.Add(Encoding.ASCII.GetBytes(line));
        BpeTokenizer trained = trainer.Train();

        JsonElement model = golden.RootElement.GetProperty("model");
        Assert.Equal(30000, trained.VocabularySize);
        foreach (JsonProperty token in model.GetProperty("vocab").EnumerateObject())
            Assert.Equal((token.Name, token.Value.GetInt32()), (token.Name, trained.Id(token.Name)));
        using JsonDocument saved = JsonDocument.Parse(Saved(trained));
        string[] expected = [.. model.GetProperty("merges").EnumerateArray().Select(m => $"{m[0].GetString()} {m[1].GetString()}")];
        string[] actual = [.. saved.RootElement.GetProperty("model").GetProperty("merges").EnumerateArray().Select(m => m.GetString()!)];
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void Training_equals_the_plain_rule_on_repetitive_text_with_gaps_limits_and_ties()
    {
        for (int seed = 0; seed < 80; seed++)
        {
            var random = new Random(seed);
            string[] sequences = [
                .. Enumerable.Range(0, random.Next(1, 8))
                .Select(_ => Repetitive(random, seed % 3 == 0 ? "ACGTN" : "AC", random.Next(2, 150)))];
            var options = new BpeTrainerOptions
            {
                VocabularySize = 9 + random.Next(1, 60),
                MinimumCount = random.Next(0, 4),
                MaxTokenLength = random.Next(3) == 0 ? random.Next(2, 12) : int.MaxValue,
            };
            var trainer = new BpeTrainer(options);
            foreach (string sequence in sequences.Append("AC")) trainer.Add(Encoding.ASCII.GetBytes(sequence));
            List<(string, string)> expected = PlainTraining([.. sequences, "AC"], options);
            if (expected.Count == 0)
            {
                Assert.Throws<InvalidOperationException>(() => trainer.Train());
                continue;
            }
            Assert.Equal(expected, MergesOf(trainer.Train()));
        }
    }

    [Fact]
    public void Training_does_not_depend_on_the_order_of_the_sequences()
    {
        var random = new Random(3);
        string[] sequences = [.. Enumerable.Range(0, 50).Select(_ => Repetitive(random, "ACGT", 300))];
        byte[] expected = Saved(Train(sequences, new BpeTrainerOptions { VocabularySize = 400 }));
        random.Shuffle(sequences);
        Assert.Equal(expected, Saved(Train(sequences, new BpeTrainerOptions { VocabularySize = 400 })));
    }

    [Fact]
    public void No_token_is_longer_than_the_limit_and_none_reaches_across_another_character()
    {
        string[] sequences = [new string('A', 503), string.Concat(Enumerable.Repeat("ACGNNacgt", 100))];
        BpeTokenizer t = Train(sequences, new BpeTrainerOptions { VocabularySize = 60, MaxTokenLength = 7 });
        string[] tokens = [.. Enumerable.Range(5, t.VocabularySize - 5).Select(t.Token)];
        Assert.Equal(7, tokens.Max(token => token.Length));
        Assert.All(tokens.Where(token => token.Length > 3), token => Assert.Equal(new string('A', token.Length), token));
    }

    [Fact]
    public void A_trained_tokenizer_begins_with_the_special_tokens_and_the_bases_and_puts_cls_and_sep_around_a_text()
    {
        BpeTokenizer t = Train(["ACGTACGT"], new BpeTrainerOptions { VocabularySize = 12 });
        Assert.Equal(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "A", "C", "G", "T"], Enumerable.Range(0, 9).Select(t.Token));
        Assert.Equal(["[CLS]", "ACGT", "[UNK]", "[SEP]"], t.Encode("ACGTN").GetTokens());
        Assert.Equal([0, 0, 0, 1, 1], t.Encode("ACGT", "ACGT").TypeIds.ToArray());
        Assert.Equal("ACGT", t.Decode(t.Encode("ACGT[MASK]").Ids));
    }

    [Fact]
    public void Training_stops_when_it_is_cancelled_and_tells_each_merge_until_then()
    {
        using var cancel = new CancellationTokenSource();
        var seen = new List<BpeTrainingProgress>();
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = 50 });
        trainer.Add(Encoding.ASCII.GetBytes(Repetitive(new Random(4), "ACGT", 2000)));
        var progress = new Listener(p =>
        {
            seen.Add(p);
            if (p.MergesDone == 5) cancel.Cancel();
        });
        Assert.Throws<OperationCanceledException>(() => trainer.Train(progress, cancel.Token));
        Assert.Equal(Enumerable.Range(1, 5).Select(i => new BpeTrainingProgress(i, 41)), seen);
        Assert.Throws<InvalidOperationException>(() => trainer.Train());
        Assert.Throws<InvalidOperationException>(() => trainer.Add("ACGT"u8));
    }

    [Theory]
    [InlineData(8, int.MaxValue, "[UNK]")]
    [InlineData(65536, int.MaxValue, "[UNK]")]
    [InlineData(100, 0, "[UNK]")]
    [InlineData(100, int.MaxValue, "GATTACA")]
    [InlineData(100, int.MaxValue, "")]
    [InlineData(100, int.MaxValue, "[CLS]")]
    public void Options_that_contradict_each_other_are_refused(int size, int maxLength, string first)
        => Assert.ThrowsAny<ArgumentException>(() => new BpeTrainer(new BpeTrainerOptions
        {
            VocabularySize = size,
            MaxTokenLength = maxLength,
            SpecialTokens = [first, "[CLS]", "[SEP]", "[PAD]", "[MASK]"],
        }));

    [Fact]
    public void Training_without_two_adjacent_bases_is_refused()
    {
        var trainer = new BpeTrainer();
        trainer.Add("NNANCNacgt"u8);
        Assert.Equal(2, trainer.BaseCount);
        Assert.Throws<InvalidOperationException>(() => trainer.Train());
    }

    private static BpeTokenizer Train(string[] sequences, BpeTrainerOptions options)
    {
        var trainer = new BpeTrainer(options);
        foreach (string sequence in sequences) trainer.Add(Encoding.ASCII.GetBytes(sequence));
        return trainer.Train();
    }

    /// <summary>The rule as it reads: count all adjacent pairs anew for each merge.</summary>
    private static List<(string, string)> PlainTraining(string[] sequences, BpeTrainerOptions options)
    {
        List<string> vocabulary = ["A", "C", "G", "T"];
        List<List<string>> words = [.. sequences.SelectMany(s => s.Split('N')).Select(s => s.Select(c => c.ToString()).ToList())];
        var merges = new List<(string, string)>();
        while (vocabulary.Count + 5 < options.VocabularySize)
        {
            var counts = new Dictionary<(int Left, int Right), int>();
            foreach (List<string> word in words)
            {
                for (int i = 0; i + 1 < word.Count; i++)
                {
                    if (word[i].Length + word[i + 1].Length > options.MaxTokenLength) continue;
                    (int, int) pair = (vocabulary.IndexOf(word[i]), vocabulary.IndexOf(word[i + 1]));
                    counts[pair] = counts.GetValueOrDefault(pair) + 1;
                }
            }
            if (counts.Count == 0) break;
            ((int left, int right), int count) = counts.OrderByDescending(c => c.Value).ThenBy(c => c.Key.Left)
                .ThenBy(c => c.Key.Right).First();
            if (count < options.MinimumCount) break;
            merges.Add((vocabulary[left], vocabulary[right]));
            foreach (List<string> word in words)
            {
                for (int i = 0; i + 1 < word.Count; i++)
                {
                    if (word[i] != vocabulary[left] || word[i + 1] != vocabulary[right]) continue;
                    word[i] += word[i + 1];
                    word.RemoveAt(i + 1);
                }
            }
            vocabulary.Add(vocabulary[left] + vocabulary[right]);
        }
        return merges;
    }

    private static (string, string)[] MergesOf(BpeTokenizer tokenizer)
    {
        using JsonDocument saved = JsonDocument.Parse(Saved(tokenizer));
        return [.. saved.RootElement.GetProperty("model").GetProperty("merges").EnumerateArray().Select(m => m.GetString()!.Split(' '))
            .Select(m => (m[0], m[1]))];
    }

    private static string Repetitive(Random random, string alphabet, int length)
    {
        var text = new StringBuilder();
        while (text.Length < length)
        {
            string unit = string.Concat(Enumerable.Range(0, random.Next(1, 5)).Select(_ => alphabet[random.Next(alphabet.Length)]));
            for (int i = random.Next(1, 8); i > 0; i--) text.Append(unit);
        }
        return text.ToString();
    }

    private sealed class Listener(Action<BpeTrainingProgress> heard) : IProgress<BpeTrainingProgress>
    {
        public void Report(BpeTrainingProgress value) => heard(value);
    }

    internal static byte[] Saved(BpeTokenizer tokenizer)
    {
        using var stream = new MemoryStream();
        tokenizer.Save(stream);
        return stream.ToArray();
    }
}

using System.Text;
using Dnabert2.Tokenizers;

namespace Tests.Tokenizers;

/// <summary>The linear-time encoder and the heap against the definition of BPE written as the plainest loop.</summary>
public class BpeExactnessTests
{
    [Fact]
    public void Encoding_with_trained_vocabularies_equals_the_plain_merge_loop()
    {
        for (int seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            string alphabet = "ACGT"[..random.Next(1, 5)];
            var trainer =
                new BpeTrainer(new BpeTrainerOptions { VocabularySize = 9 + random.Next(1, 300), MaxTokenLength = random.Next(2, 40) });
            for (int i = 0; i < 20; i++) trainer.Add(Encoding.ASCII.GetBytes("AC" + Text(random, alphabet, 200)));
            BpeTokenizer t = trainer.Train();
            Assert.True(IsLinear(t), "a trained vocabulary is encoded by the heap");
            for (int i = 0; i < 40; i++) AssertEqualsPlainLoop(t, Text(random, i % 2 == 0 ? alphabet : "ACGTN a", random.Next(0, 120)));
        }
    }

    [Fact]
    public void Encoding_with_random_merges_equals_the_plain_merge_loop()
    {
        int linear = 0, heap = 0, tokensLost = 0;
        for (int seed = 0; seed < 400; seed++)
        {
            var random = new Random(seed);
            string alphabet = seed % 5 == 4 ? "aé😀." : "ABC"[..random.Next(1, 4)];
            BpeTokenizer t = RandomTokenizer(random, alphabet, seed);
            if (IsLinear(t)) linear++;
            else heap++;
            for (int i = 0; i < 40; i++)
            {
                string text = Text(random, i % 4 == 0 ? alphabet + "N é_ .-\t" : alphabet, random.Next(0, 60));
                tokensLost += AssertEqualsPlainLoop(t, text);
            }
        }
        // The test is worth something only as long as it meets all kinds.
        Assert.True(linear > 50 && heap > 50 && tokensLost > 1000, $"{linear} linear, {heap} by heap, {tokensLost} tokens");
    }

    [Fact]
    public void A_rule_that_comes_before_those_that_make_its_sides_is_taken_as_soon_as_it_can_be()
    {
        BpeTokenizer t = Tokenizer(["[UNK]", "a", "b", "c", "ab", "abc", "bc"], [("ab", "c"), ("b", "c"), ("a", "b")]);
        Assert.False(IsLinear(t), "the linear-time encoder was used where its condition does not hold");
        Assert.Equal(["a", "bc", "ab"], t.Encode("abcab").GetTokens());
    }

    [Fact]
    public void Of_a_repeated_rule_the_last_counts()
    {
        BpeTokenizer t = Tokenizer(["[UNK]", "a", "b", "c", "ab", "bc"], [("a", "b"), ("b", "c"), ("a", "b")]);
        Assert.Equal(["a", "bc"], t.Encode("abc").GetTokens());
    }

    [Fact]
    public void A_token_that_no_merge_can_reach_never_appears()
    {
        BpeTokenizer t = Tokenizer(["[UNK]", "a", "b", "ab", "ba", "aba", "bb"], [("b", "b"), ("a", "b")]);
        Assert.Equal(["ab", "a"], t.Encode("aba").GetTokens());
        Assert.Equal(["a", "bb"], t.Encode("abb").GetTokens());
    }

    [Fact]
    public void Without_an_unknown_token_unknown_characters_are_dropped_and_their_neighbours_meet()
    {
        BpeTokenizer t = Tokenizer(["a", "b", "ab"], [("a", "b")], unknown: null);
        TokenEncoding e = t.Encode("axb xx b");
        Assert.Equal(["ab", "b"], e.GetTokens());
        Assert.Equal([(0, 3), (7, 8)], e.Offsets.ToArray());
        List<int> ids = [], starts = [];
        t.EncodeSequence("axb xx b"u8, ids, starts);
        Assert.Equal(e.Ids.ToArray(), ids);
        Assert.Equal([0, 7], starts);
    }

    [Fact]
    public void An_unknown_token_that_is_a_letter_merges_like_that_letter()
    {
        BpeTokenizer t = Tokenizer(["n", "a", "na"], [("n", "a")], unknown: "n");
        Assert.Equal(["na", "a", "na"], t.Encode("xaana").GetTokens());
        List<int> ids = [];
        t.EncodeSequence("xaana"u8, ids);
        Assert.Equal([2, 1, 2], ids);
    }

    [Fact]
    public void Long_tokens_of_one_letter_are_paired_from_the_left()
    {
        string[] tokens = ["[UNK]", "a", "aa", "aaa", "aaaa", "aaaaa"];
        BpeTokenizer t = Tokenizer(tokens, [("a", "a"), ("aa", "a"), ("aa", "aa"), ("aaa", "aa")]);
        for (int n = 0; n < 40; n++) AssertEqualsPlainLoop(t, new string('a', n));
    }

    [Fact]
    public void A_search_that_has_to_step_back_far_gives_the_right_tokens()
    {
        // Greedily "ab" is taken again and again until the end shows that every one of them was wrong.
        string[] tokens = ["[UNK]", "a", "b", "c", "bc", "ba", "ab", "abab", "baba"];
        BpeTokenizer t = Tokenizer(tokens, [("b", "c"), ("b", "a"), ("a", "b"), ("ab", "ab"), ("ba", "ba")]);
        foreach (string end in new[] { "", "a", "b", "c", "bc", "abc" })
            for (int n = 0; n < 30; n++) AssertEqualsPlainLoop(t, string.Concat(Enumerable.Repeat("ab", n)) + end);
    }

    [Fact]
    public void Long_runs_in_blocks_of_any_length_equal_the_heap()
    {
        for (int seed = 0; seed < 40; seed++)
        {
            var random = new Random(seed);
            var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = 9 + random.Next(1, 500) });
            trainer.Add(Encoding.ASCII.GetBytes(Text(random, "ACGT", 5000)));
            BpeTokenizer t = trainer.Train();
            BpeModel model = t.Model;
            string text = Text(random, seed % 4 == 0 ? "AC" : "ACGT", random.Next(2000, 9000));
            int[] expected = new int[text.Length], lengths = new int[text.Length];
            for (int i = 0; i < text.Length; i++) expected[i] = model.Symbol(new Rune(text[i]));
            int count = MergeLoop.Run(model, expected, lengths, out _);
            foreach (int block in new[] { 1, 2, 7, 50, 333, 2048, 10_000 })
            {
                List<int> ids = [], starts = [];
                CompiledBpe.TryCompile(model, "ACGT"u8.ToArray(), block)!.EncodeRun(Encoding.ASCII.GetBytes(text), 5, ids, starts);
                Assert.True(expected.AsSpan(0, count).SequenceEqual(ids.ToArray()),
                    $"seed {seed}, {text.Length} characters in blocks of {block}, longest {model.Tokens.Max(t => t.Length)}");
                Assert.Equal(Enumerable.Range(0, count).Select(i => 5 + lengths.Take(i).Sum()).Take(3), starts.Take(3));
                Assert.Equal(5 + text.Length - lengths[count - 1], starts[^1]);
            }
        }
    }

    [Fact]
    public void Encoding_a_sequence_appends_and_allocates_nothing_once_the_lists_have_grown()
    {
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = 200 });
        var random = new Random(1);
        byte[] sequence = Encoding.ASCII.GetBytes(Text(random, "ACGT", 5000) + "NN" + Text(random, "ACGT", 5000));
        trainer.Add(sequence);
        BpeTokenizer t = trainer.Train();
        var ids = new List<int> { 77 };
        var starts = new List<int> { 88 };
        t.EncodeSequence(sequence, ids, starts);
        Assert.Equal((77, 88), (ids[0], starts[0]));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 3; i++)
        {
            ids.Clear();
            starts.Clear();
            t.EncodeSequence(sequence, ids, starts);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void One_tokenizer_serves_many_threads()
    {
        var random = new Random(2);
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = 300 });
        string[] texts = [.. Enumerable.Range(0, 200).Select(_ => Text(random, "ACGTN", 300))];
        foreach (string text in texts) trainer.Add(Encoding.ASCII.GetBytes(text));
        BpeTokenizer t = trainer.Train();
        int[][] expected = Array.ConvertAll(texts, text => t.Encode(text).Ids.ToArray());
        Parallel.For(0, 2000, i => Assert.Equal(expected[i % 200], t.Encode(texts[i % 200]).Ids.ToArray()));
    }

    private static bool IsLinear(BpeTokenizer t) => t.EncodesInLinearTime;

    private static BpeTokenizer RandomTokenizer(Random random, string alphabet, int seed)
    {
        List<string> tokens = [.. alphabet.EnumerateRunes().Select(r => r.ToString())];
        if (seed % 7 != 0) tokens.Insert(random.Next(tokens.Count + 1), "[UNK]");
        var merges = new List<(string, string)>();
        int rules = random.Next(1, 40);
        for (int tries = 0; merges.Count < rules && tries < 200; tries++)
        {
            string left = tokens[random.Next(tokens.Count)], right = tokens[random.Next(tokens.Count)];
            // Mostly without the unknown token, mostly each product once.
            if ((left + right).Contains('[') && random.Next(50) != 0) continue;
            if (tokens.Contains(left + right) && random.Next(10) != 0) continue;
            if (left.Length + right.Length > 12) continue;
            merges.Add((left, right));
            if (!tokens.Contains(left + right)) tokens.Add(left + right);
        }
        if (seed % 3 == 0) random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(merges));
        if (random.Next(4) == 0) tokens.Add("unreachable");
        return Tokenizer([.. tokens], [.. merges], seed % 7 != 0 ? "[UNK]" : null, splits: seed % 2 == 0);
    }

    private static BpeTokenizer Tokenizer(
        string[] tokens, (string Left, string Right)[] merges, string? unknown = "[UNK]", bool splits = true)
    {
        static string Quoted(string s) => $"\"{System.Text.Json.JsonEncodedText.Encode(s)}\"";
        string vocabulary = string.Join(',', tokens.Select((token, id) => $"{Quoted(token)}:{id}"));
        string rules = string.Join(',', merges.Select(m => $"[{Quoted(m.Left)},{Quoted(m.Right)}]"));
        string json = $$"""
            {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
             "pre_tokenizer":{{(splits ? "{\"type\":\"Whitespace\"}" : "null")}},"post_processor":null,"decoder":null,
             "model":{"type":"BPE","dropout":null,"unk_token":{{(unknown is null ? "null" : Quoted(unknown))}},"fuse_unk":false,
             "vocab":{ {{vocabulary}} },"merges":[{{rules}}] } }
            """;
        return BpeTokenizer.Parse(Encoding.UTF8.GetBytes(json), "test.json");
    }

    private static string Text(Random random, string alphabet, int length)
    {
        Rune[] runes = [.. alphabet.EnumerateRunes()];
        var text = new StringBuilder();
        while (text.Length < length)
        {
            // Repeats, so that long tokens and ties occur.
            string unit = string.Concat(Enumerable.Range(0, random.Next(1, 4)).Select(_ => runes[random.Next(runes.Length)].ToString()));
            for (int i = random.Next(1, 6); i > 0; i--) text.Append(unit);
        }
        return text.ToString();
    }

    /// <summary>Compares ids, offsets and byte form; returns the number of tokens.</summary>
    private static int AssertEqualsPlainLoop(BpeTokenizer t, string text)
    {
        List<(int Id, int Start, int End)> expected = PlainBpe.Encode(t, text);
        TokenEncoding actual = t.Encode(text, addSpecialTokens: false);
        Assert.Equal(expected.Select(e => e.Id), actual.Ids.ToArray());
        Assert.Equal(expected.Select(e => (e.Start, e.End)), actual.Offsets.ToArray());
        if (Ascii.IsValid(text))
        {
            List<int> ids = [], starts = [];
            t.EncodeSequence(Encoding.ASCII.GetBytes(text), ids, starts);
            Assert.Equal(expected.Select(e => e.Id), ids);
            Assert.Equal(expected.Select(e => e.Start), starts);
        }
        return expected.Count;
    }
}

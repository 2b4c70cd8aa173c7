using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dnabert2.Tokenizers;
using Tests.Weights;

namespace Tests.Tokenizers;

public class KmerTokenizersTests
{
    private const string Cases = "baselines/tokenizer_cases", Hashes = "baselines/gue_token_ids";

    [Fact]
    public void Every_text_of_the_reference_gives_its_ids()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedData.Golden(Cases)));
        int compared = 0;
        foreach (JsonElement c in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            string text = c.GetProperty("text").GetString()!;
            for (int k = 3; k <= 6; k++) Assert.Equal(Ids(c, $"dnabert{k}"), Framed(new DnabertTokenizer(k), text));
            var nt = new NucleotideTransformerTokenizer();
            Assert.Equal(Ids(c, "nt"), Framed(nt, text));
            Assert.Equal(Ids(c, "nt_finetune"), [.. Framed(nt, text), nt.PadId!.Value]);
            compared++;
        }

        Assert.InRange(compared, 30, 1000);
    }

    [Fact]
    public void Truncated_rows_and_pairs_of_the_reference_are_made_of_the_same_ids()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedData.Golden(Cases)));
        var nt = new NucleotideTransformerTokenizer();
        foreach (JsonElement c in golden.RootElement.GetProperty("truncation").EnumerateArray())
        {
            int most = c.GetProperty("max_length").GetInt32();
            string text = c.GetProperty("text").GetString()!;
            if (c.TryGetProperty("dnabert6", out _)) Assert.Equal(Ids(c, "dnabert6"), Framed(new DnabertTokenizer(6), text, most - 2));
            // The end is padding, which counts.
            Assert.Equal(Ids(c, "nt_finetune"), [.. Framed(nt, text, most - 2), nt.PadId!.Value]);
        }

        JsonElement pair = golden.RootElement.GetProperty("pairs")[0];
        string first = pair.GetProperty("text").GetString()!, second = pair.GetProperty("pair").GetString()!;
        var dnabert = new DnabertTokenizer(3);
        SpecialTokenFrame frame = dnabert.Frame(pair: true);
        Assert.Equal(
            Ids(pair, "dnabert3"), [.. frame.Before.ToArray(), .. Plain(dnabert, first), .. frame.Between.ToArray(),
                .. Plain(dnabert, second), .. frame.After.ToArray()]);
        // Without the padding that the other program puts between and behind them.
        SpecialTokenFrame of = nt.Frame(pair: true);
        Assert.Equal(
            Ids(pair, "nt_finetune").Where(id => id != nt.PadId),
            [.. of.Before.ToArray(), .. Plain(nt, first), .. of.Between.ToArray(), .. Plain(nt, second), .. of.After.ToArray()]);
    }

    [Fact]
    public void All_rows_of_real_files_give_the_ids_of_the_reference()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedData.Golden(Hashes)));
        var nt = new NucleotideTransformerTokenizer();
        foreach (JsonProperty file in golden.RootElement.GetProperty("files").EnumerateObject())
        {
            string[] rows = [.. File.ReadLines(SharedData.Path("gue/" + file.Name)).Skip(1).Select(line => line[..line.IndexOf(',')])];
            Assert.Equal(file.Value.GetProperty("rows").GetInt32(), rows.Length);
            Assert.Equal(Hash(file.Value, "dnabert3"), Hash(rows, row => Framed(new DnabertTokenizer(3), row)));
            Assert.Equal(Hash(file.Value, "dnabert6"), Hash(rows, row => Framed(new DnabertTokenizer(6), row)));
            Assert.Equal(Hash(file.Value, "nt_finetune"), Hash(rows, row => [.. Framed(nt, row), nt.PadId!.Value]));
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void The_published_vocabularies_of_DNABERT_are_read_and_written(int k)
    {
        string path = SharedData.Path($"golden/baselines/published/DNA_bert_{k}/vocab.txt");
        DnabertTokenizer tokenizer = DnabertTokenizer.Load(path);
        Assert.Equal(k, tokenizer.K);
        Assert.Equal(5 + (int)Math.Pow(4, k), tokenizer.VocabularySize);
        Assert.Equal(File.ReadAllText(path).TrimEnd('\n'), Encoding.ASCII.GetString(Written(tokenizer)));
        Assert.Equal(File.ReadAllLines(path), Enumerable.Range(0, tokenizer.VocabularySize).Select(tokenizer.Token));
    }

    [Fact]
    public void The_vocabulary_of_the_Nucleotide_Transformer_is_the_published_file()
    {
        var tokenizer = new NucleotideTransformerTokenizer();
        byte[] written = Written(tokenizer);
        Assert.Equal(
            "f1b544e27897936b50bbd925850fa8a08b421c33bb9c26e3711c140c061d0d4c", Convert.ToHexStringLower(SHA256.HashData(written)));
        Assert.Equal(28_718, written.Length);
        Assert.Equal(4107, NucleotideTransformerTokenizer.Parse(written, "vocab.txt").VocabularySize);
        Assert.Equal(4105, tokenizer.SequenceIds);
        Assert.Equal(["<eos>", "<bos>"], [tokenizer.Token(4105), tokenizer.Token(4106)]);
    }

    [Fact]
    public void Tokens_start_where_their_letters_do()
    {
        List<int> ids = [], starts = [];
        new DnabertTokenizer(3).EncodeSequence("ACGTN"u8, ids, starts);
        Assert.Equal([0, 1, 2], starts);
        ids.Clear();
        starts.Clear();
        var nt = new NucleotideTransformerTokenizer(3);
        nt.EncodeSequence("ACGTNxyACG T<mask>G-"u8, ids, starts);
        Assert.Equal([0, 3, 4, 5, 7, 11, 12, 18, 19], starts);
        Assert.Equal(["ACG", "T", "N", "<unk>", "ACG", "T", "<mask>", "G", "<unk>"], ids.Select(nt.Token));
    }

    [Theory]
    [InlineData("", "ends after line 0, before [PAD]")]
    [InlineData("[PAD]\n[UNK]\n[CLS]\n", "ends after line 3, before [SEP]")]
    [InlineData("[UNK]\n[PAD]\n", "line 1 is '[UNK]'; the vocabulary of DNABERT has [PAD] there")]
    [InlineData("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\nC\nG\nT", "line 7 is 'C'; the vocabulary of DNABERT has T there")]
    [InlineData("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\nA\nC\nG", "line 7 is 'A', which is on line 6 already")]
    [InlineData("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\nT\nC", "has 8 tokens; the vocabulary of DNABERT with k-mers of 1 letters has 9")]
    [InlineData("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\nT\nC\nG\nN", "has 10 tokens")]
    [InlineData("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nAA\nAT\nA\0\u0007C", "line 8 is 'A??C'")]
    [InlineData("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nAAAAAAAAA", "line 6 is 'AAAAAAAAA'")]
    [InlineData("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\n", "line 6 is ''")]
    [InlineData("[PAD]\né", "is not ASCII text")]
    public void A_vocabulary_that_is_none_is_refused_by_its_line(string content, string message)
    {
        string said = Assert.Throws<InvalidDataException>(() => DnabertTokenizer.Parse(Encoding.UTF8.GetBytes(content), "v.txt")).Message;
        Assert.StartsWith("v.txt: ", said, StringComparison.Ordinal);
        Assert.Contains(message, said, StringComparison.Ordinal);
    }

    [Fact]
    public void Line_ends_of_Windows_and_one_at_the_end_are_read()
    {
        string text = Encoding.ASCII.GetString(Written(new DnabertTokenizer(2)));
        Assert.Equal(2, DnabertTokenizer.Parse(Encoding.ASCII.GetBytes(text.Replace("\n", "\r\n") + "\r\n"), "v").K);
        Assert.Equal(2, DnabertTokenizer.Parse(Encoding.ASCII.GetBytes(text + "\n"), "v").K);
        Assert.Throws<InvalidDataException>(() => DnabertTokenizer.Parse(Encoding.ASCII.GetBytes(text + "\n\n"), "v"));
    }

    [Fact]
    public void A_file_that_is_too_large_or_of_the_other_model_is_refused()
    {
        using var folder = new TempFolder();
        string large = folder.Write("large.txt", new byte[(1 << 20) + 1]);
        Assert.Contains(
            "has at most", Assert.Throws<InvalidDataException>(() => DnabertTokenizer.Load(large)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => DnabertTokenizer.Parse(Written(new NucleotideTransformerTokenizer(3)), "v"));
        Assert.Throws<InvalidDataException>(() => NucleotideTransformerTokenizer.Parse(Written(new DnabertTokenizer(3)), "v"));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DnabertTokenizer(9));
        Assert.Throws<ArgumentOutOfRangeException>(() => new NucleotideTransformerTokenizer(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DnabertTokenizer(3).Token(69));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DnabertTokenizer(3).Token(-1));
    }

    public static TheoryData<ISequenceTokenizer> OfKmers => new(
        new[] { 1, 2, 3, 6 }.SelectMany(k => new ISequenceTokenizer[] { new DnabertTokenizer(k), new NucleotideTransformerTokenizer(k) }));

    [Theory]
    [MemberData(nameof(OfKmers), DisableDiscoveryEnumeration = true)]
    public void As_many_bases_fit_into_tokens_as_any_sequence_up_to_them_takes_and_no_more(ISequenceTokenizer tokenizer)
    {
        const string bases = "ACGGTTACGATCAGGCATTACGGACCATTGAC";
        for (int tokens = 0; tokens < 20; tokens++)
        {
            int fit = tokenizer.BasesThatFit(tokens)!.Value;
            string longest = string.Concat(Enumerable.Repeat(bases, 5))[..(fit + 1)];
            for (int length = 0; length <= fit; length++) Assert.InRange(Plain(tokenizer, longest[..length]).Count, 0, tokens);
            Assert.True(Plain(tokenizer, longest).Count > tokens || tokens == 0, $"{fit + 1} bases fit into {tokens} tokens");
        }

        Assert.True(tokenizer.BasesThatFit(int.MaxValue) > 1 << 30);
    }

    [Theory]
    [MemberData(nameof(OfKmers), DisableDiscoveryEnumeration = true)]
    public void A_token_shares_its_overlap_with_the_one_before_and_special_ones_are_those_that_are_not_bases(ISequenceTokenizer tokenizer)
    {
        const string bases = "ACGGTTACGATCAGGCATTACGG";
        List<int> ids = [], starts = [];
        tokenizer.EncodeSequence(Encoding.ASCII.GetBytes(bases), ids, starts);
        for (int i = 1; i < ids.Count; i++)
            Assert.Equal(tokenizer.Overlap, starts[i - 1] + tokenizer.LengthOf(ids[i - 1]) - starts[i]);
        for (int id = 0; id < tokenizer.VocabularySize; id++)
            Assert.Equal(!tokenizer.Token(id).All("ACGTN".Contains), tokenizer.IsSpecial(id));
        Assert.False(tokenizer.IsSpecial(-1) || tokenizer.IsSpecial(tokenizer.VocabularySize));
    }

    [Fact]
    public void A_file_of_any_tokenizer_is_read_as_what_it_is()
    {
        using var folder = new TempFolder();
        foreach (ISequenceTokenizer tokenizer in (ISequenceTokenizer[])[
            new DnabertTokenizer(4), new NucleotideTransformerTokenizer(2), Tests.Training.Toy.Tokenizer])
        {
            string name = TokenizerFile.NameOf(tokenizer), path = folder.Write(name, Written(tokenizer));
            ISequenceTokenizer read = TokenizerFile.Load(path);
            Assert.IsType(tokenizer.GetType(), read);
            Assert.True(TokenizerFile.AreSame(tokenizer, read));
            Assert.False(TokenizerFile.AreSame(new DnabertTokenizer(3), read));
            Assert.Equal(path, TokenizerFile.Find(Path.GetDirectoryName(path)!));
            File.Delete(path);
        }

        Assert.Null(TokenizerFile.Find(folder["."]));
        Assert.Throws<InvalidDataException>(() => TokenizerFile.Load(folder.Write("vocab.txt", "A\nC\n"u8.ToArray())));
    }

    private static IEnumerable<int> Ids(JsonElement c, string name) =>
        [.. c.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];

    private static List<int> Plain(ISequenceTokenizer tokenizer, string text)
    {
        List<int> ids = [];
        tokenizer.EncodeSequence(Encoding.ASCII.GetBytes(text), ids);
        return ids;
    }

    /// <summary>The ids with those around them, of at most so many tokens of the text.</summary>
    private static int[] Framed(ISequenceTokenizer tokenizer, string text, int most = int.MaxValue)
    {
        SpecialTokenFrame frame = tokenizer.Frame(pair: false);
        return [.. frame.Before.ToArray(), .. Plain(tokenizer, text).Take(most), .. frame.After.ToArray()];
    }

    private static byte[] Written(ISequenceTokenizer tokenizer)
    {
        using var stream = new MemoryStream();
        tokenizer.Save(stream);
        return stream.ToArray();
    }

    private static string Hash(JsonElement file, string tokenizer) => file.GetProperty(tokenizer).GetProperty("sha256").GetString()!;

    private static string Hash(string[] rows, Func<string, int[]> encode)
    {
        var text = new StringBuilder();
        foreach (string row in rows)
            text.AppendJoin(' ', encode(row).Select(id => id.ToString(CultureInfo.InvariantCulture))).Append('\n');
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(text.ToString())));
    }
}

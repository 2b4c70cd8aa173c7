using System.Text;
using System.Text.Json.Nodes;
using Dnabert2.Tokenizers;

namespace Tests.Tokenizers;

public class TokenizerJsonTests
{
    private const string Small = """
        {"version":"1.0","truncation":null,"padding":null,
         "added_tokens":[{"id":0,"special":true,"content":"[UNK]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false},
                         {"id":1,"special":true,"content":"[CLS]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false}],
         "normalizer":null,"pre_tokenizer":{"type":"Whitespace"},
         "post_processor":{"type":"TemplateProcessing",
           "single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
           "pair":[{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[CLS]","type_id":2}},{"Sequence":{"id":"B","type_id":1}}],
           "special_tokens":{"[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]}}},
         "decoder":null,
         "model":{"type":"BPE","dropout":null,"unk_token":"[UNK]","continuing_subword_prefix":null,"end_of_word_suffix":null,
           "fuse_unk":false,
           "vocab":{"[UNK]":0,"[CLS]":1,"A":2,"C":3,"AC":4,"ACA":5},"merges":["A C","AC A"]}}
        """;

    [Fact]
    public void The_small_file_of_these_tests_is_read()
    {
        BpeTokenizer t = Parse(Small);
        Assert.Equal([1, 5, 0, 4], t.Encode("ACANAC").Ids.ToArray());
        Assert.Equal([5, 1, 3], t.Encode("ACA", "C").Ids.ToArray());
        Assert.Equal([0, 2, 1], t.Encode("ACA", "C").TypeIds.ToArray());
        Assert.Equal([5, 3], t.Encode("ACA", "C", addSpecialTokens: false).Ids.ToArray());
        Assert.Equal("ACA C", t.Decode([1, 5, 3, 0]));
        Assert.Equal("[CLS] ACA C [UNK]", t.Decode([1, 5, 3, 0], skipSpecialTokens: false));
        Assert.Null(t.SepId);
        Assert.Throws<ArgumentOutOfRangeException>(() => t.Decode([6]));
        Assert.Throws<ArgumentException>(() => t.Id("G"));
    }

    [Theory]
    [InlineData("""["normalizer"]""", """{"type":"Lowercase"}""", "normalizer", "Lowercase")]
    [InlineData("""["decoder"]""", """{"type":"BPEDecoder","suffix":"</w>"}""", "decoder", "BPEDecoder")]
    [InlineData("""["truncation"]""", """128""", "truncation: an object is expected")]
    [InlineData("""["padding"]""", "\"longest\"", "padding: an object is expected")]
    [InlineData("""["pre_tokenizer","type"]""", "\"ByteLevel\"", "pre_tokenizer", "ByteLevel")]
    [InlineData("""["post_processor","type"]""", "\"RobertaProcessing\"", "post_processor", "RobertaProcessing")]
    [InlineData("""["model","type"]""", "\"WordPiece\"", "model.type", "WordPiece")]
    [InlineData("""["model","dropout"]""", "0.1", "model.dropout")]
    [InlineData("""["model","byte_fallback"]""", "true", "model.byte_fallback")]
    [InlineData("""["model","ignore_merges"]""", "true", "model.ignore_merges")]
    [InlineData("""["model","fuse_unk"]""", "true", "model.fuse_unk")]
    [InlineData("""["model","continuing_subword_prefix"]""", "\"##\"", "model.continuing_subword_prefix")]
    [InlineData("""["model","end_of_word_suffix"]""", "\"</w>\"", "model.end_of_word_suffix")]
    [InlineData("""["model","something_new"]""", "1", "model.something_new")]
    [InlineData("""["added_tokens",1,"lstrip"]""", "true", "added_tokens[1].lstrip")]
    [InlineData("""["added_tokens",1,"single_word"]""", "true", "added_tokens[1].single_word")]
    public void What_is_not_supported_is_refused_by_name(string path, string value, params string[] named) =>
        AssertRefused(path, value, named);

    [Theory]
    [InlineData("""["version"]""", "\"2.0\"", "version")]
    [InlineData("""["model"]""", "null", "model")]
    [InlineData("""["model","vocab"]""", "[]", "model.vocab")]
    [InlineData("""["model","vocab","ACA"]""", "6", "model.vocab.ACA", "holes")]
    [InlineData("""["model","vocab","ACA"]""", "4", "model.vocab.ACA", "taken")]
    [InlineData("""["model","vocab","ACA"]""", "-1", "model.vocab.ACA")]
    [InlineData("""["model","vocab","ACA"]""", "5.5", "model.vocab.ACA")]
    [InlineData("""["model","vocab","ACA"]""", "99999999999999999999", "model.vocab.ACA")]
    [InlineData("""["model","merges",1]""", "\"AC G\"", "model.merges[1]", "\"G\"")]
    [InlineData("""["model","merges",1]""", "\"C C\"", "model.merges[1]", "\"CC\"")]
    [InlineData("""["model","merges",1]""", "\"A C A\"", "model.merges[1]")]
    [InlineData("""["model","merges",1]""", "\"AC\"", "model.merges[1]")]
    [InlineData("""["model","merges",1]""", "[\"A\",\"C\",\"A\"]", "model.merges[1]")]
    [InlineData("""["model","merges",1]""", "7", "model.merges[1]")]
    [InlineData("""["model","unk_token"]""", "\"<unk>\"", "model.unk_token")]
    [InlineData("""["added_tokens",1,"id"]""", "2", "added_tokens[1]")]
    [InlineData("""["added_tokens",1,"content"]""", "\"[UNK]\"", "added_tokens[1]", "twice")]
    [InlineData("""["added_tokens",1,"content"]""", "\"\"", "added_tokens[1]", "empty")]
    [InlineData("""["added_tokens",1,"content"]""", "\"\\ud800\"", "added_tokens[1].content")]
    [InlineData("""["post_processor","special_tokens","[CLS]","ids",0]""", "3", "post_processor.special_tokens.[CLS].ids[0]")]
    [InlineData("""["post_processor","single",0,"SpecialToken","id"]""", "\"[SEP]\"", "post_processor.single[0].SpecialToken.id")]
    [InlineData("""["post_processor","single",1,"Sequence","id"]""", "\"B\"", "post_processor.single")]
    [InlineData("""["post_processor","pair",2]""", "{}", "post_processor.pair[2]")]
    [InlineData("""["pre_tokenizer"]""", "\"Whitespace\"", "pre_tokenizer")]
    public void A_fault_is_told_with_file_and_place(string path, string value, params string[] named) => AssertRefused(path, value, named);

    [Fact]
    public void Names_given_twice_broken_files_and_deep_nesting_are_refused()
    {
        Refused(Small.Replace("\"C\":3", "\"A\":3", StringComparison.Ordinal));
        Refused(Small.Replace("\"decoder\":null", "\"decoder\":null,\"decoder\":null", StringComparison.Ordinal));
        Refused(Small.Replace("\"ACA\":5", "\"\\ud800\":5", StringComparison.Ordinal));
        Refused("");
        Refused("[]");
        Refused(new string('[', 100_000));
        Refused(new string('[', 30) + new string(']', 30));
        for (int length = 0; length < Small.TrimEnd().Length; length += 7) Refused(Small[..length]);
    }

    [Fact]
    public void A_mutated_file_is_read_or_refused_with_the_documented_exception()
    {
        byte[] original = Encoding.UTF8.GetBytes(Small);
        var random = new Random(5);
        byte[] interesting = Encoding.UTF8.GetBytes("{}[]\",:0129eE-.\\u \ntfn\0\xFF");
        int refused = 0;
        for (int i = 0; i < 20_000; i++)
        {
            List<byte> bytes = [.. original];
            for (int edits = random.Next(1, 4); edits > 0; edits--)
            {
                int at = random.Next(bytes.Count), length = Math.Min(random.Next(1, 20), bytes.Count - at);
                switch (random.Next(5))
                {
                    case 0: bytes[at] = interesting[random.Next(interesting.Length)]; break;
                    case 1: bytes[at] = (byte)random.Next(256); break;
                    case 2: bytes.RemoveRange(at, length); break;
                    case 3: bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(at, length)); break;
                    default: bytes.Insert(at, interesting[random.Next(interesting.Length)]); break;
                }
                if (bytes.Count == 0) bytes.Add(0);
            }
            try
            {
                BpeTokenizer t = BpeTokenizer.Parse(bytes.ToArray(), "mutated.json");
                t.Encode("ACAN [CLS]é");
            }
            catch (InvalidDataException e)
            {
                Assert.StartsWith("mutated.json: ", e.Message, StringComparison.Ordinal);
                refused++;
            }
        }
        Assert.InRange(refused, 10_000, 19_999);
    }

    [Fact]
    public void Absent_parts_mean_none()
    {
        BpeTokenizer t = Parse("""{"version":"1.0","model":{"type":"BPE","vocab":{"A":0," ":1,"A ":2},"merges":[["A"," "]]}}""");
        Assert.Null(t.UnknownId);
        Assert.Equal(["A ", "A", "A"], t.Encode("A AxA").GetTokens());
        Assert.Equal([0, 0, 1], t.Encode("A A", "A").TypeIds.ToArray()[^3..]);
    }

    [Fact]
    public void Added_tokens_are_found_leftmost_longest_and_those_marked_normalized_in_what_is_left()
    {
        JsonNode root = JsonNode.Parse(Small)!;
        AddToken(root, 6, "<A>", normalized: false);
        AddToken(root, 7, "<A>>", normalized: false);
        AddToken(root, 8, "CC<", normalized: true);
        AddToken(root, 9, "é", normalized: true);
        BpeTokenizer t = Parse(root.ToJsonString());
        Assert.Equal(10, t.VocabularySize);
        TokenEncoding e = t.Encode("A<A>>CC<A>éCC<C", addSpecialTokens: false);
        Assert.Equal(["A", "<A>>", "C", "C", "<A>", "é", "CC<", "C"], e.GetTokens());
        Assert.Equal([(0, 1), (1, 5), (5, 6), (6, 7), (7, 10), (10, 11), (11, 14), (14, 15)], e.Offsets.ToArray());
        Assert.Equal("é", t.Token(9));
        List<int> ids = [];
        t.EncodeSequence("A<A>>CC<A>CC<C"u8, ids);
        Assert.Equal([2, 7, 3, 3, 6, 8, 3], ids);
        Assert.Equal(BpeTrainerTests.Saved(t), BpeTrainerTests.Saved(BpeTokenizer.Parse(BpeTrainerTests.Saved(t), "saved.json")));
    }

    [Fact]
    public void Words_are_split_where_the_reference_s_regular_expression_splits_them()
    {
        // Word characters beyond letters and digits: _, marks, Nl, circled letters, the joiners; not so: other numbers and symbols.
        string[] joined = ["A_C", "A\u0301C", "A\u2160C", "A\u24B6C", "A\u200DC", "A\u203FC", "A\U0001F130C", "A\u0663C", "A\u20DDC"];
        string[] split = ["A\u00B2C", "A-C", "A\u00A0C", "A\u200BC", "A\u3000C", "A\u0085C", "A\U0001F600C", "A$C"];
        string vocabulary = "\"A\":0,\"C\":1,\"AC\":2";
        BpeTokenizer t = Parse($$"""
            {"version":"1.0","pre_tokenizer":{"type":"Whitespace"},
             "model":{"type":"BPE","vocab":{ {{vocabulary}} },"merges":["A C"]} }
            """);
        Assert.All(joined, text => Assert.Equal(["AC"], t.Encode(text).GetTokens()));
        Assert.All(split, text => Assert.Equal(["A", "C"], t.Encode(text).GetTokens()));
    }

    [Fact]
    public void A_saved_tokenizer_reads_back_the_same_and_saves_the_same_bytes()
    {
        BpeTokenizer t = Parse(Small);
        byte[] first = BpeTrainerTests.Saved(t);
        BpeTokenizer again = BpeTokenizer.Parse(first, "again.json");
        Assert.Equal(first, BpeTrainerTests.Saved(again));
        Assert.Equal(t.Encode("ACACN[CLS]C").Ids.ToArray(), again.Encode("ACACN[CLS]C").Ids.ToArray());
        Assert.Equal(t.Encode("AC", "A").TypeIds.ToArray(), again.Encode("AC", "A").TypeIds.ToArray());
        JsonNode json = JsonNode.Parse(first)!;
        Assert.Equal("A C", json["model"]!["merges"]![0]!.GetValue<string>());
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(Small)!["post_processor"], json["post_processor"]));
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(Small)!["model"]!["vocab"], json["model"]!["vocab"]));
    }

    [Fact]
    public void The_published_tokenizer_and_the_trained_one_survive_saving()
    {
        foreach (string file in new[] { "dnabert2-117m/tokenizer.json", "golden/bpe_train/tokenizer.json" })
        {
            JsonNode expected = JsonNode.Parse(File.ReadAllBytes(SharedData.Path(file)))!;
            JsonNode actual = JsonNode.Parse(BpeTrainerTests.Saved(BpeTokenizer.Load(SharedData.Path(file))))!;
            foreach (string part in new[] { "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                "post_processor", "decoder" })
                Assert.True(JsonNode.DeepEquals(expected[part], actual[part]), $"{file}: {part}");
            Assert.True(JsonNode.DeepEquals(expected["model"]!["vocab"], actual["model"]!["vocab"]), file);
            Assert.Equal(expected["model"]!["merges"]!.AsArray().Select(Sides), actual["model"]!["merges"]!.AsArray().Select(Sides));
        }

        static string Sides(JsonNode? merge) => merge is JsonArray sides ? $"{sides[0]} {sides[1]}" : merge!.GetValue<string>();
    }

    [Fact]
    public void A_missing_file_is_told_as_such() =>
        Assert.Throws<FileNotFoundException>(() => BpeTokenizer.Load(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName())));

    private static BpeTokenizer Parse(string json) => BpeTokenizer.Parse(Encoding.UTF8.GetBytes(json), "small.json");

    private static string Refused(string json)
    {
        string message = Assert.Throws<InvalidDataException>(() => Parse(json)).Message;
        Assert.StartsWith("small.json: ", message, StringComparison.Ordinal);
        return message;
    }

    private static void AssertRefused(string path, string value, string[] named)
    {
        JsonNode root = JsonNode.Parse(Small)!;
        JsonNode at = root;
        JsonArray steps = JsonNode.Parse(path)!.AsArray();
        foreach (JsonNode? step in steps.Take(steps.Count - 1)) at = Child(at, step!)!;
        // The lone surrogate of one case exists only as an escape, so values go in as text.
        const string Marker = "@@value@@";
        if (at is JsonArray array) array[steps[^1]!.GetValue<int>()] = Marker;
        else at[steps[^1]!.GetValue<string>()] = Marker;
        string message = Refused(root.ToJsonString().Replace($"\"{Marker}\"", value, StringComparison.Ordinal));
        Assert.All(named, name => Assert.Contains(name, message, StringComparison.Ordinal));
    }

    private static JsonNode? Child(JsonNode node, JsonNode step) =>
        node is JsonArray array ? array[step.GetValue<int>()] : node[step.GetValue<string>()];

    private static void AddToken(JsonNode root, int id, string content, bool normalized) =>
        root["added_tokens"]!.AsArray().Add(new JsonObject
        {
            ["id"] = id,
            ["content"] = content,
            ["special"] = false,
            ["normalized"] = normalized,
        });
}

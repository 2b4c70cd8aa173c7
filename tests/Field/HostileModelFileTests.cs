using System.Text;
using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Adapters;
using Dnabert2.Data;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Dnabert2.Weights;
using Engine.Kernels;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary>
/// Small files made to hold a core or to fill memory and the terminal (case r-09), and text that is no Unicode (case r-10): each is refused
/// at once, in a message of a few lines. Time is held against bounds that the mended loops stay below a hundred times over.
/// </summary>
[Trait("Category", "Slow")]
public sealed class HostileModelFileTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const int FewCharacters = 2500;

    [Theory]
    [InlineData("num_hidden_layers", "131072")]
    [InlineData("num_hidden_layers", "1000000000")]
    [InlineData("hidden_size", "2147483648")]
    [InlineData("hidden_size", "1048576")]
    [InlineData("num_labels", "1048576")]
    [InlineData("type_vocab_size", "1e3")]
    [InlineData("layer_norm_eps", "1e300")]
    [InlineData("initializer_range", "-1")]
    public void A_config_beyond_any_model_is_refused_before_anything_is_made_of_it(string key, string value)
    {
        using var folder = new TempFolder();
        ToyModel.Write(folder["m"]);
        Edit(folder["m/config.json"], json => json[key] = JsonNode.Parse(value));
        string error = Refused(folder["m/config.json"], ["embed", ToyModel.SamplePath, "--model", folder["m"]]);
        Assert.Contains(key, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Extents_that_are_each_in_range_but_make_too_many_parameters_are_refused()
    {
        var config = new Dnabert2Config { HiddenSize = 1 << 16, NumAttentionHeads = 8 };
        string message = Assert.Throws<ArgumentException>(() => Dnabert2Model.Initialize(config, Toy, seed: 1)).Message;
        Assert.Contains("hidden_size 65536", message, StringComparison.Ordinal);
        Assert.Contains("2,147,483,647", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_a_thousand_missing_and_a_hundred_thousand_extra_tensors_ten_are_listed()
    {
        using var folder = new TempFolder();
        ToyModel.Write(folder["m"]);
        Edit(folder["m/config.json"], json => json["num_hidden_layers"] = 1024);
        string error = Refused(folder["m/model.safetensors"], ["embed", ToyModel.SamplePath, "--model", folder["m"]]);
        Assert.Contains("missing: bert.encoder.layer.2.attention.self.Wqkv.weight [72, 24]", error, StringComparison.Ordinal);
        // Eleven tensors of each of 1,022 layers, less those shown.
        Assert.Contains("and 11232 more", error, StringComparison.Ordinal);

        folder.Write("m/model.safetensors", ManyTensors(100_000));
        Assert.Contains(" more", Refused(folder["m/model.safetensors"], ["embed", ToyModel.SamplePath, "--model", folder["m"]]),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_header_of_more_tensors_than_any_model_has_is_refused_within_a_few_times_its_size()
    {
        using var folder = new TempFolder();
        byte[] bytes = ManyTensors(400_000);
        string path = folder.Write("x", bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("lists more than 131072 tensors",
            Assert.Throws<InvalidDataException>(() => WeightFile.Open(path).Dispose()).Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 6L * bytes.Length);
        byte[] metadata =
            SafetensorsFile("{\"__metadata__\":{" + string.Join(',', Enumerable.Range(0, 200_000).Select(i => $"\"{i}\":\"\"")) + "}}");
        Assert.Contains("__metadata__ of more than 131072", folder.Refusal(metadata), StringComparison.Ordinal);
        byte[] name = SafetensorsFile("{\"" + new string('n', 5000) + "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}");
        Assert.Contains("of more than 1024 characters", folder.Refusal(name), StringComparison.Ordinal);
    }

    [Fact]
    public void Options_of_a_new_model_are_held_against_their_ranges()
    {
        using var run = new Training.Toy();
        run.Build().Dispose();
        foreach ((string options, string what) in new[]
        {
            ("--layers 2000000000", "num_hidden_layers is 2000000000"), ("--hidden 65536 --layers 12 --heads 8", "parameters"),
            ("--dropout 1e30", "hidden_dropout_prob"),
        })
        {
            ToolRun tool = ToolRun.Of(["pretrain", "-o", run["run"], "--corpus", run["corpus"], .. options.Split(' ')]);
            Assert.NotEqual(0, tool.Code);
            Assert.Contains(what, tool.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("should not have happened", tool.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Sixty_thousand_added_tokens_are_read_and_found_in_linear_time()
    {
        const int count = 60_000;
        BpeTokenizer plain = Toy, added = WithAdded(count, i => "A" + new string('C', 8) + i.ToString("D6"));
        var random = new Random(1);
        byte[] bases = [.. Enumerable.Range(0, 500_000).Select(_ => (byte)"ACGT"[random.Next(4)])];
        List<int> ids = [], expected = [];
        long start = Environment.TickCount64;
        added.EncodeSequence(bases, ids);
        plain.EncodeSequence(bases, expected);
        // Comparing each base with each token takes 30 thousand million comparisons of strings.
        Assert.InRange(Environment.TickCount64 - start, 0, 30_000);
        Assert.Equal(expected, ids);
        Assert.Equal(count + plain.VocabularySize, added.VocabularySize);
        for (int id = plain.VocabularySize; id < added.VocabularySize; id++) Assert.Equal(id, added.Id(added.Token(id)));
    }

    [Fact]
    public void The_longest_of_added_tokens_is_found_as_by_comparing_them_all()
    {
        string[] contents = ["AC", "ACGT", "ACGTA", "CG", "T", "GGG", "GGGGG"];
        BpeTokenizer tokenizer = WithAdded(contents.Length, i => contents[i]);
        var random = new Random(2);
        for (int trial = 0; trial < 300; trial++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(1, 30)).Select(_ => "ACGT"[random.Next(4)]));
            List<int> ids = [], expected = [];
            tokenizer.EncodeSequence(Encoding.ASCII.GetBytes(text), ids);
            int plain = 0;
            for (int at = 0; at <= text.Length;)
            {
                string? found = contents.Where(c => text.AsSpan(at).StartsWith(c)).MaxBy(c => c.Length);
                if (found is null && at < text.Length)
                {
                    at++;
                    continue;
                }

                if (at > plain) Toy.EncodeSequence(Encoding.ASCII.GetBytes(text[plain..at]), expected);
                if (found is null) break;
                expected.Add(tokenizer.Id(found));
                plain = at += found.Length;
            }

            Assert.Equal(expected, ids);
        }
    }

    [Theory]
    [InlineData("template", "3000 items: at most 256")]
    [InlineData("frame", "more than 256 special tokens around a text")]
    [InlineData("lookup", "items: at most 256")]
    [InlineData("long token", "at most 256 are read")]
    [InlineData("properties", "at most 1000 are read")]
    [InlineData("vocabulary", "at most 1048576 are read")]
    public void A_tokenizer_of_hostile_size_is_refused_in_a_few_lines(string kind, string fault)
    {
        JsonObject json = JsonNode.Parse(File.ReadAllText(ToyModel.TokenizerPath))!.AsObject();
        JsonObject template = json["post_processor"]!.AsObject();
        JsonNode cls = JsonNode.Parse("""{"SpecialToken":{"id":"[CLS]","type_id":0}}""")!;
        switch (kind)
        {
            case "template":
                template["special_tokens"]!["[CLS]"] = Special("[CLS]", 1, 3000);
                break;
            case "frame":
                template["special_tokens"]!["[CLS]"] = Special("[CLS]", 1, 200);
                template["single"]!.AsArray().Insert(0, cls);
                break;
            case "lookup":
                template["special_tokens"]!["zz"] = Special("[CLS]", 1, 60_000);
                break;
            case "long token":
                json["added_tokens"]!.AsArray().Add(Added(256, new string('A', 3000)));
                break;
            case "properties":
                for (int i = 0; i < 100_000; i++) json[$"x{i}"] = null;
                break;
            case "vocabulary":
                json["model"]!["vocab"] = "?";
                break;
        }

        string vocabulary = kind == "vocabulary" ? string.Join(',', Enumerable.Range(0, (1 << 20) + 1).Select(i => $"\"{i}\":0")) : "";
        byte[] bytes = Encoding.UTF8.GetBytes(json.ToJsonString().Replace("\"?\"", $"{{{vocabulary}}}", StringComparison.Ordinal));
        string message = Assert.Throws<InvalidDataException>(() => BpeTokenizer.Parse(bytes, "t.json")).Message;
        Assert.StartsWith("t.json: ", message);
        Assert.Contains(fault, message, StringComparison.Ordinal);
        Assert.InRange(message.Length, 0, FewCharacters);
    }

    [Fact]
    public void A_message_never_repeats_a_long_text_of_the_file()
    {
        string huge = new('x', 100_000);
        foreach (string json in new[]
        {
            $"{{\"version\":f{huge}}}", $"{{\"version\":\"{huge}\"}}", $"{{\"version\":\"1.0\",\"{huge}\":1}}",
            $"{{\"version\":\"1.0\",\"model\":{{\"type\":\"BPE\",\"vocab\":{{\"{huge}\":7}},\"merges\":[]}}}}",
            $"{{\"version\":\"1.0\",\"model\":{{\"type\":\"BPE\",\"vocab\":{{\"a\":0}},\"merges\":[[\"{huge}\",\"a\"]]}}}}",
        })
        {
            string message = Assert.Throws<InvalidDataException>(() => BpeTokenizer.Parse(Encoding.UTF8.GetBytes(json), "t.json")).Message;
            Assert.InRange(message.Length, 0, FewCharacters);
        }

        using var folder = new TempFolder();
        Assert.InRange(folder.Refusal(SafetensorsFile($"{{\"a\":f{huge}}}")).Length, 0, FewCharacters);
        Assert.InRange(Assert.Throws<ArgumentException>(() => LoraOptions.Parse(huge)).Message.Length, 0, FewCharacters);
        foreach (string json in new[] { $"{{\"vocab_size\":\"{huge}\"}}", $"{{\"vocab_size\":1{new string('0', 10_000)}}}" })
        {
            string path = folder.Write("config.json", Encoding.UTF8.GetBytes(json));
            Assert.InRange(Assert.Throws<InvalidDataException>(() => Dnabert2Config.Load(path)).Message.Length, 0, FewCharacters);
        }
    }

    [Theory]
    [InlineData("empty", 300_000, "at most 65535")]
    [InlineData("empty", 60_000, "species[0].name is missing")]
    [InlineData("same", 60_000, "twice")]
    [InlineData("distinct", 60_000, null)]
    public void A_corpus_of_many_species_is_read_or_refused_in_linear_time(string kind, int count, string? fault)
    {
        using var run = new Training.Toy();
        run.Build().Dispose();
        JsonObject json = JsonNode.Parse(File.ReadAllText(run["corpus/corpus.json"]))!.AsObject();
        string one = json["species"]![0]!.ToJsonString();
        JsonNode none = JsonNode.Parse(one)!;
        none["training"] = none["held_out"] = null;
        (none["training"], none["held_out"]) = (new JsonArray(), new JsonArray());
        string empty = none.ToJsonString();
        json["species"] = "?";
        string species = string.Join(',', Enumerable.Range(0, count).Select(i => kind switch
        {
            "empty" => "{}",
            "same" => one,
            _ => empty.Replace("\"alpha\"", $"\"s{i}\"", StringComparison.Ordinal),
        }));
        byte[] index = Encoding.UTF8.GetBytes(json.ToJsonString().Replace("\"?\"", $"[{species}]", StringComparison.Ordinal));
        long start = Environment.TickCount64;
        if (fault is null) Assert.Equal(count, CorpusIndex.Read("c.json", index).Species.Length);
        else
        {
            string message = Assert.Throws<InvalidDataException>(() => CorpusIndex.Read("c.json", index)).Message;
            Assert.Contains(fault, message, StringComparison.Ordinal);
            Assert.InRange(message.Length, 0, FewCharacters);
        }

        Assert.InRange(Environment.TickCount64 - start, 0, 30_000);
    }

    [Fact]
    public void Weights_and_labels_of_many_names_are_looked_up_in_linear_time()
    {
        const int count = 100_000;
        long start = Environment.TickCount64;
        string weights = string.Join(',', Enumerable.Range(0, count).Select(i => $"\"s{i}\":1"));
        PretrainOptions options = PretrainOptionsJson.Read("o.json", Encoding.UTF8.GetBytes($"{{\"species_weights\":{{{weights}}}}}"));
        Assert.Equal(count, options.SpeciesWeights.Count);
        using var folder = new TempFolder();
        string labels = string.Join(',', Enumerable.Range(0, 60_000).Select(i => $"\"{i}\":\"l{i}\""));
        folder.Write("config.json", Encoding.UTF8.GetBytes($"{{\"id2label\":{{{labels}}}}}"));
        Assert.Equal(60_000, Dnabert2.FineTuning.TaskConfig.Read(ModelSource.Open(folder["."]), 60_000).Names.Count);
        Assert.InRange(Environment.TickCount64 - start, 0, 30_000);
    }

    [Fact]
    public void Sixty_thousand_rare_species_are_given_their_places_in_linear_time()
    {
        const int count = 60_000;
        double[] weights = [.. Enumerable.Range(0, count).Select(i => i == 7 ? 1e9 : 1.0)];
        long start = Environment.TickCount64;
        var sampler = new Sampler([.. weights.Select(_ => 5L)], weights, seed: 1);
        Assert.InRange(Environment.TickCount64 - start, 0, 30_000);
        int[] places = new int[count];
        for (int n = 0; n < Sampler.Period; n++) places[sampler.At(n).Species]++;
        Assert.Equal(Sampler.Period - (count - 1), places[7]);
        Assert.All(places, (n, s) => Assert.True(s == 7 || n == 1));
    }

    [Theory]
    [InlineData("config.json", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"\\ud800\"")]
    [InlineData("config.json", "\"vocab_size\": 256", "\"\\udc00\": 1, \"vocab_size\": 256")]
    [InlineData("config.json", "\"vocab_size\": 256", "\"vocab_size\": \"\\ud800\"")]
    [InlineData("tokenizer.json", "\"version\": \"1.0\"", "\"version\": \"\\ud800\"")]
    [InlineData("tokenizer.json", "\"version\": \"1.0\"", "\"\\ud800\": null, \"version\": \"1.0\"")]
    public void Half_of_a_surrogate_pair_is_a_fault_of_the_file_that_is_named(string file, string old, string mutated)
    {
        using var folder = new TempFolder();
        ToyModel.Write(folder["m"]);
        string text = File.ReadAllText(folder["m/" + file]);
        Assert.Contains(old, text, StringComparison.Ordinal);
        File.WriteAllText(folder["m/" + file], text.Replace(old, mutated, StringComparison.Ordinal));
        Refused(folder["m/" + file], ["embed", ToyModel.SamplePath, "--model", folder["m"], "-q"]);
    }

    [Fact]
    public void A_key_that_is_there_twice_is_named_and_a_mark_of_byte_order_is_passed_over()
    {
        using var folder = new TempFolder();
        byte[] json = File.ReadAllBytes(Path.Combine(toy.Folder, "config.json"));
        string path = folder.Write("config.json", [0xEF, 0xBB, 0xBF, .. json]);
        Assert.Equal(ToyModel.Config, Dnabert2Config.Load(path));
        folder.Write(
            "config.json",
            Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(json).Replace("{", "{\"vocab_size\": 3,", StringComparison.Ordinal)));
        Assert.Contains("vocab_size appears twice", Assert.Throws<InvalidDataException>(() => Dnabert2Config.Load(path)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_storage_that_overlaps_another_or_stands_for_far_more_than_the_file_is_refused()
    {
        using var folder = new TempFolder();
        byte[] data = new byte[1 << 20];
        const int count = (1 << 20) / 4;
        // 200 views of a megabyte, each four bytes on: 200 MB from one.
        var pickle = new Pickle().Proto().Op('}').Op('(');
        for (int i = 0; i < 200; i++) pickle.Text($"w{i}").Tensor("FloatStorage", "0", count, i, [count - 200], [1]);
        Assert.Contains("together they are more than 8 times the file", folder.Refusal(Pickle.Checkpoint(pickle.Op('u').Stop(), data)),
            StringComparison.Ordinal);

        byte[] two = Pickle.Checkpoint(
            new Pickle().Proto().Op('}').Op('(').Text("a").Tensor("FloatStorage", "0", 6, 0, [6], [1]).Text("b")
            .Tensor("FloatStorage", "1", 6, 0, [6], [1]).Op('u').Stop(),
            new byte[24], new byte[24]);
        // The directory's entry of the second storage points at the first one's header.
        int first = Directory(two, "data/0"), second = Directory(two, "data/1");
        two.AsSpan(first + 42, 4).CopyTo(two.AsSpan(second + 42));
        Assert.Contains("overlaps another one", folder.Refusal(two), StringComparison.Ordinal);

        static int Directory(byte[] zip, string name) => zip.AsSpan().LastIndexOf(Encoding.ASCII.GetBytes(name)) is var at
            ? zip.AsSpan(0, at).LastIndexOf("PK\x01\x02"u8) : -1;
    }

    private static BpeTokenizer Toy { get; } = BpeTokenizer.Load(ToyModel.TokenizerPath);

    private static BpeTokenizer WithAdded(int count, Func<int, string> content)
    {
        JsonObject json = JsonNode.Parse(File.ReadAllText(ToyModel.TokenizerPath))!.AsObject();
        int next = Toy.VocabularySize;
        foreach (int i in Enumerable.Range(0, count))
            json["added_tokens"]!.AsArray().Add(Added(Toy.TryGetId(content(i), out int id) ? id : next++, content(i)));
        return BpeTokenizer.Parse(Encoding.UTF8.GetBytes(json.ToJsonString()), "t.json");
    }

    private static JsonObject Added(int id, string content) =>
        new() { ["id"] = id, ["content"] = content, ["special"] = false, ["normalized"] = false };

    private static JsonObject Special(string name, int id, int times) => new()
    {
        ["id"] = name,
        ["ids"] = new JsonArray([.. Enumerable.Repeat(id, times).Select(n => (JsonNode)n)]),
        ["tokens"] = new JsonArray([.. Enumerable.Repeat(name, times).Select(n => (JsonNode)n)]),
    };

    private static byte[] ManyTensors(int count) => SafetensorsFile(
        "{" + string.Join(
            ',', Enumerable.Range(0, count).Select(i => $"\"t{i}\":{{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}")) + "}");

    private static byte[] SafetensorsFile(string header) =>
        [.. BitConverter.GetBytes((long)header.Length), .. Encoding.ASCII.GetBytes(header)];

    private static void Edit(string path, Action<JsonNode> change)
    {
        JsonNode json = JsonNode.Parse(File.ReadAllText(path))!;
        change(json);
        File.WriteAllText(path, json.ToJsonString());
    }

    /// <summary>The error of a run that has to name a file in a few lines.</summary>
    private static string Refused(string path, string[] args)
    {
        ToolRun run = ToolRun.Of(args);
        Assert.Equal(1, run.Code);
        Assert.StartsWith($"dnabert2: error: {path}", run.Error);
        Assert.InRange(run.Error.Length, 0, FewCharacters);
        return run.Error;
    }
}

using System.Text;
using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Adapters;
using Dnabert2.Data;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Kernels;
using Tests.Folders;
using Tests.Interpretation;
using Tests.Tools;

namespace Tests.Fuzz;

/// <content>Files of a model's or an adapter's folder.</content>
public sealed partial class FuzzTargets
{
    private FuzzTarget Tokenizer()
    {
        const string small = """
            {"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":0,"content":"[UNK]","special":true,"normalized":false},
            {"id":7,"content":"GG","special":false,"normalized":true}],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},
            "post_processor":{"type":"TemplateProcessing",
            "single":[{"SpecialToken":{"id":"C","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
            "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
            "special_tokens":{"C":{"id":"C","ids":[1],"tokens":["A"]}}},
            "decoder":null,"model":{"type":"BPE","dropout":null,"unk_token":"[UNK]",
            "vocab":{"[UNK]":0,"A":1,"C":2,"G":3,"T":4,"AC":5,"ACG":6},
            "merges":["A C",["AC","G"]]}}
            """;
        return new FuzzTarget("tokenizer.json", [Bytes(small), File.ReadAllBytes(ToyModel.TokenizerPath)], Mutation.OfJson, input =>
        {
            BpeTokenizer tokenizer = BpeTokenizer.Parse(input, "x.json");
            string text = Encodings(tokenizer);
            using var written = new MemoryStream();
            tokenizer.Save(written);
            Assert.Equal(text, Encodings(BpeTokenizer.Parse(written.ToArray(), "written")));
            return text;
        })
        { Named = "x.json", Memory = (64 << 20, 2000) };
    }

    private static string Encodings(BpeTokenizer tokenizer)
    {
        var text = new StringBuilder();
        foreach (string sample in new[] { "ACGTACGGTACN", "GGGG ACG", "é[UNK]\ud83d\ude00A" })
            text.Append(string.Join(',', tokenizer.Encode(sample).Ids.ToArray())).Append('|')
                .Append(string.Join(',', tokenizer.Encode(sample, "ACG").Ids.ToArray())).Append('|');
        List<int> ids = [];
        tokenizer.EncodeSequence("ACGTTGCANNACGGG"u8, ids);
        return text.Append(tokenizer.Decode(ids.ToArray())).ToString();
    }

    private FuzzTarget Config() => new(
        "config.json",
        [
            ModelFolder.Config(new Dnabert2Config()),
            Bytes("""
                {"vocab_size":9,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":4,
                "id2label":{"0":"a"},"auto_map":{"x":[1]}}
                """),
        ],
        Mutation.OfJson, input =>
        {
            Dnabert2Config config = Read(input);
            byte[] written = ModelFolder.Config(config);
            Assert.Equal(config, Read(written));
            return Encoding.UTF8.GetString(written);

            static Dnabert2Config Read(
                byte[] json) => JsonFields.Read("c.json", json, ConfigReader.Remedy, fields => new ConfigReader(fields).Read());
        })
    { Named = "c.json" };

    private FuzzTarget Task() => new(
        "task",
        [
            Bytes("""
                {"id2label":{"0":"a","1":"b","2":"c"},"label2id":{"a":0},"problem_type":"single_label_classification",
                "dnabert2_max_tokens":20}
                """),
        ],
        Mutation.OfJson, input =>
        {
            Directory.CreateDirectory(_folder["task"]);
            _folder.Write("task/config.json", input);
            TaskConfig task = TaskConfig.Read(ModelSource.Open(_folder["task"]), 3);
            return $"{task.Kind} {string.Join('|', task.Names)} {task.MaxTokens}";
        })
    { Named = "config.json" };

    /// <summary>What goes along when a model is written again, and the limit of tokens.</summary>
    private FuzzTarget Origin(string file)
    {
        string folder = _folder["origin"], path = Path.Combine(folder, file), written = _folder["written"];
        if (!Directory.Exists(folder)) MakeOrigin(folder);
        byte[] seed = File.ReadAllBytes(path);
        return new FuzzTarget("origin", [seed], Mutation.OfJson, input =>
        {
            try
            {
                Replace(path, input);
                ModelSource source = ModelSource.Open(folder);
                int limit = TaskConfig.Read(source, 3).MaxTokens;
                ModelOrigin origin = ModelOrigin.Read(source);
                Directory.CreateDirectory(written);
                JsonObject own = JsonNode.Parse(ModelFolder.Config(SmallModels.Config))!.AsObject();
                File.WriteAllBytes(Path.Combine(written, "config.json"), ModelOrigin.Bytes(
                    origin.Config(own, 3, "float32", keepsCode: true)));
                origin.WriteFiles(written, limit, null);
                Assert.Equal(limit, ModelOrigin.MaxTokensOf(Path.Combine(written, ModelOrigin.TokenizerConfig), 4, int.MaxValue));
                Assert.Equal(
                    SmallModels.Config, Dnabert2Config.Load(Path.Combine(written, "config.json"))
                    with
                    { NumLabels = SmallModels.Config.NumLabels });
                return $"{limit} {File.ReadAllText(Path.Combine(written, "config.json"))}";
            }
            finally
            {
                Replace(path, seed);
            }
        })
        { Named = folder };
    }

    private static void MakeOrigin(string folder)
    {
        SmallModels.WriteFineTuned(folder);
        string path = Path.Combine(folder, "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        config.AsObject().Remove("dnabert2_max_tokens");
        JsonNode map = JsonNode.Parse("""{"AutoConfig":"x--configuration_bert.BertConfig","AutoModel":["a.B",null]}""")!;
        (config["model_type"], config["auto_map"], config["torch_dtype"]) = ("bert", map, "float32");
        File.WriteAllText(path, config.ToJsonString());
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """
            {"model_max_length":64,"tokenizer_class":"PreTrainedTokenizerFast",
            "auto_map":{"AutoTokenizer":["t.T",null]},"do_lower_case":false}
            """);
    }

    private FuzzTarget Index()
    {
        string folder = _folder["sharded"], path = Path.Combine(folder, "model.safetensors.index.json");
        ToyModel.Write(folder);
        Tensors all = Tensors.Read(Path.Combine(folder, "model.safetensors"));
        File.Delete(Path.Combine(folder, "model.safetensors"));
        var map = new JsonObject();
        for (int part = 0; part < 2; part++)
        {
            string name = $"model-0000{part + 1}-of-00002.safetensors";
            Tensors some = all.Rename(key => key.Length % 2 == part ? key : null);
            some.Write(Path.Combine(folder, name));
            foreach (string key in some.Keys) map[key] = name;
        }

        byte[] seed = Bytes(new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = 1 }, ["weight_map"] = map }.ToJsonString());
        return new FuzzTarget("index", [seed], Mutation.OfJson, input =>
        {
            Replace(path, input);
            ModelInventory found = ModelInventory.Of(folder);
            Assert.All(found.Missing, missing => Assert.InRange(missing.Length, 1, 300));
            using Dnabert2Model model = Dnabert2Model.Load(folder, _backend);
            Assert.Empty(found.Missing);
            return $"{model.Parameters.Count} {found.Weights.Count}";
        })
        { Named = folder, Documented = OfFolders, Memory = (64 << 20, 2000) };
    }

    /// <summary>A file of a model's or an adapter's folder; the others are sound.</summary>
    private FuzzTarget Folder(string kind, string file)
    {
        string folder = _folder[file == LoraAdapter.TorchFile ? "adapter-bin" : kind];
        if (kind == "adapter") CopyTo(_tuned.Value["run"], folder);
        else if (!Directory.Exists(folder)) ToyModel.Write(folder);
        string path = Path.Combine(folder, file);
        if (file == LoraAdapter.TorchFile)
        {
            string other = Path.Combine(folder, LoraAdapter.WeightFile);
            Tensors.Read(other).WriteTorch(path);
            File.Delete(other);
        }

        byte[] seed = File.ReadAllBytes(path);
        return new FuzzTarget(file, [seed], file.EndsWith(".json", StringComparison.Ordinal) ? Mutation.OfJson : Mutation.OfBytes, input =>
        {
            try
            {
                Replace(path, input);
                if (kind == "model")
                {
                    using Dnabert2Model model = Dnabert2Model.Load(folder, _backend);
                    return $"{model.Parameters.Count} {model.Config}";
                }

                Assert.InRange(ModelInventory.Of(folder).Adapter!.Length, 1, 3000);
                using ClassifierModel classifier = ClassifierModel.Load(folder, _backend);
                TokenSequences sequences = classifier.NewSequences();
                sequences.Add("ACGTTGCATTGACCA"u8);
                return string.Join(',', classifier.Logits(sequences));
            }
            finally
            {
                Replace(path, seed);
            }
        })
        { Named = folder, Documented = OfFolders, Memory = (64 << 20, 2000) };
    }

    // Of a path in the file that leads nowhere.
    private static readonly Type[] OfFolders =
        [typeof(InvalidDataException), typeof(IOException), typeof(FileNotFoundException), typeof(DirectoryNotFoundException)];

    /// <summary>The names and expressions of an adapter's configuration, matched with the names of layers.</summary>
    private FuzzTarget Patterns() => new(
        "patterns",
        [
            Bytes("""
                {"peft_type":"LORA","r":8,"lora_alpha":16,
                "rank_pattern":{"layer.0.attention.self.Wqkv":4,"^bert\\.encoder\\.layer\\.(1|2)\\..*":2},
                "alpha_pattern":{".*mlp.*":3,"wo":5},"target_modules":".*(Wqkv|wo)"}
                """),
            Bytes("""
                {"peft_type":"LORA","task_type":"SEQ_CLS","base_model_name_or_path":"x/y","r":8,"lora_alpha":16,
                "use_rslora":true,"use_dora":true,
                "bias":"lora_only","modules_to_save":["classifier","pooler"],"target_modules":["Wqkv","mlp.wo"],"exclude_modules":"x",
                "layers_to_transform":[0,1],"layers_pattern":"layer"}
                """),
        ],
        Mutation.OfJson, input =>
        {
            AdapterConfig config = AdapterConfig.Read(_folder.Write("patterns.json", input));
            string described = config.Describe();
            Assert.InRange(described.Length, 1, 3000);
            config.Resolve(Modules);
            var text = new StringBuilder(described);
            foreach (string module in Modules) text.Append(
                $" {config.RankOf(module)} {config.ScaleOf(module)} {config.IsSaved(module)} {config.Targeted(module)}");
            return text.ToString();
        })
    { Named = "patterns.json", Memory = (200 << 20, 2000) };

    // As models have them, and the longest that a weight file may have, over and over.
    private static readonly string[] Modules =
    [
        .. Enumerable.Range(0, 12)
        .SelectMany(
            i =>
                new[] { "attention.self.Wqkv", "attention.output.dense", "mlp.gated_layers", "mlp.wo" }.Select(
                    end => $"bert.encoder.layer.{i}.{end}")),
        .. Enumerable.Range(0, 2).Select(i => string.Concat(Enumerable.Range(0, 300).Select(j => "ab.cd"[(i + (j * j) + (j / 7)) % 5]))),
    ];
}

using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.Folders;
using Dnabert2.Hyena;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Baselines;
using Tests.Folders;
using Tests.Weights;

namespace Tests.Hyena;

/// <summary>Folders as they are published.</summary>
public sealed class HyenaFolderTests
{
    private const string Folder = "golden/baselines/hf/hyena_tiny";
    private static readonly EmbedOptions Few = new() { MaxTokens = 66, Overlap = 4 };

    [Fact]
    public void A_published_folder_gives_the_logits_of_the_reference()
    {
        using FilledGolden golden = FilledGolden.Open("hyena_tiny");
        using HyenaModel model = HyenaModel.Load(SharedData.Path(Folder));
        Assert.NotNull(model.LmHead);
        int[][] rows = FilledGolden.Rows(golden.Root.GetProperty("input_ids"));
        using var arena = new Arena(model.Backend);
        var tape = Tape.ForInference(arena);
        var batch = new Batch(arena, [.. rows.SelectMany(row => row)], [.. rows.Select(row => row.Length)]);
        Tensor logits = model.LmHead.Forward(tape, model.Backbone.Forward(tape, batch)).Data;
        var values = new float[logits.Count];
        model.Backend.Download<float>(logits, values);
        FilledGolden.Near(golden.Expected("lm.logits"), values, 2e-5, "logits");
    }

    [Fact]
    public void A_part_that_the_folder_lacks_is_missing()
    {
        string folder = SharedData.Path(Folder);
        InvalidDataException fault = Assert.Throws<InvalidDataException>(() => HyenaModel.Load(folder, parts: ModelParts.Classifier));
        Assert.Contains("missing: score.weight [2, 32]", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lm_head.weight", "missing: lm_head.weight")]
    [InlineData("hyena.backbone.layers.1.mixer.filter_fn.implicit_filter.1.freq", "missing: hyena.backbone.layers.1.mixer.filter_fn")]
    [InlineData("hyena.backbone.layers.0.norm1.bias", "missing: hyena.backbone.layers.0.norm1.bias [32]")]
    public void A_weight_that_is_missing_is_named(string removed, string message)
    {
        using var folder = new TempFolder();
        Change(folder, tensors => tensors.Remove(removed));
        InvalidDataException fault = Assert.Throws<InvalidDataException>(() => HyenaModel.Load(folder[""], parts: ModelParts.CausalHead));
        Assert.Contains(message, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_extra_mis_shaped_or_not_as_the_model_computes_it_is_listed_in_one_error()
    {
        const string filter = "hyena.backbone.layers.1.mixer.filter_fn.";
        using var folder = new TempFolder();
        Change(folder, tensors =>
        {
            tensors.Add("hyena.backbone.layers.7.norm1.bias", ([32], new float[32]));
            tensors["lm_head.weight"] = ([32, 16], new float[512]);
            tensors[filter + "modulation.deltas"].Values[3] += 0.01f;
            tensors[filter + "pos_emb.z"].Values[60] += 0.01f;
            tensors.Add(filter + "implicit_filter.3.freq", ([1, 16], new float[16]));
        });
        string message = Assert.Throws<InvalidDataException>(() => HyenaModel.Load(folder[""])).Message;
        foreach (string part in (string[])
            ["extra: hyena.backbone.layers.7.norm1.bias", "mis-shaped: lm_head.weight", $"not as the model computes it: {filter}modulation",
                $"not as the model computes it: {filter}pos_emb.z", $"not shared: {filter}implicit_filter.3.freq"])
            Assert.Contains(part, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_holds_the_shared_frequencies_under_all_their_names_is_read()
    {
        using var folder = new TempFolder();
        Change(folder, tensors =>
        {
            foreach (string name in tensors.Keys.Where(name => name.EndsWith(".1.freq", StringComparison.Ordinal)).ToArray())
                foreach (string other in (string[])["3.freq", "5.freq"])
                    tensors.Add(name.Replace("1.freq", other, StringComparison.Ordinal), tensors[name]);
        });
        HyenaModel.Load(folder[""]).Dispose();
    }

    [Theory]
    [InlineData("model.backbone.", "model.lm_head.")]
    [InlineData("backbone.", "lm_head.")]
    public void The_names_of_the_own_repository_and_of_a_backbone_saved_alone_are_read(string backbone, string head)
    {
        using var folder = new TempFolder();
        Tensors tensors = Tensors.Read(SharedData.Path(Folder + "/model.safetensors"));
        tensors.Rename(name => name
            .Replace("hyena.backbone.", backbone, StringComparison.Ordinal).Replace("lm_head.", head, StringComparison.Ordinal)
            .Replace(".mixer.", ".mixer.layer.", StringComparison.Ordinal).Replace(".mlp.", ".mlp.layer.", StringComparison.Ordinal))
            .WriteTorch(folder["weights.ckpt"], "state_dict");
        folder.Write("config.json", """
            {"d_model": 32, "n_layer": 2, "d_inner": 64, "vocab_size": 12, "resid_dropout": 0.0, "embed_dropout": 0.1, "fused_mlp": false,
            "fused_dropout_add_ln": true, "checkpoint_mixer": true, "checkpoint_mlp": true, "residual_in_fp32": true,
            "pad_vocab_size_multiple": 8, "layer": {"_name_": "hyena", "emb_dim": 5, "filter_order": 16, "local_order": 3, "l_max": 66,
            "modulate": true, "w": 10, "lr": 0.0006, "wd": 0.0, "lr_pos_emb": 0.0}}
            """u8);
        using SequenceModel model = SequenceModel.Load(folder[""]), published = SequenceModel.Load(SharedData.Path(Folder));
        Assert.Equal(((HyenaModel)published).Config, Assert.IsType<HyenaModel>(model).Config);
        Assert.Equal(ModelParts.CausalHead, model.Parts);
        Assert.Equal(
            new Embedder(published, Few).Embed(["ACGTTGCA"]).ToArray().Cast<float>(),
            new Embedder(model, Few).Embed(["ACGTTGCA"]).ToArray().Cast<float>());
    }

    [Fact]
    public void Sequences_are_embedded_with_the_token_that_ends_them_and_long_ones_in_chunks()
    {
        using SequenceModel model = SequenceModel.Load(SharedData.Path(Folder));
        Assert.Equal((66, 32), (model.MaxTokens, model.HiddenSize));
        var embedder = new Embedder(model, Few);
        float[] vector = [.. embedder.Embed(["ACGTTGCA"]).ToArray().Cast<float>()];
        using var arena = new Arena(model.Backend);
        var tape = Tape.ForInference(arena);
        var batch = new Batch(arena, [7, 8, 9, 10, 10, 9, 8, 7, 1], [9]);
        Tensor mean = model.EncodeSequences(tape, batch, Pooling.Mean).Data;
        Assert.Equal(mean.Span<float>().ToArray(), vector, (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.All(embedder.Embed([new string('A', 300)]).ToArray().Cast<float>(), v => Assert.True(float.IsFinite(v)));
        Assert.Contains("has positions for 66 tokens", Assert.Throws<ArgumentException>(() => new Embedder(model)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_causal_model_has_not_is_refused()
    {
        using HyenaModel model = HyenaModel.Load(SharedData.Path(Folder), parts: ModelParts.Encoder);
        Assert.Null(model.LmHead);
        using var arena = new Arena(model.Backend);
        Variable x = model.Encode(Tape.ForInference(arena), new Batch(arena, [7, 1], [2]));
        Assert.Contains("predicts the next token", Assert.Throws<InvalidOperationException>(
            () => model.PredictTokens(Tape.ForInference(arena), x)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => model.Classify(Tape.ForInference(arena), new Batch(arena, [7, 1], [2])));
        Assert.Contains("Pooling is Cls: a causal model", Assert.Throws<ArgumentException>(
            () => new Embedder(model, Few with { Pooling = Pooling.Cls })).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(
            () => model.EncodeSequences(Tape.ForInference(arena), new Batch(arena, [7, 1], [2]), Pooling.Cls));
    }

    [Fact]
    public void A_config_that_is_saved_comes_back()
    {
        using var folder = new TempFolder();
        var config = new HyenaConfig
        {
            DModel = 8,
            DInner = 12,
            NLayer = 3,
            MaxSeqLen = 99,
            FilterOrder = 4,
            EmbDim = 7,
            ShortFilterOrder = 5,
            LayerNormEpsilon = 1e-3f,
            NumLabels = 3,
            Pooling = HyenaPooling.Mean,
            VocabSize = 14,
            PadVocabSizeMultiple = 4,
        };
        using (FileStream stream = File.Create(folder["config.json"])) config.Save(stream);
        Assert.Equal(config, HyenaConfig.Load(folder["config.json"]));
        Assert.Equal("HyenaDNA", Dnabert2.Folders.Architecture.Of(folder["config.json"]).Name);
    }

    [Fact]
    public void A_vocabulary_smaller_than_the_tokenizer_is_refused()
    {
        using var folder = new TempFolder();
        Change(folder, _ => { });
        JsonNode config = JsonNode.Parse(File.ReadAllText(folder["config.json"]))!;
        (config["vocab_size"], config["pad_vocab_size_multiple"]) = (9, 1);
        File.WriteAllText(folder["config.json"], config.ToJsonString());
        Assert.Contains("vocab_size is 9, in rows 9; HyenaDNA's tokenizer has 12 ids",
            Assert.Throws<InvalidDataException>(() => HyenaModel.Load(folder[""])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hyenadna-medium-160k-seqlen-hf", 160_002, 256, 8)]
    [InlineData("hyenadna-large-1m-seqlen-hf", 1_000_002, 256, 8)]
    public void Published_configs_are_read(string name, int longest, int width, int layers)
    {
        HyenaConfig config = HyenaConfig.Load(SharedData.Path($"golden/baselines/published/{name}/config.json"));
        Assert.Equal(new HyenaConfig { MaxSeqLen = longest, DModel = width, NLayer = layers }, config);
        Assert.Equal(16, config.VocabRows);
    }

    [Theory]
    [InlineData("hyena_order", 3)]
    [InlineData("num_inner_mlps", 3)]
    [InlineData("d_model", 0)]
    [InlineData("emb_dim", 4)]
    [InlineData("max_seq_len", 1)]
    [InlineData("layer_norm_epsilon", 2)]
    public void A_config_that_no_model_has_is_refused_by_the_name_of_its_field(string key, int value)
    {
        using var folder = new TempFolder();
        JsonNode config = JsonNode.Parse(
            """{"vocab_size":12,"d_model":8,"d_inner":8,"n_layer":1,"max_seq_len":9,"emb_dim":5,"filter_order":4,"hyena_order":2}""")!;
        string path = folder.Write("config.json", System.Text.Encoding.UTF8.GetBytes(config.ToJsonString()));
        Assert.Equal(8, HyenaConfig.Load(path).DModel);
        config[key] = value;
        File.WriteAllText(path, config.ToJsonString());
        Assert.Contains(key, Assert.Throws<InvalidDataException>(() => HyenaConfig.Load(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sequence_longer_than_the_model_takes_is_refused()
    {
        var config = new HyenaConfig { DModel = 8, DInner = 8, NLayer = 1, MaxSeqLen = 9, FilterOrder = 4 };
        using HyenaModel model = HyenaModel.Initialize(config, 1);
        using var arena = new Arena(model.Backend);
        Assert.Equal(9, model.Tokenizer.Encode("ACGTACGTACGT").Length);
        model.Backbone.Forward(Tape.ForInference(arena), new Batch(arena, new int[9], [9]));
        Assert.Contains("max_seq_len", Assert.Throws<ArgumentException>(
            () => model.Backbone.Forward(Tape.ForInference(arena), new Batch(arena, new int[10], [10]))).Message, StringComparison.Ordinal);
    }

    /// <summary>A copy of the published folder with other tensors.</summary>
    private static void Change(TempFolder folder, Action<Tensors> change)
    {
        string source = SharedData.Path(Folder);
        Tensors tensors = Tensors.Read(Path.Combine(source, "model.safetensors"));
        change(tensors);
        File.Copy(Path.Combine(source, "config.json"), folder["config.json"]);
        tensors.Write(folder["model.safetensors"]);
    }
}

using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Adapters;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Weights;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Folders;

/// <summary>An adapter that was trained here knows its base by what the weights are, not by where they lie.</summary>
public sealed class AdapterBaseTests : IClassFixture<AdapterBaseTests.Trained>, IDisposable
{
    private const string Weights = "model.safetensors";
    private static readonly string Samples = Path.GetDirectoryName(ToyModel.SamplePath)!;
    private readonly TempFolder _folder = new();
    private readonly Trained _trained;

    public AdapterBaseTests(Trained trained) => _trained = trained;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("moved")]
    [InlineData("torch")]
    [InlineData("shards")]
    [InlineData("module.")]
    [InlineData("_orig_mod.")]
    [InlineData("encoder alone")]
    [InlineData("tied decoder")]
    [InlineData("bf16")]
    [InlineData("f64")]
    public void The_base_is_known_again_in_every_form(string form)
    {
        Tensors weights = Tensors.Read(Path.Combine(_trained.Base, Weights));
        string at = NewBase(form is "moved" or "shards" or "bf16" or "f64" ? null : form switch
        {
            "tied decoder" => weights.Rename(n => n == "bert.embeddings.word_embeddings.weight" ? "cls.predictions.decoder.weight" : n),
            "encoder alone" => weights.Rename(n => n.StartsWith("bert.", StringComparison.Ordinal) ? n["bert.".Length..] : null),
            "torch" => weights,
            _ => weights.Rename(n => form + n),
        });
        if (form == "torch")
        {
            File.Delete(Path.Combine(at, Weights));
            weights.WriteTorch(Path.Combine(at, "pytorch_model.bin"));
        }
        else if (form == "shards") weights.WriteShards(at, name => name.Contains("layer.1.", StringComparison.Ordinal) ? 2 : 1);
        else if (form == "f64") WriteDoubles(weights, Path.Combine(at, Weights));
        else if (form == "bf16")
        {
            Directory.Delete(at, recursive: true);
            ToolRun.Of("convert", _trained.Base, "-o", at, "--dtype", "bf16").Succeeds();
            using WeightFile file = WeightFile.Open(Path.Combine(at, Weights));
            Assert.All(file.Entries, entry => Assert.Equal(DType.BF16, entry.DType));
        }

        Assert.Equal(Predict(_trained.Base), Predict(at));
        Assert.Matches($"(?m)^base +{at}, verified", ToolRun.Of("info", _trained.Adapter, "--base", at).Succeeds().Text);
    }

    [Theory]
    [InlineData("predict")]
    [InlineData("embed")]
    [InlineData("merge-lora")]
    [InlineData("convert")]
    [InlineData("attribute")]
    [InlineData("variants")]
    [InlineData("evaluate")]
    [InlineData("finetune")]
    [InlineData("pretrain")]
    [InlineData("bench")]
    public void A_base_of_which_one_value_differs_is_refused_by_every_verb(string verb)
    {
        string at = NewBase(Changed("bert.encoder.layer.1.mlp.wo.weight")), task = Path.Combine(Samples, "task");
        string output = _folder[verb is "embed" or "predict" or "variants" or "attribute" ? "out.tsv" : "out"],
            vcf = Path.Combine(Samples, "sample.vcf");
        string[] line = verb switch
        {
            "merge-lora" or "convert" => [verb, _trained.Adapter, "-o", output],
            "variants" => [verb, vcf, "--genome", ToyModel.SamplePath, "--model", _trained.Adapter, "-o", output],
            "finetune" or "evaluate" => [verb, "--data", task, "-o", output, "--model", _trained.Adapter, "--steps", "1"],
            "pretrain" =>
                [verb, ToyModel.SamplePath, "-o", output, "--from", _trained.Adapter, "--steps", "1", "--warmup", "0", "--max-bases", "99"],
            "bench" => [verb, "--model", _trained.Adapter],
            _ => [verb, ToyModel.SamplePath, "--model", _trained.Adapter, "-o", output],
        };
        if (verb == "evaluate")
        {
            line[2] = _folder["data"];
            Directory.CreateDirectory(_folder["data/mouse"]);
            Directory.CreateSymbolicLink(_folder["data/mouse/0"], task);
            line = [.. line, "--tasks", "mouse/0"];
        }

        ToolRun run = ToolRun.Of([.. line, "--base", at]);
        Assert.True(run.Code == 1, run.Error);
        Assert.Contains($"{_trained.Adapter}: this adapter was trained on another base than {at}: ", run.Error, StringComparison.Ordinal);
        Assert.Contains("name the folder of its own base (--base)", run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(output) || File.Exists(Path.Combine(output, Weights)), "there is a result");
    }

    [Fact]
    public void Info_says_that_the_base_is_another_one_and_fails()
    {
        string at = NewBase(Changed("bert.embeddings.LayerNorm.bias"));
        ToolRun run = ToolRun.Of("info", _trained.Adapter, "--base", at);
        Assert.Equal(1, run.Code);
        Assert.Matches($"(?m)^base +{at}, not the base the adapter was trained on", run.Text);
        Assert.Matches("(?m)^missing +the adapter's own base", run.Text);
    }

    [Theory]
    [InlineData("cls.predictions.transform.dense.weight", true)]
    [InlineData("bert.embeddings.word_embeddings.weight", false)]
    [InlineData("bert.encoder.layer.0.attention.self.Wqkv.bias", false)]
    public void Only_what_the_adapter_is_an_addition_to_has_to_be_the_same(string changed, bool isOwn)
    {
        string at = NewBase(Changed(changed));
        if (isOwn) Assert.Equal(Predict(_trained.Base), Predict(at));
        else Assert.Throws<InvalidDataException>(() => Predict(at));
    }

    [Fact]
    public void A_base_that_was_rounded_is_another_one()
    {
        string at = NewBase(Changed("bert.encoder.layer.0.mlp.wo.weight")), adapter = _folder["adapter"];
        Finetune(at, adapter);
        ToolRun.Of("embed", ToyModel.SamplePath, "--model", adapter).Succeeds();
        ToolRun.Of("convert", at, "-o", _folder["rounded"], "--dtype", "bf16").Succeeds();
        ToolRun run = ToolRun.Of("embed", ToyModel.SamplePath, "--model", adapter, "--base", _folder["rounded"]);
        Assert.Equal(1, run.Code);
        Assert.Contains("(or the same but rounded)", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_trained_is_an_addition_to_what_was_loaded_not_to_what_lies_there_when_it_is_written()
    {
        string at = NewBase(null), adapter = _folder["adapter"];
        LabelledTask task = LabelledTask.Read(Path.Combine(Samples, "task"));
        using Backend backend = CpuBackend.Create(1);
        using (var run = new FineTuner(at, task, adapter, Recipe, backend))
        {
            Changed("bert.encoder.layer.1.mlp.wo.weight").Write(Path.Combine(at, Weights));
            run.Run();
        }

        Assert.Contains("another base", Assert.Throws<InvalidDataException>(() => Predict(at, adapter)).Message, StringComparison.Ordinal);
        Predict(_trained.Base, adapter);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_base_that_a_run_keeps_itself_is_known_too(bool random)
    {
        string run = _folder["run"];
        Finetune(_trained.Adapter, run, random ? "random" : "model");
        Assert.Matches("(?m)^base +.*base, verified", ToolRun.Of("info", run).Succeeds().Text);
        string kept = Path.Combine(run, "base", Weights);
        Tensors weights = Tensors.Read(kept);
        weights["bert.encoder.layer.0.mlp.wo.bias"].Values[3] += 0.5f;
        weights.Write(kept);
        ToolRun refused = ToolRun.Of("predict", ToyModel.SamplePath, "--model", run);
        Assert.True(refused.Code == 1 && refused.Error.Contains("another base", StringComparison.Ordinal), refused.Error);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_adapter_that_does_not_record_its_base_is_taken_as_it_is_and_info_says_so(bool torch)
    {
        string adapter = Copied(null);
        if (torch)
        {
            Tensors.Read(Path.Combine(adapter, LoraAdapter.WeightFile)).WriteTorch(Path.Combine(adapter, LoraAdapter.TorchFile));
            File.Delete(Path.Combine(adapter, LoraAdapter.WeightFile));
        }

        Assert.Equal(Predict(_trained.Base), Predict(_trained.Base, adapter));
        string other = NewBase(Changed("bert.encoder.layer.1.mlp.wo.weight", by: 1));
        Assert.NotEqual(Predict(_trained.Base), Predict(other, adapter));
        Assert.Matches($"(?m)^base +{other}, not verified", ToolRun.Of("info", adapter, "--base", other).Succeeds().Text);
    }

    [Theory]
    [InlineData("")]
    [InlineData("0123")]
    [InlineData("ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789")]
    public void A_record_that_is_no_hash_is_refused(string record)
    {
        string message = Assert.Throws<InvalidDataException>(() => Predict(_trained.Base, Copied(record))).Message;
        Assert.Contains("dnabert2_base_sha256 in its metadata is not a SHA-256", message, StringComparison.Ordinal);
    }

    /// <summary>The identity is a promise to adapters that were written before: held against values worked out by hand.</summary>
    [Fact]
    public void The_identity_is_that_of_its_definition()
    {
        string path = _folder["small.safetensors"];
        new Tensors
        {
            ["module.bert.pooler.dense.bias"] = ([1], [9]),
            ["module.bert.encoder.b"] = ([2, 1], [1, -0.5f]),
            ["module.bert.Encoder.a"] = ([], [2]),
        }.Write(path);
        using ModelWeights weights = ModelWeights.OpenFile(path);
        // printf '\0\0\0\100' | sha256sum; printf '\0\0\200\77\0\0\0\277' | sha256sum; and of the two lines.
        string lines = $"bert.Encoder.a  {Sha("00000040")}\nbert.encoder.b 2,1 {Sha("0000803f000000bf")}\n";
        Assert.Equal(Sha(Convert.ToHexString(System.Text.Encoding.ASCII.GetBytes(lines))), BaseIdentity.Of(weights));

        static string Sha(string hex) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Convert.FromHexString(hex)));
    }

    private static FineTuneOptions Recipe => new()
    {
        Method = FineTuneMethod.Lora,
        Steps = 4,
        EvaluateEvery = 2,
        Batch = 8,
        LearningRate = 1e-2,
        WarmupSteps = 0,
        MaxTokens = 24,
        Lora = new LoraOptions { Rank = 2, Targets = ["*"] },
    };

    private static void Finetune(string model, string folder, string from = "model")
    {
        LabelledTask task = LabelledTask.Read(Path.Combine(Samples, "task"));
        using Backend backend = CpuBackend.Create(1);
        using var run = new FineTuner(model, task, folder, Recipe with { RandomInitialization = from == "random" }, backend);
        run.Run();
    }

    /// <summary>The logits of the adapter on a base.</summary>
    private float[] Predict(string baseFolder, string? adapter = null)
    {
        using ClassifierModel model = ClassifierModel.Load(ModelSource.Open(adapter ?? _trained.Adapter, baseFolder));
        TokenSequences sequences = model.NewSequences();
        sequences.Add("ACGTTGCATTGACCAGGATTTACAC"u8);
        return model.Logits(sequences);
    }

    /// <summary>The base's weights, of which one value differs: by the least there is, unless it is said by how much.</summary>
    private Tensors Changed(string tensor, float by = 0)
    {
        Tensors weights = Tensors.Read(Path.Combine(_trained.Base, Weights));
        float[] values = weights[tensor].Values;
        values[^1] = by == 0 ? MathF.BitIncrement(values[^1]) : values[^1] + by;
        return weights;
    }

    /// <summary>A copy of the base, with other weights where some are given.</summary>
    private string NewBase(Tensors? weights)
    {
        string at = _folder["other"];
        Directory.CreateDirectory(at);
        foreach (string file in Directory.GetFiles(_trained.Base)) File.Copy(file, Path.Combine(at, Path.GetFileName(file)));
        weights?.Write(Path.Combine(at, Weights));
        return at;
    }

    /// <summary>A copy of the adapter that records something else, or nothing.</summary>
    private string Copied(string? record)
    {
        string at = _folder["adapter"];
        Directory.CreateDirectory(at);
        foreach (string file in (string[])["adapter_config.json", "config.json", "tokenizer.json"])
            File.Copy(Path.Combine(_trained.Adapter, file), Path.Combine(at, file));
        Tensors.Read(Path.Combine(_trained.Adapter, LoraAdapter.WeightFile))
            .Write(Path.Combine(at, LoraAdapter.WeightFile), record is null ? null : new() { [BaseIdentity.Key] = record });
        return at;
    }

    private static void WriteDoubles(Tensors weights, string path)
    {
        // The library writes no doubles, so the file is made by hand.
        var header = new JsonObject();
        using var data = new MemoryStream();
        foreach ((string name, (int[] shape, float[] values)) in weights)
        {
            long start = data.Length;
            data.Write(MemoryMarshal.AsBytes(Array.ConvertAll(values, v => (double)v).AsSpan()));
            header[name] = new JsonObject
            {
                ["dtype"] = "F64",
                ["shape"] = new JsonArray([.. shape.Select(e => (JsonNode)e)]),
                ["data_offsets"] = new JsonArray(start, data.Length),
            };
        }

        byte[] text = System.Text.Encoding.ASCII.GetBytes(header.ToJsonString());
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)text.Length), .. text, .. data.ToArray()]);
    }

    /// <summary>A base whose values bf16 holds exactly, and an adapter that was trained on it.</summary>
    public sealed class Trained : IDisposable
    {
        private readonly TempFolder _folder = new();

        public Trained()
        {
            ToyModel.Write(Base, spoil: (_, values) =>
            {
                for (int i = 0; i < values.Length; i++) values[i] = (float)(BFloat16)values[i];
            });
            Finetune(Base, Adapter);
        }

        public string Base => _folder["base"];

        public string Adapter => _folder["adapter"];

        public void Dispose() => _folder.Dispose();
    }
}

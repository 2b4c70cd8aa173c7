using System.Text.Json;
using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Adapters;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Training;
using Dnabert2.Weights;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.FineTuning;
using Tests.Training;

namespace Tests.Lora;

public sealed class LoraAdapterTests : IDisposable
{
    private const string Prefix = "base_model.model.bert.encoder.layer.";
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly ToyTask _toy;
    private readonly LabelledTask _task;

    public LoraAdapterTests()
    {
        _toy = new ToyTask(_backend);
        _task = _toy.Task();
        using var run = new FineTuner(_toy.Start, _task, _toy["run"], ToyTask.With(FineTuneMethod.Lora), _backend);
        run.Run();
    }

    public void Dispose()
    {
        _toy.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void An_adapter_is_written_as_the_Python_library_PEFT_does()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(_toy["run/adapter_config.json"]));
        JsonElement config = document.RootElement;
        Assert.Equal("LORA", config.GetProperty("peft_type").GetString());
        Assert.Equal("SEQ_CLS", config.GetProperty("task_type").GetString());
        Assert.Equal(
            (3, 16.0, 0.2),
            (config.GetProperty("r").GetInt32(), config.GetProperty("lora_alpha").GetDouble(),
                config.GetProperty("lora_dropout").GetDouble()));
        Assert.Equal(["attention.self.Wqkv", "mlp.gated_layers", "mlp.wo"], Strings("target_modules"));
        Assert.Equal(["classifier", "pooler"], Strings("modules_to_save"));
        Assert.Equal(_toy.Start, config.GetProperty("base_model_name_or_path").GetString());
        // PEFT 0.3.0 has these keys; 0.6 to 0.8 refuse one of a later version, such as use_dora, even where it asks for nothing.
        Assert.Equal(
            ["base_model_name_or_path", "bias", "fan_in_fan_out", "inference_mode", "init_lora_weights", "lora_alpha", "lora_dropout",
                "modules_to_save", "peft_type", "r", "target_modules", "task_type"],
            config.EnumerateObject().Select(key => key.Name));
        Assert.False(config.GetProperty("fan_in_fan_out").GetBoolean());

        using WeightFile file = WeightFile.Open(_toy["run/adapter_model.safetensors"]);
        Dictionary<string, Shape?> shapes = file.Entries.ToDictionary(e => e.Name, e => e.Shape);
        Assert.Equal((2 * 3 * 2) + 4, shapes.Count);
        Assert.Equal(new Shape(3, 24), shapes[Prefix + "1.attention.self.Wqkv.lora_A.weight"]);
        Assert.Equal(new Shape(72, 3), shapes[Prefix + "1.attention.self.Wqkv.lora_B.weight"]);
        Assert.Equal(new Shape(40, 3), shapes[Prefix + "0.mlp.gated_layers.lora_B.weight"]);
        Assert.Equal(new Shape(3, 24), shapes["base_model.model.classifier.weight"]);
        Assert.Equal(new Shape(24, 24), shapes["base_model.model.bert.pooler.dense.weight"]);

        string[] Strings(string key) => [.. config.GetProperty(key).EnumerateArray().Select(e => e.GetString()!)];
    }

    [Fact]
    public void Merged_an_adapter_gives_the_outputs_of_base_and_additions_apart()
    {
        // After a few steps from 0 the second factors are still small.
        Rewrite("run", (name, values) =>
        {
            if (name.Contains("lora_B", StringComparison.Ordinal))
                new Engine.Kernels.Philox(3, 0, (uint)name.Length).FillNormal(values, 0.3f);
        });
        // As in training: frozen base, additions beside it.
        LoraAdapter adapter = LoraAdapter.Read(_toy["run"]);
        FineTuneOptions options = ToyTask.With(FineTuneMethod.Lora);
        using SequenceModel apart = FineTuneModel.Create(
            ModelSource.Open(_toy.Start), new TaskConfig(_task.Kind, _task.Names, 20), options, _backend, out _);
        foreach (Parameter p in apart.Parameters.Parameters.Where(p => !p.IsFrozen))
        {
            var values = new float[p.Shape.Count];
            adapter.Read(p, 0, values);
            _backend.Upload<float>(values, p.Value);
        }

        LoraMerge.Merge(_toy["run"], _toy["merged"]);
        using ClassifierModel loaded = ClassifierModel.Load(_toy["run"], _backend), merged = ClassifierModel.Load(_toy["merged"], _backend);
        TokenSequences sequences = TokenSequences.Of(_task.Test!, Toy.Tokenizer, 20);
        using var run = new Classification(apart, 1000);
        float[] expected = run.Run(sequences), one = loaded.Logits(sequences), two = merged.Logits(sequences);
        using ClassifierModel other = OfBaseAlone();
        Assert.True(expected.Zip(other.Logits(sequences)).Max(p => Math.Abs(p.First - p.Second)) > 1e-3,
            "the additions do nothing: the test shows nothing");
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], one[i], 1e-5);
            Assert.Equal(expected[i], two[i], 1e-5);
        }

        Assert.Equal(merged.Names, _task.Names);
        Assert.Contains("there already", Assert.Throws<IOException>(() => LoraMerge.Merge(_toy["run"], _toy["merged"])).Message,
            StringComparison.Ordinal);
        // To Hugging Face's classes the base's language-model head would be tensors that they did not expect.
        using WeightFile file = WeightFile.Open(_toy["merged/model.safetensors"]);
        Assert.DoesNotContain(file.Entries, entry => entry.Name.StartsWith("cls.", StringComparison.Ordinal));

        ClassifierModel OfBaseAlone()
        {
            Copy("run", "base-alone");
            Rewrite("base-alone", (name, values) =>
            {
                if (name.Contains("lora_B", StringComparison.Ordinal)) Array.Clear(values);
            });
            return ClassifierModel.Load(_toy["base-alone"], _backend);
        }
    }

    [Fact]
    public void A_base_that_was_moved_is_found_beside_the_adapter_or_named()
    {
        Directory.Move(_toy.Start, _toy["moved"]);
        Assert.Contains(
            "base_model_name_or_path", Assert.Throws<InvalidDataException>(() => ClassifierModel.Load(_toy["run"], _backend)).Message,
            StringComparison.Ordinal);
        LoraMerge.Merge(_toy["run"], _toy["merged"], _toy["moved"]);
        Config("run", json => json["base_model_name_or_path"] = "../moved");
        ClassifierModel.Load(_toy["run"], _backend).Dispose();
    }

    [Theory]
    [InlineData("r", "4", "r = 4")]
    [InlineData("base_model_name_or_path", "7", "base_model_name_or_path")]
    [InlineData("base_model_name_or_path", "null", "base_model_name_or_path names no base")]
    public void What_does_not_fit_is_refused_by_name(string key, string value, string what)
    {
        Config("run", json => json[key] = JsonNode.Parse(value));
        string message = Assert.Throws<InvalidDataException>(() => ClassifierModel.Load(_toy["run"], _backend)).Message;
        Assert.Contains(what, message, StringComparison.Ordinal);
        Assert.Contains("adapter_", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lora_B", "other factor")]
    [InlineData("classifier.bias", "missing: classifier.bias")]
    public void A_tensor_that_is_missing_is_named(string left, string what)
    {
        Rewrite("run", (name, values) => { }, name => !name.Contains(left, StringComparison.Ordinal));
        Assert.Contains(
            what, Assert.Throws<InvalidDataException>(() => ClassifierModel.Load(_toy["run"], _backend)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_of_another_shape_or_with_damaged_values_is_refused()
    {
        // Without a record of its base, it is found out by shapes.
        Rewrite("run", (_, _) => { });
        using (Dnabert2Model other = Toy.Model(_backend, Toy.Config with { HiddenSize = 12 })) ModelFolder.Save(other, _toy["narrow"]);
        Assert.Contains("Wqkv", Assert.Throws<InvalidDataException>(() => Merge("narrow")).Message, StringComparison.Ordinal);
        using (Dnabert2Model other = Toy.Model(_backend, Toy.Config with { NumHiddenLayers = 1 })) ModelFolder.Save(other, _toy["shallow"]);
        Assert.Contains("layer.1.attention", Assert.Throws<InvalidDataException>(() => Merge("shallow")).Message, StringComparison.Ordinal);
        Rewrite("run", (name, values) =>
        {
            if (name.Contains("0.mlp.wo.lora_A", StringComparison.Ordinal)) values[5] = float.NaN;
        });
        Assert.Contains("element 5", Assert.Throws<InvalidDataException>(() => Merge("narrow")).Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_toy["."], "*out*"));

        void Merge(string folder)
        {
            File.Copy(_toy[folder + "/config.json"], _toy["run/config.json"], overwrite: true);
            LoraMerge.Merge(_toy["run"], _toy["out"], _toy[folder]);
        }
    }

    [Fact]
    public void Settings_are_read_from_text_and_targets_by_the_ends_of_names()
    {
        LoraOptions options = LoraOptions.Parse("r=4,alpha=8,dropout=0,targets=attention.self.Wqkv,mlp.*");
        Assert.Equal((4, 8.0, 0.0), (options.Rank, options.Alpha, options.Dropout));
        Assert.Equal(["attention.self.Wqkv", "mlp.*"], options.Targets);
        Assert.Equal((8, 16.0, 0.05), (new LoraOptions().Rank, new LoraOptions().Alpha, LoraOptions.Parse("").Dropout));
        foreach (string bad in (string[])["r=0", "r=1.5", "alpha=0", "dropout=1", "x=1", "mlp.*", "r", "targets="])
            Assert.Throws<ArgumentException>(() => LoraOptions.Parse(bad));
        const string layer = "bert.encoder.layer.11.mlp.gated_layers";
        foreach ((string pattern, bool expected) in new[] { ("mlp.*", true), ("gated_layers", true), ("layers", false),
            ("layer.11.*", true), ("layer.1.*", false), ("*", true), (layer, true), ("MLP.*", false) })
            Assert.Equal(expected, LoraOptions.Matches(pattern, layer));
        Assert.Contains("mlp.gated_layers", Assert.Throws<ArgumentException>(() => new FineTuner(
            _toy.Start, _task, _toy["x"], ToyTask.With(FineTuneMethod.Lora) with { Lora = new LoraOptions { Targets = ["query"] } },
            _backend)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Targets_in_one_encoder_layer_alone_are_written_by_their_whole_names()
    {
        FineTuneOptions options = ToyTask.With(FineTuneMethod.Lora)
            with
        { Lora = new LoraOptions { Targets = ["layer.1.mlp.wo"] }, Steps = 1 };
        using (var run = new FineTuner(_toy.Start, _task, _toy["one"], options, _backend)) run.Run();
        Assert.Contains("\"bert.encoder.layer.1.mlp.wo\"", File.ReadAllText(_toy["one/adapter_config.json"]), StringComparison.Ordinal);
        ClassifierModel.Load(_toy["one"], _backend).Dispose();
    }

    [Theory]
    [InlineData(FineTuneMethod.Full)]
    [InlineData(FineTuneMethod.Lora)]
    public void Training_that_begins_with_an_adapter_begins_with_what_it_and_its_base_are_together(FineTuneMethod method)
    {
        Rewrite("run", (name, values) =>
        {
            if (name.Contains("lora_B", StringComparison.Ordinal))
                new Engine.Kernels.Philox(3, 0, (uint)name.Length).FillNormal(values, 0.3f);
        });
        FineTuneOptions options = ToyTask.With(method) with { LearningRate = 0, Steps = 1 };
        using (var run = new FineTuner(_toy["run"], _task, _toy["further"], options, _backend))
        {
            Assert.Empty(run.NewWeights);
            run.Run();
        }

        // The new run needs neither the adapter nor its base.
        Directory.Move(_toy.Start, _toy["away"]);
        using ClassifierModel further = ClassifierModel.Load(_toy["further"], _backend);
        Directory.Move(_toy["away"], _toy.Start);
        using ClassifierModel before = ClassifierModel.Load(_toy["run"], _backend);
        TokenSequences sequences = TokenSequences.Of(_task.Test!, Toy.Tokenizer, 20);
        float[] expected = before.Logits(sequences), actual = further.Logits(sequences);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-5);
    }

    [Fact]
    public void A_model_without_heads_is_no_classifier() =>
        Assert.Contains("finetune", Assert.Throws<InvalidDataException>(() => ClassifierModel.Load(_toy.Start, _backend)).Message,
            StringComparison.Ordinal);

    private void Config(string folder, Action<JsonObject> change)
    {
        string path = _toy[folder + "/adapter_config.json"];
        JsonObject json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(json);
        File.WriteAllText(path, json.ToJsonString());
    }

    private void Copy(string from, string to)
    {
        Directory.CreateDirectory(_toy[to]);
        foreach (string path in Directory.GetFiles(_toy[from])) File.Copy(path, Path.Combine(_toy[to], Path.GetFileName(path)));
    }

    private void Rewrite(string folder, Action<string, float[]> change, Func<string, bool>? keep = null)
    {
        string path = _toy[folder + "/adapter_model.safetensors"];
        var tensors = new List<(WeightEntry Entry, float[] Values)>();
        using (WeightFile file = WeightFile.Open(path))
            foreach (WeightEntry entry in file.Entries.Where(e => keep?.Invoke(e.Name) ?? true))
            {
                var values = new float[entry.Count];
                file.Read(entry, values);
                change(entry.Name, values);
                tensors.Add((entry, values));
            }

        using var writer = new SafetensorsWriter(
            path, tensors.Select(t => new WeightEntry(t.Entry.Name, DType.F32, t.Entry.Shape!.Value)), null);
        foreach ((WeightEntry entry, float[] values) in tensors)
            writer.Write(entry.Name, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
        writer.Commit();
    }
}

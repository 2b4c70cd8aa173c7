using System.Text.Json.Nodes;
using Dnabert2.Adapters;
using Dnabert2.FineTuning;
using Tests.Interpretation;
using Tests.Weights;

namespace Tests.Folders;

/// <summary>
/// A base, an adapter as PEFT saves it, and the model that both are together, made by plain code: <c>W + s B A</c>, and with DoRA rows of
/// the learned lengths.
/// </summary>
internal sealed class PlainAdapter : IDisposable
{
    public const string Prefix = "base_model.model.", Layer = "bert.encoder.layer.";
    public const string First = Layer + "0.attention.self.Wqkv", Second = Layer + "1.attention.self.Wqkv", Wo = Layer + "0.mlp.wo";
    private readonly TempFolder _folder = new();
    private readonly Tensors _expected;

    public PlainAdapter()
    {
        SmallModels.WriteFineTuned(Base);
        Directory.CreateDirectory(Folder);
        _expected = Tensors.Read(Path.Combine(Base, "model.safetensors"));
    }

    public string Base => _folder["base"];

    public string Folder => _folder["adapter"];

    public string this[string name] => _folder[name];

    public Tensors Weights { get; } = [];

    public JsonObject Config { get; } = new()
    {
        ["peft_type"] = "LORA",
        ["task_type"] = "SEQ_CLS",
        ["base_model_name_or_path"] = "../base",
        ["bias"] = "none",
        ["fan_in_fan_out"] = false,
        ["init_lora_weights"] = true,
        ["lora_alpha"] = 6,
        ["lora_dropout"] = 0.05,
        ["megatron_core"] = "megatron.core",
        ["modules_to_save"] = null,
        ["r"] = 3,
        ["target_modules"] = new JsonArray("attention.self.Wqkv"),
    };

    /// <summary>Adds an addition to a layer, here and, by plain code, in the expected model.</summary>
    public PlainAdapter Add(string layer, double scale, int rank = 3, bool dora = false)
    {
        (int[] shape, float[] w) = _expected[layer + ".weight"];
        (int outputs, int inputs) = (shape[0], shape[1]);
        Weights.Draw($"{Prefix}{layer}.lora_A.weight", 3 * layer.Length, 0.5, rank, inputs)
            .Draw($"{Prefix}{layer}.lora_B.weight", layer.Length, 0.4, outputs, rank);
        float[] a = Weights[$"{Prefix}{layer}.lora_A.weight"].Values, b = Weights[$"{Prefix}{layer}.lora_B.weight"].Values,
            merged = new float[w.Length];
        float[]? lengths = !dora
            ? null
            : Weights.Draw(
                $"{Prefix}{layer}.lora_magnitude_vector", layer.Length + 1, 1, outputs)[$"{Prefix}{layer}.lora_magnitude_vector"].Values;
        for (int o = 0; o < outputs; o++)
        {
            double[] row = [
                .. Enumerable.Range(0, inputs)
                .Select(i => w[(o * inputs) + i]
                    + (scale * Enumerable.Range(0, rank).Sum(k => (double)b[(o * rank) + k] * a[(k * inputs) + i])))];
            double length = lengths is null ? 1 : lengths[o] / Math.Sqrt(row.Sum(x => x * x));
            for (int i = 0; i < inputs; i++) merged[(o * inputs) + i] = (float)(length * row[i]);
        }

        _expected[layer + ".weight"] = (shape, merged);
        return this;
    }

    /// <summary>Gives the adapter a parameter of its own, under a name in its file.</summary>
    public PlainAdapter Save(string parameter, string? stored = null, int seed = 77)
    {
        stored ??= Prefix + parameter;
        Weights.Draw(stored, seed + parameter.Length, 0.5, _expected[parameter].Shape);
        _expected[parameter] = Weights[stored];
        return this;
    }

    /// <summary>Gives the adapter a classifier of another number of classes.</summary>
    public PlainAdapter Classes(int count)
    {
        const string weight = "classifier.weight", bias = "classifier.bias";
        _expected[weight] = Weights.Draw(Prefix + weight, 5, 1, count, _expected[weight].Shape[1])[Prefix + weight];
        _expected[bias] = Weights.Draw(Prefix + bias, 6, 1, count)[Prefix + bias];
        Config["modules_to_save"] = new JsonArray("classifier", "score");
        return this;
    }

    /// <summary>Writes the adapter's two files.</summary>
    public PlainAdapter Write(bool torch = false)
    {
        File.WriteAllText(Path.Combine(Folder, "adapter_config.json"), Config.ToJsonString());
        foreach (string name in (string[])["adapter_model.safetensors", "adapter_model.bin"]) File.Delete(Path.Combine(Folder, name));
        if (torch) Weights.WriteTorch(Path.Combine(Folder, "adapter_model.bin"));
        else Weights.Write(Path.Combine(Folder, "adapter_model.safetensors"));
        return this;
    }

    /// <summary>Holds the logits of the adapter, and of the model that it is merged into, against those of the expected model.</summary>
    public void AssertIsTheExpectedModel()
    {
        Write();
        LoraMerge.Merge(Folder, this["merged"]);
        Directory.CreateDirectory(this["expected"]);
        foreach (string name in (string[])["config.json", "tokenizer.json"])
            File.Copy(Path.Combine(this["merged"], name), this["expected/" + name], overwrite: true);
        _expected.Write(this["expected/model.safetensors"]);
        float[] expected = Logits(this["expected"]), before = Logits(Base);
        Assert.True(before.Length != expected.Length || before.Zip(
            expected).Max(p => Math.Abs(p.First - p.Second)) > 1e-3, "the adapter does nothing: the test shows nothing");
        Near(expected, Logits(Folder));
        Near(expected, Logits(this["merged"]));
        Directory.Delete(this["merged"], recursive: true);
    }

    /// <summary>
    /// The message with which the adapter is refused when it is to predict; a merge is refused with the same one, and leaves nothing.
    /// </summary>
    public string Refusal()
    {
        Write();
        string message = Assert.Throws<InvalidDataException>(() => ClassifierModel.Load(Folder).Dispose()).Message;
        Assert.Equal(message, Assert.Throws<InvalidDataException>(() => LoraMerge.Merge(Folder, this["merged"])).Message);
        Assert.Empty(Directory.GetFileSystemEntries(_folder["."], "*merged*"));
        Assert.Contains("adapter", message, StringComparison.Ordinal);
        return message;
    }

    public static float[] Logits(string folder)
    {
        using ClassifierModel model = ClassifierModel.Load(folder);
        TokenSequences sequences = model.NewSequences();
        for (int i = 0; i < 4; i++) sequences.Add(System.Text.Encoding.ASCII.GetBytes(SmallModels.Dna(40 + i, 20 + (30 * i))));
        return model.Logits(sequences);
    }

    public void Dispose() => _folder.Dispose();

    private static void Near(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 2e-5);
    }
}

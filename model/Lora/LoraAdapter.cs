using System.Text.Json;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2;

/// <summary>
/// Low-rank additions as the Python library PEFT keeps them: a folder with <c>adapter_config.json</c> and
/// <c>adapter_model.safetensors</c>, in which <c>base_model.model.LAYER.lora_A.weight</c> [r, in] and <c>….lora_B.weight</c> [out, r] stand
/// for every layer, and the modules that were trained wholly (pooler and classifier) under their own names. They are kept in memory.
/// </summary>
internal sealed class LoraAdapter
{
    public const string ConfigFile = "adapter_config.json", WeightFile = "adapter_model.safetensors";
    private const string Prefix = "base_model.model.", Remedy = "save the adapter again, with the Python library PEFT or with 'dnabert2 finetune'";
    private const string Down = ".lora_A.weight", Up = ".lora_B.weight";
    private readonly Dictionary<string, (Shape Shape, float[] Values)> _tensors = new(StringComparer.Ordinal);
    private readonly string _path;
    private readonly float _scale;

    private LoraAdapter(string path, string baseFolder, int rank, double alpha)
    {
        (_path, BaseFolder, _scale) = (path, baseFolder, (float)(alpha / rank));
        using Engine.Runtime.WeightFile file = Engine.Runtime.WeightFile.Open(path);
        foreach (WeightEntry entry in file.Entries)
        {
            if (!entry.Name.StartsWith(Prefix, StringComparison.Ordinal)) throw Other($"{entry}: names of adapters begin with {Prefix}");
            if (entry.DType is null or DType.I32 or DType.U8 || entry.Shape is not { } extents) throw Other($"not a floating-point tensor: {entry}");
            float[] values = new float[entry.Count];
            file.Read(entry, values);
            int at = FloatValues.IndexOfNonFinite(values);
            if (at >= 0) throw Other($"tensor {entry.Name} holds {values[at]} at element {at}");
            _tensors.Add(entry.Name[Prefix.Length..], (extents, values));
        }

        foreach ((string name, (Shape shape, _)) in _tensors)
        {
            bool down = name.EndsWith(Down, StringComparison.Ordinal);
            if (!down && !name.EndsWith(Up, StringComparison.Ordinal)) Parts |= Checkpoint.PartOf(name) is var part and not ModelParts.Encoder
                ? part : throw Other($"{name} {shape} is neither a factor nor of the pooler or classifier");
            else if (!_tensors.ContainsKey(name[..^Down.Length] + (down ? Up : Down))) throw Other($"{name} is there without its other factor");
            else if (shape.Rank != 2 || shape[down ? 0 : 1] != rank) throw Other($"{name} is {shape}: with r = {rank} the other extent is meant");
        }
    }

    /// <summary>The folder of the model that the adapter belongs to.</summary>
    public string BaseFolder { get; }

    /// <summary>The parts that the adapter holds wholly.</summary>
    public ModelParts Parts { get; }

    /// <summary>Whether a folder holds an adapter.</summary>
    public static bool IsIn(string folder) => File.Exists(Path.Combine(folder, ConfigFile));

    /// <summary>Reads an adapter.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="baseFolder">The folder of its base; null: the one that it names.</param>
    /// <exception cref="InvalidDataException">It is damaged, or of a kind that is not supported.</exception>
    /// <exception cref="IOException">A file is missing.</exception>
    public static LoraAdapter Read(string folder, string? baseFolder = null)
    {
        string config = Dnabert2Model.Existing(folder, ConfigFile), weights = Dnabert2Model.Existing(folder, WeightFile);
        return JsonFields.Read(config, Remedy, json =>
        {
            if (json.Text("peft_type") != "LORA") throw json.Fault("peft_type", $"is {json.Text("peft_type")}; only LORA is supported");
            foreach (string flag in (string[])["use_dora", "use_rslora", "fan_in_fan_out"])
                if (json.Has(flag) && json.Truth(flag)) throw json.Fault(flag, "is true, which is not supported");
            if (json.Has("bias") && json.Text("bias") != "none") throw json.Fault("bias", "is not none, which is not supported");
            foreach (string pattern in (string[])["rank_pattern", "alpha_pattern"])
                if (json.Has(pattern) && json.Object(pattern).Keys.Any()) throw json.Fault(pattern, "is not empty, which is not supported");
            string from = baseFolder ?? Find(folder, json.Text("base_model_name_or_path"));
            return new LoraAdapter(weights, from, json.Small("r", 1, 4096), json.Number("lora_alpha", 0, OptionRange.Largest));
        });
    }

    /// <summary>Gives the values of a parameter that the adapter holds wholly, or of a factor.</summary>
    /// <exception cref="InvalidDataException">It lacks the parameter, or has it in another shape.</exception>
    public void Read(Parameter parameter, int index, Span<float> destination)
    {
        if (!_tensors.TryGetValue(parameter.Name, out (Shape Shape, float[] Values) found)) throw Other($"missing: {parameter.Name} {parameter.Shape}");
        if (found.Shape != parameter.Shape) throw Other($"{parameter.Name} is {found.Shape}, expected {parameter.Shape}");
        found.Values.CopyTo(destination);
    }

    /// <summary>Adds to the weight of a layer what the adapter adds to the layer, <c>(alpha / r) B A</c>.</summary>
    public void Merge(Parameter parameter, int index, Span<float> destination)
    {
        if (!parameter.Name.EndsWith(".weight", StringComparison.Ordinal)) return;
        string layer = parameter.Name[..^".weight".Length];
        if (!_tensors.TryGetValue(layer + Down, out (Shape Shape, float[] Values) a)) return;
        (Shape shape, float[] b) = _tensors[layer + Up];
        int rank = a.Shape[0], inputs = parameter.Shape[1];
        if (a.Shape[1] != inputs || shape[0] != parameter.Shape[0])
            throw Other($"the factors of {layer} are {a.Shape} and {shape}, its weight in the base model is {parameter.Shape}");
        var sum = new double[inputs];
        for (int row = 0; row < parameter.Shape[0]; row++)
        {
            Array.Clear(sum);
            for (int k = 0; k < rank; k++)
                for (int i = 0; i < inputs; i++) sum[i] += (double)b[(row * rank) + k] * a.Values[(k * inputs) + i];
            Span<float> weights = destination.Slice(row * inputs, inputs);
            for (int i = 0; i < inputs; i++) weights[i] = (float)(weights[i] + (_scale * sum[i]));
        }
    }

    /// <summary>Refuses factors for layers that a model does not have.</summary>
    public void CheckLayers(Dnabert2Model model)
    {
        HashSet<string> layers = [.. model.Encoder.Linears.Select(l => l.Prefix)];
        foreach (string name in _tensors.Keys)
            if (name.EndsWith(Down, StringComparison.Ordinal) && !layers.Contains(name[..^Down.Length]))
                throw Other($"{name[..^Down.Length]} is no linear layer of the base model's encoder");
    }

    /// <summary>Writes the additions of a model and the parts that were trained with them.</summary>
    /// <param name="model">A model with additions, laid out for training.</param>
    /// <param name="options">Its additions.</param>
    /// <param name="baseFolder">The folder of the base model, as it is to be named: a path from the folder, or a whole one.</param>
    /// <param name="folder">Where to.</param>
    /// <param name="disk">On which disk.</param>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static void Write(Dnabert2Model model, LoraOptions options, string baseFolder, string folder, FileOperations disk)
    {
        var tensors = model.Parameters.Parameters.Where(p => p.TiedTo is null && !p.IsFrozen).Select(p => (Prefix + p.Name, p.Value)).ToList();
        TensorFile.Write(Path.Combine(folder, WeightFile), model.Backend, tensors, new Dictionary<string, string> { ["format"] = "pt" }, disk);
        AtomicFile.Write(Path.Combine(folder, ConfigFile), LoraConfig.Write(model, options, baseFolder), disk);
    }

    private static string Find(string folder, string named)
    {
        if (named == "default") return Dnabert2Model.DefaultFolder;
        foreach (string path in (string[])[Path.Combine(folder, named), named])
            if (File.Exists(Path.Combine(path, "config.json"))) return path;
        throw new InvalidDataException($"{Path.Combine(folder, ConfigFile)}: base_model_name_or_path is '{named}', where there is no model folder; " +
            "put the base model there, or correct the path");
    }

    private InvalidDataException Other(string what) => new($"{_path}: {what}; {Remedy}");
}

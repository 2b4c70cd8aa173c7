using Dnabert2.Files;
using Dnabert2.Folders;
using Dnabert2.Training;
using Dnabert2.Weights;
using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.Adapters;

/// <summary>
/// Low-rank additions as the Python library PEFT keeps them: a folder with <c>adapter_config.json</c> and
/// <c>adapter_model.safetensors</c> or <c>adapter_model.bin</c>, in which two factors stand for every layer with an addition, and
/// parameters that were trained wholly (pooler and classifier, biases) under their own names. They are kept in memory.
/// </summary>
internal sealed class LoraAdapter
{
    public const string WeightFile = "adapter_model.safetensors", TorchFile = "adapter_model.bin";
    private readonly Dictionary<string, Tensor> _whole = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Addition> _additions = new(StringComparer.Ordinal);
    private readonly string _path;

    private LoraAdapter(AdapterConfig config, string path)
    {
        (Config, _path) = (config, path);
        using Weights.WeightFile file = Weights.WeightFile.Open(path);
        BaseIdentity = file.Metadata.GetValueOrDefault(Folders.BaseIdentity.Key);
        if (BaseIdentity is not null && !Folders.BaseIdentity.IsOne(BaseIdentity))
            throw Other($"{Folders.BaseIdentity.Key} in its metadata is not a SHA-256 in 64 lower-case hexadecimal digits");
        foreach (WeightEntry entry in file.Entries) Add(file, entry);
        config.Resolve([.. _additions.Values.Select(addition => addition.Module)]);
        foreach ((string layer, Addition addition) in _additions) Check(layer, addition);
        foreach (string name in _whole.Keys)
            if (name.EndsWith(".weight", StringComparison.Ordinal)) Parts |= Checkpoint.PartOf(name);
    }

    /// <summary>What its configuration says.</summary>
    public AdapterConfig Config { get; }

    /// <summary>The file of its tensors.</summary>
    public string WeightPath => _path;

    /// <summary>The identity of the base that it was trained on; null where it is not recorded, as by PEFT.</summary>
    public string? BaseIdentity { get; }

    /// <summary>The parts that the adapter holds wholly.</summary>
    public ModelParts Parts { get; }

    /// <summary>The layers with additions.</summary>
    public int Layers => _additions.Count;

    /// <summary>Whether it has word embeddings of its own, but not the decoder that a language-model head shares with them.</summary>
    public bool UntiesDecoder => _whole.ContainsKey(WeightNames.WordEmbeddings) && !_whole.ContainsKey(WeightNames.Decoder);

    /// <summary>Whether a folder holds an adapter.</summary>
    public static bool IsIn(string folder) => File.Exists(Path.Combine(folder, AdapterConfig.FileName));

    /// <summary>The file of an adapter's tensors, or null where it is missing.</summary>
    public static string? FindWeights(string folder)
    {
        foreach (string name in (ReadOnlySpan<string>)[WeightFile, TorchFile])
            if (Path.Combine(folder, name) is var path && File.Exists(path)) return path;
        return null;
    }

    /// <summary>Reads an adapter.</summary>
    /// <param name="folder">Its folder.</param>
    /// <exception cref="InvalidDataException">It is damaged, or of a kind that is not supported.</exception>
    /// <exception cref="IOException">A file is missing.</exception>
    public static LoraAdapter Read(string folder)
    {
        string config = Path.Combine(folder, AdapterConfig.FileName);
        if (!File.Exists(config))
            throw new FileNotFoundException($"{config} is missing; an adapter is a folder with it and {WeightFile} or {TorchFile}");
        AdapterConfig read = AdapterConfig.Read(config);
        string weights = FindWeights(folder)
            ?? throw new FileNotFoundException($"{folder}: neither {WeightFile} nor {TorchFile} is there, beside {AdapterConfig.FileName}");
        return new LoraAdapter(read, weights);
    }

    /// <summary>Whether the adapter holds a parameter wholly.</summary>
    public bool Holds(Parameter parameter) => _whole.ContainsKey(parameter.Name);

    /// <summary>The shape of a parameter that the adapter holds wholly, or null.</summary>
    public Shape? ShapeOf(string name) => _whole.TryGetValue(name, out Tensor? found) ? found.Shape : null;

    /// <summary>Gives the values of a parameter that the adapter holds wholly, or of a factor.</summary>
    /// <exception cref="InvalidDataException">It lacks the parameter, or has it in another shape.</exception>
    public void Read(Parameter parameter, int index, Span<float> destination)
    {
        Tensor? found = _whole.GetValueOrDefault(parameter.Name);
        if (Lora.IsFactor(parameter) && _additions.TryGetValue(Lora.LayerOf(parameter), out Addition? addition))
            found = parameter.Kind == ParameterKind.LowRankDown ? addition.Down : addition.Up;
        if (found is null) throw Other($"missing: {parameter.Name} {parameter.Shape}");
        if (found.Shape != parameter.Shape) throw Other($"{parameter.Name} is {found.Shape}, expected {parameter.Shape}");
        found.Values.CopyTo(destination);
    }

    /// <summary>
    /// Turns the weight W of a layer into that of layer and addition: <c>W + s B A</c>, each row of a learned length with DoRA.
    /// </summary>
    /// <exception cref="InvalidDataException">Factors and weight do not fit, or what comes out is not finite.</exception>
    public void Merge(Parameter parameter, int index, Span<float> destination)
    {
        const string weight = ".weight";
        if (!parameter.Name.EndsWith(weight, StringComparison.Ordinal)) return;
        string layer = parameter.Name[..^weight.Length];
        if (!_additions.TryGetValue(layer, out Addition? addition)) return;
        (int outputs, int inputs, int rank) = (parameter.Shape[0], parameter.Shape[1], addition.Down!.Shape[0]);
        if (addition.Down.Shape[1] != inputs || addition.Up!.Shape[0] != outputs)
            throw Other(
                $"the factors of {layer} are {addition.Down.Shape} and {addition.Up!.Shape}, its weight in the "
                + $"base model is {parameter.Shape}");
        double scale = Config.ScaleOf(addition.Module);
        var sum = new double[inputs];
        for (int row = 0; row < outputs; row++)
        {
            Array.Clear(sum);
            for (int k = 0; k < rank; k++)
            {
                double b = addition.Up.Values[(row * rank) + k];
                for (int i = 0; i < inputs; i++) sum[i] += b * addition.Down.Values[(k * inputs) + i];
            }

            Span<float> weights = destination.Slice(row * inputs, inputs);
            double squares = 0;
            for (int i = 0; i < inputs; i++)
            {
                sum[i] = weights[i] + (scale * sum[i]);
                squares += sum[i] * sum[i];
            }

            double length = addition.Magnitude is { } magnitude ? magnitude.Values[row] / Math.Sqrt(squares) : 1;
            for (int i = 0; i < inputs; i++) weights[i] = (float)(length * sum[i]);
        }

        if (FloatValues.IndexOfNonFinite(destination) is >= 0 and int at)
            throw new InvalidDataException($"{_path}: merged with its base, {parameter.Name} holds {destination[at]} at element {at}: " +
                $"the addition, of the factor {scale}, leaves the range of 32-bit floats; the adapter is damaged, or its lora_alpha is "
                + "not the one it was trained with");
    }

    /// <summary>Holds the adapter against a model: every tensor of the parts in use has its place, and none is missing.</summary>
    /// <param name="model">The model, with its declared parameters.</param>
    /// <param name="parts">The parts in use.</param>
    /// <param name="made">The parts that begin anew, whatever the adapter holds of them.</param>
    /// <exception cref="InvalidDataException">A tensor has no place, or one is missing.</exception>
    public void Check(SequenceModel model, ModelParts parts, ModelParts made = ModelParts.Encoder)
    {
        Dictionary<string, Parameter> known = model.Parameters.Parameters.ToDictionary(p => p.Name, StringComparer.Ordinal);
        foreach ((string layer, Addition addition) in _additions)
        {
            string weight = layer + ".weight";
            if ((Checkpoint.PartOf(weight) & ~parts) != 0) continue;
            if (!known.TryGetValue(weight, out Parameter? parameter)) throw Other($"{layer} is not a layer of the base model");
            if (parameter.TiedTo is not null || parameter.Kind is not (ParameterKind.Linear or ParameterKind.GatedLinear))
                throw Unsupported($"{layer} has an addition: only linear layers may have one, and none that shares its weight");
        }

        foreach ((string name, Tensor tensor) in _whole)
        {
            if ((Checkpoint.PartOf(name) & ~parts) != 0) continue;
            if (!known.TryGetValue(name, out Parameter? parameter))
                throw Other($"{name} {tensor.Shape} is not a parameter of the base model");
            if (parameter.TiedTo is { } original
                && !(_whole.TryGetValue(original.Name, out Tensor? tied) && tied.Values.AsSpan().SequenceEqual(tensor.Values)))
                throw Other($"{name} differs from {original.Name}, with which this model shares it");
        }

        if (model.Parts.HasFlag(ModelParts.MlmHead) && UntiesDecoder)
            throw Unsupported(
                "it has word embeddings of its own, but not the decoder of the language-model head, which shares them in the base");
        foreach (Parameter parameter in known.Values)
            if (parameter.TiedTo is null && (Checkpoint.PartOf(parameter.Name) & made) == 0) CheckPresent(parameter);
        foreach (Linear layer in model.Linears)
            if (Config.Targeted(layer.Prefix) && !_additions.ContainsKey(layer.Prefix))
                throw Other($"missing: the factors of {layer.Prefix}, which target_modules names");
    }

    /// <summary>Writes the additions of a model and the parts that were trained with them.</summary>
    /// <param name="model">A model with additions, laid out for training.</param>
    /// <param name="options">Its additions.</param>
    /// <param name="baseFolder">The folder of the base model, as it is to be named: a path from the folder, or a whole one.</param>
    /// <param name="identity">The identity of the base.</param>
    /// <param name="folder">Where to.</param>
    /// <param name="disk">On which disk.</param>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static void Write(
        SequenceModel model, LoraOptions options, string baseFolder, string identity, string folder, FileOperations disk)
    {
        var metadata = new Dictionary<string, string> { ["format"] = "pt", [Folders.BaseIdentity.Key] = identity };
        var tensors = model.Parameters.Parameters.Where(
            p => p.TiedTo is null && !p.IsFrozen).Select(p => ("base_model.model." + p.Name, p.Value)).ToList();
        TensorFile.Write(Path.Combine(folder, WeightFile), model.Backend, tensors, metadata, disk);
        ResultFiles.Write(Path.Combine(folder, AdapterConfig.FileName), LoraConfig.Write(model, options, baseFolder), disk);
    }

    /// <summary>Refuses an adapter that lacks what its configuration says it was trained with.</summary>
    private void CheckPresent(Parameter parameter)
    {
        if (_whole.ContainsKey(parameter.Name) || Lora.IsFactor(parameter)) return;
        int dot = parameter.Name.LastIndexOf('.');
        if (Config.IsSaved(parameter.Name[..dot])) throw Other($"missing: {parameter.Name} {parameter.Shape}, which modules_to_save names");
        bool isBias = parameter.Name.EndsWith(".bias", StringComparison.Ordinal) && Checkpoint.PartOf(parameter.Name) == ModelParts.Encoder;
        if (isBias
            && (Config.Bias == AdapterBias.All || (Config.Bias == AdapterBias.OfLayers && _additions.ContainsKey(parameter.Name[..dot]))))
            throw new InvalidDataException(
                $"{_path}: missing: {parameter.Name} {parameter.Shape}, which was trained (bias in {AdapterConfig.FileName}) " +
                "but not saved, as by versions of PEFT that lose biases; save the adapter with a newer one while the trained model is " +
                "in memory, or merge it there (merge_and_unload) and give the merged model");
    }

    private void Add(Weights.WeightFile file, WeightEntry entry)
    {
        if (LoraTensorName.Parse(entry.Name) is not { } name)
            throw Unsupported($"{entry}: what this tensor adds is not supported");
        if (name.Kind == LoraTensorKind.Before) return;
        if (entry.DType is null or DType.I32 or DType.U8 || entry.Shape is not { } shape)
            throw Other($"not a floating-point tensor: {entry}");
        float[] values = new float[entry.Count];
        file.Read(entry, values);
        int at = FloatValues.IndexOfNonFinite(values);
        if (at >= 0) throw Other($"tensor {entry.Name} holds {values[at]} at element {at}");
        var tensor = new Tensor(shape, values);
        if (name.Kind == LoraTensorKind.Whole)
        {
            if (!_whole.TryAdd(name.Target, tensor) && !_whole[name.Target].Values.AsSpan().SequenceEqual(values))
                throw Other($"{name.Target} appears twice, with different values");
            return;
        }

        if (!_additions.TryGetValue(name.Target, out Addition? addition)) _additions.Add(name.Target, addition = new Addition(name.Module));
        if (!addition.Set(name.Kind, tensor)) throw Other($"{entry.Name} appears twice, under different names and with different values");
    }

    private void Check(string layer, Addition addition)
    {
        if (addition.Down is not { } down || addition.Up is not { } up)
            throw Other(
                $"{layer} has "
                + $"{(addition.Down is null ? addition.Up is null ? "a magnitude" : "lora_B" : "lora_A")} without its other factor");
        int rank = Config.RankOf(addition.Module);
        if (down.Shape.Rank != 2 || up.Shape.Rank != 2 || down.Shape[0] != rank || up.Shape[1] != rank)
            throw Other(
                $"the factors of {layer} are {down.Shape} and {up.Shape}: with r = {rank} they must be [{rank}, in] and [out, {rank}]");
        if (Config.IsDora != addition.Magnitude is not null)
            throw Other(
                $"{layer} has {(Config.IsDora ? "no" : "a")} lora_magnitude_vector, and use_dora is {(Config.IsDora ? "true" : "false")}");
        if (addition.Magnitude is { } magnitude && magnitude.Values.Length != up.Shape[0])
            throw Other($"the lora_magnitude_vector of {layer} is {magnitude.Shape}, expected [{up.Shape[0]}]");
    }

    private InvalidDataException Other(string what) => new($"{_path}: {what}; the adapter is damaged, or the base is not its own");

    private InvalidDataException Unsupported(string what) =>
        new($"{_path}: {what}; merge adapter and base in Python (PEFT's merge_and_unload) and give the merged model");

    private sealed record Tensor(Shape Shape, float[] Values);

    /// <summary>The addition to a layer, and the layer's name as PEFT knows it.</summary>
    private sealed class Addition(string module)
    {
        public string Module { get; } = module;

        public Tensor? Down { get; private set; }

        public Tensor? Up { get; private set; }

        public Tensor? Magnitude { get; private set; }

        /// <summary>Gives it a tensor; false if it has another one of that kind.</summary>
        public bool Set(LoraTensorKind kind, Tensor tensor)
        {
            Tensor? present = kind switch { LoraTensorKind.Down => Down, LoraTensorKind.Up => Up, _ => Magnitude };
            // Of a layer in a module that is saved wholly, PEFT 0.3 writes them under two names.
            if (present is not null) return present.Shape == tensor.Shape && present.Values.AsSpan().SequenceEqual(tensor.Values);
            switch (kind)
            {
                case LoraTensorKind.Down: Down = tensor; break;
                case LoraTensorKind.Up: Up = tensor; break;
                default: Magnitude = tensor; break;
            }

            return true;
        }
    }
}

using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2;

/// <summary>
/// Fills a model's parameters from a weight file, strictly: everything missing, extra or mis-shaped is listed in one error. Encoders
/// that were saved alone, without the prefix <c>bert.</c>, are understood.
/// </summary>
internal sealed class Checkpoint : IDisposable
{
    private const string Prefix = "bert.";
    private readonly WeightFile _file;
    private readonly bool _bare;

    private Checkpoint(WeightFile file)
    {
        _file = file;
        _bare = file.TryGet("embeddings.word_embeddings.weight", out _);
        foreach (WeightEntry entry in file.Entries) Parts |= PartOf(NameInModel(entry.Name));
    }

    /// <summary>The parts the file has weights of.</summary>
    public ModelParts Parts { get; }

    /// <summary>Opens the weights of a model folder: <c>model.safetensors</c>, or else <c>pytorch_model.bin</c>.</summary>
    public static Checkpoint Open(string folder)
    {
        foreach (string name in (ReadOnlySpan<string>)["model.safetensors", "pytorch_model.bin"])
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path)) return new Checkpoint(WeightFile.Open(path));
            if (File.Exists(path + ".index.json"))
                throw new InvalidDataException($"{path}.index.json: weights in several files are not supported; save the model in one file");
        }

        throw new FileNotFoundException($"{folder}: neither model.safetensors nor pytorch_model.bin is there; a model folder has config.json, tokenizer.json and one of them");
    }

    /// <summary>Fills the set.</summary>
    /// <param name="set">The declared parameters of the parts in use.</param>
    /// <param name="parts">The parts in use; weights of other parts are not looked at.</param>
    /// <param name="trainable">Whether the values are laid out for training rather than for inference.</param>
    /// <param name="others">Gives what the file is not asked for: the parts <paramref name="ofOthers"/>, and low-rank additions.</param>
    /// <param name="ofOthers">The parts in use that come from <paramref name="others"/>.</param>
    /// <param name="change">Changes values that were read.</param>
    /// <exception cref="InvalidDataException">The file does not hold exactly these parameters, or a value is not finite.</exception>
    public void Fill(
        ParameterSet set, ModelParts parts, bool trainable, ParameterSource? others = null, ModelParts ofOthers = ModelParts.Encoder,
        ParameterSource? change = null)
    {
        CheckNames(set, parts, ofOthers);
        if (trainable) set.FillFlat(Source);
        else set.FillPacked(Source);

        void Source(Parameter parameter, int index, Span<float> destination)
        {
            if (IsOfOthers(parameter, ofOthers)) others!(parameter, index, destination);
            else
            {
                Read(parameter, destination);
                change?.Invoke(parameter, index, destination);
            }
        }
    }

    private static bool IsOfOthers(Parameter parameter, ModelParts ofOthers) =>
        parameter.Kind is ParameterKind.LowRankDown or ParameterKind.LowRankUp || (PartOf(parameter.Name) & ofOthers) != 0;

    public void Dispose() => _file.Dispose();

    private void Read(Parameter parameter, Span<float> destination)
    {
        WeightEntry entry = Find(parameter.Name)!;
        _file.Read(entry, destination);
        int at = FloatValues.IndexOfNonFinite(destination);
        if (at >= 0)
            throw new InvalidDataException($"{_file.Path}: tensor {entry.Name} holds {destination[at]} at element {at}; the weights are damaged");
    }

    private void CheckNames(ParameterSet set, ModelParts parts, ModelParts ofOthers)
    {
        var faults = new FaultList();
        var known = new HashSet<string>();
        foreach (Parameter parameter in set.Parameters)
        {
            known.Add(parameter.Name);
            if (IsOfOthers(parameter, ofOthers)) continue;
            if (Find(parameter.Name) is not { } entry)
            {
                if (parameter.TiedTo is null) faults.Add($"missing: {parameter.Name} {parameter.Shape}");
            }
            else if (entry.Shape != parameter.Shape) faults.Add($"mis-shaped: {entry}, expected {parameter.Shape}");
            else if (entry.DType is null or DType.I32 or DType.U8) faults.Add($"not a floating-point tensor: {entry}");
            else if (parameter.TiedTo is { } original && Find(original.Name) is { } tied && tied.Shape == entry.Shape && !SameValues(entry, tied))
                faults.Add($"not tied: {entry.Name} differs from {tied.Name}, with which this model shares it");
        }

        foreach (WeightEntry entry in _file.Entries)
        {
            string name = NameInModel(entry.Name);
            if (!known.Contains(name) && (PartOf(name) & ~parts) == 0) faults.Add($"extra: {entry}");
        }

        if (faults.Count > 0)
            throw new InvalidDataException($"{_file.Path} does not hold the weights that config.json beside it describes:{faults}");
    }

    private bool SameValues(WeightEntry a, WeightEntry b)
    {
        if (a.TiedTo == b || b.TiedTo == a || (a.TiedTo is not null && a.TiedTo == b.TiedTo)) return true;
        float[] left = new float[a.Count], right = new float[b.Count];
        _file.Read(a, left);
        _file.Read(b, right);
        return left.AsSpan().SequenceEqual(right);
    }

    private WeightEntry? Find(string name)
    {
        string stored = _bare && name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : name;
        return _file.TryGet(stored, out WeightEntry? entry) ? entry : null;
    }

    private string NameInModel(string stored) =>
        _bare && !stored.StartsWith("cls.", StringComparison.Ordinal) && !stored.StartsWith("classifier.", StringComparison.Ordinal) ? Prefix + stored : stored;

    /// <summary>The part that a parameter belongs to.</summary>
    public static ModelParts PartOf(string name) =>
        name.StartsWith("bert.pooler.", StringComparison.Ordinal) ? ModelParts.Pooler
        : name.StartsWith("cls.predictions.", StringComparison.Ordinal) ? ModelParts.MlmHead
        : name.StartsWith("classifier.", StringComparison.Ordinal) ? ModelParts.Classifier
        : ModelParts.Encoder;
}

using System.Text.Json;
using System.Text.Json.Nodes;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.Tokenizers;
using Dnabert2.Weights;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Folders;

/// <summary>
/// What goes along from the folder that a model was loaded from when the model is written again: the keys of its <c>config.json</c> that
/// this library does not know, the files of its tokenizer besides the one that is read, weights that no computation uses, and the Python
/// files where <c>auto_map</c> names files in the folder. Kept in memory, so that a checkpoint can be written when that folder is gone.
/// </summary>
internal sealed class ModelOrigin
{
    public const string TokenizerConfig = "tokenizer_config.json";
    private const int MostBytes = 1 << 24, MostUnused = 1 << 20;
    private const string MaxLength = "model_max_length", AutoMap = "auto_map";

    // What the library computes is the same whatever these say, so the values of the base stay.
    private static readonly string[] Kept = [
        AutoMap, "position_embedding_type", "hidden_act", "alibi_starting_size", "max_position_embeddings"];

    // These are of a classifier: of another one, or none, they are left out.
    private static readonly string[] OfClassifier = ["problem_type", "id2label", "label2id", "dnabert2_max_tokens"];
    private static readonly string[] OfTokenizer =
        [TokenizerConfig, "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt"];
    private static readonly string[] Scripts =
        ["bert_layers.py", "bert_padding.py", "configuration_bert.py", "flash_attn_triton.py", "dnabert_layer.py",
            "configuration_hyena.py", "modeling_hyena.py", "tokenization_hyena.py", "esm_config.py", "modeling_esm.py"];
    private readonly JsonObject _config;
    private readonly int _outputs;
    private readonly List<(string Name, byte[] Bytes)> _files = [];
    private readonly List<(string Name, Shape Shape, float[] Values)> _unused = [];

    private ModelOrigin(JsonObject config, int outputs) => (_config, _outputs) = (config, outputs);

    /// <summary>Reads what goes along from the folders of a model.</summary>
    /// <exception cref="InvalidDataException">A file is damaged or too large.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static ModelOrigin Read(ModelSource source)
    {
        var origin = new ModelOrigin(
            Parse(source.ConfigPath.Path, source.ConfigPath.Read(MostBytes).Span), source.Architecture.LabelsOf(source));
        bool scripts = NamesScripts(origin._config);
        foreach (string name in OfTokenizer)
        {
            if (Find(source, name) is not { } file) continue;
            byte[] bytes = file.Read(MostBytes).ToArray();
            if (name == TokenizerConfig) scripts |= NamesScripts(Parse(file.Path, bytes));
            origin._files.Add((name, bytes));
        }

        foreach (string name in Scripts)
            if (scripts && Find(source, name) is { } file) origin._files.Add((name, file.Read(MostBytes).ToArray()));
        if (ModelWeights.Find(source.Weights) is not null) origin.ReadUnused(source.Weights);
        return origin;
    }

    /// <summary>
    /// Weights that no computation uses and that go along all the same: Hugging Face's classes would give them random values. Numbers of
    /// positions do not: those classes make them.
    /// </summary>
    /// <param name="arena">Where their values are put.</param>
    public IEnumerable<(string Name, Tensor Tensor)> Unused(Arena arena)
    {
        foreach ((string name, Shape shape, float[] values) in _unused)
        {
            Tensor tensor = arena.Rent(shape, DType.F32);
            arena.Backend.Upload<float>(values, tensor);
            yield return (name, tensor);
        }
    }

    /// <summary>The names of all files that may go along.</summary>
    public static IEnumerable<string> Names => OfTokenizer.Concat(Scripts);

    /// <summary>A <c>config.json</c> of a model: the keys of this library over those of the origin.</summary>
    /// <param name="own">The keys of this library.</param>
    /// <param name="outputs">The outputs of the model's classifier; null where it has none.</param>
    /// <param name="dtype">The type of its weights, in PyTorch's words.</param>
    /// <param name="keepsCode">Whether the code that the origin names computes what the model does.</param>
    public JsonObject Config(JsonObject own, int? outputs, string dtype, bool keepsCode)
    {
        JsonObject json = _config.DeepClone().AsObject();
        // Written only where it is not the usual one.
        json.Remove(Dnabert2Config.PoolingKey);
        foreach ((string key, JsonNode? value) in own)
            if (!(Kept.Contains(key) && json.ContainsKey(key))) json[key] = value?.DeepClone();
        if (!keepsCode) json.Remove(AutoMap);
        foreach (string key in (string[])["torch_dtype", "dtype"])
            if (json.ContainsKey(key)) json[key] = dtype;
        if (outputs != _outputs)
            foreach (string key in OfClassifier) json.Remove(key);
        return json;
    }

    /// <summary>Whether the tokenizer has settings of its own.</summary>
    public bool HasTokenizerConfig => _files.Exists(file => file.Name == TokenizerConfig);

    /// <summary>The <c>tokenizer_config.json</c> of a tokenizer that came without one.</summary>
    /// <param name="model">Its model.</param>
    /// <param name="maxTokens">The most tokens the model was trained on; null: no limit is named.</param>
    public static byte[] NewTokenizerConfig(SequenceModel model, int? maxTokens)
    {
        JsonObject json = model.Architecture.TokenizerSettings(model.Tokenizer);
        if (maxTokens is { } most) json[MaxLength] = most;
        return Bytes(json);
    }

    /// <summary>Writes the files that go along.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="maxTokens">
    /// The most tokens the model was trained on, which tokenizers are then told; null: what the origin says.
    /// </param>
    /// <param name="disk">On which disk.</param>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public void WriteFiles(string folder, int? maxTokens, FileOperations? disk)
    {
        foreach ((string name, byte[] bytes) in _files)
        {
            string path = Path.Combine(folder, name);
            if (name == TokenizerConfig && maxTokens is { } most)
            {
                JsonObject json = Parse(path, bytes);
                json[MaxLength] = most;
                ResultFiles.Write(path, Bytes(json), disk);
            }
            else ResultFiles.Write(path, bytes, disk);
        }
    }

    /// <summary>The text of a JSON object, indented.</summary>
    public static byte[] Bytes(JsonObject json)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true })) json.WriteTo(writer);
        return stream.ToArray();
    }

    /// <summary>
    /// The most tokens of a sequence that a <c>tokenizer_config.json</c> names; null where it names none, or a number that means none.
    /// </summary>
    /// <exception cref="InvalidDataException">It is damaged, or the number makes no sense.</exception>
    public static int? MaxTokensOf(StoredFile tokenizerConfig, int least, int most) =>
        JsonFields.Read(tokenizerConfig, "correct it", json =>
        {
            if (!json.Has(MaxLength)) return (int?)null;
            // Without a limit Hugging Face writes 1e30, as a whole number of 31 digits.
            double number = json.Number(MaxLength, least);
            if (number > most) return null;
            return number == Math.Floor(
                number) ? (int)number : throw json.Fault(MaxLength, $"is {number}, expected a whole number from {least}");
        });

    private void ReadUnused(StoredFolder folder)
    {
        using ModelWeights weights = ModelWeights.Open(folder);
        foreach (ModelWeight weight in weights.All)
        {
            if (!WeightNames.IsUnused(weight.Name) || weight.Entry.DType is null or DType.I32 or DType.U8) continue;
            if (weight.Entry.Shape is not { } shape || weight.Entry.Count > MostUnused) continue;
            var values = new float[weight.Entry.Count];
            weight.File.Read(weight.Entry, values);
            if (FloatValues.IndexOfNonFinite(values) < 0) _unused.Add((weight.Name, shape, values));
        }
    }

    private static StoredFile? Find(ModelSource source, string name) =>
        source.FileFolders.Select(folder => folder.Find(name)).FirstOrDefault(file => file is not null);

    /// <summary>
    /// Whether transformers is to take classes from files beside the config: names without a repository, <c>REPO--FILE.CLASS</c>.
    /// </summary>
    private static bool NamesScripts(JsonObject json)
    {
        if (json[AutoMap] is not JsonObject map) return false;
        IEnumerable<JsonNode?> names = map.SelectMany(
            entry => entry.Value is JsonArray several ? several : (IEnumerable<JsonNode?>)[entry.Value]);
        return names.Any(
            name => name?.GetValueKind() == JsonValueKind.String && !name.GetValue<string>().Contains("--", StringComparison.Ordinal));
    }

    private static JsonObject Parse(string path, ReadOnlySpan<byte> bytes)
    {
        try
        {
            ReadOnlySpan<byte> text = bytes[(bytes.StartsWith("\uFEFF"u8) ? 3 : 0)..];
            JsonNames.RequireUnique(text);
            if (JsonNode.Parse(text) is not JsonObject json) throw new InvalidDataException($"{path}: expected a JSON object");
            // Text that is JSON by its form but not Unicode is found when it is written.
            Bytes(json);
            return json;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: not valid JSON: {e.Message}", e);
        }
    }
}

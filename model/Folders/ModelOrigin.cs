using System.Text.Json;
using System.Text.Json.Nodes;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.Tokenizers;

namespace Dnabert2.Folders;

/// <summary>
/// What goes along from the folder that a model was loaded from when the model is written again: the keys of its <c>config.json</c> that
/// this library does not know, the files of its tokenizer besides <c>tokenizer.json</c>, and the Python files of DNABERT-2 where
/// <c>auto_map</c> names files in the folder. Kept in memory, so that a checkpoint can be written when that folder is gone.
/// </summary>
internal sealed class ModelOrigin
{
    public const string TokenizerConfig = "tokenizer_config.json";
    private const int MostBytes = 1 << 24;
    private const string MaxLength = "model_max_length", AutoMap = "auto_map";

    // What the library computes is the same whatever these say, so the values of the base stay.
    private static readonly string[] Kept = [
        AutoMap, "position_embedding_type", "hidden_act", "alibi_starting_size", "max_position_embeddings"];

    // These are of a classifier: of another one, or none, they are left out.
    private static readonly string[] OfClassifier = ["problem_type", "id2label", "label2id", "dnabert2_max_tokens"];
    private static readonly string[] OfTokenizer =
        [TokenizerConfig, "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt"];
    private static readonly string[] Scripts = ["bert_layers.py", "bert_padding.py", "configuration_bert.py", "flash_attn_triton.py"];
    private readonly JsonObject _config;
    private readonly int _outputs;
    private readonly List<(string Name, byte[] Bytes)> _files = [];

    private ModelOrigin(JsonObject config, int outputs) => (_config, _outputs) = (config, outputs);

    /// <summary>Reads what goes along from the folders of a model.</summary>
    /// <exception cref="InvalidDataException">A file is damaged or too large.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static ModelOrigin Read(ModelSource source)
    {
        var origin = new ModelOrigin(
            Parse(source.ConfigPath, RegularFile.Read(source.ConfigPath, MostBytes)), source.LoadConfig().NumLabels);
        bool scripts = NamesScripts(origin._config);
        foreach (string name in OfTokenizer)
        {
            if (Find(source, name) is not { } path) continue;
            byte[] bytes = RegularFile.Read(path, MostBytes);
            if (name == TokenizerConfig) scripts |= NamesScripts(Parse(path, bytes));
            origin._files.Add((name, bytes));
        }

        foreach (string name in Scripts)
            if (scripts && Find(source, name) is { } path) origin._files.Add((name, RegularFile.Read(path, MostBytes)));
        return origin;
    }

    /// <summary>The names of all files that may go along.</summary>
    public static IEnumerable<string> Names => OfTokenizer.Concat(Scripts);

    /// <summary>A <c>config.json</c> of a model: the keys of this library over those of the origin.</summary>
    /// <param name="own">The keys of this library.</param>
    /// <param name="outputs">The outputs of the model's classifier; null where it has none.</param>
    /// <param name="dtype">The type of its weights, in PyTorch's words.</param>
    public JsonObject Config(JsonObject own, int? outputs, string dtype)
    {
        JsonObject json = _config.DeepClone().AsObject();
        foreach ((string key, JsonNode? value) in own)
            if (!(Kept.Contains(key) && json.ContainsKey(key))) json[key] = value?.DeepClone();
        // The code that the origin names computes its attention, not another one.
        if (!own.ContainsKey(AutoMap)) json.Remove(AutoMap);
        foreach (string key in (string[])["torch_dtype", "dtype"])
            if (json.ContainsKey(key)) json[key] = dtype;
        if (outputs != _outputs)
            foreach (string key in OfClassifier) json.Remove(key);
        return json;
    }

    /// <summary>Whether the tokenizer has settings of its own.</summary>
    public bool HasTokenizerConfig => _files.Exists(file => file.Name == TokenizerConfig);

    /// <summary>
    /// The <c>tokenizer_config.json</c> of a tokenizer that came without one, as of the published model. Hugging Face's auto classes find
    /// no class for a <c>tokenizer.json</c> alone.
    /// </summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="maxTokens">The most tokens the model was trained on; null: no limit is named.</param>
    public static byte[] NewTokenizerConfig(BpeTokenizer tokenizer, int? maxTokens)
    {
        var json = new JsonObject { ["tokenizer_class"] = "PreTrainedTokenizerFast" };
        if (tokenizer.UnknownId is { } unknown) json["unk_token"] = tokenizer.Token(unknown);
        if (tokenizer.ClsId is not null) json["cls_token"] = "[CLS]";
        if (tokenizer.SepId is not null) json["sep_token"] = "[SEP]";
        if (tokenizer.PadId is not null) json["pad_token"] = "[PAD]";
        if (tokenizer.MaskId is not null) json["mask_token"] = "[MASK]";
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
    public static int? MaxTokensOf(string tokenizerConfig, int least, int most) =>
        JsonFields.Read(tokenizerConfig, "correct it", json =>
        {
            if (!json.Has(MaxLength)) return (int?)null;
            // Without a limit Hugging Face writes 1e30, as a whole number of 31 digits.
            double number = json.Number(MaxLength, least);
            if (number > most) return null;
            return number == Math.Floor(
                number) ? (int)number : throw json.Fault(MaxLength, $"is {number}, expected a whole number from {least}");
        });

    private static string? Find(ModelSource source, string name) =>
        source.FileFolders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

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

    private static JsonObject Parse(string path, byte[] bytes)
    {
        try
        {
            ReadOnlySpan<byte> text = bytes.AsSpan(bytes.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0);
            var node = JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (node is not JsonObject json) throw new InvalidDataException($"{path}: expected a JSON object");
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

using System.Text;
using System.Text.Json;
using Dnabert2;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Conformance.Model;

/// <summary>A golden file of the reference implementation: configuration, inputs, and expected values by name.</summary>
internal sealed class Golden : IDisposable
{
    private const ModelParts AllParts = ModelParts.Pooler | ModelParts.MlmHead | ModelParts.Classifier;
    private readonly JsonDocument _document;
    private readonly List<string> _names;
    private readonly double _amp;
    private readonly uint _offset;

    /// <param name="path">The file.</param>
    /// <param name="batched">Whether the inputs are those of its first batch.</param>
    public Golden(string path, bool batched = false)
    {
        Path = path;
        _document = JsonDocument.Parse(File.ReadAllBytes(Path));
        _names = [.. Root.GetProperty("names_in_fill_order").EnumerateArray().Select(e => e.GetString()!)];
        _amp = Root.GetProperty("amp").GetDouble();
        _offset = Root.TryGetProperty("fill_seed_offset", out JsonElement offset) ? offset.GetUInt32() : 0;
        JsonElement inputs = batched ? Root.GetProperty("batches")[0] : Root;
        Ids = Rows(inputs, "input_ids");
        Lengths = [.. Rows(inputs, "attention_mask").Select(row => row.Sum())];
        Labels = Rows(inputs, "mlm_labels");
    }

    public string Path { get; }

    public JsonElement Root => _document.RootElement;

    public int[][] Ids { get; }

    /// <summary>The unpadded length of each row.</summary>
    public int[] Lengths { get; }

    public int[][] Labels { get; }

    public int Longest => Ids[0].Length;

    /// <summary>The ids without padding.</summary>
    public int[] PackedIds => Pack(Ids, Lengths);

    public Dnabert2Config Config
    {
        get
        {
            string path = System.IO.Path.GetTempFileName();
            File.WriteAllText(path, Root.GetProperty("config").GetRawText());
            int labels = Root.TryGetProperty("cls_logits", out JsonElement logits) ? logits[0].GetArrayLength() : 3;
            Dnabert2Config config = Dnabert2Config.Load(path) with { NumLabels = labels };
            File.Delete(path);
            return config;
        }
    }

    public void Dispose() => _document.Dispose();

    /// <summary>The model with the deterministic weights of the golden file.</summary>
    public Dnabert2Model Model(Backend backend) =>
        Dnabert2Model.Make(Config, TinyTokenizer(), backend, AllParts, set => set.FillPacked(Fill));

    /// <summary>The same, without dropout, to be trained.</summary>
    public Dnabert2Model TrainableModel(
        Backend backend, ModelParts parts, Action<Dnabert2Model>? prepare = null, ParameterSource? source = null) =>
        Dnabert2Model.Make(Config with { HiddenDropoutProb = 0 }, TinyTokenizer(), backend, parts, set =>
        {
            set.FillFlat(source ?? Fill);
            set.AllocateGradients();
        }, prepare);

    public Batch Batch(Arena arena) => new(arena, PackedIds, Lengths);

    /// <summary>Rows without their padding, one after the other.</summary>
    public static int[] Pack(int[][] rows, int[] lengths) => [.. rows.SelectMany((row, i) => row.Take(lengths[i]))];

    /// <summary>The numbers of a nested array, in row-major order.</summary>
    public double[] Values(string name) => [.. Flatten(Root.GetProperty(name))];

    public double Value(string name) => Root.GetProperty(name).GetDouble();

    /// <summary>The value of every element as ../shared/README.md defines it.</summary>
    public void Fill(Parameter parameter, int index, Span<float> destination)
    {
        int t = _names.IndexOf(parameter.Name);
        if (t < 0) throw new InvalidOperationException($"{parameter.Name} is not in the golden file");
        Fill((uint)t + _offset, _amp, parameter.Kind == ParameterKind.NormWeight ? 1 : 0, destination);
    }

    /// <summary>The values of tensor number <paramref name="t"/>.</summary>
    public static void Fill(uint t, double amp, double centre, Span<float> destination)
    {
        for (int i = 0; i < destination.Length; i++)
        {
            uint u = unchecked(((uint)i * 2654435761u) + (t * 2246822519u) + 374761393u);
            u ^= u >> 15;
            u *= 2246822519u;
            u ^= u >> 13;
            u *= 3266489917u;
            u ^= u >> 16;
            destination[i] = (float)((((u / 4294967296.0) - 0.5) * amp) + centre);
        }
    }

    public static IEnumerable<double> Flatten(JsonElement element) =>
        element.ValueKind == JsonValueKind.Array ? element.EnumerateArray().SelectMany(Flatten) : [element.GetDouble()];

    public const string TinyTokenizerJson =
        """
        {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":null,
        "post_processor":null,"decoder":null,"model":{"type":"BPE","unk_token":null,"vocab":{"A":0,"C":1},"merges":[]}}
        """;

    public static BpeTokenizer TinyTokenizer() => BpeTokenizer.Parse(Encoding.UTF8.GetBytes(TinyTokenizerJson), "tiny");

    public static int[][] Rows(JsonElement inputs, string name) =>
        [.. inputs.GetProperty(name).EnumerateArray().Select(row => row.EnumerateArray().Select(e => e.GetInt32()).ToArray())];
}

using System.Text.Json;
using Dnabert2;
using Dnabert2.Dnabert;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;
using Dnabert2.Weights;
using Engine.Autograd;
using Engine.Runtime;

namespace Conformance.Model;

/// <summary>Rows of a golden file without their padding.</summary>
/// <param name="Ids">One row after the other.</param>
/// <param name="Lengths">The tokens of each row.</param>
/// <param name="Types">The token types; empty: all 0.</param>
/// <param name="Kept">Where each token is in the padded rows.</param>
internal sealed record PackedRows(int[] Ids, int[] Lengths, int[] Types, int[] Kept)
{
    /// <summary>What another array of the padded rows' shape says of each token.</summary>
    public int[] Pick(int[][] padded)
    {
        int[] flat = [.. padded.SelectMany(row => row)];
        return Array.ConvertAll(Kept, at => flat[at]);
    }

    public Batch Upload(Arena arena) => new(arena, Ids, Lengths, Types);
}

/// <summary>
/// A golden file of DNABERT or the Nucleotide Transformer, whose weights follow a rule and whose larger values are in a file beside it.
/// </summary>
internal sealed class BaselineGolden : IDisposable
{
    private readonly JsonDocument _document;
    private readonly Dictionary<string, int> _places = new(StringComparer.Ordinal);
    private readonly double[] _base;
    private readonly double _amp;
    private readonly uint _offset;
    private readonly WeightFile? _expected;

    public BaselineGolden(string path)
    {
        Path = path;
        _document = JsonDocument.Parse(File.ReadAllBytes(path));
        foreach (JsonElement name in Root.GetProperty("names_in_fill_order").EnumerateArray())
            _places.Add(name.GetString()!, _places.Count);
        _base = [.. Golden.Flatten(Root.GetProperty("base"))];
        _amp = Root.GetProperty("amp").GetDouble();
        _offset = Root.GetProperty("fill_seed_offset").GetUInt32();
        IsEsm = Root.GetProperty("config").GetProperty("model_type").GetString() == "esm";
        string expected = System.IO.Path.ChangeExtension(path, ".expect.safetensors");
        if (File.Exists(expected)) _expected = WeightFile.Open(expected);
    }

    public string Path { get; }

    public JsonElement Root => _document.RootElement;

    /// <summary>Whether it is of the Nucleotide Transformer.</summary>
    public bool IsEsm { get; }

    public int Labels => Root.GetProperty("num_labels").GetInt32();

    /// <summary>The names of the tensors in the file beside it.</summary>
    public IEnumerable<string> ExpectedNames => _expected!.Entries.Select(entry => entry.Name);

    public void Dispose()
    {
        _expected?.Dispose();
        _document.Dispose();
    }

    /// <summary>The values of a tensor in the file beside it.</summary>
    public double[] Expected(string name)
    {
        WeightEntry entry = _expected!.Entries.Single(entry => entry.Name == name);
        var values = new float[entry.Count];
        _expected.Read(entry, values);
        return Array.ConvertAll(values, v => (double)v);
    }

    /// <summary>The model with the weights of the rule, and no dropout.</summary>
    public SequenceModel Model(
        Backend backend, ModelParts parts, bool trainable, Action<SequenceModel>? prepare = null, ParameterSource? source = null)
    {
        string path = System.IO.Path.GetTempFileName();
        File.WriteAllText(path, Root.GetProperty("config").GetRawText());
        try
        {
            if (IsEsm)
            {
                NucleotideTransformerConfig config = NucleotideTransformerConfig.Load(path) with { NumLabels = Labels };
                return NucleotideTransformerModel.Make(
                    config, new NucleotideTransformerTokenizer(config.VocabSize > 1000 ? 6 : 3), backend, parts, FillAll, prepare);
            }

            DnabertConfig bert = DnabertConfig.Load(path) with { NumLabels = Labels, HiddenDropoutProb = 0, AttentionProbsDropoutProb = 0 };
            return DnabertModel.Make(bert, new DnabertTokenizer(Root.GetProperty("k").GetInt32()), backend, parts, FillAll, prepare);
        }
        finally
        {
            File.Delete(path);
        }

        void FillAll(ParameterSet set)
        {
            if (trainable)
            {
                set.FillFlat(source ?? Fill);
                set.AllocateGradients();
            }
            else set.FillPacked(source ?? Fill);
        }
    }

    /// <summary>The values of a parameter by the rule.</summary>
    public void Fill(Parameter parameter, int index, Span<float> destination) => Fill(NameOf(parameter), destination);

    /// <summary>The values of a tensor by the rule.</summary>
    public void Fill(string name, Span<float> destination) =>
        Golden.Fill((uint)_places[name] + _offset, _amp, _base[_places[name]], destination);

    /// <summary>The values of tensor number <paramref name="t"/>, of base 0.</summary>
    public void Fill(int t, Span<float> destination) => Golden.Fill((uint)t + _offset, _amp, 0, destination);

    /// <summary>The name of a parameter in the file: of two tied biases it has one.</summary>
    public static string NameOf(Parameter parameter) =>
        parameter.Name == "cls.predictions.decoder.bias" ? "cls.predictions.bias" : parameter.Name;

    /// <summary>Rows without padding, wherever it is.</summary>
    public PackedRows Rows(JsonElement inputs, string name)
    {
        int[][] ids = Golden.Rows(inputs, name);
        int[][] mask = !IsEsm ? Golden.Rows(inputs, "attention_mask")
            : [.. ids.Select(row => Array.ConvertAll(row, id => id != 1 ? 1 : 0))];
        int longest = ids[0].Length;
        int[] kept = [.. Enumerable.Range(0, ids.Length * longest).Where(i => mask[i / longest][i % longest] == 1)];
        var rows = new PackedRows([], [.. mask.Select(row => row.Sum())], [], kept);
        int[] types = inputs.TryGetProperty("token_type_ids", out _) ? rows.Pick(Golden.Rows(inputs, "token_type_ids")) : [];
        return rows with { Ids = rows.Pick(ids), Types = types };
    }
}

using System.Runtime.InteropServices;
using Dnabert2;
using Dnabert2.Tokenizers;
using Dnabert2.Weights;
using Engine.Autograd;
using Engine.Kernels;
using Tests.Weights;

namespace Tests.Tools;

/// <summary>A folder with a small random model, as a user has one on disk.</summary>
public sealed class ToyModel : IDisposable
{
    private readonly TempFolder _folder = new();

    public ToyModel() => Write(Folder);

    internal static Dnabert2Config Config { get; } =
        new() { VocabSize = 256, HiddenSize = 24, NumHiddenLayers = 2, NumAttentionHeads = 3, IntermediateSize = 40 };

    /// <summary>A tokenizer of 256 ids, trained on the sample.</summary>
    public static string TokenizerPath { get; } = Path.Combine(SharedData.Checkout, "tools", "dnabert2", "samples", "tokenizer.json");

    /// <summary>A FASTA file of every kind of record.</summary>
    public static string SamplePath { get; } = Path.Combine(SharedData.Checkout, "tools", "dnabert2", "samples", "sample.fa");

    public string Folder => _folder["toy"];

    /// <summary>Writes such a model to a folder.</summary>
    /// <param name="folder">The folder; it is made.</param>
    /// <param name="weights">The name of the weight file.</param>
    /// <param name="spoil">Changes the values of a parameter.</param>
    internal static void Write(string folder, string weights = "model.safetensors", Action<Parameter, float[]>? spoil = null)
    {
        Directory.CreateDirectory(folder);
        using (FileStream config = File.Create(Path.Combine(folder, "config.json"))) Config.Save(config);
        File.Copy(TokenizerPath, Path.Combine(folder, "tokenizer.json"));
        using Dnabert2Model model = Dnabert2Model.Initialize(Config, BpeTokenizer.Load(TokenizerPath), seed: 7);
        ParameterSource source = Initialization.Normal(7, 0.2f);
        Parameter[] parameters = [.. model.Parameters.Parameters.Where(p => p.TiedTo is null)];
        using var writer = new SafetensorsWriter(
            Path.Combine(folder, weights), parameters.Select(p => new WeightEntry(p.Name, DType.F32, p.Shape)));
        for (int i = 0; i < parameters.Length; i++)
        {
            float[] values = new float[parameters[i].Shape.Count];
            source(parameters[i], i, values);
            spoil?.Invoke(parameters[i], values);
            writer.Write(parameters[i].Name, MemoryMarshal.AsBytes(values.AsSpan()));
        }

        writer.Commit();
    }

    public void Dispose() => _folder.Dispose();
}

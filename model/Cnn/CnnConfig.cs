using System.Text.Json.Nodes;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.Folders;

namespace Dnabert2.Cnn;

/// <summary>
/// The hyper-parameters of the convolutional network of Genomic Benchmarks (Grešová et al. 2023, in its PyTorch form). Its three
/// convolutions are those of the paper: 16, 8 and 4 channels, windows of 8, pools of 2. No model of it was published; its
/// <c>config.json</c> is this library's own, and has these names in lower case.
/// </summary>
public sealed record CnnConfig
{
    internal const string ModelType = "genomic-benchmarks-cnn";
    internal const int MostTokens = 1 << 20, MostWidth = 1 << 16, MostPositions = 1 << 24, MostLabels = 1 << 16;

    // What the three convolutions and pools leave at least one position of.
    internal const int LeastPositions = 57;

    /// <summary>Entries of the vocabulary, from 1 to 1,048,576: the letters and the special tokens.</summary>
    public int VocabSize { get; init; } = 7;

    /// <summary>Width of the embeddings, from 1 to 65,536.</summary>
    public int EmbeddingDim { get; init; } = 100;

    /// <summary>Tokens of every sequence, from 57 to 16,777,216: every sequence has as many.</summary>
    public int InputLength { get; init; } = 202;

    /// <summary>Width of the layer between the convolutions and the outputs, from 1 to 65,536.</summary>
    public int HiddenSize { get; init; } = 512;

    /// <summary>Classes, from 2 to 65,536. Two classes have one output.</summary>
    public int NumLabels { get; init; } = 2;

    /// <summary>Outputs of the network.</summary>
    public int Outputs => NumLabels == 2 ? 1 : NumLabels;

    /// <summary>Reads a <c>config.json</c>; keys that are not of this model are left alone.</summary>
    /// <exception cref="InvalidDataException">
    /// Not JSON, or a value that the network cannot have; the message names file and key.
    /// </exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static CnnConfig Load(string path) => Load((StoredFile)path);

    internal static CnnConfig Load(StoredFile file) => JsonFields.Read(file, ConfigReader.Remedy, Read);

    internal static CnnConfig Read(JsonFields json)
    {
        var standard = new CnnConfig();
        var config = new CnnConfig
        {
            VocabSize = json.Small("vocab_size", 1, MostTokens),
            EmbeddingDim = json.Has("embedding_dim") ? json.Small("embedding_dim", 1, MostWidth) : standard.EmbeddingDim,
            InputLength = json.Small("input_length", LeastPositions, MostPositions),
            HiddenSize = json.Has("hidden_size") ? json.Small("hidden_size", 1, MostWidth) : standard.HiddenSize,
            NumLabels = ConfigReader.NumLabels(json),
        };
        return json.Checked(config, read => read.Validate());
    }

    /// <summary>Writes a <c>config.json</c>.</summary>
    /// <exception cref="IOException">The stream cannot be written to.</exception>
    public void Save(Stream destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        destination.Write(ModelOrigin.Bytes(Write()));
    }

    /// <summary>The object of <see cref="Save"/>.</summary>
    internal JsonObject Write() => new()
    {
        ["model_type"] = ModelType,
        ["vocab_size"] = VocabSize,
        ["embedding_dim"] = EmbeddingDim,
        ["input_length"] = InputLength,
        ["hidden_size"] = HiddenSize,
        ["num_labels"] = NumLabels,
    };

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        OptionRange.Check("vocab_size", VocabSize, 1, MostTokens);
        OptionRange.Check("embedding_dim", EmbeddingDim, 1, MostWidth);
        OptionRange.Check("input_length", InputLength, LeastPositions, MostPositions);
        OptionRange.Check("hidden_size", HiddenSize, 1, MostWidth);
        OptionRange.Check("num_labels", NumLabels, 2, MostLabels);
        if ((long)HiddenSize * InputLength / 2 > int.MaxValue)
            throw new ArgumentException(
                $"hidden_size {HiddenSize} and input_length {InputLength} make more weights than are supported");
    }
}

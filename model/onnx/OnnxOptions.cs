namespace Dnabert2.Onnx;

/// <summary>The head whose logits a graph has.</summary>
public enum OnnxHead
{
    /// <summary>The classifier or regression where the model has one, else the language model where it has that, else none.</summary>
    Auto,

    /// <summary>None: the vectors alone.</summary>
    None,

    /// <summary>The classifier or regression, [sequences, labels].</summary>
    Classifier,

    /// <summary>The masked language model, or HyenaDNA's of the next token, [sequences, length, vocabulary].</summary>
    LanguageModel,
}

/// <summary>What is written.</summary>
public sealed record OnnxOptions
{
    internal const int MostLength = 1 << 24;

    /// <summary>The head whose logits are an output.</summary>
    public OnnxHead Head { get; init; }

    /// <summary>
    /// The tokens of every row, padding included, from 1 to 16,777,216 and no more than the model takes, for runtimes that want fixed
    /// extents; null: each run has its own length. The CNN has the length of its config either way.
    /// </summary>
    public int? Length { get; init; }
}

/// <summary>What was written.</summary>
/// <param name="Path">The graph.</param>
/// <param name="WeightPath">The file of the weights, which belongs beside the graph; null: they are in the graph's own.</param>
/// <param name="Bytes">The bytes of both.</param>
/// <param name="Outputs">The names of the outputs.</param>
/// <param name="Head">The head whose logits are among them.</param>
public sealed record OnnxExportResult(string Path, string? WeightPath, long Bytes, IReadOnlyList<string> Outputs, OnnxHead Head);

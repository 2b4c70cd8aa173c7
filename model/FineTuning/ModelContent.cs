using Dnabert2.Data;
using Dnabert2.Folders;

namespace Dnabert2.FineTuning;

/// <summary>What a model's folder holds, as SHA-256 of its files: models are told apart by it, wherever they lie.</summary>
/// <param name="Weights">Of the weights.</param>
/// <param name="Config">Of <c>config.json</c>.</param>
/// <param name="Tokenizer">Of the file of its tokenizer; empty where there is none.</param>
internal sealed record ModelContent(string Weights, string Config, string Tokenizer)
{
    /// <param name="source">The model.</param>
    /// <param name="weights">Whether the weights are looked at.</param>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    public static ModelContent Of(ModelSource source, bool weights = true) =>
        new(weights ? source.HashOfWeights() : "", FileHash.OfFile(source.ConfigPath),
            source.Architecture.TokenizerFiles.Count == 0 ? "" : FileHash.OfFile(source.TokenizerPath));
}

using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Tests.Tools;

namespace Tests.FineTuning;

/// <summary>A small fine-tuned model of random weights, as a folder on disk.</summary>
internal static class ToyClassifier
{
    /// <summary>Writes it.</summary>
    /// <param name="folder">The folder; it is made.</param>
    /// <param name="kind">The kind of task.</param>
    /// <param name="maxTokens">The most tokens of a sequence.</param>
    /// <param name="names">The classes.</param>
    public static void Write(string folder, TaskKind kind, int maxTokens, params string[] names)
    {
        Dnabert2Config config = ToyModel.Config with { NumLabels = Math.Max(1, names.Length), InitializerRange = 0.3f };
        using Dnabert2Model model = Dnabert2Model.Initialize(
            config, BpeTokenizer.Load(ToyModel.TokenizerPath), seed: 11, parts: ModelParts.Pooler | ModelParts.Classifier, trainable: true);
        ModelFolder.Save(model, folder, new TaskConfig(kind, new LabelNames(names), maxTokens).Write(model));
    }
}

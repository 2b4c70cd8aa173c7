using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;

namespace Dnabert2.Data;

/// <summary>The targets of a tokenizer's architecture.</summary>
internal static class Targets
{
    /// <summary>Those of training.</summary>
    public static ITargets ForTraining(ISequenceTokenizer tokenizer, PretrainOptions options) =>
        IsCausal(tokenizer) ? new NextTokens(tokenizer, withEnd: true) : Masker.ForTraining(tokenizer, options);

    /// <summary>Those of evaluation.</summary>
    public static ITargets ForEvaluation(ISequenceTokenizer tokenizer, double maskProbability) =>
        IsCausal(tokenizer) ? new NextTokens(tokenizer, withEnd: false) : Masker.ForEvaluation(tokenizer, maskProbability);

    private static bool IsCausal(ISequenceTokenizer tokenizer) =>
        Architecture.Of(tokenizer).LanguageModel == ModelParts.CausalHead;
}

using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;

namespace Dnabert2.Data;

/// <summary>What a language model is asked of the tokens of a window: masked ones, or the next one of each.</summary>
internal interface ITargets
{
    /// <summary>The special tokens before a window.</summary>
    int Before { get; }

    /// <summary>The special tokens around a window.</summary>
    int SpecialTokens { get; }

    /// <summary>How far behind its row a label lies: 0 of a masked token, 1 of the next one.</summary>
    int Ahead { get; }

    /// <summary>The share of tokens that are asked for, on average.</summary>
    double Share { get; }

    /// <summary>Writes <c>[CLS] tokens [SEP]</c>, or what the tokenizer has around them, as the model is given them.</summary>
    /// <param name="number">The number of the sample.</param>
    /// <param name="window">The tokens.</param>
    /// <param name="ids">Receives the ids, with <see cref="SpecialTokens"/> more than there are tokens.</param>
    /// <param name="first">The row of the first id in its batch.</param>
    /// <param name="rows">Receives the rows from which a token is to be told, ascending; room for all.</param>
    /// <param name="labels">Receives which it is.</param>
    /// <param name="round">Rounds 0, 1, … below 1 / <see cref="Share"/> ask for disjoint sets of tokens.</param>
    /// <returns>The number of these rows.</returns>
    int Choose(long number, ReadOnlySpan<ushort> window, Span<int> ids, int first, Span<int> rows, Span<int> labels, int round = 0);
}

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

/// <summary>
/// The next token of each, for causal models. In training the last token of a window is asked for what ends it, as HyenaDNA's own program
/// does; evaluation asks for bases alone.
/// </summary>
internal sealed class NextTokens(ISequenceTokenizer tokenizer, bool withEnd) : ITargets
{
    private readonly SpecialTokenFrame _frame = WindowFrame.Of(tokenizer);

    public int Before => _frame.Before.Length;

    public int SpecialTokens => _frame.Before.Length + _frame.After.Length;

    public int Ahead => 1;

    public double Share => 1;

    public int Choose(
        long number, ReadOnlySpan<ushort> window, Span<int> ids, int first, Span<int> rows, Span<int> labels, int round = 0)
    {
        int before = Before, length = window.Length + SpecialTokens;
        _frame.Before.Span.CopyTo(ids);
        for (int i = 0; i < window.Length; i++) ids[before + i] = window[i];
        _frame.After.Span.CopyTo(ids[(before + window.Length)..]);
        int last = withEnd ? length : before + window.Length;
        for (int i = 0; i < last - 1; i++) (rows[i], labels[i]) = (first + i, ids[i + 1]);
        return Math.Max(0, last - 1);
    }
}

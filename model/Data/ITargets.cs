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

using Dnabert2.Tokenizers;

namespace Dnabert2.Data;

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

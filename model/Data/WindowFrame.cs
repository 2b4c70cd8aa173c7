using Dnabert2.Tokenizers;

namespace Dnabert2.Data;

/// <summary>The special tokens around a window of a corpus: those around a sequence of the models that the tokenizer is of.</summary>
internal static class WindowFrame
{
    /// <summary>How many there are.</summary>
    public static int CountOf(ISequenceTokenizer tokenizer)
    {
        if (tokenizer is BpeTokenizer) return 2;
        SpecialTokenFrame frame = tokenizer.Frame(pair: false);
        return frame.Before.Length + frame.After.Length;
    }

    /// <summary>The tokens.</summary>
    /// <exception cref="InvalidDataException">The tokenizer lacks one.</exception>
    public static SpecialTokenFrame Of(ISequenceTokenizer tokenizer) => tokenizer is BpeTokenizer
        ? new(new[] { Special(tokenizer.ClsId, "[CLS]") }, default, new[] { Special(tokenizer.SepId, "[SEP]") })
        : tokenizer.Frame(pair: false);

    /// <summary>The id of the mask.</summary>
    /// <exception cref="InvalidDataException">The tokenizer has none.</exception>
    public static int MaskOf(ISequenceTokenizer tokenizer) => Special(tokenizer.MaskId, "[MASK]");

    private static int Special(int? id, string token) =>
        id ?? throw new InvalidDataException($"the tokenizer has no {token}, which masked language modelling needs; " +
            "train one with the usual special tokens");
}

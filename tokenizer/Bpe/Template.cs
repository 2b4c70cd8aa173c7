namespace Dnabert2.Tokenizers;

/// <summary>What a template piece stands for.</summary>
internal enum PieceKind { First, Second, Special }

/// <summary>One piece of a template: the first or second text, or a special token.</summary>
/// <param name="Kind">What it stands for.</param>
/// <param name="TypeId">The type of its tokens.</param>
/// <param name="Special">The name of the special token, else null.</param>
/// <param name="Ids">The ids the special token stands for, else empty.</param>
internal sealed record TemplatePiece(PieceKind Kind, int TypeId, string? Special, int[] Ids);

/// <summary>How an encoded text, or a pair of them, is put together with special tokens.</summary>
/// <param name="Single">The pieces around one text.</param>
/// <param name="Pair">The pieces around two texts.</param>
internal sealed record Template(TemplatePiece[] Single, TemplatePiece[] Pair)
{
    /// <summary>No special tokens: the texts one after the other, with types 0 and 1.</summary>
    public static Template None { get; } = new(
        [new(PieceKind.First, 0, null, [])],
        [new(PieceKind.First, 0, null, []), new(PieceKind.Second, 1, null, [])]);

    /// <summary><c>[CLS] A [SEP]</c> and <c>[CLS] A [SEP] B:1 [SEP]:1</c>.</summary>
    public static Template ClsSep(int cls, int sep)
    {
        var start = new TemplatePiece(PieceKind.Special, 0, "[CLS]", [cls]);
        var end = new TemplatePiece(PieceKind.Special, 0, "[SEP]", [sep]);
        TemplatePiece first = None.Pair[0], second = None.Pair[1];
        return new Template([start, first, end], [start, first, end, second, end with { TypeId = 1 }]);
    }
}

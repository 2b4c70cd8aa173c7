namespace Dnabert2.Tokenizers;

/// <summary>The ids of the special tokens around the sequences of a record, such as [CLS] and [SEP].</summary>
/// <param name="Before">Before the first sequence.</param>
/// <param name="Between">Between the two sequences of a pair; empty for a single one.</param>
/// <param name="After">After the last sequence.</param>
public readonly record struct SpecialTokenFrame(ReadOnlyMemory<int> Before, ReadOnlyMemory<int> Between, ReadOnlyMemory<int> After);

public sealed partial class BpeTokenizer
{
    /// <summary>
    /// What <see cref="Encode(ReadOnlySpan{char}, bool)"/> puts around the tokens of <see cref="EncodeSequence"/>; all empty where the
    /// tokenizer has no template.
    /// </summary>
    /// <param name="pair">Whether it is for a pair of sequences.</param>
    public SpecialTokenFrame Frame(bool pair)
    {
        List<int>[] parts = [[], [], []];
        int part = 0;
        Template template = _parts.Template ?? Template.None;
        foreach (TemplatePiece piece in pair ? template.Pair : template.Single)
        {
            if (piece.Kind == PieceKind.Special) parts[part].AddRange(piece.Ids);
            else part = piece.Kind == PieceKind.First && pair ? 1 : 2;
        }
        return new SpecialTokenFrame(parts[0].ToArray(), parts[1].ToArray(), parts[2].ToArray());
    }
}

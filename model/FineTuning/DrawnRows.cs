using Dnabert2.Tokenizers;
using Engine.Kernels;

namespace Dnabert2.FineTuning;

/// <summary>
/// Training rows that are not the same in each epoch: taken from either strand, or cut into tokens in other ways. What is drawn of a row
/// depends on seed, epoch and row alone, so a resumed run draws the same.
/// </summary>
internal sealed class DrawnRows
{
    private const uint Site = 0x44524157;
    private readonly LabelledSet _train;
    private readonly FineTuneOptions _options;
    private readonly TokenSequences _sequences;

    private DrawnRows(LabelledSet train, ISequenceTokenizer tokenizer, FineTuneOptions options) =>
        (_train, _options, _sequences) = (train, options, new TokenSequences(tokenizer, options.MaxTokens!.Value));

    /// <summary>Such rows, or null where nothing of a row is to be drawn.</summary>
    /// <param name="train">The training set.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">The recipe, resolved.</param>
    public static DrawnRows? Of(LabelledSet train, ISequenceTokenizer tokenizer, FineTuneOptions options) =>
        options.AugmentReverseComplement || options.BpeDropout > 0 ? new DrawnRows(train, tokenizer, options) : null;

    /// <summary>The tokens of a row that was drawn last, by its place among these.</summary>
    public ReadOnlySpan<int> this[int index] => _sequences[index];

    /// <summary>Draws rows in place of those drawn before.</summary>
    /// <param name="rows">The numbers of the rows.</param>
    /// <param name="epoch">The number of the epoch.</param>
    public void Draw(ReadOnlySpan<int> rows, int epoch)
    {
        var random = new Philox(_options.Seed, (uint)epoch, Site);
        _sequences.Clear();
        foreach (int row in rows)
        {
            (uint strand, uint low, uint high, _) = random.Block((ulong)row);
            bool otherStrand = _options.AugmentReverseComplement && (strand & 1) != 0;
            _sequences.AddDrawn(_train[row], otherStrand, _options.BpeDropout, ((ulong)high << 32) | low);
        }
    }
}

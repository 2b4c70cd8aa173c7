using Dnabert2.FineTuning;

namespace Dnabert2.Server.Serving;

/// <summary>Sequences, or pairs, whose classes are wanted, tokenised.</summary>
/// <param name="rows">The sequences.</param>
/// <param name="outputs">The outputs of the classifier.</param>
internal sealed class ClassifyJob(TokenSequences rows, int outputs) : Job
{
    private readonly float[] _logits = new float[rows.Count * outputs];

    public override int Pieces => rows.Count;

    public override long Tokens => rows.Tokens;

    /// <summary>The sequences.</summary>
    public TokenSequences Rows => rows;

    public override int TokensOf(int piece) => rows[piece].Length;

    /// <summary>Takes the logits of a sequence: [outputs].</summary>
    public void Accept(int piece, ReadOnlySpan<float> logits)
    {
        logits.CopyTo(_logits.AsSpan(piece * outputs));
        NoteComputed();
    }

    /// <summary>The logits of a sequence: [outputs].</summary>
    /// <exception cref="NotFiniteNumberException">The model gives no number for it.</exception>
    public ReadOnlySpan<float> LogitsOf(int row)
    {
        ReadOnlySpan<float> own = _logits.AsSpan(row * outputs, outputs);
        FiniteOutput.Check(own, "the sequence's classes or value", row + 1, $"inputs[{row}]");
        return own;
    }
}

using Dnabert2.Embeddings;

namespace Dnabert2.Server.Serving;

/// <summary>Sequences whose vectors are wanted, tokenised; each is a piece, or several where it is cut at unknown bases.</summary>
/// <param name="ids">The token ids of all pieces, special ones not among them.</param>
/// <param name="pieces">Where each piece lies among them, and the sequence that it is of.</param>
/// <param name="special">The special tokens around a piece.</param>
/// <param name="sequences">The sequences.</param>
internal sealed class EmbedJob(
    int[] ids, IReadOnlyList<(int Start, int Count, int Sequence)> pieces, int special, PooledStrand[] sequences) : Job
{
    public override int Pieces => pieces.Count;

    public override long Tokens => ids.Length + ((long)pieces.Count * special);

    public override int TokensOf(int piece) => pieces[piece].Count + special;

    /// <summary>The token ids of a piece.</summary>
    public ReadOnlySpan<int> IdsOf(int piece) => ids.AsSpan(pieces[piece].Start, pieces[piece].Count);

    /// <summary>Takes the pooled vector of a piece: [hidden].</summary>
    public void Accept(int piece, ReadOnlySpan<float> pooled)
    {
        sequences[pieces[piece].Sequence].Add(pooled, TokensOf(piece), special);
        NoteComputed();
    }

    /// <summary>The vectors, once all pieces are computed: one for each sequence, [hidden].</summary>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a sequence.</exception>
    public float[][] Finish()
    {
        float[][] vectors = new float[sequences.Length][];
        for (int i = 0; i < vectors.Length; i++)
        {
            vectors[i] = sequences[i].Finish();
            FiniteOutput.Check(vectors[i], "the vector", i + 1, $"inputs[{i}]");
        }

        return vectors;
    }
}

using Dnabert2.Embeddings;
using Dnabert2.FineTuning;
using Engine.Kernels;

namespace Dnabert2.Server.Serving;

/// <summary>Computes pieces of one kind together. For one thread.</summary>
internal interface ILane : IDisposable
{
    /// <summary>Computes pieces and gives each its result.</summary>
    /// <param name="pieces">The pieces.</param>
    /// <param name="stop">Ends the work.</param>
    void Run(List<Piece> pieces, CancellationToken stop);
}

/// <summary>Vectors of sequences.</summary>
internal sealed class EmbedLane(SequenceModel model, Pooling pooling) : ILane
{
    private ChunkBatch? _batch;
    private float[] _pooled = [];

    public void Run(List<Piece> pieces, CancellationToken stop)
    {
        ChunkBatch batch = _batch ??= new ChunkBatch(model, pooling);
        batch.Clear();
        foreach (Piece piece in pieces) batch.Add(((EmbedJob)piece.Job).IdsOf(piece.Index));
        try
        {
            batch.Run(ref _pooled, stop);                                           // [pieces, hidden]
        }
        catch
        {
            // What a batch that did not come to its end has left is not known.
            Dispose();
            throw;
        }

        int width = model.HiddenSize;
        for (int i = 0; i < pieces.Count; i++) ((EmbedJob)pieces[i].Job).Accept(pieces[i].Index, _pooled.AsSpan(i * width, width));
    }

    public void Dispose()
    {
        _batch?.Dispose();
        _batch = null;
    }
}

/// <summary>Logits of sequences.</summary>
internal sealed class ClassifyLane(ClassifierModel classifier, int maxTokens, int maxBatchTokens) : ILane
{
    private readonly TokenSequences _rows = classifier.NewSequences(maxTokens);
    private Classification? _classification;

    public void Run(List<Piece> pieces, CancellationToken stop)
    {
        Classification classification = _classification ??= new Classification(classifier.Model, maxBatchTokens);
        _rows.Clear();
        foreach (Piece piece in pieces) _rows.Add(((ClassifyJob)piece.Job).Rows, piece.Index);
        float[] logits;
        try
        {
            logits = classification.Run(_rows, stop);                               // [pieces, outputs]
        }
        catch
        {
            Dispose();
            throw;
        }

        int outputs = classifier.Model.NumLabels;
        for (int i = 0; i < pieces.Count; i++)
            ((ClassifyJob)pieces[i].Job).Accept(pieces[i].Index, logits.AsSpan(i * outputs, outputs));
    }

    public void Dispose()
    {
        _classification?.Dispose();
        _classification = null;
    }
}

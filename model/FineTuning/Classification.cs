using System.Runtime.InteropServices;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Collectives;

namespace Dnabert2.FineTuning;

/// <summary>Runs a model with a classifier on token sequences, in packed batches. Not for several threads at once.</summary>
internal sealed class Classification : IDisposable
{
    // The borders of more sequences than this would be put together on the heap.
    private const int MostSequences = 1000;
    private readonly SequenceModel _model;
    private readonly Arena _arena;
    private readonly Tape _tape;
    private readonly RoundedBatch _rounded;
    private readonly GraphCache<PassShape> _graphs;
    private readonly Func<Tensor> _pass;
    private readonly int _budget;
    private Batch _batch;

    /// <summary>Runs the model as it is at each call.</summary>
    /// <param name="model">With pooler and classifier.</param>
    /// <param name="batchTokens">The most tokens that go through the model at once, unless a single sequence has more.</param>
    public Classification(SequenceModel model, int batchTokens)
    {
        (_model, _budget, _arena) = (model, batchTokens, new Arena(model.Backend));
        (_tape, _pass) = (Tape.ForInference(_arena), () => _model.Classify(_tape!, _batch).Data);
        _rounded = new RoundedBatch(model, cutsRows: true);
        _graphs = new GraphCache<PassShape>(model.Backend);
    }

    /// <summary>Who shares the work; null: this process alone. The logits are the same, bit for bit.</summary>
    internal Communicator? Ranks { get; init; }

    /// <summary>The logits of all sequences.</summary>
    /// <param name="sequences">The sequences.</param>
    /// <param name="cancellation">Ends the work, on the CPU also within a batch; this can then only be disposed.</param>
    /// <returns>[sequences, labels], in the order of the sequences.</returns>
    public float[] Run(TokenSequences sequences, CancellationToken cancellation = default)
    {
        int labels = _model.NumLabels;
        if ((long)sequences.Count * labels > Array.MaxLength)
            throw new ArgumentException(
                $"{sequences.Count} sequences of {labels} labels: their outputs do not fit one array, give fewer at once");
        var logits = new float[sequences.Count * labels];
        using CancellableWork? work = cancellation.CanBeCanceled ? new(_model.Backend, cancellation) : null;
        // Like lengths together: attention is then well divided among the threads, and batches are of one size.
        int[] order = [.. Enumerable.Range(0, sequences.Count).OrderByDescending(i => sequences[i].Length).ThenBy(i => i)];
        var ids = new List<int>();
        var lengths = new List<int>();
        var owners = new int[order.Length];
        for (int start = 0, batch = 0; start < order.Length; start += lengths.Count, batch++)
        {
            cancellation.ThrowIfCancellationRequested();
            ids.Clear();
            lengths.Clear();
            for (int i = start; i < order.Length && lengths.Count < MostSequences; i++)
            {
                ReadOnlySpan<int> sequence = sequences[order[i]];
                if (lengths.Count > 0 && ids.Count + sequence.Length > _budget) break;
                ids.AddRange(sequence);
                lengths.Add(sequence.Length);
            }

            int owner = batch % (Ranks?.Size ?? 1);
            foreach (int row in order.AsSpan(start, lengths.Count)) owners[row] = owner;
            if (Ranks is null || owner == Ranks.Rank) Run(ids, lengths, order.AsSpan(start, lengths.Count), logits);
        }

        if (Ranks is not null) Gather(Ranks, owners, labels, logits);
        return logits;
    }

    /// <summary>Returns the memory.</summary>
    public void Dispose()
    {
        _graphs.Dispose();
        _arena.Dispose();
    }

    /// <summary>Takes each row from the rank that has computed it.</summary>
    private static void Gather(Communicator ranks, int[] owners, int labels, float[] logits)
    {
        float[] all = new float[checked(logits.Length * ranks.Size)];
        ranks.AllGather(MemoryMarshal.AsBytes(logits.AsSpan()), MemoryMarshal.AsBytes(all.AsSpan()));
        for (int row = 0; row < owners.Length; row++)
            all.AsSpan((owners[row] * logits.Length) + (row * labels), labels).CopyTo(logits.AsSpan(row * labels));
    }

    private void Run(List<int> ids, List<int> lengths, ReadOnlySpan<int> places, float[] logits)
    {
        int labels = _model.NumLabels;
        _tape.Reset();
        _batch = _rounded.Upload(_arena, CollectionsMarshal.AsSpan(ids), CollectionsMarshal.AsSpan(lengths));
        Tensor result = _graphs.Run(PassShape.Of(_batch), _pass);
        result = result.Slice(0, new Shape(lengths.Count, labels));
        var values = new float[result.Count];
        _model.Backend.DownloadNumbers(result, values);
        for (int i = 0; i < places.Length; i++) values.AsSpan(i * labels, labels).CopyTo(logits.AsSpan(places[i] * labels));
    }
}

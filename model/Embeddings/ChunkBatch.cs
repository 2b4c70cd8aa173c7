using System.Runtime.InteropServices;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Dnabert2.Embeddings;

/// <summary>Chunks of token sequences on their way through the encoder: collected up to the token budget, then run together.</summary>
internal sealed class ChunkBatch : IDisposable
{
    private readonly SequenceModel _model;
    private readonly Arena _arena;
    private readonly Tape _tape;
    private readonly RoundedBatch _rounded;
    private readonly GraphCache<PassShape> _graphs;
    private readonly Func<Tensor> _pass;
    private readonly Pooling? _pooling;
    private readonly int? _layer;
    private readonly SpecialTokenFrame _frame;
    private readonly List<int> _ids = [], _lengths = [];
    private Batch _batch;

    /// <summary>A batch whose chunks are pooled; of which, with null, the vectors of all tokens are wanted.</summary>
    /// <param name="model">The model.</param>
    /// <param name="pooling">How.</param>
    /// <param name="layer">The layer whose vectors they are; null: the last.</param>
    public ChunkBatch(SequenceModel model, Pooling? pooling, int? layer = null)
    {
        (_model, _arena) = (model, new Arena(model.Backend));
        (_tape, _pass) = (Tape.ForInference(_arena), () => Forward(_tape!, _batch));
        (_rounded, _graphs) = (new RoundedBatch(model), new GraphCache<PassShape>(model.Backend));
        (_pooling, _layer) = (pooling, layer);
        _frame = model.Frame;
        SpecialTokens = _frame.Before.Length + _frame.After.Length;
    }

    /// <summary>The special tokens around a chunk, and those of them that precede it.</summary>
    public int SpecialTokens { get; }

    public int TokensBefore => _frame.Before.Length;

    /// <summary>Tokens collected, special ones included.</summary>
    public int Tokens => _ids.Count;

    /// <summary>The number of tokens of each chunk, special ones included.</summary>
    public ReadOnlySpan<int> Lengths => CollectionsMarshal.AsSpan(_lengths);

    /// <summary>The token ids of all chunks.</summary>
    public ReadOnlySpan<int> Ids => CollectionsMarshal.AsSpan(_ids);

    /// <summary>Adds tokens with the special ones around them: <c>[CLS] tokens [SEP]</c>, or what the model has.</summary>
    public void Add(ReadOnlySpan<int> tokens)
    {
        _ids.AddRange(_frame.Before.Span);
        _ids.AddRange(tokens);
        _ids.AddRange(_frame.After.Span);
        _lengths.Add(tokens.Length + SpecialTokens);
    }

    /// <summary>Runs the encoder.</summary>
    /// <param name="destination">Receives [chunks, hidden], or [tokens, hidden]; it grows as needed.</param>
    /// <param name="cancellation">Ends the run, after which this can only be disposed.</param>
    /// <exception cref="DeviceMemoryException">The batch does not fit the GPU; the message says what would.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Run(ref float[] destination, CancellationToken cancellation = default)
    {
        using var measured = new MeasuredBatch(_model, Tokens, Lengths.Length);
        using CancellableWork? work = cancellation.CanBeCanceled ? new(_model.Backend, cancellation) : null;
        try
        {
            _batch = _rounded.Upload(_arena, Ids, Lengths);
            Tensor x = _graphs.Run(PassShape.Of(_batch), _pass);
            x = x.Slice(0, new Shape(_pooling is null ? Tokens : Lengths.Length, x.Shape[1]));
            if (destination.Length < x.Count) destination = new float[x.Count];
            _model.Backend.DownloadNumbers(x, destination.AsSpan(0, (int)x.Count));
            _arena.Reset();
            measured.Complete();
        }
        catch (DeviceMemoryException fault)
        {
            _graphs.Dispose();
            throw BatchMemory.Explain(fault, Tokens, Lengths, [_arena], nameof(EmbedOptions.BatchTokens), Probe);
        }
    }

    /// <summary>Empties the batch.</summary>
    public void Clear()
    {
        _ids.Clear();
        _lengths.Clear();
    }

    public void Dispose()
    {
        _graphs.Dispose();
        _arena.Dispose();
    }

    private Tensor Forward(Tape tape, in Batch batch)
    {
        if (_layer is not { } layer)
            return (_pooling is { } own ? _model.EncodeSequences(tape, batch, own) : _model.Encode(tape, batch)).Data;
        Variable x = _model.EncodeLayer(tape, batch, layer);                        // [tokens, hidden]
        return (_pooling is { } pooling ? SequenceModel.PoolTokens(tape, x, batch, pooling) : x).Data;
    }

    private long Probe(int chunks)
    {
        using var arena = new Arena(_model.Backend);
        ReadOnlySpan<int> lengths = Lengths[..chunks];
        int tokens = 0;
        foreach (int length in lengths) tokens += length;
        Forward(Tape.ForInference(arena), _rounded.UploadPlain(arena, Ids[..tokens], lengths));
        return arena.HighWater;
    }
}

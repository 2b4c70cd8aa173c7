using System.Numerics.Tensors;
using CommunityToolkit.HighPerformance;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Engine.Kernels;

namespace Dnabert2.Embeddings;

/// <summary>
/// Turns sequences into vectors. Records stream through: memory depends on the longest record and the batch, not on their number, and
/// results come in input order. Several threads may use one embedder at once.
/// </summary>
public sealed class Embedder
{
    /// <summary>The name of the <c>ActivitySource</c> and of the <c>Meter</c> that tell of batches.</summary>
    public const string TelemetryName = "Dnabert2";

    private readonly SequenceModel _model;
    private readonly EmbedOptions _options;

    /// <summary>An embedder with a loaded model.</summary>
    /// <exception cref="ArgumentException">
    /// An option is out of its range, or the model does not take so many tokens, or does not pool in that way.
    /// </exception>
    public Embedder(SequenceModel model, EmbedOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        (_model, _options) = (model, options ?? new EmbedOptions());
        _options.Validate();
        if (model.MaxTokens is { } most && _options.MaxTokens > most)
            throw new ArgumentException(
                $"{nameof(EmbedOptions.MaxTokens)} is {_options.MaxTokens}: this model has positions for {most} tokens", nameof(options));
        if (_options.Layer is { } layer && (layer > model.Layers || model.Layers == 0))
            throw new ArgumentException(
                $"{nameof(EmbedOptions.Layer)} is {layer}: this model has "
                + (model.Layers == 0 ? "none to choose from" : $"0, its embedding layer, to {model.Layers}"), nameof(options));
        if (model.RefusalOf(_options.Pooling) is { } why)
            throw new ArgumentException($"{nameof(EmbedOptions.Pooling)} is {_options.Pooling}: {why}", nameof(options));
    }

    /// <summary>The width of a vector.</summary>
    public int Width => _model.HiddenSize;

    /// <summary>The vectors of sequences held in memory.</summary>
    /// <param name="sequences">Bases; lower case and U are understood.</param>
    /// <param name="cancellation">Ends the embedding, also within a batch.</param>
    /// <returns>[sequences, hidden]: row i is the vector of sequence i.</returns>
    /// <exception cref="InvalidDataException">
    /// A sequence is empty or holds a letter that is not a nucleotide; the message names it.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a sequence; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public ReadOnlyMemory2D<float> Embed(IReadOnlyList<string> sequences, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        var vectors = new float[sequences.Count, Width];
        foreach (SequenceEmbedding embedding in EmbedEach(sequences, cancellation))
            embedding.Vector.Span.CopyTo(vectors.GetRowSpan((int)embedding.Number - 1));
        return vectors;
    }

    /// <summary>One vector for each sequence held in memory, in order, with its numbers of tokens.</summary>
    internal IEnumerable<SequenceEmbedding> EmbedEach(IReadOnlyList<string> sequences, CancellationToken cancellation) =>
        Embed(SequencesInMemory.Read(sequences, _options.OnAmbiguous, cancellation), cancellation: cancellation);

    /// <summary>The same on a thread of the pool.</summary>
    /// <param name="sequences">As above; it must not change meanwhile.</param>
    /// <param name="cancellation">As above.</param>
    /// <returns>[sequences, hidden].</returns>
    /// <exception cref="InvalidDataException">As above.</exception>
    /// <exception cref="NotFiniteNumberException">As above.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public Task<ReadOnlyMemory2D<float>> EmbedAsync(IReadOnlyList<string> sequences, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        return Task.Run(() => Embed(sequences, cancellation), cancellation);
    }

    /// <summary>One vector for each record, in order, computed on threads of the pool as they are asked for.</summary>
    /// <param name="records">As for <see cref="Embed(IEnumerable{SequenceRecord}, IProgress{EmbedProgress}?, CancellationToken)"/>.</param>
    /// <param name="progress">Told after each batch, on a thread of the pool.</param>
    /// <param name="cancellation">Ends the embedding, also within a batch; as does the token of the enumeration.</param>
    /// <exception cref="InvalidDataException">A record cannot be embedded; the message names it.</exception>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a record; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IAsyncEnumerable<SequenceEmbedding> EmbedAsync(
        IEnumerable<SequenceRecord> records, IProgress<EmbedProgress>? progress = null, CancellationToken cancellation = default) =>
        OnPool.Enumerate(token => Embed(records, progress, token), cancellation);

    /// <summary>One vector for each record, in order.</summary>
    /// <param name="records">Records as a <see cref="SequenceReader"/> yields them; each is used before the next is asked for.</param>
    /// <param name="progress">Told after each batch, on this thread.</param>
    /// <param name="cancellation">Ends the embedding, on the CPU also within a batch.</param>
    /// <exception cref="InvalidDataException">A record cannot be embedded; the message names it.</exception>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a record; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<SequenceEmbedding> Embed(
        IEnumerable<SequenceRecord> records, IProgress<EmbedProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        using var batch = new ChunkBatch(_model, _options.Pooling, _options.Layer);
        var tokens = new TokenisedRecord(givesStarts: false, batch.SpecialTokens, _model.Padding);
        var waiting = new Queue<Pending>();
        var owners = new List<PooledStrand>();
        float[] pooled = [];
        long found = 0, done = 0;
        foreach (SequenceRecord record in records)
        {
            var pending = new Pending(record, Width, _options);
            waiting.Enqueue(pending);
            tokens.Set(record, _model.Tokenizer, _options);
            pending.Truncated = tokens.Truncated;
            AddChunks(pending.Forward);
            if (pending.Reverse is not null)
            {
                tokens.SetReverseComplement(record, _model.Tokenizer, _options);
                AddChunks(pending.Reverse);
            }

            pending.Complete = true;
            while (waiting.TryPeek(out Pending? first) && first.IsDone) yield return waiting.Dequeue().Finish();
        }

        Flush();
        while (waiting.TryDequeue(out Pending? last)) yield return last.Finish();

        void AddChunks(PooledStrand owner)
        {
            found += tokens.ChunkTokens;
            foreach (Chunk chunk in tokens.Chunks)
            {
                if (batch.Tokens > 0 && batch.Tokens + chunk.Count + batch.SpecialTokens > _options.BatchTokens) Flush();
                batch.Add(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(tokens.Ids).Slice(chunk.Start, chunk.Count));
                owners.Add(owner);
                owner.Open++;
            }
        }

        void Flush()
        {
            if (owners.Count == 0) return;
            cancellation.ThrowIfCancellationRequested();
            batch.Run(ref pooled, cancellation);
            for (int i = 0; i < owners.Count; i++) owners[i].Add(pooled.AsSpan(i * Width, Width), batch.Lengths[i], batch.SpecialTokens);
            done += batch.Tokens;
            progress?.Report(new EmbedProgress(done, found));
            owners.Clear();
            batch.Clear();
        }
    }

    /// <summary>The vectors of all tokens of each record, with their places in it, in order.</summary>
    /// <param name="records">As for <see cref="Embed(IEnumerable{SequenceRecord}, IProgress{EmbedProgress}?, CancellationToken)"/>.</param>
    /// <param name="progress">Told after each batch, on this thread.</param>
    /// <param name="cancellation">Ends the embedding, on the CPU also within a batch.</param>
    /// <exception cref="InvalidDataException">A record cannot be embedded; the message names it.</exception>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a record; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="InvalidOperationException">The options ask for the reverse complement, whose tokens are others.</exception>
    /// <exception cref="NotSupportedException">The model has no vectors of tokens.</exception>
    public IEnumerable<TokenEmbeddings> EmbedTokens(
        IEnumerable<SequenceRecord> records, IProgress<EmbedProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        if (_options.AverageReverseComplement)
            throw new InvalidOperationException(
                "vectors of tokens cannot be averaged with those of the reverse complement, whose tokens are others");
        if (_model.RefusalOf(pooling: null) is { } why) throw new NotSupportedException(why);
        return EmbedTokensCore(records, progress, cancellation);
    }

    /// <summary>The same, computed on threads of the pool as they are asked for.</summary>
    /// <param name="records">As above.</param>
    /// <param name="progress">Told after each batch, on a thread of the pool.</param>
    /// <param name="cancellation">Ends the embedding, also within a batch; as does the token of the enumeration.</param>
    /// <exception cref="InvalidDataException">As above.</exception>
    /// <exception cref="NotFiniteNumberException">As above.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="InvalidOperationException">As above.</exception>
    /// <exception cref="NotSupportedException">As above.</exception>
    public IAsyncEnumerable<TokenEmbeddings> EmbedTokensAsync(
        IEnumerable<SequenceRecord> records, IProgress<EmbedProgress>? progress = null, CancellationToken cancellation = default) =>
        OnPool.Enumerate(token => EmbedTokens(records, progress, token), cancellation);

    private IEnumerable<TokenEmbeddings> EmbedTokensCore(
        IEnumerable<SequenceRecord> records, IProgress<EmbedProgress>? progress, CancellationToken cancellation)
    {
        using var batch = new ChunkBatch(_model, pooling: null, _options.Layer);
        var tokens = new TokenisedRecord(givesStarts: true, batch.SpecialTokens, _model.Padding);
        var waiting = new List<TokenPiece>();
        float[] vectors = [];
        long found = 0, done = 0;
        foreach (SequenceRecord record in records)
        {
            tokens.Set(record, _model.Tokenizer, _options);
            found += tokens.ChunkTokens;
            foreach (Chunk chunk in tokens.Chunks)
            {
                if (batch.Tokens > 0 && batch.Tokens + chunk.Count + batch.SpecialTokens > _options.BatchTokens)
                    foreach (TokenEmbeddings embedding in Flush()) yield return embedding;
                batch.Add(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(tokens.Ids).Slice(chunk.Start, chunk.Count));
                waiting.Add(TokenPiece.Of(record, tokens, chunk, _model.Tokenizer, batch.TokensBefore));
            }
        }

        foreach (TokenEmbeddings embedding in Flush()) yield return embedding;

        List<TokenEmbeddings> Flush()
        {
            var finished = new List<TokenEmbeddings>(waiting.Count);
            if (waiting.Count == 0) return finished;
            cancellation.ThrowIfCancellationRequested();
            batch.Run(ref vectors, cancellation);
            int row = 0;
            for (int i = 0; i < waiting.Count; i++)
            {
                finished.Add(waiting[i].With(vectors.AsSpan(row * Width, batch.Lengths[i] * Width), Width));
                row += batch.Lengths[i];
            }

            done += batch.Tokens;
            progress?.Report(new EmbedProgress(done, found));
            waiting.Clear();
            batch.Clear();
            return finished;
        }
    }

    /// <summary>A record some of whose chunks may still be on their way.</summary>
    private sealed class Pending(SequenceRecord record, int width, EmbedOptions options)
    {
        private readonly (string Source, string Id, long Number, long Bases, GenomeRegion? Region) _record =
            (record.Source, record.Id, record.Number, record.TotalLength, record.Region);

        public PooledStrand Forward { get; } = new(width, options.Pooling);

        /// <summary>The other strand, where it is wanted.</summary>
        public PooledStrand? Reverse { get; } = options.AverageReverseComplement ? new(width, options.Pooling) : null;

        public bool Complete { get; set; }

        public bool Truncated { get; set; }

        public bool IsDone => Complete && Forward.Open == 0 && Reverse is not { Open: > 0 };

        public SequenceEmbedding Finish()
        {
            float[] vector = Forward.Finish();
            if (Reverse is not null)
            {
                TensorPrimitives.Add(vector, Reverse.Finish(), vector);
                TensorPrimitives.Multiply(vector, 0.5f, vector);
            }

            FiniteOutput.Check(vector, "the vector", _record.Number, _record.Id);
            long tokens = Forward.Tokens + (Reverse?.Tokens ?? 0);
            int chunks = Forward.Chunks + (Reverse?.Chunks ?? 0);
            return new(_record.Id, _record.Number, _record.Bases, tokens, chunks, Truncated, vector)
            { Source = _record.Source, Region = _record.Region };
        }
    }

    /// <summary>A chunk whose vectors are on their way.</summary>
    private readonly record struct TokenPiece(
        string Source, GenomeRegion? Region, string Id, long Number, bool Truncated, int FirstToken, int[] Starts, int[] Ends, int[] Ids,
        int FirstRow)
    {
        public static TokenPiece Of(SequenceRecord record, TokenisedRecord tokens, Chunk chunk, ISequenceTokenizer tokenizer, int before)
        {
            int count = chunk.KeepEnd - chunk.KeepStart;
            int[] starts = new int[count], ends = new int[count], ids = new int[count];
            for (int i = 0; i < count; i++)
            {
                int token = chunk.KeepStart + i;
                (starts[i], ids[i]) = (tokens.StartOf(token), tokens.Ids[token]);
                ends[i] = starts[i] + tokenizer.LengthOf(ids[i]);
            }

            // The first rows of a chunk are of special tokens.
            return new(record.Source, record.Region, record.Id, record.Number, tokens.Truncated, chunk.KeepStart, starts, ends, ids,
                chunk.KeepStart - chunk.Start + before);
        }

        public TokenEmbeddings With(ReadOnlySpan<float> rows, int width)
        {
            rows = rows.Slice(FirstRow * width, Starts.Length * width);
            FiniteOutput.Check(rows, "the vector of a token", Number, Id);
            return new(Id, Number, Truncated, FirstToken, Starts, Ends, Ids, new(rows.ToArray(), Starts.Length, width))
            { Source = Source, Region = Region };
        }
    }
}

using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dnabert2.Data;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Collectives;
using Tensor = Engine.Kernels.Tensor;

namespace Dnabert2.Training;

/// <summary>
/// Evaluates masked language models on the held-out windows of a corpus, with dropout off. Which windows and which tokens are masked
/// depends on the corpus alone, and every masked token is replaced by [MASK]. Not for several threads at once.
/// </summary>
public sealed class Evaluator : IDisposable
{
    private readonly SequenceModel _model;
    private readonly HeldOutTokens _tokens;
    private readonly MaskedBatch _batch;
    private readonly Arena _arena;
    private readonly Tape _tape;
    private readonly int _budget;
    private float[] _logits = [], _losses = [];

    /// <summary>An evaluator of a model.</summary>
    /// <param name="model">With the head of its language model, and the tokenizer of the corpus.</param>
    /// <param name="corpus">The corpus.</param>
    /// <param name="windows">
    /// The most windows of each species. Where fewer are held out, they come again with other tokens masked, until (nearly) every token
    /// was masked once.
    /// </param>
    /// <param name="maskProbability">The probability with which each token is masked.</param>
    /// <param name="microBatchTokens">The most tokens that go through the model at once.</param>
    /// <exception cref="ArgumentException">The model has no such head.</exception>
    public Evaluator(SequenceModel model, Corpus corpus, int windows = 1000, double maskProbability = 0.15, int microBatchTokens = 4096)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(corpus);
        (_model, _budget) = (model, Math.Max(microBatchTokens, corpus.Options.MaxTokens));
        if (!model.HasLanguageModel) throw new ArgumentException("the model has no head of a language model");
        _tokens = new HeldOutTokens(corpus, windows, maskProbability);
        // A window has at least one token besides the special ones.
        int sequences = Math.Min(1000, (_budget / (1 + _tokens.Asked.SpecialTokens)) + 1);
        _batch = new MaskedBatch(_tokens.Asked, sequences, corpus.Options.MaxTokens, _budget);
        _arena = new Arena(model.Backend);
        _tape = Tape.ForInference(_arena);
    }

    /// <summary>Who shares the work; null: this process alone. The scores are the same, bit for bit.</summary>
    internal Communicator? Ranks { get; init; }

    /// <summary>Evaluates the model as it is now.</summary>
    /// <param name="cancellation">Ends the evaluation.</param>
    /// <returns>Scores of no tokens where nothing is held out.</returns>
    public Evaluation Run(CancellationToken cancellation = default) => _tokens.Collect(species => Evaluate(species, cancellation));

    /// <summary>Returns the memory.</summary>
    public void Dispose() => _arena.Dispose();

    private Score Evaluate(int species, CancellationToken cancellation)
    {
        var parts = new List<Score>();
        _batch.Clear();
        for (int i = 0; i < _tokens.Count(species); i++)
        {
            cancellation.ThrowIfCancellationRequested();
            ReadOnlySpan<ushort> window = _tokens.Window(species, i, out long number, out int round);
            if (_batch.Tokens + window.Length + _tokens.Asked.SpecialTokens > _budget) Flush(parts);
            _batch.Add(number, window, round);
        }

        Flush(parts);
        return Sum(parts);
    }

    /// <summary>Adds the score of what was collected; 0 where another rank has it.</summary>
    private void Flush(List<Score> parts)
    {
        Score score = default;
        bool isOwn = Ranks is null || parts.Count % Ranks.Size == Ranks.Rank;
        for (int i = 0; i < _batch.MicroBatches && isOwn; i++) score += Run(_batch[i]);
        _batch.Clear();
        parts.Add(score);
    }

    private Score Sum(List<Score> parts)
    {
        Score score = default;
        Span<Score> own = CollectionsMarshal.AsSpan(parts);
        Score[] all = Ranks is null ? [] : new Score[own.Length * Ranks.Size];
        Ranks?.AllGather(MemoryMarshal.AsBytes(own), MemoryMarshal.AsBytes(all.AsSpan()));
        for (int i = 0; i < own.Length; i++) score += Ranks is null ? own[i] : all[(i % Ranks.Size * own.Length) + i];
        return score;
    }

    private Score Run(MicroBatch part)
    {
        int masked = part.Labels.Length;
        if (masked == 0) return new Score(part.Lengths.Length, 0, 0, 0, 0);
        _tape.Reset();
        var batch = new Batch(_arena, part.Ids, part.Lengths);
        Variable x = _model.Encode(_tape, batch);                                           // [tokens, hidden]
        Variable picked = GatherRows.Instance.Forward(_tape, x, Upload(part.Rows));         // [masked, hidden]
        Tensor logits = _model.PredictTargets(_tape, picked).Data;                           // [masked, vocabulary]
        Tensor losses = _arena.Rent(new Shape(masked), DType.F32);
        _model.Backend.Run(new CrossEntropyForward(logits, Upload(part.Labels), weights: default, losses));
        return Tally(part, Read(losses, ref _losses), Read(logits, ref _logits));
    }

    private Score Tally(MicroBatch part, ReadOnlySpan<float> losses, ReadOnlySpan<float> logits)
    {
        int vocabulary = logits.Length / losses.Length, special = _tokens.Asked.SpecialTokens;
        double nats = 0;
        long bases = 0, correct = 0;
        for (int i = 0; i < losses.Length; i++)
        {
            nats += losses[i];
            if (TensorPrimitives.IndexOfMax(logits.Slice(i * vocabulary, vocabulary)) == part.Labels[i]) correct++;
        }

        int start = 0, next = 0;
        foreach (int length in part.Lengths)
        {
            int first = next, window = start + _tokens.Asked.Before;
            start += length;
            while (next < losses.Length && part.Rows[next] < start) next++;
            ReadOnlySpan<int> rows = part.Rows[first..next];
            for (int i = 0; i < rows.Length; i++) bases += _tokens.HiddenBases(rows, i, part.Labels[first + i], window, length - special);
        }

        return new Score(part.Lengths.Length, losses.Length, bases, nats, correct);
    }

    private ReadOnlySpan<float> Read(Tensor tensor, ref float[] buffer)
    {
        if (buffer.Length < tensor.Count) buffer = new float[tensor.Count];
        Span<float> values = buffer.AsSpan(0, (int)tensor.Count);
        _model.Backend.DownloadNumbers(tensor, values);
        return values;
    }

    private Tensor Upload(ReadOnlySpan<int> values)
    {
        Tensor tensor = _arena.Rent(new Shape(values.Length), DType.I32);
        _model.Backend.Upload(values, tensor);
        return tensor;
    }
}

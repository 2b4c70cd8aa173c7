using System.Diagnostics;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Benchmarking;

/// <summary>One measured forward pass or training step.</summary>
/// <param name="Seconds">Its time.</param>
/// <param name="Flops">
/// The floating-point operations it has to do, a multiplication and an addition counted as two: 2 (in training 6) for each token and
/// weight of a linear layer, and 4 (12) · s² · hidden · layers for each sequence of s tokens.
/// </param>
/// <param name="Check">
/// A forward pass: the mean over sequences of <c>Σ_d ((d mod 7) − 3) · mean_t hidden[t, d]</c>. A step: its loss, in nats.
/// </param>
public readonly record struct BenchmarkSample(double Seconds, double Flops, double Check);

/// <summary>
/// Times the forward pass of an encoder, or whole training steps (forward, backward, AdamW) of masked language modelling, on batches
/// of sequences of one length. Token i of a batch is a hash of i, and in training every token i with <c>i mod 7 = 3</c> is masked, so
/// that other programs can compute the same; special tokens are those of the model, and none of them is masked.
/// </summary>
public sealed class ModelBenchmark : IDisposable
{
    private const double LearningRate = 1e-4;
    private readonly SequenceModel _model;
    private readonly SpecialTokenFrame _frame;
    private readonly int[] _ordinary;
    private readonly Arena _activations, _gradients;
    private readonly Tape _tape;
    private readonly AdamW? _optimizer;

    /// <summary>A benchmark of a model.</summary>
    /// <param name="model">
    /// The model; to be trained, it has the head of its language model and its weights are laid out for training. It is trained.
    /// </param>
    /// <param name="training">Whether training steps are measured, not forward passes.</param>
    /// <exception cref="ArgumentException">The model has no vectors of tokens.</exception>
    public ModelBenchmark(SequenceModel model, bool training)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.RefusalOf(pooling: null) is { } why) throw new ArgumentException($"it cannot be measured: {why}", nameof(model));
        (_model, _frame) = (model, model.Frame);
        ISequenceTokenizer tokenizer = model.Tokenizer;
        _ordinary = [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(id => !tokenizer.IsSpecial(id))];
        (_activations, _gradients) = (new Arena(model.Backend), new Arena(model.Backend));
        _tape = training ? Tape.ForTraining(_activations, _gradients) : Tape.ForInference(_activations);
        if (!training) return;
        model.Parameters.AllocateGradients();
        _optimizer = new AdamW(
            model.Parameters, new AdamWOptions { Beta2 = 0.98f, Epsilon = 1e-6f, WeightDecay = 1e-5f, DecayBiasAndNorm = true });
    }

    /// <summary>Runs a forward pass or a training step.</summary>
    /// <param name="sequences">Sequences of the batch.</param>
    /// <param name="tokens">Tokens of each, special ones included; at least 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no sequence, or it has fewer than 2 tokens.</exception>
    /// <exception cref="ArgumentException">There is no token to mask, or there are more than the model takes.</exception>
    public BenchmarkSample Run(int sequences, int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequences, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 2);
        if (tokens > _model.MaxTokens)
            throw new ArgumentException($"{tokens} tokens: this model has positions for {_model.MaxTokens}", nameof(tokens));
        int[] ids = Ids(sequences, tokens), lengths = new int[sequences];
        Array.Fill(lengths, tokens);
        _tape.Reset();
        return _optimizer is null ? Forward(ids, lengths) : Train(ids, lengths);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _activations.Dispose();
        _gradients.Dispose();
    }

    private BenchmarkSample Forward(int[] ids, int[] lengths)
    {
        int hidden = _model.HiddenSize;
        long start = Stopwatch.GetTimestamp();
        var batch = new Batch(_activations, ids, lengths);
        Variable x = _model.Encode(_tape, batch);                                   // [tokens, hidden]
        Variable pooled = new Pool(Pooling.Mean).Forward(_tape, x, batch.CuSeqlens); // [sequences, hidden]
        var values = new float[lengths.Length * hidden];
        _model.Backend.DownloadNumbers(pooled.Data, values);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds,
            flops = TrainingFlops.Of(_model.Cost, ids.Length, 0, Squares(lengths)) / 3;
        return new BenchmarkSample(seconds, flops, CheckOf(values, hidden) / lengths.Length);
    }

    /// <summary>The sum over rows of <c>Σ_d ((d mod 7) − 3) · row[d]</c>.</summary>
    internal static double CheckOf(ReadOnlySpan<float> rows, int hidden)
    {
        double check = 0;
        for (int i = 0; i < rows.Length; i++) check += ((i % hidden % 7) - 3) * rows[i];
        return check;
    }

    private BenchmarkSample Train(int[] ids, int[] lengths)
    {
        var rows = new List<int>();
        var labels = new List<int>();
        if (_model.Parts.HasFlag(ModelParts.CausalHead)) AskForNext(ids, lengths[0], rows, labels);
        else Mask(ids, lengths[0], rows, labels);
        long start = Stopwatch.GetTimestamp();
        var batch = new Batch(_activations, ids, lengths);
        var losses = new float[rows.Count];
        Variable loss = Objectives.LanguageModel(_model, _tape, batch, Upload(rows), Upload(labels), _tape.Number(1f / rows.Count));
        _model.Backend.Download<float>(loss.Data, losses);
        _tape.Backward(loss);
        _optimizer!.Step(LearningRate, out _);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new BenchmarkSample(seconds, TrainingFlops.Of(_model.Cost, ids.Length, rows.Count, Squares(lengths)), losses.Average());
    }

    private static void AskForNext(int[] ids, int tokens, List<int> rows, List<int> labels)
    {
        for (int i = 0; i < ids.Length; i++)
        {
            if (i % tokens == tokens - 1) continue;
            rows.Add(i);
            labels.Add(ids[i + 1]);
        }
    }

    private void Mask(int[] ids, int tokens, List<int> rows, List<int> labels)
    {
        int mask = _model.Tokenizer.MaskId ?? throw new ArgumentException("the tokenizer has no mask");
        for (int i = 3; i < ids.Length; i += 7)
        {
            if (Special(i % tokens, tokens) >= 0) continue;
            rows.Add(i);
            labels.Add(ids[i]);
            ids[i] = mask;
        }

        if (rows.Count == 0) throw new ArgumentException($"sequences of {tokens} tokens have none to mask; training takes at least 5");
    }

    private Tensor Upload(List<int> values)
    {
        Tensor tensor = _activations.Rent(new Shape(values.Count), DType.I32);
        _model.Backend.Upload<int>(values.ToArray(), tensor);
        return tensor;
    }

    private static long Squares(int[] lengths) => lengths.Sum(length => (long)length * length);

    private int[] Ids(int sequences, int tokens)
    {
        var ids = new int[sequences * tokens];
        for (uint i = 0; i < ids.Length; i++)
        {
            int special = Special((int)(i % (uint)tokens), tokens);
            ids[i] = special >= 0 ? special : _ordinary[((i * 2654435761u) + 374761393u >> 8) % (uint)_ordinary.Length];
        }

        return ids;
    }

    /// <summary>The special token at a place of a sequence, or -1.</summary>
    private int Special(int position, int tokens)
    {
        int after = position - (tokens - _frame.After.Length);
        if (position < _frame.Before.Length) return _frame.Before.Span[position];
        return after >= 0 ? _frame.After.Span[after] : -1;
    }
}

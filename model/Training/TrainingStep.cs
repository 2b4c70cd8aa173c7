using Engine.Autograd;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Dnabert2.Training;

/// <summary>What a step did.</summary>
/// <param name="Loss">The mean loss, in nats or squares of the values; not finite in a skipped step.</param>
/// <param name="GradientNorm">The global norm of the gradients before clipping; NaN where the loss is not finite.</param>
/// <param name="Updated">Whether the parameters were updated: with a loss or norm that is not finite they stay.</param>
/// <param name="Tokens">Tokens, special ones included.</param>
/// <param name="Targets">What the loss is the mean of: masked tokens, or sequences.</param>
/// <param name="Flops">See <see cref="TrainingFlops"/>; 0 where it is not counted.</param>
internal readonly record struct StepResult(double Loss, double GradientNorm, bool Updated, int Tokens, int Targets, double Flops);

/// <summary>
/// One step of pre-training: the samples of a global batch, forward and backward in micro-batches, and the optimizer. What it computes
/// depends on the parameters, the moments and the step's number alone. After the first steps nothing is allocated.
/// </summary>
internal sealed class TrainingStep : IDisposable
{
    private readonly Dnabert2Model _model;
    private readonly Corpus _corpus;
    private readonly PretrainOptions _options;
    private readonly Sampler _sampler;
    private readonly MaskedBatch _batch;
    private readonly Arena _activations, _gradients;
    private readonly Tape _tape;
    private readonly float[] _losses;

    public TrainingStep(Dnabert2Model model, Corpus corpus, PretrainOptions options)
    {
        (_model, _corpus, _options) = (model, corpus, options);
        _sampler = new Sampler(corpus, options);
        Masker masker = Masker.ForTraining(corpus.Tokenizer, options);
        _batch = new MaskedBatch(masker, options.GlobalBatch, corpus.Options.MaxTokens, options.MicroBatchTokens);
        int longest = corpus.Options.MaxTokens;
        _losses = new float[Math.Min(Math.Max(options.MicroBatchTokens, longest), options.GlobalBatch * longest)];
        model.Parameters.AllocateGradients();
        Optimizer = new AdamW(model.Parameters, options.Optimizer);
        (_activations, _gradients) = (new Arena(model.Backend), new Arena(model.Backend));
        _tape = Tape.ForTraining(_activations, _gradients, options.Recompute);
    }

    public AdamW Optimizer { get; }

    /// <summary>
    /// The first and the last sample of the micro-batch in which the loss was last not finite; of the whole step if it was the norm.
    /// </summary>
    public (long First, long Last) Culprit { get; private set; }

    /// <summary>Where a sample comes from.</summary>
    public Sample SampleAt(long number) => _sampler.At(number);

    /// <summary>Runs a step, counted from 0.</summary>
    /// <exception cref="DeviceMemoryException">A micro-batch does not fit the GPU; the message says what would.</exception>
    public StepResult Run(int step, double learningRate)
    {
        long first = (long)step * _options.GlobalBatch;
        Assemble(first);
        float scale = 1f / Math.Max(1, _batch.Masked);
        double sum = 0;
        for (int i = 0; i < _batch.MicroBatches && double.IsFinite(sum); i++) sum += ForwardBackward(first, _batch[i], scale);

        double loss = sum * scale, norm = double.NaN;
        bool updated = false;
        if (double.IsFinite(loss))
        {
            updated = Optimizer.Step(learningRate, out norm);
            if (!updated) Culprit = (first, first + _options.GlobalBatch - 1);
        }
        else _model.Backend.Clear(_model.Parameters.Gradients);

        double flops = TrainingFlops.Of(_model.Config, _batch.Tokens, _batch.Masked, _batch.SquaredLengths);
        return new StepResult(loss, norm, updated, _batch.Tokens, _batch.Masked, flops);
    }

    public void Dispose()
    {
        _activations.Dispose();
        _gradients.Dispose();
    }

    private void Assemble(long first)
    {
        _batch.Clear();
        for (int i = 0; i < _options.GlobalBatch; i++)
        {
            Sample sample = _sampler.At(first + i);
            _batch.Add(first + i, _corpus.Window(Split.Training, sample.Species, sample.Window));
        }
    }

    /// <summary>Adds the gradients of a micro-batch and returns the sum of its losses.</summary>
    private double ForwardBackward(long first, MicroBatch part, float scale)
    {
        if (part.Labels.IsEmpty) return 0;
        // Each pass draws dropout masks of its own; its first sample names it, so that a resumed run draws the same.
        double sum = 0;
        try
        {
            _tape.Reset(_options.Seed, (uint)(first + part.FirstSequence));
            var batch = new Batch(_activations, part.Ids, part.Lengths);
            Variable losses = Loss(_tape, _activations, batch, part.Rows, part.Labels, scale);
            Span<float> values = _losses.AsSpan(0, part.Labels.Length);
            _model.Backend.Download(losses.Data, values);
            foreach (float loss in values) sum += loss;
            if (double.IsFinite(sum)) _tape.Backward(losses);
        }
        catch (DeviceMemoryException fault)
        {
            int[] ids = [.. part.Ids], lengths = [.. part.Lengths];
            throw BatchMemory.Explain(
                fault, ids.Length, lengths, [_activations, _gradients], "--micro-batch-tokens", sequences => Probe(ids, lengths[..sequences]));
        }

        if (!double.IsFinite(sum)) Culprit = (first + part.FirstSequence, first + part.FirstSequence + part.Lengths.Length - 1);
        return sum;
    }

    private Variable Loss(Tape tape, Arena arena, in Batch batch, ReadOnlySpan<int> rows, ReadOnlySpan<int> labels, float scale) =>
        Objectives.MaskedLanguageModel(_model, tape, batch, Upload(arena, rows), Upload(arena, labels), scale);

    /// <summary>The bytes that a pass over sequences takes, as many tokens masked as on average. The gradients are of no use afterwards.</summary>
    private long Probe(int[] ids, int[] lengths)
    {
        using Arena activations = new(_model.Backend), gradients = new(_model.Backend);
        var tape = Tape.ForTraining(activations, gradients, _options.Recompute);
        var batch = new Batch(activations, ids.AsSpan(0, lengths.Sum()), lengths);
        int masked = Math.Max(1, (int)Math.Ceiling(batch.CuSeqlens.Tokens * _options.MaskProbability));
        tape.Backward(Loss(tape, activations, batch, [.. Enumerable.Range(0, masked)], new int[masked], 0));
        return activations.HighWater + gradients.HighWater;
    }

    private Tensor Upload(Arena arena, ReadOnlySpan<int> values)
    {
        Tensor tensor = arena.Rent(new Shape(values.Length), DType.I32);
        _model.Backend.Upload(values, tensor);
        return tensor;
    }
}

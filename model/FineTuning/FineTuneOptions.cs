using Dnabert2.Adapters;
using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.FineTuning;

/// <summary>What of a model is trained.</summary>
public enum FineTuneMethod
{
    /// <summary>All of it.</summary>
    Full,

    /// <summary>Low-rank additions to linear layers of the encoder, and pooler and classifier.</summary>
    Lora,

    /// <summary>Pooler and classifier.</summary>
    Head,
}

/// <summary>How classes weigh in the loss.</summary>
public enum ClassWeighting
{
    /// <summary>All alike.</summary>
    Even,

    /// <summary>
    /// Inversely to their number of training rows: rows / (classes · rows of the class); in a multi-label task the presence of a class
    /// weighs rows without it / rows with it.
    /// </summary>
    Balanced,
}

/// <summary>
/// How a model is fine-tuned. The defaults are the recipe of the paper (Zhou et al., arXiv 2306.15006, appendix) and of the usual trainer;
/// dropout is the model's. What counts steps is at most 1,000,000,000.
/// </summary>
public sealed record FineTuneOptions
{
    internal const int UsualMaxTokens = 512;

    /// <summary>What is trained.</summary>
    public FineTuneMethod Method { get; init; }

    /// <summary>The additions, where the method is <see cref="FineTuneMethod.Lora"/>.</summary>
    public LoraOptions Lora { get; init; } = new();

    /// <summary>Whether the encoder begins with new weights: the same architecture without pre-training.</summary>
    public bool RandomInitialization { get; init; }

    /// <summary>Passes over the training set, from 1 to 100,000.</summary>
    public int Epochs { get; init; } = 3;

    /// <summary>Dropout of the model, the classifier's included, from 0 to 0.999; null: what its <c>config.json</c> says.</summary>
    public double? Dropout { get; init; }

    /// <summary>Optimizer steps, at least 1; null: those of <see cref="Epochs"/>.</summary>
    public int? Steps { get; init; }

    /// <summary>Sequences of a step, from 1 to 65,536.</summary>
    public int Batch { get; init; } = 32;

    /// <summary>
    /// The most tokens of a sequence or pair, special ones included, from 4 to 65,536; what is longer is truncated. Null: 512, or what the
    /// model takes where that is less.
    /// </summary>
    public int? MaxTokens { get; init; }

    /// <summary>
    /// The most tokens that go through the model at once; the gradients of a step are added up over them. From 1 to 16,777,216.
    /// </summary>
    public int MicroBatchTokens { get; init; } = 8192;

    /// <summary>
    /// Parts of a step's sequences, from 1 to 1,024 and at most <see cref="Batch"/>, whose gradients are added up each by itself and then
    /// in one order: so many ranks at most share a step, and weights are the same bits whatever their number is.
    /// </summary>
    public int Shards { get; init; } = 1;

    /// <summary>The highest learning rate, from 0 to 1e9; null: 3e-5, and with <see cref="FineTuneMethod.Lora"/> 1e-4.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Steps over which it rises from 0; afterwards it falls in a straight line to 0. At least 0.</summary>
    public int WarmupSteps { get; init; } = 50;

    /// <summary>AdamW's decay of the first moment, from 0 to below 1.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's decay of the second moment, from 0 to below 1.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>What AdamW adds to the root of the second moment, from 1e-30 to below 1.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>AdamW's decoupled weight decay; biases and layer normalisations are not decayed. From 0 to below 1.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>The global norm to which gradients are clipped, from 1e-30 to 1e9; null: they are not.</summary>
    public double? ClipNorm { get; init; } = 1;

    /// <summary>How classes weigh in the loss.</summary>
    public ClassWeighting ClassWeights { get; init; }

    /// <summary>
    /// Whether each training row is taken from either strand, drawn anew in each epoch: as it is or as its reverse complement. Of a pair,
    /// both sequences are turned around where they stand. For labels that do not depend on the strand.
    /// </summary>
    public bool AugmentReverseComplement { get; init; }

    /// <summary>
    /// How the vectors of a sequence's tokens become the one that the head classifies; null: as the model's config says, or its first
    /// token's. Needs a DNABERT-2.
    /// </summary>
    public Pooling? ClassifierPooling { get; init; }

    /// <summary>
    /// Whether rows of dev and test are measured on both strands: each output is the average of those of the two, of probabilities or of
    /// values, as a <see cref="Predictor"/> does it.
    /// </summary>
    public bool AverageReverseComplement { get; init; }

    /// <summary>Decides new weights, the order and the strands of the training set, and dropout. Any number.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Steps between two evaluations on the dev set, each with a checkpoint; the end brings one, too. At least 1.</summary>
    public int EvaluateEvery { get; init; } = 200;

    /// <summary>
    /// The number of evaluations in a row without a lower dev loss after which training ends, at least 1; null: it does not.
    /// </summary>
    public int? Patience { get; init; }

    /// <summary>Whether activations are computed again in the backward pass: less memory for a third more work.</summary>
    public bool Recompute { get; init; }

    /// <summary>The number of steps in a row with a loss or gradient that is not finite after which the run stops, at least 1.</summary>
    public int MaxNonFinite { get; init; } = 10;

    internal double PeakLearningRate => LearningRate ?? (Method == FineTuneMethod.Lora ? 1e-4 : 3e-5);

    internal AdamWOptions Optimizer => new()
    {
        Beta1 = (float)Beta1,
        Beta2 = (float)Beta2,
        Epsilon = (float)Epsilon,
        WeightDecay = (float)WeightDecay,
        ClipNorm = (float?)ClipNorm,
    };

    /// <summary>The number of steps on so many training rows.</summary>
    /// <exception cref="ArgumentException">The epochs make more steps than can be counted.</exception>
    internal int StepsOf(int rows)
    {
        if (Steps is { } steps) return steps;
        long all = (long)Epochs * StepsOfEpoch(rows);
        if (all > OptionRange.MostCounted)
            throw new ArgumentException(
                $"{nameof(Epochs)} is {Epochs}: with {rows} rows they make {all} steps; at most {OptionRange.MostCounted} are allowed");
        return (int)all;
    }

    internal int StepsOfEpoch(int rows) => (rows + Batch - 1) / Batch;

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        Lora.Validate();
        OptionRange.Check(nameof(Method), Method);
        OptionRange.Check(nameof(Epochs), Epochs, 1, 100_000);
        OptionRange.Check(nameof(Steps), Steps ?? 1, 1, OptionRange.MostCounted);
        OptionRange.Check(nameof(Dropout), Dropout ?? 0, 0, 0.999);
        OptionRange.Check(nameof(Batch), Batch, 1, 1 << 16);
        OptionRange.Check(nameof(MaxTokens), MaxTokens ?? 4, 4, 1 << 16);
        OptionRange.Check(nameof(MicroBatchTokens), MicroBatchTokens, 1, OptionRange.MostTogether);
        OptionRange.Check(nameof(Shards), Shards, 1, Math.Min(Batch, OptionRange.MostShards));
        OptionRange.Check(nameof(LearningRate), PeakLearningRate, 0, OptionRange.Largest);
        OptionRange.Check(nameof(WarmupSteps), WarmupSteps, 0, OptionRange.MostCounted);
        OptionRange.Check(nameof(Beta1), Beta1, 0, OptionRange.BelowOne);
        OptionRange.Check(nameof(Beta2), Beta2, 0, OptionRange.BelowOne);
        OptionRange.Check(nameof(Epsilon), Epsilon, OptionRange.Smallest, OptionRange.BelowOne);
        OptionRange.Check(nameof(WeightDecay), WeightDecay, 0, OptionRange.BelowOne);
        OptionRange.Check(nameof(ClipNorm), ClipNorm ?? 1, OptionRange.Smallest, OptionRange.Largest);
        OptionRange.Check(nameof(ClassWeights), ClassWeights);
        Dnabert2Config.CheckPooling(nameof(ClassifierPooling), ClassifierPooling ?? Pooling.Cls);
        OptionRange.Check(nameof(EvaluateEvery), EvaluateEvery, 1, OptionRange.MostCounted);
        OptionRange.Check(nameof(Patience), Patience ?? 1, 1, OptionRange.MostCounted);
        OptionRange.Check(nameof(MaxNonFinite), MaxNonFinite, 1, OptionRange.MostCounted);
    }
}

using Dnabert2.Training;
using Engine.Autograd;

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
/// dropout is the model's.
/// </summary>
public sealed record FineTuneOptions
{
    /// <summary>What is trained.</summary>
    public FineTuneMethod Method { get; init; }

    /// <summary>The additions, where the method is <see cref="FineTuneMethod.Lora"/>.</summary>
    public LoraOptions Lora { get; init; } = new();

    /// <summary>Whether the encoder begins with new weights: the same architecture without pre-training.</summary>
    public bool RandomInitialization { get; init; }

    /// <summary>Passes over the training set.</summary>
    public int Epochs { get; init; } = 3;

    /// <summary>Dropout of the model, the classifier's included; null: what its <c>config.json</c> says.</summary>
    public double? Dropout { get; init; }

    /// <summary>Optimizer steps; null: those of <see cref="Epochs"/>.</summary>
    public int? Steps { get; init; }

    /// <summary>Sequences of a step.</summary>
    public int Batch { get; init; } = 32;

    /// <summary>The most tokens of a sequence or pair, special ones included.</summary>
    public int MaxTokens { get; init; } = 512;

    /// <summary>The most tokens that go through the model at once; the gradients of a step are added up over them.</summary>
    public int MicroBatchTokens { get; init; } = 8192;

    /// <summary>The highest learning rate; null: 3e-5, and with <see cref="FineTuneMethod.Lora"/> 1e-4.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Steps over which it rises from 0; afterwards it falls in a straight line to 0.</summary>
    public int WarmupSteps { get; init; } = 50;

    /// <summary>AdamW's decay of the first moment.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's decay of the second moment.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>What AdamW adds to the root of the second moment.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>AdamW's decoupled weight decay; biases and layer normalisations are not decayed.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>The global norm to which gradients are clipped; null: they are not.</summary>
    public double? ClipNorm { get; init; } = 1;

    /// <summary>How classes weigh in the loss.</summary>
    public ClassWeighting ClassWeights { get; init; }

    /// <summary>Decides new weights, the order of the training set and dropout.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Steps between two evaluations on the dev set, each with a checkpoint; the end brings one, too.</summary>
    public int EvaluateEvery { get; init; } = 200;

    /// <summary>The number of evaluations in a row without a lower dev loss after which training ends; null: it does not.</summary>
    public int? Patience { get; init; }

    /// <summary>Whether activations are computed again in the backward pass: less memory for a third more work.</summary>
    public bool Recompute { get; init; }

    /// <summary>The number of steps in a row with a loss or gradient that is not finite after which the run stops.</summary>
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
    internal int StepsOf(int rows) => Steps ?? checked(Epochs * StepsOfEpoch(rows));

    internal int StepsOfEpoch(int rows) => (rows + Batch - 1) / Batch;

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        Lora.Validate();
        OptionsJson.Require(Epochs is >= 1 and <= 100_000, nameof(Epochs), Epochs, "from 1 to 100000");
        OptionsJson.Require(Steps is null or >= 1, nameof(Steps), Steps ?? 0, "at least 1");
        OptionsJson.Require(Dropout is null or (>= 0 and < 1), nameof(Dropout), Dropout ?? 0, "from 0 to below 1");
        OptionsJson.Require(Batch is >= 1 and <= 1 << 16, nameof(Batch), Batch, "from 1 to 65536");
        OptionsJson.Require(MaxTokens is >= 4 and <= 1 << 16, nameof(MaxTokens), MaxTokens, "from 4 to 65536");
        OptionsJson.Require(MicroBatchTokens >= 1, nameof(MicroBatchTokens), MicroBatchTokens, "at least 1");
        OptionsJson.Require(PeakLearningRate >= 0 && double.IsFinite(PeakLearningRate), nameof(LearningRate), PeakLearningRate, "not negative");
        OptionsJson.Require(WarmupSteps >= 0, nameof(WarmupSteps), WarmupSteps, "not negative");
        OptionsJson.Require(Beta1 is >= 0 and < 1, nameof(Beta1), Beta1, "from 0 to below 1");
        OptionsJson.Require(Beta2 is >= 0 and < 1, nameof(Beta2), Beta2, "from 0 to below 1");
        OptionsJson.Require(Epsilon is > 0 and < 1, nameof(Epsilon), Epsilon, "above 0 and below 1");
        OptionsJson.Require(WeightDecay is >= 0 and < 1, nameof(WeightDecay), WeightDecay, "from 0 to below 1");
        OptionsJson.Require(ClipNorm is null or > 0, nameof(ClipNorm), ClipNorm ?? 0, "above 0");
        OptionsJson.Require(EvaluateEvery >= 1, nameof(EvaluateEvery), EvaluateEvery, "at least 1");
        OptionsJson.Require(Patience is null or >= 1, nameof(Patience), Patience ?? 0, "at least 1");
        OptionsJson.Require(MaxNonFinite >= 1, nameof(MaxNonFinite), MaxNonFinite, "at least 1");
    }
}

using Engine.Autograd;

namespace Dnabert2.Training;

/// <summary>
/// How a model is pre-trained. The defaults are the recipe of the paper (Zhou et al., arXiv 2306.15006, section 3 and appendix);
/// dropout is the model's, and the paper's limit of 128 tokens is <see cref="CorpusOptions.MaxTokens"/>.
/// </summary>
public sealed record PretrainOptions
{
    /// <summary>Optimizer steps.</summary>
    public int Steps { get; init; } = 500_000;

    /// <summary>Sequences of a step.</summary>
    public int GlobalBatch { get; init; } = 4096;

    /// <summary>The most tokens that go through the model at once; the gradients of a step are added up over them.</summary>
    public int MicroBatchTokens { get; init; } = 4096;

    /// <summary>The highest learning rate.</summary>
    public double LearningRate { get; init; } = 5e-4;

    /// <summary>Steps over which it rises from 0.</summary>
    public int WarmupSteps { get; init; } = 30_000;

    /// <summary>How it falls afterwards.</summary>
    public Decay Decay { get; init; } = Decay.Linear;

    /// <summary>AdamW's decay of the first moment.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's decay of the second moment.</summary>
    public double Beta2 { get; init; } = 0.98;

    /// <summary>What AdamW adds to the root of the second moment.</summary>
    public double Epsilon { get; init; } = 1e-6;

    /// <summary>AdamW's decoupled weight decay; biases and layer normalisations are not decayed.</summary>
    public double WeightDecay { get; init; } = 1e-5;

    /// <summary>The global norm to which gradients are clipped; null: they are not.</summary>
    public double? ClipNorm { get; init; }

    /// <summary>The probability with which each token is chosen.</summary>
    public double MaskProbability { get; init; } = 0.15;

    /// <summary>The part of the chosen tokens that becomes [MASK].</summary>
    public double MaskShare { get; init; } = 0.8;

    /// <summary>The part of the chosen tokens that becomes a random token; the rest stay as they are.</summary>
    public double RandomShare { get; init; } = 0.1;

    /// <summary>Decides samples, masks and dropout, and nothing else.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>A species' weight is its training bases to this power: 1 draws all bases alike, 0 all species.</summary>
    public double SpeciesExponent { get; init; } = 1;

    /// <summary>The weights of all species by name; empty: by <see cref="SpeciesExponent"/>.</summary>
    public IReadOnlyDictionary<string, double> SpeciesWeights { get; init; } = new Dictionary<string, double>();

    /// <summary>Whether activations are computed again in the backward pass: less memory for a third more work.</summary>
    public bool Recompute { get; init; }

    /// <summary>Steps between two evaluations on held-out windows; a checkpoint and the end bring one, too.</summary>
    public int EvaluateEvery { get; init; } = 1000;

    /// <summary>
    /// The most held-out windows of each species that are evaluated, always the same ones; where there are fewer, they come again with
    /// other tokens masked, until (nearly) every token was masked once.
    /// </summary>
    public int EvaluationWindows { get; init; } = 1000;

    /// <summary>Steps between two checkpoints.</summary>
    public int CheckpointEvery { get; init; } = 1000;

    /// <summary>How many of the newest checkpoints are kept; that of the lowest held-out loss is kept besides.</summary>
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>The number of steps in a row with a loss or gradient that is not finite after which the run stops.</summary>
    public int MaxNonFinite { get; init; } = 10;

    /// <summary>Reads options from a JSON file; what it does not name keeps its default.</summary>
    /// <exception cref="InvalidDataException">A key is unknown or a value out of its range; the message names both.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static PretrainOptions Load(string path) => PretrainOptionsJson.Read(path, File.ReadAllBytes(path));

    /// <summary>Writes all options as a JSON file that <see cref="Load"/> reads.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, PretrainOptionsJson.Write(this));

    internal AdamWOptions Optimizer => new()
    {
        Beta1 = (float)Beta1,
        Beta2 = (float)Beta2,
        Epsilon = (float)Epsilon,
        WeightDecay = (float)WeightDecay,
        ClipNorm = (float?)ClipNorm,
    };

    internal Schedule Schedule => new(LearningRate, WarmupSteps, Steps, Decay);

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        OptionsJson.Require(Steps >= 1, nameof(Steps), Steps, "at least 1");
        OptionsJson.Require(GlobalBatch is >= 1 and <= 1 << 20, nameof(GlobalBatch), GlobalBatch, "from 1 to 1048576");
        OptionsJson.Require(MicroBatchTokens >= 1, nameof(MicroBatchTokens), MicroBatchTokens, "at least 1");
        OptionsJson.Require(LearningRate >= 0 && double.IsFinite(LearningRate), nameof(LearningRate), LearningRate, "not negative");
        OptionsJson.Require(WarmupSteps >= 0, nameof(WarmupSteps), WarmupSteps, "not negative");
        OptionsJson.Require(Beta1 is >= 0 and < 1, nameof(Beta1), Beta1, "from 0 to below 1");
        OptionsJson.Require(Beta2 is >= 0 and < 1, nameof(Beta2), Beta2, "from 0 to below 1");
        OptionsJson.Require(Epsilon is > 0 and < 1, nameof(Epsilon), Epsilon, "above 0 and below 1");
        OptionsJson.Require(WeightDecay is >= 0 and < 1, nameof(WeightDecay), WeightDecay, "from 0 to below 1");
        OptionsJson.Require(ClipNorm is null or > 0, nameof(ClipNorm), ClipNorm ?? 0, "above 0");
        OptionsJson.Require(MaskProbability is > 0 and <= 1, nameof(MaskProbability), MaskProbability, "above 0, to 1");
        OptionsJson.Require(MaskShare is >= 0 and <= 1, nameof(MaskShare), MaskShare, "from 0 to 1");
        bool fits = RandomShare >= 0 && MaskShare + RandomShare <= 1 + 1e-9;
        OptionsJson.Require(fits, nameof(RandomShare), RandomShare, "not negative, and with MaskShare at most 1");
        OptionsJson.Require(Math.Abs(SpeciesExponent) <= 10, nameof(SpeciesExponent), SpeciesExponent, "from -10 to 10");
        foreach ((string name, double weight) in SpeciesWeights)
            OptionsJson.Require(weight >= 0 && double.IsFinite(weight), $"the weight of {name}", weight, "not negative");
        OptionsJson.Require(EvaluateEvery >= 1, nameof(EvaluateEvery), EvaluateEvery, "at least 1");
        OptionsJson.Require(EvaluationWindows >= 1, nameof(EvaluationWindows), EvaluationWindows, "at least 1");
        OptionsJson.Require(CheckpointEvery >= 1, nameof(CheckpointEvery), CheckpointEvery, "at least 1");
        OptionsJson.Require(KeepCheckpoints >= 1, nameof(KeepCheckpoints), KeepCheckpoints, "at least 1");
        OptionsJson.Require(MaxNonFinite >= 1, nameof(MaxNonFinite), MaxNonFinite, "at least 1");
    }
}

using Dnabert2.Data;
using Dnabert2.Files;
using Engine.Autograd;

namespace Dnabert2.Training;

/// <summary>
/// How a model is pre-trained. The defaults are the recipe of the paper (Zhou et al., arXiv 2306.15006, section 3 and appendix);
/// dropout is the model's, and the paper's limit of 128 tokens is <see cref="CorpusOptions.MaxTokens"/>. What counts steps is at most
/// 1,000,000,000.
/// </summary>
public sealed record PretrainOptions
{
    private const int MostTokens = 1 << 28;

    /// <summary>Optimizer steps, at least 1.</summary>
    public int Steps { get; init; } = 500_000;

    /// <summary>Sequences of a step, from 1 to 1,048,576.</summary>
    public int GlobalBatch { get; init; } = 4096;

    /// <summary>
    /// The most tokens that go through the model at once; the gradients of a step are added up over them. From 1 to 16,777,216.
    /// </summary>
    public int MicroBatchTokens { get; init; } = 4096;

    /// <summary>
    /// Parts of a step's sequences, from 1 to 1,024 and at most <see cref="GlobalBatch"/>, whose gradients are added up each by itself and
    /// then in one order: so many ranks at most share a step, and weights are the same bits whatever their number is.
    /// </summary>
    public int Shards { get; init; } = 1;

    /// <summary>The highest learning rate, from 0 to 1e9.</summary>
    public double LearningRate { get; init; } = 5e-4;

    /// <summary>Steps over which it rises from 0; at least 0.</summary>
    public int WarmupSteps { get; init; } = 30_000;

    /// <summary>How it falls afterwards.</summary>
    public Decay Decay { get; init; } = Decay.Linear;

    /// <summary>AdamW's decay of the first moment, from 0 to below 1.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's decay of the second moment, from 0 to below 1.</summary>
    public double Beta2 { get; init; } = 0.98;

    /// <summary>What AdamW adds to the root of the second moment, from 1e-30 to below 1.</summary>
    public double Epsilon { get; init; } = 1e-6;

    /// <summary>AdamW's decoupled weight decay; biases and layer normalisations are not decayed. From 0 to below 1.</summary>
    public double WeightDecay { get; init; } = 1e-5;

    /// <summary>The global norm to which gradients are clipped, from 1e-30 to 1e9; null: they are not.</summary>
    public double? ClipNorm { get; init; }

    /// <summary>
    /// The probability with which each token is chosen, from 1e-6 to 1. Where k-mers overlap, a k-th of it is that of being a centre: with
    /// it, those around are chosen, k together, so that they cannot be read off their neighbours; some lie around two centres, and a bit
    /// less than this part of all tokens is chosen.
    /// </summary>
    public double MaskProbability { get; init; } = 0.15;

    /// <summary>The part of the chosen tokens that becomes [MASK], from 0 to 1.</summary>
    public double MaskShare { get; init; } = 0.8;

    /// <summary>The part of the chosen tokens that becomes a random token, at most what [MASK] leaves; the rest stay as they are.</summary>
    public double RandomShare { get; init; } = 0.1;

    /// <summary>Whether each window is taken from either strand, drawn anew each time: as it is or as its reverse complement.</summary>
    public bool AugmentReverseComplement { get; init; }

    /// <summary>Decides samples, their strands, masks and dropout, and nothing else. Any number.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>A species' weight is its training bases to this power: 1 draws all bases alike, 0 all species. From -10 to 10.</summary>
    public double SpeciesExponent { get; init; } = 1;

    /// <summary>The weights of all species by name; from 0 to 1e9; empty: by <see cref="SpeciesExponent"/>.</summary>
    public IReadOnlyDictionary<string, double> SpeciesWeights { get; init; } = new Dictionary<string, double>();

    /// <summary>Whether activations are computed again in the backward pass: less memory for a third more work.</summary>
    public bool Recompute { get; init; }

    /// <summary>Steps between two evaluations on held-out windows; a checkpoint and the end bring one, too. At least 1.</summary>
    public int EvaluateEvery { get; init; } = 1000;

    /// <summary>
    /// The most held-out windows of each species that are evaluated, always the same ones; where there are fewer, they come again with
    /// other tokens masked, until (nearly) every token was masked once. From 1 to 1,000,000,000.
    /// </summary>
    public int EvaluationWindows { get; init; } = 1000;

    /// <summary>Steps between two checkpoints, at least 1.</summary>
    public int CheckpointEvery { get; init; } = 1000;

    /// <summary>How many of the newest checkpoints are kept; that of the lowest held-out loss is kept besides. At least 1.</summary>
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>The number of steps in a row with a loss or gradient that is not finite after which the run stops, at least 1.</summary>
    public int MaxNonFinite { get; init; } = 10;

    /// <summary>Reads options from a JSON file; what it does not name keeps its default.</summary>
    /// <exception cref="InvalidDataException">A key is unknown or a value out of its range; the message names both.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static PretrainOptions Load(string path) => PretrainOptionsJson.Read(path, JsonFields.Bytes(path));

    /// <summary>Writes all options as a JSON file that <see cref="Load"/> reads.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => ResultFiles.Write(path, PretrainOptionsJson.Write(this));

    internal AdamWOptions Optimizer => new()
    {
        Beta1 = (float)Beta1,
        Beta2 = (float)Beta2,
        Epsilon = (float)Epsilon,
        WeightDecay = (float)WeightDecay,
        ClipNorm = (float?)ClipNorm,
    };

    internal Schedule Schedule => new(LearningRate, WarmupSteps, Steps, Decay);

    /// <summary>Checks all that can be wrong with options before a corpus is built.</summary>
    /// <param name="cuts">How windows are cut.</param>
    /// <param name="species">The names of the species.</param>
    /// <exception cref="ArgumentException">A value is out of its range, or a weight is of no species or is missing.</exception>
    public void Validate(CorpusOptions cuts, IReadOnlyCollection<string> species)
    {
        ArgumentNullException.ThrowIfNull(cuts);
        ArgumentNullException.ThrowIfNull(species);
        Validate();
        cuts.Validate();
        int room = MostTokens / cuts.MaxTokens;
        if (GlobalBatch > room)
            throw new ArgumentException($"GlobalBatch is {GlobalBatch}: at {cuts.MaxTokens} tokens a window a step has room for {room}");
        if (SpeciesWeights.Count == 0) return;
        if (SpeciesWeights.Keys.FirstOrDefault(name => !species.Contains(name)) is { } unknown)
            throw new ArgumentException(
                $"a weight is given for species '{Excerpt.Of(unknown)}', which the corpus does not have; it has {Excerpt.Of(species)}");
        if (species.FirstOrDefault(name => !SpeciesWeights.ContainsKey(name)) is { } missing)
            throw new ArgumentException($"species '{Excerpt.Of(missing)}' has no weight; give 0 to leave it out");
        if (SpeciesWeights.Values.All(weight => weight == 0)) throw new ArgumentException("the weights of all species are 0");
    }

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        OptionRange.Check(nameof(Steps), Steps, 1, OptionRange.MostCounted);
        OptionRange.Check(nameof(GlobalBatch), GlobalBatch, 1, 1 << 20);
        OptionRange.Check(nameof(MicroBatchTokens), MicroBatchTokens, 1, OptionRange.MostTogether);
        OptionRange.Check(nameof(Shards), Shards, 1, Math.Min(GlobalBatch, OptionRange.MostShards));
        OptionRange.Check(nameof(LearningRate), LearningRate, 0, OptionRange.Largest);
        OptionRange.Check(nameof(WarmupSteps), WarmupSteps, 0, OptionRange.MostCounted);
        OptionRange.Check(nameof(Decay), Decay);
        OptionRange.Check(nameof(Beta1), Beta1, 0, OptionRange.BelowOne);
        OptionRange.Check(nameof(Beta2), Beta2, 0, OptionRange.BelowOne);
        OptionRange.Check(nameof(Epsilon), Epsilon, OptionRange.Smallest, OptionRange.BelowOne);
        OptionRange.Check(nameof(WeightDecay), WeightDecay, 0, OptionRange.BelowOne);
        OptionRange.Check(nameof(ClipNorm), ClipNorm ?? 1, OptionRange.Smallest, OptionRange.Largest);
        OptionRange.Check(nameof(MaskProbability), MaskProbability, 1e-6, 1);
        OptionRange.Check(nameof(MaskShare), MaskShare, 0, 1);
        OptionRange.Check(nameof(RandomShare), RandomShare, 0, 1 - MaskShare + 1e-9);
        OptionRange.Check(nameof(SpeciesExponent), SpeciesExponent, -10, 10);
        foreach ((string name, double weight) in SpeciesWeights) OptionRange.Check($"the weight of {name}", weight, 0, OptionRange.Largest);
        OptionRange.Check(nameof(EvaluateEvery), EvaluateEvery, 1, OptionRange.MostCounted);
        OptionRange.Check(nameof(EvaluationWindows), EvaluationWindows, 1, OptionRange.MostCounted);
        OptionRange.Check(nameof(CheckpointEvery), CheckpointEvery, 1, OptionRange.MostCounted);
        OptionRange.Check(nameof(KeepCheckpoints), KeepCheckpoints, 1, OptionRange.MostCounted);
        OptionRange.Check(nameof(MaxNonFinite), MaxNonFinite, 1, OptionRange.MostCounted);
    }
}

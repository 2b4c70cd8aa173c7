using System.CommandLine;
using System.Globalization;
using Dnabert2.Data;
using Dnabert2.Training;
using Engine.Autograd;

namespace Dnabert2.Tool.Verbs;

/// <summary>The options of <c>pretrain</c> that set values of records; those that are not given leave what is there.</summary>
internal sealed class RecipeFlags
{
    private readonly Setters<PretrainOptions> _recipe = new();
    private readonly Setters<CorpusOptions> _corpus = new();
    private readonly Setters<ModelShape> _shape = new();
    private readonly Option<string[]> _weights = new("--weight")
    {
        Description = "the weight of a species in training; give it for every species [default: by --species-exponent]",
        HelpName = "NAME=W",
    };

    public RecipeFlags()
    {
        _shape.Add<int>("--hidden", "hidden size [the published model's: 768]", (c, v) => c with { HiddenSize = v });
        _shape.Add<int>("--layers", "layers [12]", (c, v) => c with { Layers = v });
        _shape.Add<int>("--heads", "attention heads [12]", (c, v) => c with { AttentionHeads = v });
        _shape.Add<int>("--intermediate", "intermediate size [3072]", (c, v) => c with { IntermediateSize = v });
        _shape.Add<float>("--dropout", "dropout [0.1]", (c, v) => c with { Dropout = v });

        _recipe.Add<int>("--steps", "optimizer steps [500000]", (o, v) => o with { Steps = v });
        _recipe.Add<int>("--batch", "sequences of a step [4096]", (o, v) => o with { GlobalBatch = v });
        _recipe.Add<int>("--micro-batch-tokens", "the most tokens computed together [4096]", (o, v) => o with { MicroBatchTokens = v });
        _recipe.Add<int>("--shards",
            "parts of a step that are added up in one order: so many ranks at most share it, to the same weights [1; under mpirun 8]",
            (o, v) => o with { Shards = v });
        _recipe.Add<double>("--lr", "the highest learning rate [5e-4]", (o, v) => o with { LearningRate = v });
        _recipe.Add<int>("--warmup", "steps over which the learning rate rises [30000]", (o, v) => o with { WarmupSteps = v });
        _recipe.Add<Decay>("--decay", "how it falls: constant, linear or cosine [linear]", (o, v) => o with { Decay = v });
        _recipe.Add<double>("--beta1", "AdamW's decay of the first moment [0.9]", (o, v) => o with { Beta1 = v });
        _recipe.Add<double>("--beta2", "AdamW's decay of the second moment [0.98]", (o, v) => o with { Beta2 = v });
        _recipe.Add<double>("--epsilon", "AdamW's epsilon [1e-6]", (o, v) => o with { Epsilon = v });
        _recipe.Add<double>("--weight-decay", "AdamW's weight decay [1e-5]", (o, v) => o with { WeightDecay = v });
        _recipe.Add<double>("--clip", "the norm to which gradients are clipped [not clipped]", (o, v) => o with { ClipNorm = v });
        _recipe.Add<double>("--mask", "the part of the tokens that is chosen, of overlapping k-mers k in a row [0.15]",
            (o, v) => o with { MaskProbability = v });
        _recipe.Add<double>("--mask-share", "the part of these that becomes [MASK] [0.8]", (o, v) => o with { MaskShare = v });
        _recipe.Add<double>("--random-share", "the part of these that becomes a random token [0.1]", (o, v) => o with { RandomShare = v });
        _recipe.Add<bool>("--rc-augment", "take each window from either strand, drawn anew each time",
            (o, v) => o with { AugmentReverseComplement = v });
        _recipe.Add<ulong>("--seed", "decides initial weights, samples, masks and dropout [1]", (o, v) => o with { Seed = v });
        _recipe.Add<double>("--species-exponent", "a species weighs its bases to this power: 1 all bases alike, 0 all species alike [1]",
            (o, v) => o with { SpeciesExponent = v });
        _recipe.Add<bool>("--recompute", "compute activations again in the backward pass: less memory, a third more work",
            (o, v) => o with { Recompute = v });
        _recipe.Add<int>("--evaluate-every", "steps between evaluations on held-out windows [1000]",
            (o, v) => o with { EvaluateEvery = v });
        _recipe.Add<int>("--evaluation-windows",
            "the most held-out windows of a species that are evaluated; few ones come again, otherwise masked [1000]",
            (o, v) => o with { EvaluationWindows = v });
        _recipe.Add<int>("--checkpoint-every", "steps between checkpoints [1000]", (o, v) => o with { CheckpointEvery = v });
        _recipe.Add<int>("--keep", "checkpoints to keep, the best one besides [2]", (o, v) => o with { KeepCheckpoints = v });
        _recipe.Add<int>("--max-non-finite", "steps in a row whose loss is not finite after which the run stops [10]",
            (o, v) => o with { MaxNonFinite = v });

        _corpus.Add<int>("--min-bases", "the shortest window, in bases [50]", (o, v) => o with { MinBases = v });
        _corpus.Add<int>("--max-bases", "the longest window, in bases [700]", (o, v) => o with { MaxBases = v });
        _corpus.Add<int>("--max-tokens", "the most tokens of a window, special ones included [128]", (o, v) => o with { MaxTokens = v });
        _corpus.Add<double>("--held-out", "the part of the windows kept for evaluation [0.01]", (o, v) => o with { HeldOut = v });
        _corpus.Add<int>("--repeat-bases",
            "held-out windows with so many bases in a row that a training window has, too, are left out; 0: none [32]",
            (o, v) => o with { RepeatBases = v });
        _corpus.Add<ulong>("--corpus-seed", "decides lengths of windows and hold-out [1]", (o, v) => o with { Seed = v });
        _corpus.Add<int>("--shard-tokens", "the most tokens of a corpus file [33554432]", (o, v) => o with { ShardTokens = v });
    }

    /// <summary>All of them.</summary>
    public IEnumerable<Option> Options => [.. _shape.Options, .. _corpus.Options, .. _recipe.Options, _weights];

    /// <summary>The options given that shape a new model, or null where none is.</summary>
    /// <param name="parsed">What was typed.</param>
    /// <param name="withValues">Whether their values are said, too.</param>
    public string? Shapes(ParseResult parsed, bool withValues = false) =>
        string.Join(", ", _shape.Options.Where(option => parsed.GetResult(option) is not null).Select(
            option => withValues ? $"{option.Name} {parsed.GetResult(option)!.Tokens[0].Value}" : option.Name))
            is { Length: > 0 } given ? given : null;

    /// <summary>Whether windows are to be cut in a way of their own.</summary>
    public bool CutsWindows(ParseResult parsed) => _corpus.AnyIn(parsed);

    public ModelShape Shape(ParseResult parsed) => _shape.Apply(parsed, new ModelShape());

    public CorpusOptions Apply(ParseResult parsed, CorpusOptions options) => _corpus.Apply(parsed, options);

    public PretrainOptions Apply(ParseResult parsed, PretrainOptions options)
    {
        options = _recipe.Apply(parsed, options);
        if (parsed.GetValue(_weights) is not { Length: > 0 } weights) return options;
        var byName = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (string text in weights)
        {
            int equals = text.LastIndexOf('=');
            if (equals < 1 || !double.TryParse(text.AsSpan(equals + 1), CultureInfo.InvariantCulture, out double weight)
                || !byName.TryAdd(text[..equals], weight))
                throw new UsageException($"--weight {text}: expected NAME=W, once for each species, such as --weight yeast=2");
        }

        return options with { SpeciesWeights = byName };
    }
}

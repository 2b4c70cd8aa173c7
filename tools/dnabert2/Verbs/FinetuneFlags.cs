using System.CommandLine;
using System.Globalization;
using Dnabert2.Adapters;
using Dnabert2.FineTuning;

namespace Dnabert2.Tool.Verbs;

/// <summary>The options of <c>finetune</c> that make a recipe; those that are not given leave what is there.</summary>
internal sealed class FinetuneFlags
{
    private readonly Setters<FineTuneOptions> _recipe = new();
    private readonly Option<string> _method = new("--method")
    {
        Description = "what is trained; full: everything; lora: LoRA factors, and the head; head: the classifier, and the pooler of " +
            "models with one [full]",
        HelpName = "full|lora|head",
    };

    private readonly Option<string> _lora = new("--lora")
    {
        Description =
            "LoRA settings [r=8,alpha=16,dropout=0.05, and targets by the model: attention.self.Wqkv of DNABERT-2; query,value of " +
            "DNABERT; all linear layers of the Nucleotide Transformer's encoder; in_proj,out_proj of HyenaDNA]; targets are ends of the " +
            "names of linear layers, * stands for anything: targets=attention.self.Wqkv,mlp.*",
        HelpName = "SETTINGS",
    };

    private readonly Option<string> _seeds = new("--seeds")
    {
        Description = "one run per seed, in RUN/seed-N; the seed determines new weights, order and dropout [one run with seed 1, in RUN]",
        HelpName = "1,2,3",
    };

    private readonly Option<string> _init = new("--init")
    {
        Description = "start from the model's weights, or from random ones: the same architecture without pre-training [model]",
        HelpName = "model|random",
    };

    public FinetuneFlags()
    {
        _recipe.Add<int>(
            "--epochs", "passes over the training set [3, or the task's; HyenaDNA 100, CNN 10]",
            (o, v) => o with { Epochs = v, Steps = null });
        _recipe.Add<int>("--steps", "optimizer steps, in place of epochs", (o, v) => o with { Steps = v });
        _recipe.Add<int>("--batch", "sequences of a step [32; HyenaDNA 128, CNN 64]", (o, v) => o with { Batch = v });
        _recipe.Add<int>(
            "--max-tokens",
            "the most tokens of a sequence, special ones included; what is longer is truncated, and said [512 or the task's, or what the " +
            "model takes where that is less]; DNABERT takes any number, in windows",
            (o, v) => o with { MaxTokens = v });
        _recipe.Add<int>("--micro-batch-tokens", "the most tokens computed together [8192]", (o, v) => o with { MicroBatchTokens = v });
        _recipe.Add<int>("--shards",
            "parts of a step that are added up in one order: so many ranks at most share it, to the same weights [1; under mpirun 8]",
            (o, v) => o with { Shards = v });
        _recipe.Add<double>(
            "--lr", "the highest learning rate [3e-5, with LoRA 1e-4; HyenaDNA 6e-4, CNN 1e-3]", (o, v) => o with { LearningRate = v });
        _recipe.Add<int>("--warmup", "steps over which the learning rate rises [50; CNN 0]", (o, v) => o with { WarmupSteps = v });
        _recipe.Add<double>("--dropout", "dropout of the model [its own]", (o, v) => o with { Dropout = v });
        _recipe.Add<double>("--beta1", "AdamW's decay of the first moment [0.9]", (o, v) => o with { Beta1 = v });
        _recipe.Add<double>("--beta2", "AdamW's decay of the second moment [0.999]", (o, v) => o with { Beta2 = v });
        _recipe.Add<double>("--epsilon", "AdamW's epsilon [1e-8]", (o, v) => o with { Epsilon = v });
        _recipe.Add<double>("--weight-decay", "AdamW's weight decay [0.01; HyenaDNA 0.1, CNN 0]", (o, v) => o with { WeightDecay = v });
        _recipe.Add<double>(
            "--clip", "the norm to which gradients are clipped; 0: not at all [1; CNN 0]",
            (o, v) => o with { ClipNorm = v == 0 ? null : v });
        _recipe.Add<ClassWeighting>(
            "--class-weights", "how classes weigh in the loss: even or balanced [even]", (o, v) => o with { ClassWeights = v });
        RowFlags.Add(_recipe, (options, change) => change(options));
        _recipe.Add<int>("--evaluate-every", "steps between evaluations on the dev set, each with a checkpoint [200]",
            (o, v) => o with { EvaluateEvery = v });
        _recipe.Add<int>("--patience", "evaluations in a row without a lower dev loss after which training ends [it does not]",
            (o, v) => o with { Patience = v });
        _recipe.Add<bool>("--recompute", "compute activations again in the backward pass: less memory, a third more work",
            (o, v) => o with { Recompute = v });
        _recipe.Add<int>("--max-non-finite", "steps in a row whose loss is not finite after which the run stops [10]",
            (o, v) => o with { MaxNonFinite = v });
    }

    /// <summary>All of them.</summary>
    public IEnumerable<Option> Options => [_method, _lora, _seeds, _init, .. _recipe.Options];

    /// <summary>The recipe, without its seed.</summary>
    public FineTuneOptions Apply(ParseResult parsed, FineTuneOptions options)
    {
        options = _recipe.Apply(parsed, options);
        string? lora = parsed.GetValue(_lora), method = parsed.GetValue(_method), init = parsed.GetValue(_init);
        if (lora is not null && method is not (null or "lora"))
            throw new UsageException($"--lora {lora}: does not go with --method {method}");
        try
        {
            if (lora is not null) options = options with { Lora = LoraOptions.Parse(lora) };
        }
        catch (ArgumentException e)
        {
            throw new UsageException($"--lora {lora}: {e.Message}");
        }

        return options with
        {
            Method = Word("--method", method ?? (lora is null ? "full" : "lora"), ["full", "lora", "head"]) switch
            {
                0 => FineTuneMethod.Full,
                1 => FineTuneMethod.Lora,
                _ => FineTuneMethod.Head,
            },
            RandomInitialization = Word("--init", init ?? "model", ["model", "random"]) == 1,
        };
    }

    /// <summary>The seeds, and whether each has a folder of its own.</summary>
    public (ulong[] Seeds, bool Several) Seeds(ParseResult parsed)
    {
        if (parsed.GetValue(_seeds) is not { } text) return ([1], false);
        var seeds = new List<ulong>();
        foreach (string item in text.Split(','))
            seeds.Add(ulong.TryParse(item, NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed) && !seeds.Contains(seed)
                ? seed : throw new UsageException($"--seeds {text}: expected whole numbers, each once, such as 1,2,3"));
        return ([.. seeds], seeds.Count > 1);
    }

    private static int Word(string option, string word, string[] words) =>
        Array.IndexOf(words, word) is >= 0 and int index
            ? index : throw new UsageException($"{option} {word}: expected {string.Join(" or ", words)}");
}

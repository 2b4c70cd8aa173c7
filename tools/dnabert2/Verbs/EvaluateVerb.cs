using System.CommandLine;
using System.Globalization;
using Dnabert2.Data;
using Dnabert2.FineTuning;
using Dnabert2.FineTuning.Suites;
using Dnabert2.Folders;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Runtime;
using Engine.Runtime.Collectives;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>evaluate</c>: a model on the tasks of a benchmark, beside published results.</summary>
internal sealed class EvaluateVerb
{
    private const string Sample = "mkdir -p GUE/mouse && cp -r tools/dnabert2/samples/task GUE/mouse/0 && ";
    private const int CostTable = 3, CostBases = 500;
    private readonly Terminal _terminal;
    private readonly Choice<bool> _suite = new("--suite", "the benchmark: GUE and GUE+ (arXiv 2306.15006)", ("gue", true));
    private readonly Option<string> _data = new("--data")
    {
        Description = "the folder of the benchmark's data, with a folder for each task: mouse/0, prom/prom_core_tata, …",
        HelpName = "DIR",
        Required = true,
    };

    private readonly Choice<int?> _table = new(
        "--table",
        "a table of the paper to print the results beside, in place of all figures; 3 counts parameters and FLOPs and trains "
        + "nothing", ("none", null), ("3", CostTable), ("4", 4), ("5", 5), ("6", 6), ("9", 9), ("10", 10));

    private readonly Option<string?> _output = new("--output", "-o")
    {
        Description = "the folder of the results: table.tsv, table.md, report.html; tasks finished there are not run again",
        HelpName = "OUT",
    };

    private readonly Option<string> _tasks =
        new("--tasks") { Description = "the tasks, such as mouse/0,tf/2 [all that have train, dev and test]", HelpName = "A,B" };
    private readonly Option<string> _methods = new("--methods")
    {
        Description = "full: fine-tuning; lora: LoRA; random: fine-tuning of the same architecture without pre-training; "
            + "kmer: 6-mer logistic regression [full,lora,random,kmer; of cnn random,kmer]",
        HelpName = "A,B",
    };

    private readonly Option<string> _seeds =
        new("--seeds") { Description = "one run per seed", HelpName = "1,2,3", DefaultValueFactory = _ => "1,2,3" };
    private readonly ModelChoice _model = ModelChoice.Optional(
        "--model",
        "the model that is measured, whole or a LoRA adapter, or a run of pre-training: its folder; 'default' comes with the tool; 'cnn' "
        + "is the network of Genomic Benchmarks, new for each task", "default");

    private readonly Choice<EmptyRecords> _onEmpty = Reading.OnEmpty();
    private readonly Setters<SuiteRecipe> _recipe = new();
    private readonly Option<bool> _keepModels = new("--keep-models") { Description = "keep the fine-tuned models, below OUT/runs" };
    private readonly Compute _compute;
    private readonly Option<bool> _quiet = Shared.Quiet();

    public EvaluateVerb(Terminal terminal)
    {
        _terminal = terminal;
        _compute = new Compute(terminal, training: true);
        _recipe.Add<int>(
            "--epochs", "passes over the training set [the task's in the paper; HyenaDNA 100, CNN 10]", (r, v) => r with { Epochs = v });
        _recipe.Add<int>("--steps", "optimizer steps, in place of epochs [the task's]", (r, v) => r with { Steps = v });
        _recipe.Add<int>("--batch", "sequences of a step [32; HyenaDNA 128, CNN 64]",
            (r, v) => r with { Common = r.Common with { Batch = v } });
        _recipe.Add<double>("--lr", "the highest learning rate of full and random [3e-5; HyenaDNA 6e-4, CNN 1e-3]",
            (r, v) => r with { Common = r.Common with { LearningRate = v } });
        _recipe.Add<double>("--lora-lr", "the highest learning rate of lora [1e-4]", (r, v) => r with { LoraLearningRate = v });
        _recipe.Add<int>(
            "--warmup", "steps over which the learning rate rises [50; CNN 0]",
            (r, v) => r with { Common = r.Common with { WarmupSteps = v } });
        _recipe.Add<double>("--dropout", "dropout of the models [their own]", (r, v) => r with { Common = r.Common with { Dropout = v } });
        RowFlags.Add(_recipe, (recipe, change) => recipe with { Common = change(recipe.Common) });
        _recipe.Add<int>("--evaluate-every", "steps between evaluations on the dev set [200]",
            (r, v) => r with { Common = r.Common with { EvaluateEvery = v } });
        _recipe.Add<int>(
            "--micro-batch-tokens", "the most tokens computed together [8192]",
            (r, v) => r with { Common = r.Common with { MicroBatchTokens = v } });
        Command = new Verb(
            "evaluate",
            "Fine-tunes a model on the tasks of a benchmark and writes the results beside published ones. What was interrupted goes on "
            + "when the same line is typed again.",
            (Sample + "dnabert2 evaluate --suite gue --data GUE --tasks mouse/0 --methods kmer -o results",
                "the baseline on one task, in seconds"),
            (Sample + "dnabert2 evaluate --suite gue --data GUE --model DNABERT-2-117M --methods full,random --seeds 1,2 "
            + "--steps 4 --batch 8 -o results",
                "two seeds with and without pre-training, here of very few steps"))
        {
            _suite.Option, _data, _table.Option, _output, _tasks, _methods, _seeds, _onEmpty.Option,
        };
        foreach (Option option in _model.Options.Concat(_recipe.Options)) Command.Add(option);
        foreach (Option option in (ReadOnlySpan<Option>)[_keepModels, _quiet]) Command.Add(option);
        foreach (Option option in _compute.Options) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        string data = parsed.GetRequiredValue(_data);
        int? paper = _table.Of(parsed);
        if (paper == CostTable) return Count(data);
        string output = parsed.GetValue(_output) ?? throw new UsageException("--output: name the folder of the results");
        Communicator? all = _terminal.Ranks.Join(_terminal);
        bool quiet = parsed.GetValue(_quiet) || _terminal.Ranks.IsSilent;
        // A new network is made of each training set, so that there is no folder of it yet.
        ModelSource? model = _model.IsNewNetwork(parsed) ? null : _model.Open(parsed, _terminal, quiet);
        SuiteRecipe recipe = _recipe.Apply(parsed, new SuiteRecipe { Common = model?.Recipe ?? NewNetwork.Recipe });
        using RunFolder claimed = _terminal.Ranks.Claim(
            output, SuiteEvaluation.Kind,
            () => Shared.Claim(output, SuiteEvaluation.Kind, resume: true, [.. model?.Folders ?? [], data]));
        using Backend backend = _compute.Open(parsed);
        var evaluation = new SuiteEvaluation(model, data, claimed, recipe, backend, _compute.Threads(parsed), all)
        {
            KeepModels = parsed.GetValue(_keepModels),
            Table = (PaperTable?)paper,
        };
        var options = new SuiteOptions
        {
            Tasks = Tasks(parsed, data),
            Methods = Methods(parsed, model is null),
            Seeds = ParseSeeds(parsed.GetRequiredValue(_seeds)),
            OnEmpty = _onEmpty.Of(parsed),
        };
        using var report = new EvaluateReport(_terminal, quiet);
        byte[] table = evaluation.Run(options, report, report, _terminal.Cancellation);
        report.Dispose();
        _terminal.Output.Write(table);
        _terminal.Output.Flush();
        if (!quiet) _terminal.Say($"the report: {Path.Combine(output, "report.html")}");
        return CommandLineTool.Done;
    }

    /// <summary>Prints sizes and costs of the paper's models, on the test sequences of its tasks of 500 bases.</summary>
    private int Count(string data)
    {
        var sequences = new List<byte[]>();
        foreach (GueTask task in GueTasks.All.Where(task => task.Bases == CostBases && !task.Pairs))
        {
            string folder = Path.Combine(data, task.Name);
            if (!Directory.Exists(folder)) continue;
            foreach (LabelledSequence row in LabelledTask.Read(folder, needed: Splits.Test, cancellation: _terminal.Cancellation).Test!)
                if (row.First.Length == CostBases) sequences.Add(row.First);
        }

        if (sequences.Count == 0)
            throw new FileNotFoundException(
                $"{data}: holds no test sequences of {CostBases} bases; the costs are those of the tasks EMP/H3, EMP/H4, …, of which "
                + "one is needed");
        BpeTokenizer tokenizer = Shared.BuiltInTokenizer();
        _terminal.Output.Write(ModelCosts.Tsv(ModelCosts.Of(sequences, tokenizer)));
        _terminal.Output.Flush();
        return CommandLineTool.Done;
    }

    private IReadOnlyList<GueTask> Tasks(ParseResult parsed, string data)
    {
        if (parsed.GetValue(_tasks) is { } names)
            return List("--tasks", names, GueTasks.Find, $"the tasks are {string.Join(", ", GueTasks.All.Select(task => task.Name))}");
        IReadOnlyList<GueTask> found = SuiteEvaluation.TasksIn(data);
        if (found.Count == 0)
            throw new FileNotFoundException(
                $"{data}: holds no task with train, dev and test; give the folder that holds folders such as "
                + "mouse/0 and prom/prom_core_tata");
        string[] passed = [.. GueTasks.All.Where(task => !found.Contains(task) && Directory.Exists(Path.Combine(data, task.Name)))
            .Select(task => task.Name)];
        if (passed.Length > 0) _terminal.Say($"skipped, since train, dev or test is missing: {string.Join(", ", passed)}");
        return found;
    }

    private IReadOnlyList<SuiteMethod> Methods(ParseResult parsed, bool isNew)
    {
        string names = parsed.GetValue(_methods) ?? (isNew ? "random,kmer" : "full,lora,random,kmer");
        return [.. List<object>("--methods", names, name => SuiteMethods.Find(name), "expected full, lora, random or kmer")
            .Cast<SuiteMethod>()];
    }

    /// <summary>Reads whole numbers, each once.</summary>
    /// <exception cref="UsageException">There is something else, or a number twice.</exception>
    internal static IReadOnlyList<ulong> ParseSeeds(string list) =>
        [.. List<object>(
            "--seeds", list, text => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed) ? seed : null,
            "expected whole numbers, such as 1,2,3").Cast<ulong>()];

    private static List<T> List<T>(string option, string text, Func<string, T?> find, string expected)
        where T : class
    {
        var items = new List<T>();
        foreach (string word in text.Split(',', StringSplitOptions.TrimEntries))
        {
            T item = find(word) ?? throw new UsageException($"{option} {text}: '{word}' is not valid; {expected}");
            if (items.Contains(item)) throw new UsageException($"{option} {text}: '{word}' is given twice");
            items.Add(item);
        }

        return items;
    }
}

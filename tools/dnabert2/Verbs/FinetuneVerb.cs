using System.CommandLine;
using System.Globalization;
using System.Text;
using Dnabert2.Data;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Sequences;
using Engine.Runtime;
using Engine.Runtime.Collectives;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>finetune</c>: labelled sequences in, a classifier or regression out.</summary>
internal sealed class FinetuneVerb
{
    private const string Sample = "--data tools/dnabert2/samples/task",
        Toy = "--steps 12 --batch 8 --warmup 2 --evaluate-every 6 --lr 1e-3";
    private readonly Terminal _terminal;
    private readonly Option<string> _data = new("--data")
    {
        Description =
            "a folder with train, dev and test, each .csv or .tsv, gzipped or not: columns sequence,label or sequence1,sequence2,label; " +
            "with --task the folder that holds the task's folder",
        HelpName = "DIR",
        Required = true,
    };
    private readonly Option<string> _task = new("--task")
    {
        Description = "a data set of GUE or GUE+, such as mouse/0, with the paper's number of epochs and, for the model's tokenizer, " +
            "token limit",
        HelpName = "NAME",
    };
    private readonly Choice<TaskKind> _kind = new(
        "--kind", "what a label says: one class; any number of classes, separated by ';'; or a number, or several separated by ';'",
        ("single-label", TaskKind.SingleLabel), ("multi-label", TaskKind.MultiLabel), ("regression", TaskKind.Regression));
    private readonly ModelChoice _model = ModelChoice.Optional(
        "--model",
        "the model to begin with, whole or a LoRA adapter, or a run of pre-training: its folder; 'default' comes with the tool; 'cnn' is "
        + "the network of Genomic Benchmarks, new, whose vocabulary and length are the training set's", "default");
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "the folder of the run; it becomes the folder of the fine-tuned model",
        HelpName = "RUN",
        Required = true,
    };
    private readonly Option<bool> _resume = new("--resume")
    {
        Description = "resume from the last checkpoint of RUN, if it has one; the other options must be the same as before",
    };
    private readonly Option<int> _further = Shared.Number(
        "--further-steps", "steps of pre-training on the task's own training sequences before, in RUN/further-pretraining", 0, 0);
    private readonly Choice<EmptyRecords> _onEmpty = Reading.OnEmpty();
    private readonly Option<string?> _sequenceColumn = Reading.SequenceColumn(pairs: true), _secondColumn = Reading.SecondColumn();
    private readonly Option<string> _labelColumn = new("--label-column")
    {
        Description = "the column of the labels",
        HelpName = "NAME",
        DefaultValueFactory = _ => "label",
    };
    private readonly FinetuneFlags _flags = new();
    private readonly Compute _compute;
    private readonly Option<bool> _quiet = Shared.Quiet();

    public FinetuneVerb(Terminal terminal)
    {
        _terminal = terminal;
        _compute = new Compute(terminal, training: true);
        Command = new Verb(
            "finetune", "Fine-tunes a model on labelled sequences; without options, by the recipe of the paper.",
            ($"dnabert2 finetune {Sample} --model DNABERT-2-117M -o tata {Toy}",
                "all of a model; the fine-tuned one is in the folder tata"),
            ($"dnabert2 finetune {Sample} --model DNABERT-2-117M -o tata-lora --lora r=4,targets=attention.self.Wqkv,mlp.* {Toy} && " +
                "dnabert2 merge-lora tata-lora -o tata-merged", "low-rank additions, and a plain model made of them"),
            ($"dnabert2 finetune {Sample} --model DNABERT-2-117M -o seeds --seeds 1,2,3 --method head --resume {Toy}",
                "the heads alone with three seeds, mean and standard deviation; goes on after an interruption"),
            ("mkdir -p GUE/mouse && cp -r tools/dnabert2/samples/task GUE/mouse/0 && " +
                $"dnabert2 finetune --task mouse/0 --data GUE --model DNABERT-2-117M -o mouse-0 --init random --steps 4 --batch 8",
                "a data set of GUE by the paper's recipe, here without pre-training"))
        {
            _data, _task, _kind.Option, _output, _resume, _further,
        };
        foreach (Option option in _model.Options.Concat(_flags.Options)) Command.Add(option);
        foreach (Option option in (ReadOnlySpan<Option>)[_onEmpty.Option, _sequenceColumn, _secondColumn, _labelColumn, _quiet])
            Command.Add(option);
        foreach (Option option in _compute.Options) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        Ranks ranks = _terminal.Ranks;
        Communicator? all = ranks.Join(_terminal);
        string output = parsed.GetRequiredValue(_output);
        bool quiet = parsed.GetValue(_quiet) || ranks.IsSilent;
        Shared.CheckFolder(output);
        (string data, GueTask? published) = Data(parsed);
        (ulong[] seeds, bool several) = _flags.Seeds(parsed);
        string[] folders = several ? Array.ConvertAll(seeds, seed => Path.Combine(output, $"seed-{seed}")) : [output];
        // A new network is made of the training set, so that there is no folder of it yet.
        ModelSource? chosen = _model.IsNewNetwork(parsed) ? null : _model.Open(parsed, _terminal, quiet);
        if (all is not null) CheckRanks(parsed, chosen);
        FineTuneOptions usual = chosen?.Recipe ?? NewNetwork.Recipe;
        if (chosen is not null && published is not null) usual = published.Apply(usual, chosen);
        FineTuneOptions recipe = _flags.Apply(parsed, usual with { Shards = ranks.UsualShards });
        if (chosen is null) recipe = recipe with { RandomInitialization = true };
        string[] inputs = chosen is null ? [data] : [data, .. chosen.Folders];
        using var claims = new RunFolders();
        foreach (string folder in folders)
            claims.Add(ranks.Claim(
                folder, FineTuner.Kind, () => Shared.Claim(folder, FineTuner.Kind, parsed.GetValue(_resume), inputs)));
        using Backend backend = _compute.Open(parsed);
        using Communicator? gpus = all?.BetweenGpus(backend);
        if (chosen is not null) FineTuner.Check(chosen, recipe, backend);
        var reading = new LabelledReading
        {
            SequenceColumn = parsed.GetValue(_sequenceColumn),
            SecondSequenceColumn = parsed.GetValue(_secondColumn),
            LabelColumn = parsed.GetRequiredValue(_labelColumn),
            OnEmpty = _onEmpty.Of(parsed),
        };
        LabelledTask task = LabelledTask.Read(data, _kind.Of(parsed), reading: reading, cancellation: _terminal.Cancellation);
        foreach (string note in task.Notes) _terminal.Say(note);
        foreach (string line in task.Overlap.Describe()) _terminal.Say(line);
        ModelSource start = chosen ?? NewNetwork.Write(task, Path.Combine(output, "start"));
        if (parsed.GetValue(_further) is > 0 and int steps)
        {
            using var report = new FinetuneReport(_terminal, quiet, 0);
            start = ModelSource.Open(FurtherPretraining.Run(
                start, task, Path.Combine(output, "further-pretraining"), steps, seeds[0], backend, report, _terminal.Cancellation));
        }

        var results = new List<FineTuneResult>();
        for (int i = 0; i < seeds.Length; i++)
        {
            using var run = new FineTuner(start, task, claims[i], recipe with { Seed = seeds[i] }, backend, gpus ?? all);
            if (results.Count == 0)
                foreach (string line in run.Truncation) _terminal.Say(line);
            if (!quiet) Introduce(run, seeds[i], backend);
            using var report = new FinetuneReport(_terminal, quiet, run.Step);
            results.Add(run.Run(report, _terminal.Cancellation));
            if (!quiet) _terminal.Say($"the model: {folders[i]}");
        }

        Print(seeds, results);
        return CommandLineTool.Done;
    }

    /// <summary>Refuses what one process does.</summary>
    private void CheckRanks(ParseResult parsed, ModelSource? chosen)
    {
        if (chosen is null)
            throw new UsageException("--model cnn: is trained by one process, since its normalisations are over whole batches");
        if (parsed.GetValue(_further) > 0)
            throw new UsageException(
                "--further-steps: is done by one process; pre-train further by 'pretrain --from', and give that run as --model");
    }

    private (string Data, GueTask? Task) Data(ParseResult parsed)
    {
        string data = parsed.GetRequiredValue(_data);
        if (parsed.GetValue(_task) is not { } name) return (data, null);
        GueTask task = GueTasks.Find(name)
            ?? throw new UsageException(
                $"--task {name}: is not a task of GUE or GUE+; these are {string.Join(", ", GueTasks.All.Select(t => t.Name))}");
        return (Path.Combine(data, name), task);
    }

    private void Introduce(FineTuner run, ulong seed, Backend backend)
    {
        (long trained, long all) = run.Parameters;
        string state = all == 0 ? "finished before" : run.Step > 0 ? $"going on after step {run.Step:N0}" : "beginning";
        string size = all == 0 ? "" : $"{trained:N0} of {all:N0} parameters trained on {backend.Description}; ";
        _terminal.Say($"seed {seed}: {size}{state}");
        if (run.NewWeights.Count > 0 && all > 0) _terminal.Say($"newly initialised weights: {string.Join(", ", run.NewWeights)}");
    }

    /// <summary>
    /// A line for each seed and, of several, their mean and standard deviation (of a sample). A metric that is not defined on a set, such
    /// as one of classes of which there is only one, is empty.
    /// </summary>
    private void Print(ulong[] seeds, List<FineTuneResult> results)
    {
        var table = new StringBuilder();
        string[] metrics = [.. results[0].Test.Keys];
        table.Append("seed\tsteps\tbest_step\tdev_loss\ttest_loss");
        foreach (string metric in metrics) table.Append("\ttest_").Append(metric);
        for (int i = 0; i < seeds.Length; i++)
            table.Append(CultureInfo.InvariantCulture, $"\n{seeds[i]}\t{results[i].Steps}\t{results[i].BestStep}")
                .Append(Values(Of(results[i])));
        if (seeds.Length > 1)
        {
            double[][] all = [.. results.Select(r => Of(r).ToArray())];
            double[] mean = [.. Enumerable.Range(0, all[0].Length).Select(c => all.Average(row => row[c]))];
            double[] sd = [.. mean.Select((m, c) => Math.Sqrt(all.Sum(row => (row[c] - m) * (row[c] - m)) / (all.Length - 1)))];
            table.Append("\nmean\t\t").Append(Values(mean)).Append("\nsd\t\t").Append(Values(sd));
        }

        _terminal.Output.Write(Encoding.UTF8.GetBytes(table.Append('\n').ToString()));
        _terminal.Output.Flush();

        IEnumerable<double> Of(FineTuneResult r) => [r.DevLoss, r.TestLoss, .. metrics.Select(m => r.Test[m])];

        static string Values(IEnumerable<double> values) =>
            string.Concat(values.Select(v => double.IsFinite(v) ? FormattableString.Invariant($"\t{v:F4}") : "\t"));
    }
}

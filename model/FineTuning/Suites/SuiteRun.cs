using Dnabert2.Adapters;
using Dnabert2.Metrics;

namespace Dnabert2.FineTuning.Suites;

/// <summary>What is compared on a task.</summary>
public enum SuiteMethod
{
    /// <summary>The model, all of it fine-tuned.</summary>
    Full,

    /// <summary>The model, fine-tuned by low-rank additions.</summary>
    Lora,

    /// <summary>The same architecture with new weights, fine-tuned: what pre-training is worth (in the paper: "w/o PT").</summary>
    Random,

    /// <summary>Logistic regression on 6-mer counts.</summary>
    Kmer,
}

/// <summary>The names of methods on the command line, in files and in tables.</summary>
public static class SuiteMethods
{
    private static readonly string[] Names = ["full", "lora", "random", "kmer"];
    private static readonly string[] Titles = ["full fine-tuning", "LoRA", "w/o PT (new weights)", "6-mer logistic regression"];

    /// <summary>The name: "lora".</summary>
    public static string Name(this SuiteMethod method) => Names[(int)method];

    /// <summary>The title in tables.</summary>
    public static string Title(this SuiteMethod method) => Titles[(int)method];

    /// <summary>The method of a name, or null.</summary>
    public static SuiteMethod? Find(string name) => Array.IndexOf(Names, name) is var i && i >= 0 ? (SuiteMethod)i : null;
}

/// <summary>A task, a method and a seed.</summary>
/// <param name="Task">The task.</param>
/// <param name="Method">The method.</param>
/// <param name="Seed">The seed; 0 where the method has none.</param>
public sealed record SuiteRun(GueTask Task, SuiteMethod Method, ulong Seed)
{
    internal const string FolderName = "runs";

    /// <summary>Where its result is, in the suite's folder.</summary>
    public string Folder => Path.Combine(FolderName, Task.Name.Replace('/', '_'), Method.Name(), $"seed-{Seed}");

    /// <inheritdoc/>
    public override string ToString() =>
        Method == SuiteMethod.Kmer ? $"{Task.Name} {Method.Name()}" : $"{Task.Name} {Method.Name()} seed {Seed}";
}

/// <summary>The loss on dev after so many steps.</summary>
/// <param name="Step">Optimizer steps.</param>
/// <param name="Loss">The mean loss, in nats.</param>
public readonly record struct DevLoss(long Step, double Loss);

/// <summary>What training and testing gave.</summary>
/// <param name="Logits">The outputs on the test set, [rows, classes].</param>
/// <param name="DevLosses">The course of the loss on dev; empty where there is none.</param>
/// <param name="BestDevLoss">The loss on dev of what was tested.</param>
/// <param name="Truncated">Test rows of which only the beginning was looked at.</param>
/// <param name="Steps">Optimizer steps that were done; 0 where the method has none.</param>
/// <param name="Device">What computed it, for people.</param>
public sealed record SuiteOutcome(
    float[] Logits, IReadOnlyList<DevLoss> DevLosses, double BestDevLoss, int Truncated, int Steps, string Device);

/// <summary>The result of a run as it is kept.</summary>
/// <param name="Run">The run.</param>
/// <param name="Names">The classes.</param>
/// <param name="Targets">The true labels of the test set.</param>
/// <param name="Outcome">The outputs, and how training went.</param>
/// <param name="Data">The data of the task.</param>
internal sealed record SuiteResult(SuiteRun Run, LabelNames Names, Target[] Targets, SuiteOutcome Outcome, SuiteData Data)
{
    /// <summary>All metrics on the test set.</summary>
    public TaskScores Scores { get; } = TaskScores.Compute(TaskKind.SingleLabel, Targets, Outcome.Logits);

    /// <summary>The confusion matrix of the test set.</summary>
    public ConfusionMatrix Confusion()
    {
        int classes = Names.Count;
        int[] predicted =
            [.. Enumerable.Range(0, Targets.Length).Select(i => Probabilities.Likeliest(Outcome.Logits.AsSpan(i * classes, classes)))];
        return new ConfusionMatrix([.. Targets.Select(t => t.Class)], predicted, classes);
    }

    /// <summary>The test rows by the probability of a class.</summary>
    public Ranking Rank(int c) => TaskScores.Rank(TaskKind.SingleLabel, Targets, Outcome.Logits, c);
}

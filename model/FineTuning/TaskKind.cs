namespace Dnabert2.FineTuning;

/// <summary>What a label says of a sequence.</summary>
public enum TaskKind
{
    /// <summary>Exactly one class.</summary>
    SingleLabel,

    /// <summary>Any number of classes, none included.</summary>
    MultiLabel,

    /// <summary>A number.</summary>
    Regression,
}

/// <summary>The names of task kinds in <c>config.json</c> (<c>problem_type</c>).</summary>
internal static class ProblemTypes
{
    private static readonly string[] Names = ["single_label_classification", "multi_label_classification", "regression"];

    public static string Name(TaskKind kind) => Names[(int)kind];

    /// <summary>The kind of that name, or null.</summary>
    public static TaskKind? Find(string name) => Array.IndexOf(Names, name) is var i && i >= 0 ? (TaskKind)i : null;
}

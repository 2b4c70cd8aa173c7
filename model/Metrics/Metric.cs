namespace Dnabert2.Metrics;

/// <summary>A number that says how good predictions are; higher is better in all but <see cref="MeanSquaredError"/>.</summary>
public enum Metric
{
    /// <summary>The part of the rows that were predicted right; in multi-label tasks, right in every class.</summary>
    Accuracy,

    /// <summary>The mean F1 of the classes.</summary>
    MacroF1,

    /// <summary>F1 of all decisions together.</summary>
    MicroF1,

    /// <summary>The correlation coefficient of Matthews.</summary>
    Mcc,

    /// <summary>The area under the ROC curve; of more than two classes, the mean over each class against the others.</summary>
    Auroc,

    /// <summary>The average precision; of more than two classes, the mean over each class against the others.</summary>
    Auprc,

    /// <summary>The coefficient of determination.</summary>
    R2,

    /// <summary>The rank correlation coefficient of Spearman.</summary>
    Spearman,

    /// <summary>The correlation coefficient of Pearson.</summary>
    Pearson,

    /// <summary>The mean squared error.</summary>
    MeanSquaredError,
}

/// <summary>The names of metrics in tables and files.</summary>
public static class MetricNames
{
    private static readonly string[] Names =
        ["accuracy", "f1_macro", "f1_micro", "mcc", "auroc", "auprc", "r2", "spearman", "pearson", "mse"];

    /// <summary>The name of a metric: "mcc".</summary>
    public static string Name(this Metric metric) => Names[(int)metric];

    /// <summary>The metric of that name, or null.</summary>
    public static Metric? Find(string name) => Array.IndexOf(Names, name) is var i && i >= 0 ? (Metric)i : null;
}

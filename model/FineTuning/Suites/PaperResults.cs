namespace Dnabert2.FineTuning.Suites;

/// <summary>A number of the paper.</summary>
/// <param name="Percent">The number, in percent; the mean of three seeds.</param>
/// <param name="Metric">Its name: "mcc", "f1_macro", or "f1?" where only the paper's own remark says so.</param>
internal readonly record struct PaperResult(double Percent, string Metric);

/// <summary>
/// The results of Zhou et al., arXiv 2306.15006v2: tables 6 (GUE), 9 (models without pre-training) and 5 (GUE+). MCC, and macro F1 of
/// virus/covid. The columns of transcription factors, human and mouse, of table 9 are not on the scale of table 6: DNABERT-2 has 84.38
/// there on tf/0 and 71.99 here. Its authors say that they are F1, so they must not be compared with an MCC.
/// </summary>
internal static class PaperResults
{
    private const int Table9 = 9;

    private static readonly string[] Tasks =
    [
        "EMP/H3", "EMP/H3K14ac", "EMP/H3K36me3", "EMP/H3K4me1", "EMP/H3K4me2", "EMP/H3K4me3", "EMP/H3K79me3", "EMP/H3K9ac",
        "EMP/H4", "EMP/H4ac", "prom/prom_300_all", "prom/prom_300_notata", "prom/prom_300_tata", "tf/0", "tf/1", "tf/2",
        "tf/3", "tf/4", "prom/prom_core_all", "prom/prom_core_notata", "prom/prom_core_tata", "mouse/0", "mouse/1", "mouse/2",
        "mouse/3", "mouse/4", "virus/covid", "splice/reconstructed", "GUE+/fungi", "GUE+/virus", "GUE+/EPI/GM12878",
        "GUE+/EPI/HeLa-S3", "GUE+/EPI/HUVEC", "GUE+/EPI/IMR90", "GUE+/EPI/K562", "GUE+/EPI/NHEK",
    ];

    private static readonly Row[] Rows =
    [
        new("DNABERT (6-mer)", 6,
        [
            73.1, 40.06, 47.25, 41.44, 32.27, 27.81, 61.17, 51.22, 79.26, 37.43, 90.48, 93.05, 61.56, 66.84, 70.14, 61.03, 51.89,
            70.97, 68.9, 70.47, 76.06, 44.42, 78.94, 71.44, 44.89, 42.48, 55.5, 84.07, 89.29, 44.51, double.NaN, double.NaN,
            double.NaN, double.NaN, double.NaN, double.NaN,
        ]),
        new("NT-2500M-multi", 6,
        [
            78.77, 56.2, 61.99, 55.3, 36.49, 40.34, 64.7, 56.01, 81.67, 49.13, 91.01, 94.0, 79.43, 66.64, 70.28, 58.72, 51.65,
            69.34, 70.33, 71.58, 72.97, 63.31, 83.76, 71.52, 69.44, 47.07, 73.04, 89.35, 92.85, 45.00, 61.91, 72.15, 73.13, 79.49,
            86.48, 68.64,
        ]),
        new("DNABERT-2", 6,
        [
            78.27, 52.57, 56.88, 50.52, 31.13, 36.27, 67.39, 55.63, 80.71, 50.43, 86.77, 94.27, 71.59, 71.99, 76.06, 66.52, 58.54,
            77.43, 69.37, 68.04, 74.17, 56.76, 84.77, 79.32, 66.47, 52.66, 71.02, 84.99, 93.04, 48.50, 76.21, 79.19, 83.50, 86.71,
            92.90, 73.70,
        ]),
        new("DNABERT-2, further pre-trained on GUE", 6,
        [
            80.17, 57.42, 61.9, 53.0, 39.89, 41.2, 65.46, 57.07, 81.86, 50.35, 88.31, 94.34, 68.79, 69.12, 71.87, 62.96, 55.35,
            74.94, 67.5, 69.53, 76.18, 64.23, 86.28, 81.28, 73.49, 50.8, 68.49, 85.93,
        ]),
        new("DNABERT-2 w/o PT", 9,
        [
            57.36, 32.25, 38.07, 23.8, 28.57, 18.12, 51.71, 44.38, 66.73, 30.07, 76.49, 84.07, 34.11, 59.35, 59.27, 46.13, 31.36,
            60.14, 54.58, 58.26, 47.15, 30.55, 63.74, 59.92, 24.12, 27.2, 69.76, 46.8,
        ]),
        new("CNN", 9,
        [
            61.52, 29.73, 38.6, 26.06, 25.76, 20.52, 46.3, 40.03, 62.34, 25.54, 75.78, 85.14, 70.3, 53.95, 63.2, 45.22, 29.84,
            61.48, 58.07, 60.09, 69.33, 31.14, 59.74, 63.15, 45.48, 27.18, 22.23, 76.79,
        ]),
    ];

    /// <summary>The models, in the order of tables.</summary>
    public static IReadOnlyList<string> Models { get; } = [.. Rows.Select(row => row.Model)];

    /// <summary>The result of a model on a task, or null.</summary>
    public static PaperResult? Find(string model, string task)
    {
        Row row = Rows.First(r => r.Model == model);
        int column = Array.IndexOf(Tasks, task);
        if (column < 0 || column >= row.Percent.Length || double.IsNaN(row.Percent[column])) return null;
        bool factors = task.StartsWith("tf/", StringComparison.Ordinal) || task.StartsWith("mouse/", StringComparison.Ordinal);
        string metric = row.Table == Table9 && factors ? "f1?" : task == "virus/covid" ? "f1_macro" : "mcc";
        return new PaperResult(row.Percent[column], metric);
    }

    private sealed record Row(string Model, int Table, double[] Percent);
}

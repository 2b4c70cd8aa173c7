namespace Dnabert2.FineTuning.Suites;

/// <summary>A number of the paper.</summary>
/// <param name="Percent">The number, in percent; the mean of three seeds.</param>
/// <param name="Metric">Its name: "mcc", "f1_macro", or "f1?" where only the paper's own remark says so.</param>
internal readonly record struct PaperResult(double Percent, string Metric);

/// <summary>
/// The results of Zhou et al., arXiv 2306.15006v2: tables 6 (GUE), 9 (other baselines), 10 (tokenizers) and 5 (GUE+). MCC, and macro F1 of
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
        new("DNABERT (3-mer)", 6,
        [
            74.15, 42.07, 48.49, 42.95, 31.34, 28.92, 60.12, 50.48, 78.27, 38.6, 90.44, 93.61, 69.83, 67.95, 70.9, 60.51, 53.03, 69.76,
            70.92, 69.82, 78.15, 42.31, 79.1, 69.9, 55.4, 41.97, 62.23, 84.14,
        ]),
        new("DNABERT (4-mer)", 6,
        [
            73.03, 41.88, 48.03, 41.06, 30.66, 25.31, 59.77, 51.44, 78.28, 36.4, 89.54, 92.65, 66.78, 67.9, 73.05, 59.52, 50.37, 71.23,
            69.0, 70.04, 74.25, 49.42, 79.95, 72.62, 51.79, 44.13, 59.87, 84.05,
        ]),
        new("DNABERT (5-mer)", 6,
        [
            73.4, 40.68, 48.29, 40.65, 30.67, 27.1, 59.61, 51.11, 77.27, 37.48, 90.16, 92.45, 69.51, 66.97, 69.98, 59.03, 52.95, 69.26,
            69.48, 69.81, 76.79, 42.45, 79.32, 62.22, 49.92, 40.34, 50.46, 84.02,
        ]),
        new("DNABERT (6-mer)", 6,
        [
            73.1, 40.06, 47.25, 41.44, 32.27, 27.81, 61.17, 51.22, 79.26, 37.43, 90.48, 93.05, 61.56, 66.84, 70.14, 61.03, 51.89,
            70.97, 68.9, 70.47, 76.06, 44.42, 78.94, 71.44, 44.89, 42.48, 55.5, 84.07, 89.29, 44.51, double.NaN, double.NaN,
            double.NaN, double.NaN, double.NaN, double.NaN,
        ]),
        new("NT-500M-human", 6,
        [
            69.67, 33.55, 44.14, 37.15, 30.87, 24.06, 58.35, 45.81, 76.17, 33.74, 87.71, 90.75, 78.07, 61.59, 66.75, 53.58, 42.95, 60.81,
            63.45, 64.82, 71.34, 31.04, 75.04, 61.67, 29.17, 29.27, 50.82, 79.71,
        ]),
        new("NT-500M-1000g", 6,
        [
            72.52, 39.37, 45.58, 40.45, 31.05, 26.16, 59.33, 49.29, 76.29, 36.79, 89.76, 91.75, 78.23, 63.64, 70.17, 52.73, 45.24, 62.82,
            66.7, 67.17, 73.52, 39.26, 75.49, 64.7, 33.07, 34.01, 52.06, 80.97,
        ]),
        new("NT-2500M-1000g", 6,
        [
            74.61, 44.08, 50.86, 43.1, 30.28, 30.87, 61.2, 52.36, 79.76, 41.46, 90.95, 93.07, 75.8, 66.31, 68.3, 58.7, 49.08, 67.59,
            67.39, 67.46, 69.66, 48.31, 80.02, 70.14, 42.25, 43.4, 66.73, 85.78,
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
        new("HyenaDNA", 9,
        [
            67.17, 31.98, 48.27, 35.83, 25.81, 23.15, 54.09, 50.84, 73.69, 38.44, 47.38, 52.24, 5.34, 62.3, 67.86, 46.85, 41.78, 61.23,
            36.95, 35.38, 72.87, 35.62, 80.5, 65.34, 54.2, 19.17, 23.27, 72.67,
        ]),
        new("CNN", 9,
        [
            61.52, 29.73, 38.6, 26.06, 25.76, 20.52, 46.3, 40.03, 62.34, 25.54, 75.78, 85.14, 70.3, 53.95, 63.2, 45.22, 29.84,
            61.48, 58.07, 60.09, 69.33, 31.14, 59.74, 63.15, 45.48, 27.18, 22.23, 76.79,
        ]),
        new("DNABERT-2 w/o PT", 9,
        [
            57.36, 32.25, 38.07, 23.8, 28.57, 18.12, 51.71, 44.38, 66.73, 30.07, 76.49, 84.07, 34.11, 59.35, 59.27, 46.13, 31.36,
            60.14, 54.58, 58.26, 47.15, 30.55, 63.74, 59.92, 24.12, 27.2, 69.76, 46.8,
        ]),
        new("DNABERT-2", 9,
        [
            78.27, 52.57, 56.88, 50.52, 31.13, 36.27, 67.39, 55.63, 80.71, 50.43, 86.77, 94.27, 71.59, 84.38, 87.16, 83.99, 79.85, 87.8,
            69.47, 68.04, 74.17, 81.6, 92.67, 92.38, 84.91, 76.1, 71.02, 84.99,
        ]),
        new("6-mers", 10,
        [
            74.62, 42.71, 47.26, 39.66, 25.33, 27.43, 61.03, 49.35, 78.61, 37.14, 83.78, 92.65, 57.75, 67.99, 67.06, 59.45, 50.24, 72.8,
            74.91, 69.23, 74.91, 48.96, 81.69, 81.71, 63.17, 42.83, 62.16, 77.9,
        ]),
        new("BPE", 10,
        [
            77.08, 55.6, 57.25, 45.51, 40.83, 42.57, 66.01, 56.79, 80.07, 54.19, 85.57, 92.55, 60.85, 66.99, 70.98, 61.4, 55.1, 71.31,
            66.28, 67.99, 72.73, 48.01, 81.86, 82.98, 73.22, 46.15, 69.75, 79.62,
        ]),
    ];

    /// <summary>Those that stand beside any results, in the order of tables.</summary>
    public static IReadOnlyList<string> Models { get; } =
        ["DNABERT (6-mer)", "NT-2500M-multi", "DNABERT-2", "DNABERT-2, further pre-trained on GUE", "DNABERT-2 w/o PT", "CNN"];

    /// <summary>The models of a table.</summary>
    public static IEnumerable<string> ModelsOf(int table) => Rows.Where(row => row.Table == table).Select(row => row.Model);

    /// <summary>The result of a model on a task in the first table that has the model, or null.</summary>
    public static PaperResult? Find(string model, string task) => Find(Rows.First(row => row.Model == model), task);

    /// <summary>The result of a model on a task in a table, or null.</summary>
    public static PaperResult? Find(int table, string model, string task) =>
        Find(Rows.First(row => row.Table == table && row.Model == model), task);

    private static PaperResult? Find(Row row, string task)
    {
        int column = Array.IndexOf(Tasks, task);
        if (column < 0 || column >= row.Percent.Length || double.IsNaN(row.Percent[column])) return null;
        bool factors = task.StartsWith("tf/", StringComparison.Ordinal) || task.StartsWith("mouse/", StringComparison.Ordinal);
        string metric = row.Table == Table9 && factors ? "f1?" : task == "virus/covid" ? "f1_macro" : "mcc";
        return new PaperResult(row.Percent[column], metric);
    }

    private sealed record Row(string Model, int Table, double[] Percent);
}

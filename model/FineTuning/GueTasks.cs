using Dnabert2.Files;
using Dnabert2.Folders;
using Dnabert2.Metrics;

namespace Dnabert2.FineTuning;

/// <summary>A data set of the benchmarks GUE and GUE+, and how the paper fine-tunes on it.</summary>
/// <param name="Name">The name, which is also the folder in the published data: <c>mouse/0</c>.</param>
/// <param name="Description">Species and question.</param>
/// <param name="Metric">The metric of the paper's tables.</param>
/// <param name="Classes">Classes.</param>
/// <param name="Bases">The length of a sequence, in bases.</param>
/// <param name="MaxTokens">The most tokens of a sequence or pair for DNABERT-2, special ones included.</param>
/// <param name="Epochs">Passes over the training set, or null where <paramref name="Steps"/> are given.</param>
/// <param name="Steps">Optimizer steps, or null.</param>
/// <param name="Pairs">Whether a row is a pair of sequences.</param>
public sealed record GueTask(
    string Name, string Description, Metric Metric, int Classes, int Bases, int MaxTokens, int? Epochs, int? Steps = null,
    bool Pairs = false)
{
    /// <summary>Whether it is one of GUE+, for which the paper states neither epochs nor limits of tokens.</summary>
    internal bool IsOfGuePlus => Name.StartsWith("GUE+/", StringComparison.Ordinal);

    /// <summary>The bases of a row: of a pair, those of both sequences.</summary>
    internal int BasesOfRow => Pairs ? 2 * Bases : Bases;

    /// <summary>Options with the values of this task for DNABERT-2.</summary>
    public FineTuneOptions Apply(FineTuneOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options with { MaxTokens = MaxTokens, Epochs = Epochs ?? options.Epochs, Steps = Steps };
    }

    /// <summary>Options with the values of this task for a model: its tokenizer decides the limit of tokens.</summary>
    /// <param name="options">The options.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="IOException">The folder of the model lacks its config.</exception>
    /// <exception cref="InvalidDataException">The config is damaged.</exception>
    public FineTuneOptions Apply(FineTuneOptions options, ModelSource model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Apply(options, model.Architecture, model.TokenArchitecture, model.Architecture.MostTokens(model.ConfigPath));
    }

    /// <summary>The same, for a model of an architecture, with the tokens of one, that takes so many.</summary>
    internal FineTuneOptions Apply(FineTuneOptions options, Architecture architecture, Architecture tokens, int? most)
    {
        FineTuneOptions applied = Apply(options) with { MaxTokens = Math.Min(tokens.TokensOf(this), most ?? int.MaxValue) };
        // The paper's epochs are those of DNABERT-2.
        return architecture.Recipe is null ? applied : applied with { Epochs = options.Epochs, Steps = options.Steps };
    }
}

/// <summary>
/// The 28 data sets of GUE and the 8 of GUE+ (Zhou et al., arXiv 2306.15006v2, tables 1, 2, 7 and 12), with the limits of tokens of the
/// authors' scripts. For GUE+ the paper states neither epochs nor limits: 3 epochs, and as in the other sets a token for four bases.
/// </summary>
public static class GueTasks
{
    // Table 12: rows of train, dev and test.
    private static readonly Dictionary<string, int[]> Rows = new()
    {
        ["EMP/H3"] = [11971, 1497, 1497],
        ["EMP/H3K14ac"] = [26438, 3305, 3305],
        ["EMP/H3K36me3"] = [27904, 3488, 3488],
        ["EMP/H3K4me1"] = [25341, 3168, 3168],
        ["EMP/H3K4me2"] = [24545, 3069, 3069],
        ["EMP/H3K4me3"] = [29439, 3680, 3680],
        ["EMP/H3K79me3"] = [23069, 2884, 2884],
        ["EMP/H3K9ac"] = [22224, 2779, 2779],
        ["EMP/H4"] = [11679, 1461, 1461],
        ["EMP/H4ac"] = [27275, 3410, 3410],
        ["prom/prom_300_tata"] = [4904, 613, 613],
        ["prom/prom_300_notata"] = [42452, 5307, 5307],
        ["prom/prom_300_all"] = [47356, 5920, 5920],
        ["prom/prom_core_tata"] = [4904, 613, 613],
        ["prom/prom_core_notata"] = [42452, 5307, 5307],
        ["prom/prom_core_all"] = [47356, 5920, 5920],
        ["tf/0"] = [32378, 1000, 1000],
        ["tf/1"] = [30672, 1000, 1000],
        ["tf/2"] = [19000, 1000, 1000],
        ["tf/3"] = [27294, 1000, 1000],
        ["tf/4"] = [19000, 1000, 1000],
        ["splice/reconstructed"] = [36496, 4562, 4562],
        ["mouse/0"] = [6478, 810, 810],
        ["mouse/1"] = [53952, 6745, 6745],
        ["mouse/2"] = [2620, 328, 328],
        ["mouse/3"] = [1904, 239, 239],
        ["mouse/4"] = [15064, 1883, 1883],
        ["virus/covid"] = [77669, 7000, 7000],
        ["GUE+/EPI/GM12878"] = [10000, 2000, 2000],
        ["GUE+/EPI/HeLa-S3"] = [10000, 2000, 2000],
        ["GUE+/EPI/HUVEC"] = [10000, 2000, 2000],
        ["GUE+/EPI/IMR90"] = [10000, 2000, 2000],
        ["GUE+/EPI/K562"] = [10000, 2000, 2000],
        ["GUE+/EPI/NHEK"] = [10000, 2000, 2000],
        ["GUE+/fungi"] = [8000, 1000, 1000],
        ["GUE+/virus"] = [4000, 500, 500],
    };

    /// <summary>All of them, GUE first.</summary>
    public static IReadOnlyList<GueTask> All { get; } =
    [
        .. Histones("H3", "H3K14ac", "H3K36me3", "H3K4me1", "H3K4me2", "H3K4me3", "H3K79me3", "H3K9ac", "H4", "H4ac"),
        Promoters("prom_300_tata", 300, 70, epochs: 10),
        Promoters("prom_300_notata", 300, 70, epochs: 4),
        Promoters("prom_300_all", 300, 70, epochs: 4),
        Promoters("prom_core_tata", 70, 20, epochs: 10),
        Promoters("prom_core_notata", 70, 20, epochs: 4),
        Promoters("prom_core_all", 70, 20, epochs: 4),
        Human(0, "wgEncodeEH000552"), Human(1, "wgEncodeEH000606"), Human(2, "wgEncodeEH001546"), Human(3, "wgEncodeEH001776"),
        Human(4, "wgEncodeEH002829"),
        new("splice/reconstructed", "human, splice sites", Metric.Mcc, 3, 400, 80, 5),
        Mouse(0, "Ch12Nrf2Iggrab"), Mouse(1, "Ch12Znf384hpa004051Iggrab"), Mouse(2, "MelJundIggrab"), Mouse(3, "MelMafkDm2p5dStd"),
        Mouse(4, "MelNelfeIggrab"),
        new("virus/covid", "SARS-CoV-2, variants", Metric.MacroF1, 9, 1000, 256, 8),
        .. Interactions("GM12878", "HeLa-S3", "HUVEC", "IMR90", "K562", "NHEK"),
        new("GUE+/fungi", "fungi, species", Metric.Mcc, 25, 5000, 1280, 3),
        new("GUE+/virus", "viruses, species", Metric.Mcc, 20, 10000, 2560, 3),
    ];

    /// <summary>The data set of a name, or null.</summary>
    public static GueTask? Find(string name) => All.FirstOrDefault(task => task.Name == name);

    /// <summary>The rows of train, dev and test in the paper.</summary>
    internal static IReadOnlyList<int> RowsOf(GueTask task) => Rows[task.Name];

    private static IEnumerable<GueTask> Histones(params string[] marks) =>
        marks.Select(mark => new GueTask("EMP/" + mark, "yeast, epigenetic mark " + mark, Metric.Mcc, 2, 500, 128, 3));

    private static GueTask Promoters(string name, int bases, int maxTokens, int epochs) =>
        new("prom/" + name, bases == 70 ? "human, core promoters" : "human, promoters", Metric.Mcc, 2, bases, maxTokens, epochs);

    private static GueTask Human(int number, string experiment) =>
        new($"tf/{number}", $"human, transcription factor binding ({experiment})", Metric.Mcc, 2, 100, 30, 3);

    private static GueTask Mouse(int number, string experiment) =>
        new($"mouse/{number}", $"mouse, transcription factor binding ({experiment})", Metric.Mcc, 2, 100, 30, null, 1000);

    private static IEnumerable<GueTask> Interactions(params string[] cells) =>
        cells.Select(
            cell => new GueTask(
                "GUE+/EPI/" + cell, $"human, enhancers and promoters that meet ({cell})", Metric.Mcc, 2, 5000, 2560, 3, Pairs: true));
}

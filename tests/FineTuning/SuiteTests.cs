using System.Text;
using System.Xml.Linq;
using Dnabert2.FineTuning;
using Dnabert2.Metrics;
using Tests.Weights;

namespace Tests.FineTuning;

public sealed class SuiteTests : IDisposable
{
    private static readonly byte[] Settings = Encoding.UTF8.GetBytes("""{"model":"toy"}""");
    private readonly TempFolder _folder = new();
    private readonly List<string> _trained = [];

    public SuiteTests()
    {
        WriteTask("mouse/0", 2);
        WriteTask("splice/reconstructed", 3);
    }

    private static SuiteOptions Options { get; } = new()
    {
        Tasks = [GueTasks.Find("mouse/0")!, GueTasks.Find("splice/reconstructed")!],
        Methods = [SuiteMethod.Full, SuiteMethod.Kmer],
        Seeds = [1, 2],
    };

    [Fact]
    public void An_interrupted_suite_runs_only_what_is_not_finished()
    {
        using var source = new CancellationTokenSource();
        var suite = new Suite(_folder["data"], _folder["out"], (run, task, folder, token) =>
        {
            if (_trained.Count == 3) source.Cancel();
            token.ThrowIfCancellationRequested();
            return Train(run, task, folder, token);
        });
        Assert.Throws<OperationCanceledException>(() => suite.Run(Options, Settings, null, source.Token));
        Assert.Equal(["mouse/0 full seed 1", "mouse/0 full seed 2", "mouse/0 kmer"], _trained);
        Assert.Equal(6, new Suite(_folder["data"], _folder["out"], Train).Run(Options, Settings, null, default).Count);
        Assert.Equal(["splice/reconstructed full seed 1", "splice/reconstructed full seed 2", "splice/reconstructed kmer"], _trained[3..]);
        new Suite(_folder["data"], _folder["out"], Train).Run(Options, Settings, null, default);
        Assert.Equal(6, _trained.Count);
    }

    [Fact]
    public void A_result_is_read_as_it_was_written()
    {
        var suite = new Suite(_folder["data"], _folder["out"], Train);
        IReadOnlyList<SuiteResult> first = suite.Run(Options, Settings, null, default);
        SuiteResult result = suite.Run(Options, Settings, null, default)[0];
        LabelledTask task = LabelledTask.Read(_folder["data/mouse/0"]);
        SuiteOutcome expected = Train(first[0].Run, task, "", default);
        Assert.Equal(expected.Logits, result.Outcome.Logits);
        Assert.Equal(task.Test!.Select(row => row.Target), result.Targets);
        Assert.Equal(expected.DevLosses, result.Outcome.DevLosses);
        Assert.Equal((expected.BestDevLoss, expected.Truncated), (result.Outcome.BestDevLoss, result.Outcome.Truncated));
        Assert.Equal(["test rows that are in train: 1 of 4"], result.Notes.Where(n => n.StartsWith("test", StringComparison.Ordinal)));
    }

    [Fact]
    public void Results_of_other_settings_are_not_mixed_and_a_damaged_one_is_named()
    {
        var suite = new Suite(_folder["data"], _folder["out"], Train);
        suite.Run(Options, Settings, null, default);
        string message = Assert.Throws<InvalidDataException>(() => suite.Run(Options, Encoding.UTF8.GetBytes("""{"model":"other"}"""), null, default)).Message;
        Assert.Contains("suite.json: the results in this folder are of other settings (model was \"toy\" and is \"other\")", message, StringComparison.Ordinal);
        string predictions = _folder["out/runs/mouse_0/full/seed-2/predictions.tsv"];
        File.WriteAllText(predictions, File.ReadAllText(predictions).Replace("\n1\t", "\n7\t", StringComparison.Ordinal));
        message = Assert.Throws<InvalidDataException>(() => suite.Run(Options, Settings, null, default)).Message;
        Assert.Contains("predictions.tsv: line 3 is damaged; remove the folder of this run", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bad_data_of_any_task_is_found_before_the_first_training()
    {
        File.AppendAllText(_folder["data/splice/reconstructed/test.csv"], "ACGT,9\n");
        var suite = new Suite(_folder["data"], _folder["out"], Train);
        Assert.Contains("the label '9' is none of the classes", Assert.Throws<InvalidDataException>(() => suite.Run(Options, Settings, null, default)).Message, StringComparison.Ordinal);
        WriteTask("splice/reconstructed", 2);
        Assert.Contains("there are 2 classes, and splice/reconstructed has 3", Assert.Throws<InvalidDataException>(() => suite.Run(Options, Settings, null, default)).Message, StringComparison.Ordinal);
        Assert.Empty(_trained);
        Assert.False(Directory.Exists(_folder["out"]));
    }

    [Fact]
    public void The_table_has_mean_and_deviation_over_seeds_beside_the_paper()
    {
        IReadOnlyList<SuiteResult> results = new Suite(_folder["data"], _folder["out"], Train).Run(Options, Settings, null, default);
        var table = new SuiteTable(results);
        double a = 100 * results[0].Scores[Metric.Mcc], b = 100 * results[1].Scores[Metric.Mcc];
        Assert.NotEqual(a, b);
        string[] rows = Encoding.UTF8.GetString(table.Tsv()).Split('\n');
        string[] header = rows[0].Split('\t'), row = rows[1].Split('\t');
        Assert.Equal(header.Length, row.Length);
        Assert.Equal(["mouse/0", "full", "2", "4", "1", "mcc"], row[..6]);
        Assert.Equal(((a + b) / 2).ToString("F2"), row[6]);
        Assert.Equal((Math.Abs(a - b) / Math.Sqrt(2)).ToString("F2"), row[7]);
        Assert.Equal(("56.76", "mcc"), (row[Array.IndexOf(header, "paper: DNABERT-2")], row[Array.IndexOf(header, "paper: DNABERT-2") + 1]));
        Assert.Equal(("30.55", "f1?"), (row[Array.IndexOf(header, "paper: DNABERT-2 w/o PT")], row[Array.IndexOf(header, "paper: DNABERT-2 w/o PT") + 1]));
        string markdown = Encoding.UTF8.GetString(table.Markdown());
        Assert.Contains($"| mouse/0 | MCC | {(a + b) / 2:F2} ± ", markdown, StringComparison.Ordinal);
        Assert.Contains("| 30.55* |", markdown, StringComparison.Ordinal);
        Assert.Contains("are, as the authors say, F1 and no MCC", markdown, StringComparison.Ordinal);
        Assert.Contains("mouse/0, full fine-tuning: 1 of 4 test rows are longer than 30 tokens", markdown, StringComparison.Ordinal);
        Assert.Contains("mouse/0, test rows that are in train: 1 of 4.", markdown, StringComparison.Ordinal);
    }

    [Fact]
    public void The_page_is_sound_and_needs_nothing_beside_it()
    {
        var table = new SuiteTable(new Suite(_folder["data"], _folder["out"], Train).Run(Options, Settings, null, default));
        string page = Encoding.UTF8.GetString(SuitePage.Draw(table));
        XElement html = XElement.Parse(page[page.IndexOf("<html", StringComparison.Ordinal)..].Replace("<meta charset=\"utf-8\">", "", StringComparison.Ordinal));
        XNamespace svg = "http://www.w3.org/2000/svg";
        string[] titles = [.. html.Descendants(svg + "svg").Select(plot => plot.Element(svg + "text")!.Value)];
        Assert.Equal(["ROC", "precision-recall", "dev loss", "full fine-tuning", "6-mer logistic regression"], titles[..5]);
        Assert.Equal(10, titles.Length);
        Assert.DoesNotContain("http", page.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", page, StringComparison.Ordinal);
        XElement matrix = html.Descendants(svg + "svg").ElementAt(3);
        ConfusionMatrix expected = table.Cells[0].Results[0].Confusion();
        string[] counts = [.. matrix.Elements(svg + "rect").Skip(1).Select(r => ((XElement)r.NextNode!).Value)];
        Assert.Equal([$"{expected[0, 0]}", $"{expected[0, 1]}", $"{expected[1, 0]}", $"{expected[1, 1]}"], counts);
    }

    [Fact]
    public void A_run_is_fine_tuned_as_its_method_and_task_say()
    {
        GueTask mouse = GueTasks.Find("mouse/0")!, splice = GueTasks.Find("splice/reconstructed")!;
        var recipe = new SuiteRecipe { Common = new FineTuneOptions { LearningRate = 2e-4, Batch = 16 }, LoraLearningRate = 3e-4 };
        FineTuneOptions full = recipe.OptionsOf(new SuiteRun(mouse, SuiteMethod.Full, 7)), lora = recipe.OptionsOf(new SuiteRun(mouse, SuiteMethod.Lora, 7));
        Assert.Equal((FineTuneMethod.Full, false, 7ul, 1000, 30, 2e-4, 16), (full.Method, full.RandomInitialization, full.Seed, full.Steps, full.MaxTokens, full.LearningRate, full.Batch));
        Assert.Equal((FineTuneMethod.Lora, false, 3e-4), (lora.Method, lora.RandomInitialization, lora.LearningRate));
        Assert.Equal(full with { RandomInitialization = true }, recipe.OptionsOf(new SuiteRun(mouse, SuiteMethod.Random, 7)));
        FineTuneOptions epochs = (recipe with { Epochs = 2 }).OptionsOf(new SuiteRun(mouse, SuiteMethod.Full, 7));
        Assert.Equal((2, (int?)null, 30), (epochs.Epochs, epochs.Steps, epochs.MaxTokens));
        Assert.Equal((5, (int?)null, 80), (recipe.OptionsOf(new SuiteRun(splice, SuiteMethod.Full, 7)) is var o ? (o.Epochs, o.Steps, o.MaxTokens) : default));
        Assert.Equal(9, (recipe with { Steps = 9 }).OptionsOf(new SuiteRun(splice, SuiteMethod.Full, 7)).Steps);
        Assert.Throws<ArgumentException>(() => recipe.OptionsOf(new SuiteRun(mouse, SuiteMethod.Kmer, 0)));
    }

    [Fact]
    public void Tasks_that_are_not_whole_are_not_taken_for_granted()
    {
        File.Delete(_folder["data/mouse/0/train.csv"]);
        Assert.Equal(["splice/reconstructed"], Suite.TasksIn(_folder["data"]).Select(task => task.Name));
    }

    [SkippableFact]
    public void The_numbers_of_the_paper_are_those_of_its_tables()
    {
        string paper = SharedData.Path("paper");
        int checkedNumbers = 0;
        foreach ((string file, string[] models) in new[]
            { ("table6_gue_results.tsv", new[] { "DNABERT (6-mer)", "NT-2500M-multi", "DNABERT-2", "DNABERT-2 (further pre-trained on GUE)" }), ("table9_other_baselines.tsv", ["DNABERT-2 w/o PT", "CNN"]), ("table5_gue_plus.tsv", ["DNABERT (6-mer)", "NT-2500M-multi", "DNABERT-2"]) })
        {
            string[][] rows = [.. File.ReadLines(Path.Combine(paper, file)).Where(l => !l.StartsWith('#')).Select(l => l.Split('\t'))];
            foreach (string[] row in rows[1..].Where(r => models.Contains(r[0])))
                for (int c = 1; c < row.Length; c++)
                {
                    double? found = PaperResults.Find(row[0].Replace(" (further pre-trained on GUE)", ", further pre-trained on GUE"), TaskOf(rows[0][c]))?.Percent;
                    Assert.Equal(row[c] == "-" ? null : double.Parse(row[c]), found);
                    checkedNumbers++;
                }
        }

        Assert.Equal((6 * 28) + (3 * 8), checkedNumbers);

        static string TaskOf(string column) => column switch
        {
            "fungi" or "virus" => "GUE+/" + column,
            _ when column.StartsWith("EPI", StringComparison.Ordinal) => "GUE+/EPI/" + new[] { "GM12878", "HeLa-S3", "HUVEC", "IMR90", "K562", "NHEK" }[column[3] - '0'],
            _ => column,
        };
    }

    public void Dispose() => _folder.Dispose();

    private SuiteOutcome Train(SuiteRun run, LabelledTask task, string folder, CancellationToken cancellation)
    {
        if (folder.Length > 0) _trained.Add(run.ToString());
        int classes = task.Names.Count;
        float[] logits = [.. Enumerable.Range(0, task.Test!.Count * classes).Select(i => (float)Math.Sin((i * 1.3) + run.Seed))];
        DevLoss[] losses = run.Method == SuiteMethod.Kmer ? [] : [new(200, 0.75), new(400, 0.5 + (0.1 * run.Seed))];
        return new SuiteOutcome(logits, losses, 0.5, run.Method == SuiteMethod.Full ? 1 : 0);
    }

    private void WriteTask(string name, int classes)
    {
        Directory.CreateDirectory(_folder["data/" + name]);
        foreach ((string part, string first) in new[] { ("train", "AC"), ("dev", "CG"), ("test", "GT") })
        {
            var text = new StringBuilder("sequence,label\r\n");
            for (int i = 0; i < 2 * classes; i++) text.Append($"{first}{"ACGT"[i % 4]}{"ACGT"[i / 4]}TTA,{i % classes}\r\n");
            if (part == "train") text.Append("GTAATTA,0\r\n");
            File.WriteAllText(_folder[$"data/{name}/{part}.csv"], text.ToString());
        }
    }
}

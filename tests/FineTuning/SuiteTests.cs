using System.Globalization;
using System.Text;
using System.Xml.Linq;
using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.FineTuning.Suites;
using Dnabert2.Folders;
using Dnabert2.Metrics;
using Dnabert2.Tokenizers;
using Tests.Weights;

namespace Tests.FineTuning;

public sealed class SuiteTests : IDisposable
{
    private static readonly SuiteSetup Setup = new(
        "toy", new SuiteModel(Dnabert2.Folders.Architecture.Dnabert2, Dnabert2.Folders.Architecture.Dnabert2, null, "117 million"), 1234,
        new ModelContent("weights", "config", "tokenizer"),
        new SuiteRecipe { Steps = 4 }, "f32");

    private readonly TempFolder _folder = new();
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";
    private readonly List<string> _trained = [];
    private int _evaluations = 2;

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
        var suite = new Suite(_folder["data"], _folder["out"], Setup.Identify, (run, task, folder, token) =>
        {
            if (_trained.Count == 3) source.Cancel();
            token.ThrowIfCancellationRequested();
            return Train(run, task, folder, token);
        });
        Assert.Throws<OperationCanceledException>(() => suite.Run(Options, null, source.Token));
        Assert.Equal(["mouse/0 full seed 1", "mouse/0 full seed 2", "mouse/0 kmer"], _trained);
        Assert.Equal(6, Run().Count);
        Assert.Equal(["splice/reconstructed full seed 1", "splice/reconstructed full seed 2", "splice/reconstructed kmer"], _trained[3..]);
        Run();
        Assert.Equal(6, _trained.Count);
    }

    [Fact]
    public void A_result_is_read_as_it_was_written()
    {
        IReadOnlyList<SuiteResult> first = Run();
        SuiteResult result = Run()[0];
        LabelledTask task = LabelledTask.Read(_folder["data/mouse/0"]);
        SuiteOutcome expected = Train(first[0].Run, task, "", default);
        Assert.Equal(expected.Logits, result.Outcome.Logits);
        Assert.Equal(task.Test!.Select(row => row.Target), result.Targets);
        Assert.Equal(expected.DevLosses, result.Outcome.DevLosses);
        Assert.Equal(
            (expected.BestDevLoss, expected.Truncated, expected.Steps, expected.Device),
            (result.Outcome.BestDevLoss, result.Outcome.Truncated, result.Outcome.Steps, result.Outcome.Device));
        Assert.Equal(["test rows that are in train: 1 of 4"], result.Data.Notes.Where(n => n.StartsWith("test", StringComparison.Ordinal)));
        Assert.Equal(["train.csv", "dev.csv", "test.csv"], result.Data.Parts.Select(part => part.File));
        Assert.Equal([5, 4, 4], result.Data.Parts.Select(part => part.Rows));
    }

    [Fact]
    public void A_damaged_result_is_named()
    {
        Run();
        string predictions = _folder["out/runs/mouse_0/full/seed-2/predictions.tsv"];
        File.WriteAllText(predictions, File.ReadAllText(predictions).Replace("\n1\t", "\n7\t", StringComparison.Ordinal));
        string message = Assert.Throws<InvalidDataException>(() => Run()).Message;
        Assert.Contains("predictions.tsv: line 3 is damaged; remove the folder of this run", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bad_data_of_any_task_is_found_before_the_first_training()
    {
        File.AppendAllText(_folder["data/splice/reconstructed/test.csv"], "ACGT,9\n");
        Assert.Contains(
            "the label '9' is not one of the classes", Assert.Throws<InvalidDataException>(() => Run()).Message, StringComparison.Ordinal);
        WriteTask("splice/reconstructed", 2);
        Assert.Contains("there are 2 classes, and splice/reconstructed has 3", Assert.Throws<InvalidDataException>(() => Run()).Message,
            StringComparison.Ordinal);
        Assert.Empty(_trained);
        Assert.False(Directory.Exists(_folder["out"]));
    }

    [Fact]
    public void The_table_has_mean_and_deviation_over_seeds_beside_the_paper()
    {
        IReadOnlyList<SuiteResult> results = Run();
        var table = new SuiteTable(results, Setup);
        double a = 100 * results[0].Scores[Metric.Mcc], b = 100 * results[1].Scores[Metric.Mcc];
        Assert.NotEqual(a, b);
        string[] rows = Encoding.UTF8.GetString(table.Tsv()).Split('\n');
        string[] header = rows[0].Split('\t'), row = rows[1].Split('\t');
        Assert.Equal(header.Length, row.Length);
        Assert.Equal(["mouse/0", "full", "1,2", "4", "1", "mcc"], row[..6]);
        Assert.Equal(((a + b) / 2).ToString("F2"), row[6]);
        Assert.Equal((Math.Abs(a - b) / Math.Sqrt(2)).ToString("F2"), row[7]);
        Assert.Equal(
            ("56.76", "mcc"), (row[Array.IndexOf(header, "paper: DNABERT-2")], row[Array.IndexOf(header, "paper: DNABERT-2") + 1]));
        Assert.Equal(
            ("30.55", "f1?"),
            (row[Array.IndexOf(header, "paper: DNABERT-2 w/o PT")], row[Array.IndexOf(header, "paper: DNABERT-2 w/o PT") + 1]));
        string markdown = Encoding.UTF8.GetString(table.Markdown());
        Assert.Contains($"| mouse/0 | MCC | {(a + b) / 2:F2} ± ", markdown, StringComparison.Ordinal);
        Assert.Contains("| 30.55* |", markdown, StringComparison.Ordinal);
        Assert.Contains("are, as the authors say, F1 and no MCC", markdown, StringComparison.Ordinal);
    }

    [Fact]
    public void The_table_says_by_which_model_and_recipe_and_what_is_otherwise_than_in_the_paper()
    {
        var table = new SuiteTable(Run(), Setup);
        string[][] rows =
            [.. Encoding.UTF8.GetString(table.Tsv()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t'))];
        Assert.Single(rows.Select(row => row.Length).Distinct());
        // 5 training rows in batches of 32 are 1 step an epoch; the learning rate, the batch and the warm-up are the paper's.
        Assert.Equal(
            ["toy", "1234", "weights", "5", "4", "4", "4", "32", "3E-05", "50", "f32", "a device"],
            Fields(1, "model", "parameters", "model_sha256", "train_rows", "dev_rows", "epochs", "steps", "batch", "learning_rate",
                "warmup_steps", "precision", "device"));
        Assert.Equal(["", "", "", "5", "4", "", "", "", "", "", "", "CPU"],
            Fields(2, "model", "parameters", "model_sha256", "train_rows", "dev_rows", "epochs", "steps", "batch", "learning_rate",
                "warmup_steps", "precision", "device"));
        Assert.Equal(
            "5, 4 and 4 rows of train, dev and test in place of 6,478, 810 and 810; a model of 1,234 parameters in place of the paper's "
            + "of 117 million; 2 seeds in place of 3; 4 steps in place of 1,000 steps",
            Fields(1, "deviations")[0]);
        string markdown = Encoding.UTF8.GetString(table.Markdown());
        Assert.Contains("The model: toy, 1,234 parameters, SHA-256 of its weights weights.", markdown, StringComparison.Ordinal);
        Assert.Contains("| mouse/0 | full fine-tuning | 5, 4, 4 | 4 | 4 | 32 | 3E-05 | 50 | f32 | 1,2 | a device |", markdown,
            StringComparison.Ordinal);
        Assert.Contains("\n- 2 seeds in place of 3\n", markdown, StringComparison.Ordinal);
        Assert.Contains(
            "\n- 5, 4 and 4 rows of train, dev and test in place of 6,478, 810 and 810 (mouse/0)\n", markdown, StringComparison.Ordinal);
        Assert.Contains("\n- 4 steps in place of 5 epochs (splice/reconstructed full fine-tuning)\n", markdown, StringComparison.Ordinal);

        string[] Fields(int row, params string[] columns) => [.. columns.Select(column => rows[row][Array.IndexOf(rows[0], column)])];
    }

    [Theory]
    [InlineData("batch 16 in place of 32")]
    [InlineData("learning rate 0.001 in place of 3E-05")]
    [InlineData("warmup steps 2 in place of 50")]
    [InlineData("dropout 0 in place of not set")]
    [InlineData("weight decay 0 in place of 0.01")]
    [InlineData("evaluate every 100 in place of 200")]
    [InlineData("2 epochs in place of 1,000 steps")]
    public void Every_option_that_is_not_the_papers_is_a_deviation(string expected)
    {
        var common = new FineTuneOptions
        {
            Batch = 16,
            LearningRate = 1e-3,
            WarmupSteps = 2,
            Dropout = 0,
            WeightDecay = 0,
            EvaluateEvery = 100,
        };
        SuiteSetup setup = Setup with { Recipe = new SuiteRecipe { Common = common, Epochs = 2 } };
        Assert.Contains(expected, new SuiteTable(Run(), setup).Deviations().Select(line => line.Split(" (")[0]));
    }

    [Fact]
    public void What_was_found_in_the_data_is_said_once_for_a_task()
    {
        string[] notes = [.. new SuiteTable(Run(), Setup).DataNotes()];
        Assert.Equal(["mouse/0", "splice/reconstructed"], notes.Select(note => note.Split(':')[0]));
        Assert.Contains("test rows that are in train: 1 of 4; ", notes[0], StringComparison.Ordinal);
        Assert.EndsWith(
            "1 of 4 test rows are longer than 30 tokens and were truncated, as in the paper", notes[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_without_a_sequence_are_said_with_the_data()
    {
        File.AppendAllText(_folder["data/mouse/0/test.csv"], ",1\r\n");
        string note = new SuiteTable(Run(), Setup).DataNotes().First();
        Assert.Contains("test.csv: 1 record of 5 left out for having no sequence", note, StringComparison.Ordinal);
    }

    [Fact]
    public void The_page_is_sound_and_needs_nothing_beside_it()
    {
        var table = new SuiteTable(Run(), Setup);
        (string page, XElement html) = Draw(table);
        string[] titles = [.. html.Descendants(Svg + "svg").Skip(4).Select(plot => plot.Element(Svg + "text")!.Value)];
        Assert.Equal(["ROC", "precision-recall", "dev loss", "ROC", "precision-recall", "dev loss"], titles);
        Assert.DoesNotContain("http", page.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal), StringComparison.Ordinal);
        // One grid: a row for each task and a column for each method.
        XElement grid = html.Descendants("table").Single(t => t.Attribute("class")?.Value == "matrices");
        Assert.Equal(["full fine-tuning", "6-mer logistic regression"],
            grid.Elements("tr").First().Elements("th").Skip(1).Select(cell => cell.Value));
        Assert.Equal(["mouse/0", "splice/reconstructed"], grid.Elements("tr").Skip(1).Select(row => row.Element("th")!.Value));
        XElement[] matrices = [.. grid.Descendants(Svg + "svg")];
        Assert.Equal(4, matrices.Length);
        XElement matrix = matrices[0];
        ConfusionMatrix expected = table.Cells[0].Results[0].Confusion();
        string[] counts = [.. matrix.Elements(Svg + "rect").Skip(1).Select(r => ((XElement)r.NextNode!).Value)];
        Assert.Equal([$"{expected[0, 0]}", $"{expected[0, 1]}", $"{expected[1, 0]}", $"{expected[1, 1]}"], counts);
    }

    [Fact]
    public void Of_a_single_evaluation_of_one_task_by_one_method_and_seed_all_plots_show_something()
    {
        SuiteOptions one = Options with { Tasks = [Options.Tasks[0]], Methods = [SuiteMethod.Full], Seeds = [1] };
        _evaluations = 1;
        (_, XElement html) = Draw(new SuiteTable(Run(one), Setup));
        Assert.Equal(4, html.Descendants(Svg + "svg").Count());
        XElement losses = html.Descendants(Svg + "svg").Last();
        Assert.Equal("dev loss", losses.Element(Svg + "text")!.Value);
        XElement point = Assert.Single(losses.Elements(Svg + "circle"));
        Assert.InRange(double.Parse(point.Attribute("cx")!.Value, CultureInfo.InvariantCulture), 60, 360);
        Assert.InRange(double.Parse(point.Attribute("cy")!.Value, CultureInfo.InvariantCulture), 28, 260);
    }

    [Fact]
    public void Of_a_test_set_of_one_class_the_page_says_that_curves_are_not_defined()
    {
        File.WriteAllText(_folder["data/mouse/0/test.csv"], "sequence,label\nACGT,1\nACGG,1\n");
        var table = new SuiteTable(Run(Options with { Tasks = [Options.Tasks[0]], Methods = [SuiteMethod.Kmer] }), Setup);
        (_, XElement html) = Draw(table);
        XElement roc = html.Descendants(Svg + "svg").Single(plot => plot.Element(Svg + "text")!.Value == "ROC");
        Assert.Contains("6-mer logistic regression, AUROC not defined", roc.Elements(Svg + "text").Select(text => text.Value));
        Assert.Contains("not defined: the test rows lack classes", roc.Elements(Svg + "text").Select(text => text.Value));
        Assert.Empty(roc.Elements(Svg + "polyline"));
        string[] header = Encoding.UTF8.GetString(table.Tsv()).Split('\n')[0].Split('\t'),
            row = Encoding.UTF8.GetString(table.Tsv()).Split('\n')[1].Split('\t');
        Assert.Equal(("", "0.00"), (row[Array.IndexOf(header, "auroc")], row[Array.IndexOf(header, "mcc")]));
    }

    [Fact]
    public void A_run_is_fine_tuned_as_its_method_and_task_say()
    {
        GueTask mouse = GueTasks.Find("mouse/0")!, splice = GueTasks.Find("splice/reconstructed")!;
        var recipe = new SuiteRecipe { Common = new FineTuneOptions { LearningRate = 2e-4, Batch = 16 }, LoraLearningRate = 3e-4 };
        FineTuneOptions full = recipe.OptionsOf(new SuiteRun(mouse, SuiteMethod.Full, 7)),
            lora = recipe.OptionsOf(new SuiteRun(mouse, SuiteMethod.Lora, 7));
        Assert.Equal((FineTuneMethod.Full, false, 7ul, 1000, 30, 2e-4, 16),
            (full.Method, full.RandomInitialization, full.Seed, full.Steps, full.MaxTokens, full.LearningRate, full.Batch));
        Assert.Equal((FineTuneMethod.Lora, false, 3e-4), (lora.Method, lora.RandomInitialization, lora.LearningRate));
        Assert.Equal(full with { RandomInitialization = true }, recipe.OptionsOf(new SuiteRun(mouse, SuiteMethod.Random, 7)));
        FineTuneOptions epochs = (recipe with { Epochs = 2 }).OptionsOf(new SuiteRun(mouse, SuiteMethod.Full, 7));
        Assert.Equal((2, (int?)null, 30), (epochs.Epochs, epochs.Steps, epochs.MaxTokens));
        Assert.Equal(
            (5, (int?)null, 80),
            (recipe.OptionsOf(new SuiteRun(splice, SuiteMethod.Full, 7)) is var o ? (o.Epochs, o.Steps, o.MaxTokens) : default));
        Assert.Equal(9, (recipe with { Steps = 9 }).OptionsOf(new SuiteRun(splice, SuiteMethod.Full, 7)).Steps);
        Assert.Throws<ArgumentException>(() => recipe.OptionsOf(new SuiteRun(mouse, SuiteMethod.Kmer, 0)));
    }

    [Fact]
    public void Tasks_that_are_not_whole_are_not_taken_for_granted()
    {
        File.Delete(_folder["data/mouse/0/train.csv"]);
        Assert.Equal(["splice/reconstructed"], Suite.TasksIn(_folder["data"]).Select(task => task.Name));
    }

    [Fact]
    public void The_numbers_of_the_paper_are_those_of_its_tables()
    {
        string paper = SharedData.Path("paper");
        int checkedNumbers = 0;
        foreach ((string file, int table) in ((string, int)[])
            [("table6_gue_results.tsv", 6), ("table9_other_baselines.tsv", 9), ("table10_tokenizer_ablation.tsv", 10),
                ("table5_gue_plus.tsv", 6)])
        {
            string[][] rows = [.. File.ReadLines(Path.Combine(paper, file)).Where(l => !l.StartsWith('#')).Select(l => l.Split('\t'))];
            foreach (string[] row in rows[1..].Where(r => table != 6 || file.StartsWith("table6", StringComparison.Ordinal)
                || PaperResults.Models.Contains(r[0])))
                for (int c = 1; c < row.Length; c++)
                {
                    string model = row[0].Replace(" (further pre-trained on GUE)", ", further pre-trained on GUE")
                        .Replace("K-mer", "6-mers");
                    double? found = PaperResults.Find(table, model, TaskOf(rows[0][c]))?.Percent;
                    Assert.Equal(row[c] == "-" ? null : double.Parse(row[c]), found);
                    checkedNumbers++;
                }
        }

        Assert.Equal((16 * 28) + (3 * 8), checkedNumbers);

        static string TaskOf(string column) => column switch
        {
            "fungi" or "virus" => "GUE+/" + column,
            _ when column.StartsWith("EPI", StringComparison.Ordinal) =>
                "GUE+/EPI/" + new[] { "GM12878", "HeLa-S3", "HUVEC", "IMR90", "K562", "NHEK" }[column[3] - '0'],
            _ => column,
        };
    }

    [Fact]
    public void The_models_of_table_3_have_the_papers_sizes_and_the_work_of_its_formula()
    {
        byte[][] sequences = [new byte[500], new byte[500]];
        foreach (byte[] sequence in sequences) new Random(5).GetItems("ACGT"u8, sequence.Length).CopyTo(sequence, 0);
        BpeTokenizer tokenizer = BpeTokenizer.Load(Path.Combine(SharedData.BuiltInFolder, "tokenizer.json"));
        IReadOnlyList<ModelCost> costs = ModelCosts.Of(sequences, tokenizer);
        Assert.Equal(10, costs.Count);
        Assert.All(costs, cost => Assert.Equal(cost.PaperParameters, Math.Round(cost.Parameters / 1e6)));
        Assert.Equal([500.0, 499, 498, 497, 86, 86, 86, 86], costs.Take(8).Select(cost => cost.Tokens));
        double tokens = tokenizer.Encode(Encoding.ASCII.GetString(sequences[0])).Count;
        double[] expected =
        [
            Work(12, 768, 3072, 2, 500), Work(12, 768, 3072, 2, 499), Work(12, 768, 3072, 2, 498), Work(12, 768, 3072, 2, 497),
            Work(24, 1280, 5120, 2, 86), Work(24, 1280, 5120, 2, 86), Work(32, 2560, 10240, 2, 86), Work(32, 2560, 10240, 2, 86),
            Work(12, 768, 3072, 3, tokens), Work(12, 768, 3072, 3, tokens),
        ];
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], costs[i].Flops, expected[i] * 1e-12);
        string[] lines = Encoding.UTF8.GetString(ModelCosts.Tsv(costs)).Split('\n');
        Assert.Equal("model\tparameters\tpaper_parameters\ttokens\tgflops\trelative_flops\tpaper_relative_flops", lines[0]);
        Assert.Equal("1.00\t1.00", string.Join('\t', lines[9].Split('\t')[^2..]));

        static double Work(double layers, double hidden, double intermediate, int matrices, double t) =>
            2 * layers * ((t * ((4 * hidden * hidden) + (matrices * hidden * intermediate))) + (2 * t * t * hidden));
    }

    [Fact]
    public void A_table_of_the_paper_has_its_models_beside_the_results()
    {
        var results = new SuiteTable(Run(), Setup);
        foreach ((PaperTable table, string[] models, double first) in ((PaperTable, string[], double)[])
            [(PaperTable.Gue, ["DNABERT (3-mer)", "DNABERT-2"], 42.31), (PaperTable.OtherBaselines, ["HyenaDNA", "CNN"], 35.62),
                (PaperTable.Tokenizers, ["6-mers", "BPE"], 48.96), (PaperTable.Averages, ["DNABERT (3-mer)", "NT-2500M-multi"], 42.31)])
        {
            string[][] rows = [.. Encoding.UTF8.GetString(PaperTables.Tsv(table, results)).Trim().Split('\n')
                .Select(line => line.Split('\t'))];
            Assert.All(models, model => Assert.Contains("paper: " + model, rows[0]));
            Assert.All(rows, row => Assert.Equal(rows[0].Length, row.Length));
            string[] mouse = rows.Single(row => row[0] is "mouse/0" or "TF-M");
            int paper = Array.FindIndex(rows[0], name => name.StartsWith("paper: ", StringComparison.Ordinal));
            Assert.Equal(first, double.Parse(mouse[paper]));
            SuiteCell cell = results.Cells.First(c => c.Task.Name == "mouse/0");
            Metric metric = table == PaperTable.OtherBaselines ? Metric.MacroF1 : Metric.Mcc;
            int at = Array.IndexOf(rows[0], "metric");
            Assert.Equal(metric.Name(), mouse[at]);
            Assert.Equal(cell.Method.Name(), rows[0][at + 1]);
            Assert.Equal(cell.Mean(metric), double.Parse(mouse[at + 1]), 0.0051);
            Assert.Equal(cell.Deviation(metric), double.Parse(mouse[at + 2]), 0.0051);
            Assert.Equal(cell.Seeds, mouse[at + 3]);
        }

        // That of the long sequences has no other tasks.
        string plus = Encoding.UTF8.GetString(PaperTables.Tsv(PaperTable.GuePlus, results)).Trim();
        Assert.EndsWith("\tpaper: DNABERT (6-mer)\tpaper: NT-2500M-multi\tpaper: DNABERT-2", plus, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private IReadOnlyList<SuiteResult> Run(SuiteOptions? options = null) =>
        new Suite(_folder["data"], _folder["out"], Setup.Identify, Train).Run(options ?? Options, null, default);

    private SuiteOutcome Train(SuiteRun run, LabelledTask task, string folder, CancellationToken cancellation)
    {
        if (folder.Length > 0) _trained.Add(run.ToString());
        int classes = task.Names.Count;
        float[] logits = [.. Enumerable.Range(0, task.Test!.Count * classes).Select(i => (float)Math.Sin((i * 1.3) + run.Seed))];
        if (run.Method == SuiteMethod.Kmer) return new SuiteOutcome(logits, [], 0.5, 0, 0, "CPU");
        DevLoss[] losses = [new(200, 0.75), new(400, 0.5 + (0.1 * run.Seed))];
        return new SuiteOutcome(logits, losses[.._evaluations], 0.5, 1, 4, "a device");
    }

    private static (string Page, XElement Html) Draw(SuiteTable table)
    {
        string page = Encoding.UTF8.GetString(SuitePage.Draw(table));
        foreach (string word in new[] { "NaN", "\u221e", "Infinity" }) Assert.DoesNotContain(word, page, StringComparison.Ordinal);
        return (page,
            XElement.Parse(
                page[page.IndexOf("<html", StringComparison.Ordinal)..].Replace("<meta charset=\"utf-8\">", "", StringComparison.Ordinal)));
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

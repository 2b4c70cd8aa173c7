using Conformance.Cases;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.FineTuning;
using Dnabert2.FineTuning.Suites;
using Dnabert2.Folders;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.Tools;
using Tests.Weights;

namespace Tests.FineTuning;

public sealed class EvaluateToolTests : IDisposable
{
    private static readonly string Sample = Path.Combine(SharedData.Checkout, "tools", "dnabert2", "samples", "task");
    private readonly ToyModel _toy = new();
    private readonly TempFolder _folder = new();

    public EvaluateToolTests()
    {
        foreach (string task in new[] { "mouse/0", "tf/2" })
        {
            Directory.CreateDirectory(_folder["data/" + task]);
            foreach (string part in new[] { "train.csv", "dev.csv", "test.csv" })
                File.Copy(Path.Combine(Sample, part), _folder[$"data/{task}/{part}"]);
        }
    }

    [Fact]
    public void An_interrupted_evaluation_ends_with_the_numbers_of_one_that_was_not()
    {
        string whole = Evaluate("whole", "--tasks", "mouse/0", "--methods", "full,random").Succeeds().Text;
        Assert.Equal(3, whole.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        using var source = new CancellationTokenSource();
        using Backend backend = CpuBackend.Create(1);
        var options = new SuiteOptions
        {
            Tasks = [GueTasks.Find("mouse/0")!],
            Methods = [SuiteMethod.Full, SuiteMethod.Random],
            Seeds = [1, 2],
        };
        var recipe = new SuiteRecipe
        {
            Steps = 8,
            Common = new FineTuneOptions { Batch = 8, EvaluateEvery = 4, WarmupSteps = 2, LearningRate = 1e-2 },
            LoraLearningRate = 1e-2
        };
        int steps = 0;
        var stop = new Act<FineTuneProgress>(_ =>
        {
            if (++steps == 13) source.Cancel();
        });
        var evaluation = new SuiteEvaluation(ModelSource.Open(_toy.Folder), _folder["data"], _folder["stopped"], recipe, backend);
        Assert.Throws<OperationCanceledException>(() => evaluation.Run(options, null, stop, source.Token));
        Assert.True(File.Exists(_folder["stopped/runs/mouse_0/full/seed-1/result.json"]));
        Assert.True(Directory.Exists(_folder["stopped/runs/mouse_0/full/seed-2/model/checkpoints"]));
        evaluation.Run(options, null, new Act<FineTuneProgress>(_ => steps++));
        Assert.Equal(4 * 8, steps);
        Assert.Equal(whole, File.ReadAllText(_folder["stopped/table.tsv"]));
        foreach (string method in new[] { "full", "random" })
            Assert.Equal(
                File.ReadAllText(_folder[$"whole/runs/mouse_0/{method}/seed-2/predictions.tsv"]),
                File.ReadAllText(_folder[$"stopped/runs/mouse_0/{method}/seed-2/predictions.tsv"]));
    }

    [Fact]
    public void Predictions_are_those_of_the_fine_tuned_model_that_is_kept()
    {
        Evaluate("out", "--tasks", "mouse/0", "--methods", "lora", "--seeds", "3", "--keep-models").Succeeds();
        using ClassifierModel model = ClassifierModel.Load(_folder["out/runs/mouse_0/lora/seed-3/model"]);
        LabelledTask task = LabelledTask.Read(_folder["data/mouse/0"]);
        float[] logits = model.Logits(TokenSequences.Of(task.Test!, model.Model.Tokenizer, GueTasks.Find("mouse/0")!.MaxTokens));
        string[][] rows = [.. File.ReadLines(_folder["out/runs/mouse_0/lora/seed-3/predictions.tsv"]).Skip(1).Select(l => l.Split('\t'))];
        Assert.Equal(task.Test!.Select(row => task.Names[row.Target.Class]), rows.Select(row => row[0]));
        for (int i = 0; i < rows.Length; i++) Assert.InRange(float.Parse(rows[i][2]) - logits[(2 * i) + 1], -1e-5f, 1e-5f);
        FineTuneResult result = FineTuneResult.Of(_folder["out/runs/mouse_0/lora/seed-3/model"])!;
        Assert.Contains($"\"mcc\": {result.Test["mcc"]:R}", File.ReadAllText(_folder["out/runs/mouse_0/lora/seed-3/result.json"]),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Models_are_removed_once_their_results_are_kept()
    {
        Evaluate("out", "--methods", "full,kmer", "--seeds", "1", "--steps", "4").Succeeds();
        Assert.Equal(
            ["identity.json", "predictions.tsv", "result.json"],
            Directory.EnumerateFiles(_folder["out/runs"], "*", SearchOption.AllDirectories).Select(path => Path.GetFileName(path)!)
            .Distinct().Order());
        Assert.Equal(["dnabert2-run.json", "report.html", "table.md", "table.tsv"],
            Directory.EnumerateFiles(_folder["out"]).Select(path => Path.GetFileName(path)!).Order());
        ToolRun again = Evaluate("out", "--methods", "full,kmer", "--seeds", "1", "--steps", "4").Succeeds();
        Assert.Equal(4, again.Error.Split("finished before").Length - 1);
    }

    [Fact]
    public void What_goes_wrong_is_named()
    {
        Check(1, "nowhere: no such folder; the data of GUE", null, "--data", _folder["nowhere"]);
        Check(1, "holds no task with train, dev and test", null, "--data", _folder["data/mouse"]);
        Check(2, "--tasks mouse/9: 'mouse/9' is not valid; the tasks are EMP/H3, ", null, "--data", _folder["data"], "--tasks", "mouse/9");
        Check(2, "--methods full,full: 'full' is given twice", null, "--data", _folder["data"], "--methods", "full,full");
        Check(2, "--methods cnn: 'cnn' is not valid; expected full, lora, random or kmer", null, "--data", _folder["data"],
            "--methods", "cnn");
        Check(2, "--seeds -1: '-1' is not valid; expected whole numbers", null, "--data", _folder["data"], "--seeds", "-1");
        Check(1, "no such folder; a model is a folder", null, "--data", _folder["data"], "--model", _folder["no-model"]);
        Check(1, "mouse/4: no such folder; a task is", null, "--data", _folder["data"], "--tasks", "mouse/4");
        Check(2, "this is a file; name a folder", Path.Combine(Sample, "dev.csv"), "--data", _folder["data"]);
        Assert.False(Directory.Exists(_folder["out/runs"]));
        Directory.CreateDirectory(_folder["data/EMP/H3"]);
        File.Copy(Path.Combine(Sample, "dev.csv"), _folder["data/EMP/H3/dev.csv"]);
        ToolRun run = Evaluate("out", "--methods", "kmer").Succeeds();
        Assert.Contains("skipped, since train, dev or test is missing: EMP/H3", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--lr", "-1", "--lr is -1")]
    [InlineData("--batch", "0", "--batch is 0")]
    [InlineData("--epochs", "0", "--epochs is 0")]
    [InlineData("--dropout", "1", "--dropout is 1")]
    [InlineData("--device", "cuda:x", "--device cuda:x")]
    public void Options_are_checked_before_data_are_read(string option, string value, string expected)
    {
        // What would be found next, were the data read.
        File.WriteAllText(_folder["data/mouse/0/train.csv"], "no table");
        ToolRun run = Evaluate("out", "--tasks", "mouse/0", "--methods", "full", option, value);
        Assert.True(run.Code != 0 && run.Error.Contains(expected, StringComparison.Ordinal), run.Error);
        Assert.DoesNotContain("train.csv", run.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder["out"]));
    }

    [Fact]
    public void Another_model_under_the_same_name_is_another_model()
    {
        string[] short_ = ["--tasks", "mouse/0", "--seeds", "1", "--steps", "2", "--methods", "full,kmer"];
        string before = Evaluate("out", short_).Succeeds().Text;
        string weights = Path.Combine(_toy.Folder, "model.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        // The sign of the last value.
        bytes[^1] ^= 0x80;
        File.WriteAllBytes(weights, bytes);
        ToolRun again = Evaluate("out", short_).Succeeds();
        Assert.Contains(
            "mouse/0 full seed 1 runs again: the weights of the model changed since; what was there is kept in "
            + "runs/mouse_0/full/seed-1.former-", again.Error.Replace('\\', '/'), StringComparison.Ordinal);
        Assert.Contains("mouse/0 kmer: MCC", again.Error, StringComparison.Ordinal);
        Assert.Equal(1, again.Error.Split("finished before").Length - 1);
        Assert.NotEqual(before, again.Text);
    }

    [Fact]
    public void Tables_that_were_not_made_by_an_evaluation_are_left_alone()
    {
        Directory.CreateDirectory(_folder["out"]);
        File.WriteAllText(_folder["out/table.tsv"], "mine");
        ToolRun run = Evaluate("out", "--tasks", "mouse/0", "--methods", "kmer");
        Assert.True(run.Code == 2
            && run.Error.Contains("holds table.tsv, which no evaluation has made there", StringComparison.Ordinal), run.Error);
        Assert.Equal("mine", File.ReadAllText(_folder["out/table.tsv"]));
        Assert.False(Directory.Exists(_folder["out/runs"]));
    }

    [Theory]
    [InlineData("evaluate")]
    [InlineData("finetune")]
    [InlineData("pretrain")]
    public void A_folder_in_which_another_process_runs_is_refused_before_a_device_is_asked_for(string verb)
    {
        RunKind kind = verb switch { "evaluate" => SuiteEvaluation.Kind, "finetune" => FineTuner.Kind, _ => Pretrainer.Kind };
        using RunFolder other = RunFolder.Claim(_folder["out"], kind);
        string data = verb == "evaluate" ? _folder["data"] : Sample;
        string[] what = verb == "pretrain" ? [ToyModel.SamplePath, "--warmup", "0"] : ["--data", data];
        ToolRun run = ToolRun.Of([verb, .. what, "-o", _folder["out"], "--device", "cuda:99"]);
        Assert.True(run.Code == 1 && run.Error.Contains("another process works in this folder", StringComparison.Ordinal), run.Error);
    }

    [Fact]
    public void Rows_without_a_sequence_are_left_out_and_said_or_an_error_before_anything_is_trained()
    {
        File.AppendAllText(_folder["data/mouse/0/dev.csv"], ",tata\n");
        string[] args = ["--tasks", "mouse/0", "--methods", "kmer"];
        ToolRun refused = Evaluate("out", [.. args, "--on-empty", "error"]);
        Assert.True(refused.Code == 1 && refused.Error.Contains("dev.csv: record ", StringComparison.Ordinal), refused.Error);
        Assert.False(Directory.Exists(_folder["out"]));
        Evaluate("out", [.. args, "--on-empty", "skip"]).Succeeds();
        Assert.Contains("left out for having no sequence", File.ReadAllText(_folder["out/report.html"]), StringComparison.Ordinal);
        Assert.Contains("finished before", Evaluate("out", args).Succeeds().Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_of_the_paper_is_printed_and_written_and_the_third_counts_without_a_model()
    {
        string table = Evaluate("nine", "--table", "9", "--tasks", "mouse/0", "--methods", "kmer").Succeeds().Text;
        string[][] rows = [.. table.Trim().Split('\n').Select(line => line.Split('\t'))];
        Assert.Equal(
            ["task", "metric", "kmer", "sd", "seeds", "paper: HyenaDNA", "paper: CNN", "paper: DNABERT-2 w/o PT", "paper: DNABERT-2"],
            rows[0]);
        Assert.Equal(("mouse/0", "f1_macro", "31.14"), (rows[1][0], rows[1][1], rows[1][6]));
        Assert.Equal(table, File.ReadAllText(_folder["nine/paper-table.tsv"]));

        Refused(2, "--output: name the folder of the results");
        Refused(1, "holds no test sequences of 500 bases", "--table", "3");
        Directory.CreateDirectory(_folder["data/EMP/H3"]);
        string sequence = string.Concat(Enumerable.Repeat("ACGGT", 100));
        File.WriteAllText(_folder["data/EMP/H3/test.csv"], $"sequence,label\n{sequence},0\n{sequence}A,1\n");
        string[] costs = ToolRun.Of("evaluate", "--table", "3", "--data", _folder["data"]).Succeeds().Lines;
        Assert.Equal(11, costs.Length);
        Assert.StartsWith("DNABERT (6-mer)\t89190912\t89M\t497.0\t", costs[4], StringComparison.Ordinal);

        void Refused(int code, string expected, params string[] more)
        {
            ToolRun run = ToolRun.Of(["evaluate", "--data", _folder["data"], .. more]);
            Assert.True(run.Code == code && run.Error.Contains(expected, StringComparison.Ordinal), $"{run.Code}: {run.Error}");
        }
    }

    public void Dispose()
    {
        _folder.Dispose();
        _toy.Dispose();
    }

    private ToolRun Evaluate(string output, params string[] more)
    {
        string[] recipe = ["--batch", "8", "--evaluate-every", "4", "--warmup", "2", "--lr", "1e-2", "--lora-lr", "1e-2"];
        List<string> args = ["evaluate", "--data", _folder["data"], "--model", _toy.Folder, "-o", _folder[output], .. more];
        Default("--methods", "full,lora,random");
        Default("--seeds", "1,2");
        Default("--steps", "8");
        Default("--threads", "1");
        for (int i = 0; i < recipe.Length; i += 2) Default(recipe[i], recipe[i + 1]);
        return ToolRun.Of([.. args]);

        void Default(string option, string value)
        {
            if (!more.Contains(option)) args.AddRange([option, value]);
        }
    }

    private void Check(int code, string expected, string? output, params string[] args)
    {
        ToolRun run = ToolRun.Of(["evaluate", "-o", output ?? _folder["out"], .. args]);
        Assert.True(run.Code == code && run.Error.Contains(expected, StringComparison.Ordinal), $"{run.Code}: {run.Error}");
    }

    private sealed class Act<T>(Action<T> act) : IProgress<T>
    {
        public void Report(T value) => act(value);
    }
}

using System.Diagnostics;
using System.Globalization;
using Dnabert2.Data;
using Dnabert2.FineTuning;
using Tests.Tools;

namespace Tests.FineTuning;

[Trait("Category", "Slow")]
public sealed class FinetuneToolTests(ToyModel toy) : IClassFixture<ToyModel>, IDisposable
{
    private static readonly string Sample = Path.Combine(Path.GetDirectoryName(ToyModel.SamplePath)!, "task");
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("finetune-tool-");

    private string this[string name] => Path.Combine(_folder.FullName, name);

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Several_seeds_give_a_table_with_mean_and_deviation()
    {
        ToolRun run = Finetune("run", "--seeds 1,2,3 --steps 6").Succeeds();
        string[][] rows = [.. run.Lines.Select(l => l.Split('\t'))];
        Assert.Equal(
            ["seed", "steps", "best_step", "dev_loss", "test_loss", "test_accuracy", "test_f1_macro", "test_f1_micro", "test_mcc",
                "test_auroc", "test_auprc"], rows[0]);
        Assert.Equal(["1", "2", "3", "mean", "sd"], rows.Skip(1).Select(r => r[0]));
        double[] losses = [.. rows[1..4].Select(r => double.Parse(r[4], CultureInfo.InvariantCulture))];
        double mean = losses.Average(), sd = Math.Sqrt(losses.Sum(l => (l - mean) * (l - mean)) / 2);
        Assert.Equal(mean, double.Parse(rows[4][4], CultureInfo.InvariantCulture), 1e-4);
        Assert.Equal(sd, double.Parse(rows[5][4], CultureInfo.InvariantCulture), 1e-4);
        Assert.Contains("newly initialised weights: pooler, classifier", run.Error, StringComparison.Ordinal);
        foreach (ulong seed in (ulong[])[1, 2, 3]) ClassifierModel.Load(this[$"run/seed-{seed}"]).Dispose();

        Assert.Equal(2, Finetune("run", "--seeds 9,2 --steps 6").Code);
        Assert.False(Directory.Exists(this["run/seed-9"]));
        ToolRun again = Finetune("run", "--seeds 1,2,3 --steps 6 --resume").Succeeds();
        Assert.Equal(run.Text, again.Text);
        Assert.Contains("finished before", again.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--lr -1", "--lr is -1")]
    [InlineData("--batch 0", "--batch is 0")]
    [InlineData("--max-tokens 3", "--max-tokens is 3")]
    [InlineData("--lora targets=none.of.it", "none.of.it")]
    [InlineData("--device cuda:x", "--device cuda:x")]
    [InlineData("--seeds 1,x", "--seeds 1,x")]
    [InlineData("--model nowhere", "nowhere: no such folder")]
    public void Options_are_checked_before_data_are_read(string options, string expected)
    {
        Directory.CreateDirectory(this["data"]);
        File.WriteAllText(this["data/train.csv"], "no table");
        ToolRun run = ToolRun.Of(
            ["finetune", "--data", this["data"], "-o", this["run"], .. options.Contains("--model") ? [] : new[] { "--model", toy.Folder },
                .. options.Split(' ')]);
        Assert.NotEqual(0, run.Code);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("train.csv", run.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(this["run"]));
    }

    [Fact]
    public void Further_pretraining_is_not_taken_from_another_model_of_the_same_name()
    {
        string model = this["model"];
        ToyModel.Write(model);
        string[] args = ["--model", model, "--further-steps", "2", "--steps", "2", "--method", "head", "--resume"];
        ToolRun.Of(["finetune", "--data", Sample, "-o", this["run"], "--batch", "8", .. args]).Succeeds();
        string weights = Path.Combine(model, "model.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        bytes[^1] ^= 0x80;
        File.WriteAllBytes(weights, bytes);
        ToolRun other = ToolRun.Of(["finetune", "--data", Sample, "-o", this["run"], "--batch", "8", .. args]);
        Assert.True(other.Code == 1 && other.Error.Contains("the run was begun with other weights than those of", StringComparison.Ordinal),
            other.Error);
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("config.json")]
    public void A_run_is_not_resumed_from_another_model_of_the_same_name(string file)
    {
        string model = this["model"];
        ToyModel.Write(model);
        string[] args = ["finetune", "--data", Sample, "-o", this["run"], "--batch", "8", "--model", model, "--steps", "2", "--resume"];
        ToolRun.Of(args).Succeeds();
        string path = Path.Combine(model, file);
        byte[] bytes = File.ReadAllBytes(path);
        if (file == "config.json")
            File.WriteAllText(
                path, File.ReadAllText(path).Replace("\"layer_norm_eps\": 1E-12", "\"layer_norm_eps\": 1E-05", StringComparison.Ordinal));
        else File.WriteAllBytes(path, [.. bytes[..^1], (byte)(bytes[^1] ^ 0x80)]);
        Assert.NotEqual(bytes, File.ReadAllBytes(path));
        ToolRun other = ToolRun.Of(args);
        Assert.True(other.Code == 1 && other.Error.Contains("on other data or another model", StringComparison.Ordinal), other.Error);
    }

    [Fact]
    public async Task Killed_at_any_moment_a_run_goes_on_to_the_same_bits()
    {
        const string options = "--steps 300 --evaluate-every 10";
        Finetune("whole", options).Succeeds();
        var random = new Random(4);
        int kills = 0, code;
        do
        {
            using Process process = ToolRun.Start(Arguments("killed", options + " --resume"));
            process.StandardInput.Close();
            Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
            if (kills < 5)
            {
                // The run has got on, and is then killed at whatever it does.
                string? before = Last();
                while (!process.HasExited && Last() == before) Thread.Sleep(1);
                Thread.Sleep(random.Next(0, 30));
                if (!process.HasExited) kills++;
                process.Kill();
            }

            ToolRun.Await(process);
            code = process.ExitCode;
            Assert.True(code is 0 or 137 or -1, await output + await error);
        }
        while (code != 0);

        Assert.True(kills >= 2, $"the run ended after {kills} kills: the test shows little");
        Assert.Equal(ToyTask.Files(this["whole"]).Keys, ToyTask.Files(this["killed"]).Keys);
        foreach (string file in (string[])["model.safetensors", "evaluation.csv"])
            Assert.Equal(File.ReadAllBytes(this["whole/" + file]), File.ReadAllBytes(this["killed/" + file]));

        string? Last() =>
            Directory.Exists(this["killed/checkpoints"]) ? Directory.GetDirectories(this["killed/checkpoints"], "step-*").Max() : null;
    }

    [Fact]
    public async Task An_interruption_ends_with_a_checkpoint_and_130()
    {
        using var cancelled = new CancellationTokenSource();
        ToolRun.Of("", Arguments("at-once", "--steps 3")).Succeeds();
        var input = new MemoryStream();
        Task<ToolRun> first = Task.Run(() => ToolRun.Of(input, Arguments("run", "--steps 400"), cancelled.Token));
        while (!File.Exists(this["run/train.csv"]) || new FileInfo(this["run/train.csv"]).Length < 200) Thread.Sleep(5);
        cancelled.Cancel();
        ToolRun interrupted = await first;
        Assert.Equal(130, interrupted.Code);
        Assert.Contains("checkpoint: ", interrupted.Error, StringComparison.Ordinal);
        Assert.Equal(2, Finetune("run", "--steps 400").Code);
        Assert.Equal(1, Finetune("run", "--steps 300 --resume").Code);
        Assert.Contains("going on after step", Finetune("run", "--steps 400 --resume").Succeeds().Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Further_pre_training_comes_first_and_its_model_is_the_base_of_an_adapter()
    {
        ToolRun run = Finetune("run", "--further-steps 2 --lora r=2 --steps 2").Succeeds();
        Assert.Contains("newly initialised weights: pooler, classifier", run.Error, StringComparison.Ordinal);
        Assert.Contains(
            "further-pretraining/checkpoints/step-00000002", File.ReadAllText(this["run/adapter_config.json"]), StringComparison.Ordinal);
        ClassifierModel.Load(this["run"]).Dispose();
        Assert.Equal(run.Text, Finetune("run", "--further-steps 2 --lora r=2 --steps 2 --resume").Succeeds().Text);
    }

    [Fact]
    public void Further_pre_training_reads_the_columns_that_fine_tuning_does()
    {
        Directory.CreateDirectory(this["data"]);
        foreach (string part in (string[])["train", "dev", "test"])
        {
            string table = File.ReadAllText(Path.Combine(Sample, part + ".csv"));
            File.WriteAllText(this[$"data/{part}.csv"], table.Replace("sequence,", "dna,", StringComparison.Ordinal));
        }

        string[] args = ["--model", toy.Folder, "--further-steps", "2", "--steps", "2", "--method", "head", "--batch", "8"];
        ToolRun.Of(["finetune", "--data", this["data"], "-o", this["run"], "--sequence-column", "dna", .. args]).Succeeds();
        ToolRun.Of(["finetune", "--data", Sample, "-o", this["plain"], .. args]).Succeeds();
        foreach (string file in (string[])["model.safetensors", "further-pretraining/checkpoints/step-00000002/model.safetensors"])
            Assert.Equal(File.ReadAllBytes(this["plain/" + file]), File.ReadAllBytes(this["run/" + file]));
    }

    [Fact]
    public void Duplicates_and_truncation_are_said()
    {
        Directory.CreateDirectory(this["data"]);
        foreach (string part in (string[])["train", "dev", "test"])
            File.Copy(Path.Combine(Sample, part + ".csv"), this[$"data/{part}.csv"]);
        File.AppendAllLines(
            this["data/train.csv"], [File.ReadLines(this["data/train.csv"]).Last(), File.ReadLines(this["data/test.csv"]).Last()]);
        ToolRun run = ToolRun.Of("finetune", "--data", this["data"], "--model", toy.Folder, "-o", this["run"], "--steps", "1",
            "--max-tokens", "10", "--threads", "1").Succeeds();
        Assert.Contains("repeat an earlier row", run.Error, StringComparison.Ordinal);
        Assert.Contains("test rows that are in train: 1 of 16", run.Error, StringComparison.Ordinal);
        Assert.Contains("train: 50 of 50 rows are longer than 10 tokens and were truncated", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--method none", 2, "--method none")]
    [InlineData("--lora r=0", 2, "r")]
    [InlineData("--lora r=4 --method head", 2, "--method head")]
    [InlineData("--lora targets=query", 1, "'query'")]
    [InlineData("--seeds 1,1", 2, "--seeds")]
    [InlineData("--init zero", 2, "--init zero")]
    [InlineData("--task mouse/9", 2, "mouse/9")]
    [InlineData("--task mouse/1", 1, "mouse/1")]
    [InlineData("--lr -1", 1, "--lr is -1")]
    [InlineData("--model nowhere", 1, "nowhere")]
    [InlineData("--data nowhere", 1, "nowhere")]
    [InlineData("--further-steps -1", 2, "--further-steps")]
    [InlineData("--kind regression", 1, "train.csv")]
    [InlineData("--class-weights none", 2, "--class-weights")]
    [InlineData("--device cuda", 1, "cuda")]
    public void What_makes_no_sense_is_refused_by_name(string options, int code, string what)
    {
        ToolRun run = Finetune("run", options);
        Assert.True(run.Code == code, run.Error);
        Assert.Contains(what, run.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(this["run"]));
    }

    private ToolRun Finetune(string run, string options) => ToolRun.Of(Arguments(run, options));

    private string[] Arguments(string run, string options)
    {
        string[] given = options.Split(' '), names = [.. given.Where(o => o.StartsWith("--", StringComparison.Ordinal))];
        string[][] defaults = [
            ["--data", Sample], ["--model", toy.Folder], ["--batch", "4"], ["--warmup", "2"], ["--lr", "1e-3"], ["--threads", "1"]];
        return ["finetune", "-o", this[run], .. given, .. defaults.Where(d => !names.Contains(d[0])).SelectMany(d => d)];
    }
}

using Dnabert2.Files;
using Tests.Tools;
using Tests.Training;

namespace Tests.Collectives;

/// <summary>The verbs under real launchers.</summary>
public sealed class MpiTrainingTests : IDisposable
{
    private const string Recipe = "--hidden 24 --layers 2 --heads 3 --intermediate 20 --threads 1 --device cpu --min-bases 20 "
        + "--max-bases 120 --max-tokens 40 --held-out 0.2 --batch 16 --micro-batch-tokens 80 --lr 2e-3 --warmup 1 --evaluate-every 4 "
        + "--evaluation-windows 8 --checkpoint-every 4 --steps 6";
    private readonly Toy _toy = new();

    public MpiTrainingTests() => ResultFiles.Write(_toy["tokenizer.json"], Toy.Tokenizer.Save);

    public static TheoryData<string> Launchers => MpiProcess.Launchers;

    public void Dispose() => _toy.Dispose();

    [Theory]
    [MemberData(nameof(Launchers))]
    public void Two_ranks_train_to_the_bits_of_one_process_and_speak_once(string launcher)
    {
        MpiProcess.SkipWithout(launcher);
        ToolRun alone = ToolRun.Of([.. Pretrain("alone"), "--shards", "8"]).Succeeds();
        ToolRun two = MpiProcess.Run(launcher, 2, Pretrain("two")).Succeeds();
        Same("alone/checkpoints/step-00000006/model.safetensors", "two/checkpoints/step-00000006/model.safetensors");
        Same("alone/checkpoints/step-00000006/optimizer.safetensors", "two/checkpoints/step-00000006/optimizer.safetensors");
        Same("alone/evaluation.csv", "two/evaluation.csv");
        Assert.Equal(alone.Text, two.Text);
        Assert.Single(two.Error.Split('\n'), line => line.Contains("2 ranks by ", StringComparison.Ordinal));
        Assert.Single(two.Error.Split('\n'), line => line.Contains("step 6, held out", StringComparison.Ordinal));
        Assert.Contains(launcher == "mpirun.mpich" ? "by MPICH 4" : "by Open MPI v4", two.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Launchers))]
    public void What_ranks_refuse_is_said_once_and_ends_all(string launcher)
    {
        MpiProcess.SkipWithout(launcher);
        ToolRun run = MpiProcess.Run(launcher, 3, [.. Pretrain("run"), "--shards", "2"]);
        Assert.Equal(1, run.Code);
        Assert.Single(
            run.Error.Split('\n'), line => line.Contains("error: --shards is 2: 3 ranks need as many; give more, or start fewer ranks"));
        Assert.Single(run.Error.Split('\n'), line => line.StartsWith("dnabert2: error", StringComparison.Ordinal));
    }

    [Theory]
    [Trait("Category", "Slow")]
    [MemberData(nameof(Launchers))]
    public void Fine_tuning_and_its_log_are_those_of_one_process(string launcher)
    {
        MpiProcess.SkipWithout(launcher);
        ToolRun.Of(Pretrain("model")).Succeeds();
        ToolRun alone = ToolRun.Of([.. Finetune("alone"), "--shards", "8"]).Succeeds();
        foreach (int size in (int[])[2, 3])
        {
            ToolRun run = MpiProcess.Run(launcher, size, Finetune($"tuned-{size}")).Succeeds();
            Assert.Equal(alone.Text, run.Text);
            Same("alone/model.safetensors", $"tuned-{size}/model.safetensors");
            Same("alone/evaluation.csv", $"tuned-{size}/evaluation.csv");
            Assert.False(Directory.Exists(_toy[$"tuned-{size}/checkpoints"]));
        }

        ToolRun refused = MpiProcess.Run(launcher, 2, [.. Finetune("cnn", model: "cnn")]);
        Assert.Equal(2, refused.Code);
        Assert.Single(refused.Error.Split('\n'), line => line.Contains("--model cnn: is trained by one process"));
    }

    [Theory]
    [Trait("Category", "Slow")]
    [MemberData(nameof(Launchers))]
    public void An_evaluation_divides_its_runs_and_gives_the_tables_of_one_process(string launcher)
    {
        MpiProcess.SkipWithout(launcher);
        ToolRun.Of(Pretrain("model")).Succeeds();
        Directory.CreateDirectory(_toy["GUE/mouse/0"]);
        foreach (string file in Directory.GetFiles(SampleTask)) File.Copy(file, _toy["GUE/mouse/0/" + Path.GetFileName(file)]);
        ToolRun alone = ToolRun.Of(Evaluate("alone")).Succeeds();
        ToolRun run = MpiProcess.Run(launcher, 2, Evaluate("divided")).Succeeds();
        Assert.Equal(alone.Text, run.Text);
        Assert.Equal(Toy.Files(_toy["alone"]).Keys, Toy.Files(_toy["divided"]).Keys);
        foreach (string file in (string[])["table.tsv", "runs/mouse_0/full/seed-1/predictions.tsv",
            "runs/mouse_0/full/seed-2/predictions.tsv"])
            Same("alone/" + file, "divided/" + file);
        // Rank 0 had two of the three runs, and tells of these.
        Assert.Equal((3, 2), (Told(alone), Told(run)));

        static int Told(ToolRun run) => run.Error.Split('\n').Count(line => line.Contains(" of 3, mouse/0") && line.Contains(": MCC "));
    }

    private static string SampleTask => Path.Combine(SharedData.Checkout, "tools", "dnabert2", "samples", "task");

    private string[] Finetune(string run, string? model = null) =>
    [
        "finetune", "--data", SampleTask, "--model", model ?? _toy["model"], "-o", _toy[run], "--steps", "4", "--batch", "8", "--warmup",
        "1", "--evaluate-every", "2", "--threads", "1", "--device", "cpu",
    ];

    private string[] Evaluate(string results) =>
    [
        "evaluate", "--data", _toy["GUE"], "--model", _toy["model"], "-o", _toy[results], "--methods", "full,kmer", "--seeds", "1,2",
        "--steps", "3", "--batch", "8", "--warmup", "1", "--threads", "1", "--device", "cpu",
    ];

    private string[] Pretrain(string run, string recipe = Recipe) =>
        ["pretrain", _toy["alpha.fa"], _toy["beta.fa"], "--tokenizer", _toy["tokenizer.json"], "-o", _toy[run], .. recipe.Split(' ')];

    private void Same(string expected, string actual) => Assert.Equal(File.ReadAllBytes(_toy[expected]), File.ReadAllBytes(_toy[actual]));
}

using Tests.Folders;
using Tests.Weights;

namespace Tests.Tools;

/// <summary>The verbs that train and use classifiers take a model of every architecture.</summary>
[Trait("Category", "Slow")]
public sealed class EveryArchitectureToolTests : IDisposable
{
    private static readonly string Sample = Path.Combine(Path.GetDirectoryName(ToyModel.SamplePath)!, "task");
    private readonly TempFolder _folder = new();

    public static TheoryData<string> Names => TinyModels.Names;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void Finetune_predict_merge_lora_convert_and_info_take_it(string name)
    {
        TinyModels.Write(name, _folder["start"]);
        ToolRun tuned = ToolRun.Of(
            "finetune", "--data", Sample, "--model", _folder["start"], "-o", _folder["run"], "--lora", "r=2", "--steps", "3",
            "--batch", "8", "--threads", "1").Succeeds();
        Assert.Contains("classifier", tuned.Error, StringComparison.Ordinal);
        string[] predictions = Predict("run");
        Assert.Equal(17, predictions.Length);
        ToolRun.Of("merge-lora", _folder["run"], "-o", _folder["merged"]).Succeeds();
        Assert.Equal(predictions, Predict("merged"));
        ToolRun.Of("convert", _folder["merged"], "-o", _folder["converted"]).Succeeds();
        Assert.Equal(predictions, Predict("converted"));
        ToolRun.Of("convert", _folder["run"], "-o", _folder["half"], "--dtype", "bf16").Succeeds();
        Assert.Equal(predictions.Length, Predict("half").Length);
        Assert.Matches("(?m)^missing +nothing", ToolRun.Of("info", _folder["run"]).Succeeds().Text);

        string[] Predict(string model) =>
            ToolRun.Of("predict", Path.Combine(Sample, "test.csv"), "--model", _folder[model], "--threads", "1").Succeeds().Lines;
    }

    [Fact]
    public void A_limit_beyond_the_positions_of_a_model_is_refused_by_the_name_of_the_option()
    {
        TinyModels.Write("the Nucleotide Transformer", _folder["start"]);
        ToolRun tuned = ToolRun.Of(
            "finetune", "--data", Sample, "--model", _folder["start"], "-o", _folder["run"], "--max-tokens", "25", "--threads", "1");
        Assert.NotEqual(0, tuned.Code);
        Assert.Contains("--max-tokens is 25: this model has positions for 24 tokens", tuned.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder["run"]));
    }

    [Fact]
    public void Evaluate_makes_the_network_of_Genomic_Benchmarks_anew_for_each_task()
    {
        // Longer rows, of which the network takes no short ones, and a base more in those of the second task.
        WriteTask("mouse/0", more: "ACGTACGTAC");
        WriteTask("tf/2", more: "ACGTACGTACG");
        string[] line = ["evaluate", "--data", _folder["data"], "--model", "cnn", "-o", _folder["out"], "--seeds", "1", "--steps", "2"];
        string[][] rows = [.. ToolRun.Of(line).Succeeds().Lines.Select(row => row.Split('\t'))];
        Assert.Equal(
            [("tf/2", "random", "cnn"), ("tf/2", "kmer", ""), ("mouse/0", "random", "cnn"), ("mouse/0", "kmer", "")],
            rows.Skip(1).Select(row => (row[0], row[1], row[Array.IndexOf(rows[0], "model")])));
        // The recipe of its authors, of which the steps alone are others.
        Assert.Equal(("64", "0.001"), (Of("batch"), Of("learning_rate")));
        Assert.Contains("2 steps in place of 10 epochs", Of("deviations"), StringComparison.Ordinal);
        Assert.DoesNotContain("max tokens", Of("deviations"), StringComparison.Ordinal);
        Assert.NotEqual(Config("mouse_0"), Config("tf_2"));
        Assert.Contains("finished before", ToolRun.Of(line).Succeeds().Error, StringComparison.Ordinal);

        ToolRun refused = ToolRun.Of([.. line, "--methods", "lora"]);
        Assert.True(refused.Code != 0 && refused.Error.Contains("there is no pre-trained network for lora"), refused.Error);
        WriteTask("GUE+/EPI/K562");
        ToolRun pairs = ToolRun.Of([.. line, "--tasks", "GUE+/EPI/K562"]);
        Assert.True(pairs.Code != 0 && pairs.Error.Contains("GUE+/EPI/K562 is of pairs"), pairs.Error);

        string Of(string column) => rows[1][Array.IndexOf(rows[0], column)];

        string Config(string task) => File.ReadAllText(_folder[$"out/runs/{task}/random/seed-1/network/config.json"]);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Evaluate_measures_it_by_all_methods(string name)
    {
        TinyModels.Write(name, _folder["start"]);
        WriteTask("mouse/0");
        string[] lines = ToolRun.Of(
            "evaluate", "--data", _folder["data"], "--model", _folder["start"], "-o", _folder["out"], "--methods", "full,lora,random",
            "--seeds", "1", "--steps", "2", "--batch", "8", "--threads", "1").Succeeds().Lines;
        Assert.Equal(4, lines.Length);
        Assert.Contains("parameters in place of the paper's of", File.ReadAllText(_folder["out/table.md"]), StringComparison.Ordinal);
    }

    private void WriteTask(string name, string more = "")
    {
        Directory.CreateDirectory(_folder["data/" + name]);
        foreach (string part in (string[])["train.csv", "dev.csv", "test.csv"])
            File.WriteAllText(
                _folder[$"data/{name}/{part}"],
                File.ReadAllText(Path.Combine(Sample, part)).Replace(",", more + ",", StringComparison.Ordinal)
                    .Replace("sequence" + more, "sequence", StringComparison.Ordinal));
    }
}

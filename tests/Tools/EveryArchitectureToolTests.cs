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
        Assert.Equal(2, tuned.Code);
        Assert.Contains("--max-tokens is 25: this model has positions for 24 tokens", tuned.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder["run"]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Evaluate_measures_it_by_all_methods(string name)
    {
        TinyModels.Write(name, _folder["start"]);
        Directory.CreateDirectory(_folder["data/mouse/0"]);
        foreach (string part in (string[])["train.csv", "dev.csv", "test.csv"])
            File.Copy(Path.Combine(Sample, part), _folder[$"data/mouse/0/{part}"]);
        string[] lines = ToolRun.Of(
            "evaluate", "--data", _folder["data"], "--model", _folder["start"], "-o", _folder["out"], "--methods", "full,lora,random",
            "--seeds", "1", "--steps", "2", "--batch", "8", "--threads", "1").Succeeds().Lines;
        Assert.Equal(4, lines.Length);
        Assert.Contains("parameters in place of the paper's of", File.ReadAllText(_folder["out/table.md"]), StringComparison.Ordinal);
    }
}

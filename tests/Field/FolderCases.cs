using System.Globalization;
using System.Text.Json;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary>Folders as people have them, from reports of the field.</summary>
public class FolderCases
{
    [Fact]
    public void Case_08_a_tokenizer_that_was_saved_with_truncation_and_padding() =>
        Assert.Equal(Predict("08-tokenizer-truncation-padding", "clean"), Predict("08-tokenizer-truncation-padding", "finetuned"));

    [Fact]
    public void Case_10_an_adapter_folder_as_PEFT_saves_it()
    {
        const string name = "10-peft-folder-as-saved";
        string[] expected = Predict(name, "expected");
        Near(expected, Predict(name, "adapter"));
        using var folder = new TempFolder();
        ToolRun.Of("merge-lora", Case(name, "adapter"), "-o", folder["merged"]).Succeeds();
        Near(expected, ToolRun.Of("predict", Case(name, "reads.fa"), "--model", folder["merged"]).Succeeds().Lines);
        ToolRun lost = ToolRun.Of("predict", Case(name, "reads.fa"), "--model", Case(name, "adapter_without_pooler"));
        Assert.Equal(1, lost.Code);
        Assert.Contains("the pooler is lost", lost.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Case_11_an_adapter_whose_start_was_taken_off_the_base()
    {
        foreach (string[] line in (string[][])[["predict", Case("11-peft-pissa", "reads.fa"), "--model", Case("11-peft-pissa", "adapter")],
            ["merge-lora", Case("11-peft-pissa", "adapter"), "-o", "nowhere"]])
        {
            ToolRun run = ToolRun.Of(line);
            Assert.Equal(1, run.Code);
            Assert.Contains("init_lora_weights is 'pissa'", run.Error, StringComparison.Ordinal);
            Assert.Contains("path_initial_model_for_weight_conversion", run.Error, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("13-peft-dense-target")]
    [InlineData("14-peft-adapter-bin")]
    public void Cases_13_and_14_an_addition_to_the_pooler_and_an_adapter_as_a_pickle(string name) =>
        Near(Predict(name, "expected"), Predict(name, "adapter"));

    [Fact]
    public void Case_15_names_with_a_wrapper_in_front()
    {
        const string name = "15-dataparallel-prefix";
        Assert.Equal(Predict(name, "plain"), Predict(name, "parallel"));
        Assert.Equal(Embed("plain"), Embed("parallel"));

        string Embed(string model) => ToolRun.Of("embed", Case(name, "reads.fa"), "--model", Case(name, model)).Succeeds().Text;
    }

    [Fact]
    public void Case_34_a_regression_in_half_precision() =>
        Assert.Equal(Predict("34-hf-regression-f16", "single"), Predict("34-hf-regression-f16", "half"));

    [Fact]
    public void Case_35_the_limit_of_training_in_the_tokenizer_config()
    {
        const string name = "35-hf-model-max-length";
        ToolRun run = ToolRun.Of("predict", Case(name, "reads.fa"), "--model", Case(name, "checkpoint")).Succeeds();
        Assert.Equal(ToolRun.Of("predict", Case(name, "reads.fa"), "--model", Case(name, "checkpoint"), "--max-tokens", "20")
            .Succeeds().Lines, run.Lines);
        Assert.Contains("cut at 20 tokens (model_max_length in ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Case_40_all_keys_of_the_base_config_come_along()
    {
        using var folder = new TempFolder();
        string start = Case("40-hf-auto-map-dropped", "base");
        ToolRun.Of("finetune", "--data", Case("40-hf-auto-map-dropped", "data"), "--model", start, "-o", folder["run"], "--steps", "2",
            "-q").Succeeds();
        using JsonDocument before = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(start, "config.json")));
        using JsonDocument after = JsonDocument.Parse(File.ReadAllBytes(folder["run/config.json"]));
        foreach (JsonProperty key in before.RootElement.EnumerateObject())
        {
            Assert.True(after.RootElement.TryGetProperty(key.Name, out JsonElement value), key.Name);
            if (key.Name == "architectures") Assert.Equal("BertForSequenceClassification", value[0].GetString());
            else Assert.True(JsonElement.DeepEquals(key.Value, value), $"{key.Name}: {value}");
        }
    }

    [Fact]
    public void Case_r_11_a_factor_beyond_all_bounds_is_named()
    {
        using var folder = new TempFolder();
        string data = Path.Combine(SharedData.Checkout, "tools/dnabert2/samples/task");
        SharedData.Path("cases/r-11-merge-writes-infinity");
        ToyModel.Write(folder["start"]);
        ToolRun.Of("finetune", "--data", data, "--model", folder["start"], "-o", folder["ad"], "--lora", "r=4", "--steps", "2", "--batch",
            "8", "-q").Succeeds();
        string config = folder["ad/adapter_config.json"];
        File.WriteAllText(
            config, File.ReadAllText(config).Replace("\"lora_alpha\": 16", "\"lora_alpha\": 1e300", StringComparison.Ordinal));
        foreach (string[] line in (string[][])[["merge-lora", folder["ad"], "-o", folder["merged"]],
            ["predict", ToyModel.SamplePath, "--model", folder["ad"], "-q"]])
        {
            ToolRun run = ToolRun.Of(line);
            Assert.Equal(1, run.Code);
            Assert.Contains("lora_alpha is 1e300, expected a number from 0 to 1000000000", run.Error, StringComparison.Ordinal);
        }

        Assert.False(Directory.Exists(folder["merged"]));
    }

    private static string Case(string name, string file) => SharedData.Path($"cases/{name}/{file}");

    private static string[] Predict(string name, string model) =>
        ToolRun.Of("predict", Case(name, "reads.fa"), "--model", Case(name, model)).Succeeds().Lines;

    private static void Near(string[] expected, string[] actual)
    {
        Assert.Equal(expected[0], actual[0]);
        Assert.Equal(expected.Length, actual.Length);
        for (int row = 1; row < expected.Length; row++)
        {
            string[] left = expected[row].Split('\t'), right = actual[row].Split('\t');
            Assert.Equal((left[0], left[1], left[^1]), (right[0], right[1], right[^1]));
            for (int column = 2; column < left.Length - 1; column++)
                Assert.Equal(double.Parse(
                    left[column], CultureInfo.InvariantCulture), double.Parse(right[column], CultureInfo.InvariantCulture), 1e-6);
        }
    }
}

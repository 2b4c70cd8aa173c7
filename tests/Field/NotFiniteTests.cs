using System.Runtime.InteropServices;
using System.Text.Json;
using Dnabert2.FineTuning;
using Dnabert2.Tool;
using Tests.FineTuning;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary>Models whose weights are finite, each of them, and whose outputs are not.</summary>
public class NotFiniteTests
{
    private const string Records = ">first\nACGTTGCATTAC\n>second\nGATTACAGATTACA\n";

    public static TheoryData<string, string, string> Commands => new()
    {
        { "embed", "x.npy", "record 1 'first'" },
        { "embed", "x.safetensors", "record 1 'first'" },
        { "embed", "x.csv", "record 1 'first'" },
        { "embed --pooling none", "x.npy", "record 1 'first'" },
        { "embed --pooling max --rc-average", "x.tsv", "record 1 'first'" },
        { "predict", "x.tsv", "record 1 'first'" },
        { "predict --rc-average", "x.csv", "record 1 'first'" },
        { "attribute", "x.tsv", "record 1 'first': the model gives NaN for the effect at base 1" },
        { "attribute --target likelihood", "x.tsv", "record 1 'first': the model gives NaN for the effect at base 1" },
        { "variants", "x.tsv", "line 2: first:3" },
    };

    [Theory]
    [MemberData(nameof(Commands))]
    public void What_is_no_number_is_an_error_that_names_the_record_and_leaves_no_file(string command, string output, string place)
    {
        using var folder = new TempFolder();
        string[] words = command.Split(' ');
        if (words[0] == "predict" || command == "attribute") ToyClassifier.Write(folder["model"], TaskKind.SingleLabel, 20, "0", "1");
        else ToyModel.Write(folder["model"]);
        MakeHuge(folder["model/model.safetensors"]);
        folder.Write("g.fa", System.Text.Encoding.ASCII.GetBytes(Records));
        folder.Write("v.tsv", "chrom\tpos\tref\talt\nfirst\t3\tG\tC\n"u8);
        string[] input = words[0] == "variants" ? [folder["v.tsv"], "-g", folder["g.fa"]] : [folder["g.fa"]];
        string[] names = folder.Names;
        ToolRun run = ToolRun.Of([words[0], .. input, .. words[1..], "--model", folder["model"], "--device", "cpu", "-o", folder[output]]);
        Assert.Equal(CommandLineTool.Failed, run.Code);
        Assert.Contains(place, run.Error, StringComparison.Ordinal);
        Assert.Contains("compute in float32", run.Error, StringComparison.Ordinal);
        Assert.Equal(names, folder.Names);
    }

    [Fact]
    public void A_number_that_is_too_large_for_the_type_that_is_asked_for_is_an_error_that_names_the_tensor()
    {
        using var folder = new TempFolder();
        ToyModel.Write(folder["model"], spoil: (parameter, values) =>
        {
            // Half a unit in the last place above the largest bfloat16, and so infinite when rounded.
            if (parameter.Name == "bert.encoder.layer.1.mlp.wo.bias") values[5] = float.MaxValue;
        });
        string[] convert = ["convert", folder["model"], "-o", folder["x.safetensors"]];
        ToolRun run = ToolRun.Of([.. convert, "--dtype", "bf16"]);
        Assert.Equal(CommandLineTool.Failed, run.Code);
        Assert.Contains("bert.encoder.layer.1.mlp.wo.bias", run.Error, StringComparison.Ordinal);
        Assert.Empty(folder.Names);
        ToolRun.Of(convert).Succeeds();
    }

    /// <summary>Makes the weights of the last layer's output as large as float32 holds.</summary>
    private static void MakeHuge(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int header = (int)BitConverter.ToInt64(file);
        using JsonDocument json = JsonDocument.Parse(file.AsMemory(8, header));
        JsonElement entry = json.RootElement.EnumerateObject().Last(e => e.Name.EndsWith("mlp.wo.weight", StringComparison.Ordinal)).Value;
        int[] ends = [.. entry.GetProperty("data_offsets").EnumerateArray().Select(e => e.GetInt32())];
        MemoryMarshal.Cast<byte, float>(file.AsSpan(8 + header)[ends[0]..ends[1]]).Fill(3e38f);
        File.WriteAllBytes(path, file);
    }
}

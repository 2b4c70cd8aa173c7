using System.Text.RegularExpressions;
using Dnabert2.Weights;
using Engine.Kernels;
using Tests.Weights;

namespace Tests.Tools;

public class ConvertAndInfoTests(ToyModel toy) : IClassFixture<ToyModel>
{
    [Fact]
    public void A_checkpoint_keeps_every_tensor_in_its_type()
    {
        string source = SharedData.Path("golden/torch_bin/pytorch_model.bf16.bin");
        using var folder = new TempFolder();
        ToolRun.Of("convert", source, "-o", folder["x.safetensors"]).Succeeds();
        using WeightFile expected = WeightFile.Open(source), actual = WeightFile.Open(folder["x.safetensors"]);
        Assert.Equal(WeightFormat.Safetensors, actual.Format);
        Assert.Equal(expected.Entries.Where(e => e.TiedTo is null).Select(e => e.ToString()).Order(StringComparer.Ordinal),
            actual.Entries.Select(e => e.ToString()).Order(StringComparer.Ordinal));
        Assert.All(actual.Entries, e => Assert.Equal(expected.Bytes(e.Name), actual.Bytes(e.Name)));
    }

    [Theory]
    [InlineData("", "bf16")]
    [InlineData(".fp16", "bf16")]
    [InlineData(".fp16", "f32")]
    [InlineData(".bf16", "f32")]
    public void Numbers_are_rounded_to_the_type_that_is_asked_for(string type, string dtype)
    {
        string source = SharedData.Path($"golden/torch_bin/pytorch_model{type}.bin");
        using var folder = new TempFolder();
        ToolRun.Of("convert", source, "-o", folder["x.safetensors"], "--dtype", dtype).Succeeds();
        using WeightFile expected = WeightFile.Open(source), actual = WeightFile.Open(folder["x.safetensors"]);
        Assert.NotEmpty(actual.Entries);
        foreach (WeightEntry entry in actual.Entries)
        {
            Assert.Equal(dtype.ToUpperInvariant(), entry.TypeName);
            Assert.True(expected.TryGet(entry.Name, out WeightEntry? original));
            float[] values = new float[entry.Count], written = new float[entry.Count];
            expected.Read(original, values);
            actual.Read(entry, written);
            Assert.Equal(dtype == "f32" ? values : Array.ConvertAll(values, v => (float)(BFloat16)v), written);
        }
    }

    [Fact]
    public void A_folder_becomes_one_that_loads_to_the_same_vectors()
    {
        using var folder = new TempFolder();
        ToyModel.Write(folder["hub"], weights: "pytorch_model.bin");
        File.WriteAllText(folder["hub/pytorch_model.bin.index.json"], "{}");
        File.WriteAllText(folder["hub/bert_layers.py"], "# the code that auto_map names");
        ToolRun.Of("convert", folder["hub"], "-o", folder["new"]).Succeeds();
        Assert.Equal(["bert_layers.py", "config.json", "model.safetensors", "tokenizer.json"],
            Directory.GetFiles(folder["new"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(Embed(toy.Folder), Embed(folder["new"]));

        // In place, into a folder that is there, and a single file into a folder.
        ToolRun.Of("convert", folder["hub"], "-o", folder["hub"]).Succeeds();
        Assert.Equal(File.ReadAllBytes(folder["new/model.safetensors"]), File.ReadAllBytes(folder["hub/model.safetensors"]));
        ToolRun.Of("convert", folder["hub/pytorch_model.bin"], "-o", folder["only"]).Succeeds();
        Assert.Equal("model.safetensors", Path.GetFileName(Assert.Single(Directory.GetFiles(folder["only"]))));
        Assert.Equal(["hub", "new", "only"], Folders(folder));
    }

    [Fact]
    public void A_failed_or_interrupted_conversion_leaves_no_folder()
    {
        using var folder = new TempFolder();
        ToyModel.Write(folder["hub"]);
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Equal(130, ToolRun.Of("", ["convert", folder["hub"], "-o", folder["new"]], source.Token).Code);
        byte[] whole = File.ReadAllBytes(folder["hub/model.safetensors"]);
        File.WriteAllBytes(folder["hub/model.safetensors"], whole[..^1]);
        Assert.Equal(1, ToolRun.Of("convert", folder["hub"], "-o", folder["new"]).Code);
        Assert.Equal(["hub"], Folders(folder));
    }

    [Fact]
    public void Other_formats_and_the_input_itself_are_refused_as_output()
    {
        Assert.Equal(2, ToolRun.Of("convert", Weights, "-o", "x.bin").Code);
        Assert.Equal(2, ToolRun.Of("convert", Weights, "-o", toy.Folder).Code);
        Assert.Equal(2, ToolRun.Of("convert", Weights, "-o", Weights).Code);
    }

    [Fact]
    public void Info_describes_the_machine_and_a_whole_model()
    {
        string text = ToolRun.Of("info", toy.Folder).Succeeds().Text;
        Assert.Matches(@"(?m)^engine +dnabert2 \d+\.\d+", text);
        Assert.Matches(@"(?m)^processor +\S.*, \d+ cores?$", text);
        Assert.Matches(@"(?m)^backend +CPU, .+ threads?$", text);
        Assert.Matches(@"(?m)^memory +[\d.]+ [GM]iB$", text);
        Assert.Contains("vocabulary 256, hidden 24, 2 layers, 3 heads of 8, feed-forward 40", text, StringComparison.Ordinal);
        Assert.Contains("256 ids", text, StringComparison.Ordinal);
        Assert.Contains("[UNK] 0 [CLS] 1 [SEP] 2 [PAD] 3 [MASK] 4", text, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^weights +\d+ tensors \(\d+ F32\)$", text);
        Assert.Matches(@"(?m)^missing +nothing", text);

        Match counts = Regex.Match(text, @"(?m)^parameters +([\d,]+): embeddings ([\d,]+), layers ([\d,]+), language-model head ([\d,]+)$");
        long[] n = [.. counts.Groups.Cast<Group>().Skip(1).Select(g => long.Parse(g.Value.Replace(",", "", StringComparison.Ordinal)))];
        using WeightFile file = WeightFile.Open(Weights);
        Assert.Equal(file.Entries.Sum(e => e.Count), n[0]);
        Assert.Equal(n[0], n[1] + n[2] + n[3]);
        Assert.Equal((256 * 24) + (2 * 24) + 24 + 24, n[1]);
    }

    [Fact]
    public void Info_says_what_a_folder_lacks()
    {
        using var folder = new TempFolder();
        ToyModel.Write(folder["m"]);
        File.Delete(folder["m/model.safetensors"]);
        ToolRun run = ToolRun.Of("info", folder["m"]);
        Assert.Equal(1, run.Code);
        string text = run.Text;
        Assert.Contains("vocabulary 256", text, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^missing +model\.safetensors \(or pytorch_model\.bin\)$", text);
    }

    private string Weights => Path.Combine(toy.Folder, "model.safetensors");

    private static string[] Folders(TempFolder folder) =>
        [.. Directory.GetFileSystemEntries(folder["."]).Select(p => Path.GetFileName(p)!).Order(StringComparer.Ordinal)];

    private static string Embed(string model) => ToolRun.Of("embed", ToyModel.SamplePath, "--model", model).Succeeds().Text;
}

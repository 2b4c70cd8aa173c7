using System.Text.Json.Nodes;
using Parquet;
using Tests.Weights;

namespace Tests.Tools.Pieces;

public class ProvenanceTests(ToyModel toy) : IClassFixture<ToyModel>
{
    [Fact]
    public async Task The_record_says_what_a_result_follows_from_beside_it_or_in_it()
    {
        using var folder = new TempFolder();
        // Its XXH128 is that of 'xxhsum -H2'.
        string input = folder.Write("in.fa", ">a\nACGTTGCATTGACCA\n"u8);
        ToolRun.Of("embed", input, "--model", toy.Folder, "--device", "cpu", "--threads", "1", "--pooling", "max", "-o", folder["x.npy"])
            .Succeeds();
        Assert.Equal(["in.fa", "x.ids.tsv", "x.npy", "x.npy.provenance.json"], folder.Names);
        string text = File.ReadAllText(folder["x.npy.provenance.json"]);
        JsonNode record = JsonNode.Parse(text)!;
        Assert.Equal(["program", "version", "command", "options", "device", "model", "inputs"], record.AsObject().Select(p => p.Key));
        Assert.Equal(("dnabert2", "embed", "cpu"),
            ((string?)record["program"], (string?)record["command"], (string?)record["device"]));
        Assert.StartsWith("0.1.0", (string?)record["version"]);
        Assert.Equal(("max", "512", "split"), ((string?)record["options"]!["--pooling"], (string?)record["options"]!["--max-tokens"],
            (string?)record["options"]!["--on-n"]));
        Assert.DoesNotContain(record["options"]!.AsObject(), p => p.Key is "--threads" or "--model" or "--output" or "--rc-average");
        Assert.Equal("toy", (string?)record["model"]!["name"]);
        Assert.Equal(("in.fa", 19, "c31d2c29fd0540ebae76e74e6a6f2034"),
            ((string?)record["inputs"]![0]!["name"], (int)record["inputs"]![0]!["bytes"]!, (string?)record["inputs"]![0]!["xxh128"]));

        // Nothing in it tells how the work was done.
        string other = Directory.CreateDirectory(folder["elsewhere"]).FullName;
        File.Copy(input, Path.Combine(other, "in.fa"));
        ToolRun.Of("embed", Path.Combine(other, "in.fa"), "--model", toy.Folder, "--device", "cpu", "--threads", "2", "--pooling", "max",
            "--resume", "-o", Path.Combine(other, "y.parquet")).Succeeds();
        Assert.Equal(
            ["in.fa", "y.parquet"], Directory.GetFiles(other).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        await using ParquetReader reader = await ParquetReader.CreateAsync(
            Path.Combine(other, "y.parquet"), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(text, reader.CustomMetadata["dnabert2"]);
    }

    [Fact]
    public void A_model_is_known_by_its_files_wherever_they_lie()
    {
        using var folder = new TempFolder();
        string Hash(string model)
        {
            ToolRun.Of("embed", ToyModel.SamplePath, "--model", model, "-o", folder["x.tsv"]).Succeeds();
            return (string)JsonNode.Parse(File.ReadAllText(folder["x.tsv.provenance.json"]))!["model"]!["xxh128"]!;
        }

        string one = Hash(toy.Folder);
        ToyModel.Write(folder["same"]);
        Assert.Equal(one, Hash(folder["same"]));
        foreach (string name in (string[])["config.json", "tokenizer.json", "model.safetensors"])
        {
            byte[] bytes = File.ReadAllBytes(Path.Combine(folder["same"], name)), changed = [.. bytes];
            // A number of the weights, and a space more in a text.
            if (name == "model.safetensors") changed[^2] ^= 1;
            else changed = [.. bytes, (byte)' '];
            File.WriteAllBytes(Path.Combine(folder["same"], name), changed);
            Assert.NotEqual(one, Hash(folder["same"]));
            File.WriteAllBytes(Path.Combine(folder["same"], name), bytes);
        }

        Assert.Equal(one, Hash(folder["same"]));
    }

    [Fact]
    public void A_large_input_is_known_by_pieces_of_it()
    {
        using var folder = new TempFolder();
        byte[] bytes = [.. ">a\n"u8, .. Enumerable.Repeat((byte)'A', 5 << 20), (byte)'\n'];
        string Hash()
        {
            string input = folder.Write("in.fa", bytes);
            ToolRun.Of("tokenize", input, "--tokenizer", ToyModel.TokenizerPath, "-o", folder["x"]).Succeeds();
            return (string)JsonNode.Parse(File.ReadAllText(folder["x.provenance.json"]))!["inputs"]![1]!["xxh128"]!;
        }

        string one = Hash();
        Assert.Equal(one, Hash());
        foreach (int place in (int[])[3, 3 << 20, bytes.Length - 2])
        {
            bytes.AsSpan(Math.Max(3, place - (1 << 18)), 1 << 18).Replace((byte)'A', (byte)'C');
            string changed = Hash();
            Assert.NotEqual(one, changed);
            one = changed;
        }
    }

    [Fact]
    public void Standard_output_has_none_and_standard_input_is_named()
    {
        using var folder = new TempFolder();
        ToolRun.Of(">a\nACGT\n", ["embed", "-", "--model", toy.Folder]).Succeeds();
        ToolRun.Of(">a\nACGT\n", ["embed", "-", "--model", toy.Folder, "-o", folder["x.tsv"]]).Succeeds();
        Assert.Equal("""[{"name":"-"}]""",
            JsonNode.Parse(File.ReadAllText(folder["x.tsv.provenance.json"]))!["inputs"]!.ToJsonString());
        Assert.Equal(["x.tsv", "x.tsv.provenance.json"], folder.Names);
    }
}

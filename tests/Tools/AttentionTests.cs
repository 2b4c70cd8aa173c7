using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using System.Xml.Linq;
using Tests.Weights;

namespace Tests.Tools;

public sealed class AttentionTests(ToyModel toy) : IClassFixture<ToyModel>, IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Each_record_has_an_array_and_each_of_its_rows_a_place_and_the_same_run_gives_the_same_bytes()
    {
        File.WriteAllText(_folder["two.fa"], ">one\nACGTTGCATTGNACCAGG\n>two<&>\nttga\n");
        ToolRun.Of("attention", _folder["two.fa"], "--model", toy.Folder, "-o", _folder["a.npz"], "--picture", _folder["a.svg"], "-q")
            .Succeeds();
        ToolRun.Of("attention", _folder["two.fa"], "--model", toy.Folder, "-o", _folder["b.npz"], "-q").Succeeds();
        Assert.Equal(File.ReadAllBytes(_folder["a.npz"]), File.ReadAllBytes(_folder["b.npz"]));

        string[][] rows = [.. File.ReadAllLines(_folder["a.tokens.tsv"]).Select(line => line.Split('\t'))];
        Assert.Equal(["record", "id", "index", "token", "token_id", "start", "end"], rows[0]);
        using ZipArchive archive = ZipFile.OpenRead(_folder["a.npz"]);
        Assert.Equal(["1.npy", "2.npy"], archive.Entries.Select(entry => entry.FullName));
        foreach (int record in (int[])[1, 2])
        {
            string[][] own = [.. rows.Where(row => row[0] == $"{record}")];
            Assert.Equal([.. Enumerable.Range(0, own.Length).Select(i => $"{i}")], own.Select(row => row[2]));
            Assert.Equal(("[CLS]", "", ""), (own[0][3], own[0][5], own[0][6]));
            Assert.Equal(("[SEP]", "", ""), (own[^1][3], own[^1][5], own[^1][6]));
            (string shape, float[] values) = Array(archive.Entries[record - 1]);
            Assert.Equal($"2, 3, {own.Length}, {own.Length}", shape);
            for (int row = 0; row < values.Length; row += own.Length)
                Assert.Equal(1, values.AsSpan(row, own.Length).ToArray().Sum(), 1e-5f);
        }

        // Places join up, and the unknown base is in one of them.
        Assert.Equal("0", rows[2][5]);
        Assert.Contains(rows, row => row[3] == "[UNK]" && row[5] == "11" && row[6] == "12");
        XDocument picture = XDocument.Load(_folder["a.svg"]);
        Assert.Equal(2 * 2 * 3, picture.Descendants().Count(e => e.Attribute("class")?.Value == "map"));
        Assert.Contains("two<&>", picture.Root!.Value, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a.npy", null, "name a file that ends in .npz")]
    [InlineData("a.npz", "a.png", "name a file that ends in .svg")]
    public void A_name_of_another_format_is_refused_before_any_work(string output, string? picture, string expected)
    {
        string[] drawn = picture is null ? [] : ["--picture", _folder[picture]];
        ToolRun run = ToolRun.Of(["attention", ToyModel.SamplePath, "--model", toy.Folder, "-o", _folder[output], .. drawn]);
        Assert.Equal(2, run.Code);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Empty(_folder.Names);
    }

    [Fact]
    public void A_record_of_too_many_tokens_is_named_and_nothing_is_written()
    {
        ToolRun run = ToolRun.Of("attention", ToyModel.SamplePath, "--model", toy.Folder, "-o", _folder["a.npz"], "--max-tokens", "30");
        Assert.NotEqual(0, run.Code);
        Assert.Contains("more than the 30 allowed", run.Error, StringComparison.Ordinal);
        Assert.Empty(_folder.Names);
    }

    [Fact]
    public void A_layer_that_the_model_does_not_have_is_refused_and_the_embedding_layer_is_one()
    {
        ToolRun run = ToolRun.Of("embed", ToyModel.SamplePath, "--model", toy.Folder, "--layer", "3");
        Assert.Equal(2, run.Code);
        Assert.Contains("--layer 3: this model has 0, its embeddings, to 2", run.Error, StringComparison.Ordinal);
        string last = ToolRun.Of("embed", ToyModel.SamplePath, "--model", toy.Folder, "-q").Succeeds().Text;
        Assert.Equal(last, ToolRun.Of("embed", ToyModel.SamplePath, "--model", toy.Folder, "-q", "--layer", "2").Succeeds().Text);
        Assert.NotEqual(last, ToolRun.Of("embed", ToyModel.SamplePath, "--model", toy.Folder, "-q", "--layer", "0").Succeeds().Text);
    }

    private static (string Shape, float[] Values) Array(ZipArchiveEntry entry)
    {
        using var bytes = new MemoryStream();
        using (Stream stream = entry.Open()) stream.CopyTo(bytes);
        string header = Encoding.ASCII.GetString(bytes.GetBuffer(), 10, 118);
        return (header.Split("'shape': (")[1].Split(')')[0], MemoryMarshal.Cast<byte, float>(bytes.ToArray().AsSpan(128)).ToArray());
    }
}

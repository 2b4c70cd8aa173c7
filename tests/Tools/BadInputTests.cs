using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using Dnabert2.Tool;
using Tests.Weights;

namespace Tests.Tools;

public class BadInputTests(ToyModel toy) : IClassFixture<ToyModel>
{
    public static TheoryData<string, byte[], string> Inputs => new()
    {
        { "empty.fa", [], "empty.fa: the file is empty. Give a file with sequences" },
        { "blank.fa", "\n\n"u8.ToArray(), "blank.fa: the file has only blank lines" },
        { "none.fa", "; only a comment\n"u8.ToArray(), "none.fa: there are no sequences in it" },
        { "header.fa", ">a\n>b\n"u8.ToArray(), "header.fa: there are no sequences in it, only 2 without any (record 1 'a', line "
        + "1: the record has no sequence)" },
        { "binary.fa", [0, 1, 2, 3, 0, 255, 0], "binary.fa: this is binary data, not text" },
        { "cut.fa.gz", Gzip(string.Concat(Enumerable.Repeat(">a\nACGTTGCA\n", 1000)))[..^20], "cut.fa.gz: the gzip data ends too early" },
        { "protein.fa", ">p\nMEEPQSDPSV\n"u8.ToArray(), "protein.fa: record 1 'p', line 2, column 2" },
        { "text.txt", "Dear all,\nplease find\n"u8.ToArray(), "text.txt: " },
        { "pair.csv", "sequence1,sequence2\nACGT,ACGT\n"u8.ToArray(), "pair.csv: record 1 '1', line 2: it is a pair" },
        { "unknown.fa", ">n\nNNNN\n"u8.ToArray(), "unknown.fa: there are no sequences in it, only 1 without any (record 1 'n', line 1: "
        + "the record has no A, C, G or T)" },
    };

    [Theory]
    [MemberData(nameof(Inputs))]
    public void Input_that_cannot_be_read_is_named_and_nothing_is_written(string name, byte[] content, string message)
    {
        using var folder = new TempFolder();
        folder.Write(name, content);
        Fails(folder, message, ["embed", folder[name], "--model", toy.Folder, "-o", folder["out.npy"]]);
        Assert.Equal([name], folder.Names);
    }

    [Fact]
    public void Paths_that_do_not_exist_are_named_with_the_way_out()
    {
        using var folder = new TempFolder();
        Fails(folder, "no.fa: there is no such file; give FASTA", ["embed", folder["no.fa"], "--model", toy.Folder]);
        Fails(folder, "is a folder; name a file in it", ["embed", toy.Folder, "--model", toy.Folder]);
        Fails(folder, "no folder " + folder["no"], ["embed", ToyModel.SamplePath, "--model", toy.Folder, "-o", folder["no/x.npy"]]);
        Fails(folder, "no: no such folder; a model is a folder with", ["embed", ToyModel.SamplePath, "--model", folder["no"]]);
        Fails(folder, "no.json: there is no such file", ["tokenize", ToyModel.SamplePath, "--tokenizer", folder["no.json"]]);
        Fails(folder, "no.bin: there is no such file", ["convert", folder["no.bin"], "-o", folder["x.safetensors"]]);
        Fails(folder, "no: no such folder", ["info", folder["no"]]);
        Fails(folder, "no.fa: there is no such file", ["train-tokenizer", folder["no.fa"], "-o", folder["t.json"]]);
        Fails(folder, "this is a folder; name the file to write", ["train-tokenizer", ToyModel.SamplePath, "-o", toy.Folder]);
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void A_record_that_is_too_long_is_an_error_where_that_is_asked_for()
    {
        using var folder = new TempFolder();
        Fails(folder, "record 6 'long', line",
            ["embed", ToyModel.SamplePath, "--model", toy.Folder, "--on-too-long", "error", "-o", folder["out.npy"]]);
        Fails(folder, "record 3 'gap'", ["embed", ToyModel.SamplePath, "--model", toy.Folder, "--on-n", "error", "-o", folder["out.npy"]]);
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Devices_and_types_that_this_build_lacks_are_refused_in_a_sentence()
    {
        using var folder = new TempFolder();
        Fails(folder, "--device cuda:99: there is no", ["embed", ToyModel.SamplePath, "--device", "cuda:99"]);
    }

    [Fact]
    public void A_tokenizer_of_unknown_parts_is_refused_by_their_name()
    {
        using var folder = new TempFolder();
        ToyModel.Write(folder["m"]);
        Edit(folder["m/tokenizer.json"], json => json["normalizer"] = JsonNode.Parse("""{"type":"BertNormalizer"}"""));
        FailsOnModel(folder, "tokenizer.json", "BertNormalizer");
        Fails(folder, "BertNormalizer", ["tokenize", ToyModel.SamplePath, "--tokenizer", folder["m"], "-o", folder["x"]]);
    }

    [Fact]
    public void A_config_that_contradicts_the_weights_is_refused_with_all_that_differs()
    {
        using var folder = new TempFolder();
        ToyModel.Write(folder["m"]);
        Edit(folder["m/config.json"], json => json["num_hidden_layers"] = 3);
        FailsOnModel(folder, "model.safetensors", "missing: bert.encoder.layer.2.attention.self.Wqkv.weight");
        Edit(folder["m/config.json"], json => (json["num_hidden_layers"], json["intermediate_size"]) = (2, 48));
        FailsOnModel(folder, "model.safetensors", "mis-shaped: bert.encoder.layer.1.mlp.wo.weight");
        Edit(folder["m/config.json"], json => json["hidden_act"] = "relu");
        FailsOnModel(folder, "config.json", "relu");
    }

    [Fact]
    public void A_weight_that_is_not_a_number_is_refused_with_its_place()
    {
        using var folder = new TempFolder();
        ToyModel.Write(folder["m"], spoil: (parameter, values) =>
        {
            if (parameter.Name == "bert.encoder.layer.1.mlp.wo.bias") values[5] = float.NaN;
        });
        FailsOnModel(folder, "model.safetensors", "tensor bert.encoder.layer.1.mlp.wo.bias holds NaN at element 5");
        Fails(folder, "holds NaN at element 5", ["info", folder["m"]]);
    }

    [Fact]
    public void Weights_that_are_cut_short_or_missing_are_refused()
    {
        using var folder = new TempFolder();
        ToyModel.Write(folder["m"]);
        string path = folder["m/model.safetensors"];
        byte[] whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, whole[..^100]);
        FailsOnModel(folder, "model.safetensors", "");
        Fails(folder, "model.safetensors", ["convert", path, "-o", folder["x.safetensors"]]);
        File.WriteAllBytes(path, []);
        FailsOnModel(folder, "model.safetensors", "empty");
        File.Delete(path);
        FailsOnModel(folder, "neither model.safetensors nor pytorch_model.bin is there", "");
        File.Delete(folder["m/config.json"]);
        FailsOnModel(folder, "config.json is missing", "");
    }

    [Fact]
    public void A_pickle_that_calls_a_function_is_refused_and_not_run()
    {
        string malicious = SharedData.Path("golden/torch_bin/malicious.bin");
        using var folder = new TempFolder();
        ToyModel.Write(folder["m"]);
        File.Delete(folder["m/model.safetensors"]);
        File.Copy(malicious, folder["m/pytorch_model.bin"]);
        FailsOnModel(folder, "pytorch_model.bin", "refused");
        Fails(folder, "refused", ["convert", malicious, "-o", folder["x.safetensors"]]);
        Fails(folder, "refused", ["info", folder["m"]]);
    }

    [Fact]
    public void What_an_error_quotes_from_a_file_cannot_drive_the_terminal()
    {
        ToolRun run = ToolRun.Of("id,sequence\n\u001b[2J\u0007x,NNN\n", ["embed", "-", "--model", toy.Folder]);
        Assert.Equal(1, run.Code);
        Assert.Contains("[2J", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', run.Error);
        Assert.DoesNotContain('\u0007', run.Error);
    }

    [Fact]
    public void The_place_of_an_error_in_the_program_is_shown_only_to_debug()
    {
        Assert.Contains("   at ", ToolRun.Of("embed", "no.fa", "--debug").Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", ToolRun.Of("embed", "no.fa").Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "Required command")]
    [InlineData("embd x", "embd")]
    [InlineData("embed", "INPUT")]
    [InlineData("attribute a b", "'b'")]
    [InlineData("embed a --pooling sum", "--pooling sum: expected mean, cls, max or none")]
    [InlineData("embed a --dtype f16", "--dtype f16: expected f32, bf16 or i8")]
    [InlineData("embed a --max-tokens 2", "--max-tokens 2: expected a whole number of at least 3")]
    [InlineData("embed a --max-tokens many", "--max-tokens many: expected a whole number of at least 3")]
    [InlineData("embed a --max-tokens 20 --overlap 18", "--overlap 18: it must be from 0 to 17")]
    [InlineData("embed a --overlap -1", "--overlap -1: expected a whole number of at least 0")]
    [InlineData("embed a --threads -1", "--threads -1: expected a whole number from 0 to 1024")]
    [InlineData("embed a --device gpu", "--device gpu: expected auto, cpu, cuda or cuda:0")]
    [InlineData("embed a --pooling none --rc-average", "--pooling none and --rc-average")]
    [InlineData("embed a -o x.txt", "-o x.txt: the extension decides the format: .npy, .safetensors, .parquet, .tsv or .csv")]
    [InlineData("predict a --model m -o x.npy", "-o x.npy: the extension decides the format: .tsv or .csv")]
    [InlineData("attribute a -o x", "-o x: the extension decides the format: .tsv or .csv")]
    [InlineData("variants a -g g -o x.bcf", "-o x.bcf: the extension decides the format: .tsv or .csv")]
    [InlineData("tokenize a --ids -o x.tsv", "a table holds tokens, ids and places")]
    [InlineData("embed x.tsv -o x.tsv", "-o x.tsv: this is the input")]
    [InlineData("tokenize a --ids --offsets", "choose one of them")]
    [InlineData("train-tokenizer a", "--output")]
    [InlineData("train-tokenizer a -o t --vocab-size 8", "--vocab-size 8: expected a whole number from 9 to 65535")]
    [InlineData("train-tokenizer - -o t --report", "--report reads the input twice")]
    [InlineData("convert a", "--output")]
    public void Misuse_is_told_from_failure_and_named(string line, string message)
    {
        ToolRun run = ToolRun.Of(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(2, run.Code);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Fact]
    public void Help_goes_to_standard_output_and_shows_examples()
    {
        foreach (string verb in (string[])["embed", "tokenize", "train-tokenizer", "convert", "info"])
        {
            ToolRun run = ToolRun.Of(verb, "--help").Succeeds();
            Assert.Equal("", run.Error);
            Assert.True(run.Lines.Count(line => line.StartsWith("  dnabert2 " + verb, StringComparison.Ordinal)) >= 2, run.Text);
        }

        Assert.Contains("train-tokenizer", ToolRun.Of("--help").Succeeds().Text, StringComparison.Ordinal);
    }

    private static byte[] Gzip(string text)
    {
        using var stream = new MemoryStream();
        using (var gzip = new GZipStream(stream, CompressionLevel.Optimal)) gzip.Write(Encoding.ASCII.GetBytes(text));
        return stream.ToArray();
    }

    private static void Edit(string path, Action<JsonNode> change)
    {
        JsonNode json = JsonNode.Parse(File.ReadAllText(path))!;
        change(json);
        File.WriteAllText(path, json.ToJsonString());
    }

    private static void FailsOnModel(TempFolder folder, string message, string more)
    {
        string error = Fails(folder, message, ["embed", ToyModel.SamplePath, "--model", folder["m"], "-o", folder["out.npy"]]);
        Assert.Contains(more, error, StringComparison.Ordinal);
        Assert.Contains(folder["m"], error, StringComparison.Ordinal);
        Assert.Empty(folder.Names);
    }

    /// <summary>A run that has to fail with a message and leave the folder as it was.</summary>
    private static string Fails(TempFolder folder, string message, string[] args)
    {
        string[] before = folder.Names;
        ToolRun run = ToolRun.Of(args);
        Assert.True(run.Code == CommandLineTool.Failed, $"exit code {run.Code}: {run.Error}");
        Assert.StartsWith("dnabert2: error: ", run.Error);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Parameter '", run.Error, StringComparison.Ordinal);
        Assert.Equal(before, folder.Names);
        return run.Error;
    }
}

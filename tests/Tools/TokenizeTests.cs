using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dnabert2.Tokenizers;
using Tests.Weights;

namespace Tests.Tools;

public class TokenizeTests
{
    private static readonly BpeTokenizer Tokenizer = BpeTokenizer.Load(ToyModel.TokenizerPath);

    [Fact]
    public void The_ids_of_every_gue_file_have_the_reference_hash()
    {
        string gue = SharedData.Path("gue"), tokenizer = SharedData.Path("dnabert2-117m");
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path("golden/gue_token_ids.json")));
        int files = 0;
        foreach (JsonProperty expected in golden.RootElement.EnumerateObject())
        {
            string path = Path.Combine(gue, expected.Name);
            if (!File.Exists(path)) continue;
            byte[] lines = ToolRun.Of("tokenize", path, "--ids", "--tokenizer", tokenizer).Succeeds().Output;
            Assert.Equal((expected.Name, expected.Value.GetProperty("sha256_ids_lines").GetString()),
                (expected.Name, Convert.ToHexStringLower(SHA256.HashData(lines))));
            files++;
        }

        Assert.True(files >= 20, $"only {files} files were read");
    }

    [Fact]
    public void Each_record_is_a_line_of_tokens_ids_or_offsets_as_the_library_encodes_it()
    {
        const string sequence = "ATTGNNACGTTGCAAARCC";
        TokenEncoding expected = Tokenizer.Encode(sequence.Replace('R', 'N'));
        string input = $">a\n{sequence}\n>b\nACGT\n";
        Assert.Equal(string.Join(' ', expected.GetTokens()), Tokenize(input)[0]);
        Assert.Equal(Tokenize(input), Tokenize(input, "--tokens"));
        Assert.Equal(string.Join(' ', expected.Ids.ToArray()), Tokenize(input, "--ids")[0]);
        Assert.Equal(string.Join(' ', expected.Offsets.ToArray().Select(o => $"{o.Start}-{o.End}")), Tokenize(input, "--offsets")[0]);
        Assert.Equal(2, Tokenize(input, "--ids").Length);
    }

    [Fact]
    public void A_pair_is_one_line_in_the_form_of_the_template()
    {
        TokenEncoding expected = Tokenizer.Encode("ACGTACGTTT", "GGGATTACA");
        const string input = "sequence1,sequence2,label\nACGTACGTTT,GGGATTACA,1\n";
        Assert.Equal([string.Join(' ', expected.Ids.ToArray())], Tokenize(input, "--ids"));
        Assert.Equal([string.Join(' ', expected.Offsets.ToArray().Select(o => $"{o.Start}-{o.End}"))], Tokenize(input, "--offsets"));
    }

    [Fact]
    public void Split_leaves_unknown_bases_out_and_counts_offsets_in_the_record()
    {
        string[] tokens = Tokenize(">a\nNACGTNNGATTACA\n", "--on-n", "split")[0].Split(' ');
        string[] offsets = Tokenize(">a\nNACGTNNGATTACA\n", "--on-n", "split", "--offsets")[0].Split(' ');
        Assert.Equal("[CLS]", tokens[0]);
        Assert.Equal("ACGTGATTACA", string.Concat(tokens[1..^1]));
        Assert.DoesNotContain("[UNK]", tokens);
        Assert.Equal(("0-0", "1", "14", "0-0"), (offsets[0], offsets[1].Split('-')[0], offsets[^2].Split('-')[1], offsets[^1]));
        Assert.Contains(offsets, o => o.EndsWith("-5", StringComparison.Ordinal));
        Assert.Contains(offsets, o => o.StartsWith("7-", StringComparison.Ordinal));
    }

    [Fact]
    public void Dropped_records_are_counted_and_an_n_can_be_an_error()
    {
        ToolRun dropped = Run(">a\nACGN\n>b\nACGT\n", "--on-n", "drop").Succeeds();
        Assert.Single(dropped.Lines);
        Assert.Contains("1 record of 2 left out", dropped.Error, StringComparison.Ordinal);
        ToolRun error = Run(">a\nACGN\n", "--on-n", "error");
        Assert.Equal(1, error.Code);
        Assert.Contains("standard input: record 1 'a', line 2, column 4", error.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Lower_case_and_rna_are_read_as_the_bases_they_are() =>
        Assert.Equal(Tokenize(">a\nGATTACATTT\n"), Tokenize(">a\ngauuacaUTt\n"));

    [Fact]
    public void A_tokenizer_without_a_template_puts_nothing_around()
    {
        using var folder = new TempFolder();
        string path = folder.Write("t.json", Encoding.UTF8.GetBytes(
            """
            {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":null,
            "post_processor":null,"decoder":null,
            "model":{"type":"BPE","unk_token":null,"vocab":{"A":0,"C":1,"G":2,"T":3,"AC":4},"merges":["A C"]}}
            """));
        Assert.Equal(["AC G T"], ToolRun.Of("ACGT\n", ["tokenize", "-", "--tokenizer", path]).Succeeds().Lines);
        Assert.Equal(
            ["4 2 3 3 0"], ToolRun.Of("sequence1,sequence2\nACGT,TA\n", ["tokenize", "-", "--ids", "--tokenizer", path]).Succeeds().Lines);
    }

    [Fact]
    public void A_result_goes_to_its_file_whole_or_not_at_all()
    {
        using var folder = new TempFolder();
        Run(">a\nACGT\n", "-o", folder["x"]).Succeeds();
        Assert.Equal(Tokenize(">a\nACGT\n"), File.ReadAllLines(folder["x"]));
        string broken = string.Concat(Enumerable.Range(0, 30_000).Select(i => $">r{i}\nACGTACGT\n")) + ">bad\nAC?GT\n";
        Assert.Equal(1, Run(broken, "-o", folder["y"]).Code);
        Assert.Equal(["x", "x.provenance.json"], folder.Names);
    }

    private static ToolRun Run(string input, params string[] options) =>
        ToolRun.Of(input, ["tokenize", "-", "--tokenizer", ToyModel.TokenizerPath, .. options]);

    private static string[] Tokenize(string input, params string[] options) => Run(input, options).Succeeds().Lines;
}

using Dnabert2;
using Dnabert2.Embeddings;
using Tests.Weights;

namespace Tests.Tools;

/// <summary>What the command line does with models that are not DNABERT-2.</summary>
public sealed class BaselineToolTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("dnabert3_tiny", "DNABERT, vocabulary 69, hidden 48, 3 layers, 6 heads of 8, feed-forward 96, positions 512, token types 2",
        "69 ids, 3-mers that begin at each base, [UNK] 1 [CLS] 2 [SEP] 3 [PAD] 0 [MASK] 4")]
    [InlineData("nt_tiny", "the Nucleotide Transformer v1, vocabulary 73, hidden 40, 3 layers, 5 heads of 8, feed-forward 80, "
        + "positions 34, token dropout on",
        "75 ids, 3-mers one after the other and single bases, <unk> 0 <cls> 3 <eos> none <pad> 1 <mask> 2")]
    [InlineData("hyena_tiny", "HyenaDNA, vocabulary 12, width 32, 2 layers, feed-forward 64, filters of 16, at most 66 tokens",
        "12 ids, a token a letter, [UNK] 6 [CLS] 0 [SEP] 1 [PAD] 4 [MASK] 3")]
    public void Info_describes_a_published_folder_and_finds_nothing_missing(string name, string config, string tokenizer)
    {
        string text = ToolRun.Of("info", Model(name)).Succeeds().Text;
        Assert.Contains(config, text, StringComparison.Ordinal);
        Assert.Contains(tokenizer, text, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^parameters +[\d,]+: embeddings [\d,]+, layers [\d,]+", text);
        Assert.Matches(@"(?m)^missing +nothing", text);
    }

    [Theory]
    [InlineData("dnabert3_tiny", 64)]
    [InlineData("nt_tiny", 32)]
    [InlineData("hyena_tiny", 66)]
    public void Embed_writes_the_vectors_of_the_library(string name, int most)
    {
        string records = _folder["in.fa"];
        File.WriteAllText(records, ">a\nACGTTGCATTGACCAGTTGACCA\n>b\n" + new string('G', 500) + "\n");
        string[] options = ["--max-tokens", $"{most}", "--overlap", "4"];
        ToolRun.Of(["embed", records, "--model", Model(name), "-o", _folder["out.npy"], .. options]).Succeeds();
        using SequenceModel model = SequenceModel.Load(Model(name), parts: ModelParts.Encoder);
        var embedder = new Embedder(model, new EmbedOptions { MaxTokens = most, Overlap = 4 });
        Assert.Equal(
            embedder.Embed(["ACGTTGCATTGACCAGTTGACCA", new string('G', 500)]).ToArray().Cast<float>(), new Npy(_folder["out.npy"]).Values);
        ToolRun.Of(["embed", records, "--model", Model(name), "--pooling", "none", "-o", _folder["tokens.npy"], .. options]).Succeeds();
    }

    [Fact]
    public void More_tokens_than_a_model_has_positions_for_are_refused()
    {
        string records = _folder["in.fa"];
        File.WriteAllText(records, ">a\nACGT\n");
        ToolRun run = ToolRun.Of("embed", records, "--model", Model("dnabert3_tiny"), "--max-tokens", "513");
        Assert.Equal(2, run.Code);
        Assert.Contains("--max-tokens 513: this model has positions for 512 tokens", run.Error, StringComparison.Ordinal);
    }

    private static string Model(string name) => SharedData.Path("golden/baselines/hf/" + name);
}

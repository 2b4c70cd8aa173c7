using System.Text;
using Dnabert2;
using Dnabert2.Embeddings;
using Tests.Interpretation;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary>
/// <c>--rc-average</c> is the average of two runs: of the file, and of a file with the reverse complement of the same bases, which these
/// tests write with code of their own.
/// </summary>
public class StrandTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const float Close = 2e-6f;

    private static readonly string Fasta =
        $">a\n{SmallModels.Dna(1, 33)}\n>long\n{SmallModels.Dna(2, 700)}\n"
        + $">with_n\n{SmallModels.Dna(3, 60)}NNNN{SmallModels.Dna(4, 250)}NN{SmallModels.Dna(5, 9)}\n";

    [Fact]
    public void Case_23_both_strands_are_the_average_of_the_vectors_of_the_two_files()
    {
        string folder = SharedData.Path("cases/23-embed-reverse-complement");
        foreach (string pooling in (string[])["mean", "cls", "max"])
        {
            float[] forward = Vectors(Path.Combine(folder, "forward.fa"), "default", "--pooling", pooling);
            float[] reverse = Vectors(Path.Combine(folder, "reverse.fa"), "default", "--pooling", pooling);
            float[] both = Vectors(Path.Combine(folder, "forward.fa"), "default", "--pooling", pooling, "--rc-average");
            AssertAverage(forward, reverse, both);
        }
    }

    [Fact]
    public void Case_42_truncated_records_with_one_beginning_have_one_vector_on_both_strands()
    {
        string path = Path.Combine(SharedData.Path("cases/42-rc-average-truncate"), "same_beginning.fa");
        float[] both = Vectors(path, "default", "--on-too-long", "truncate", "--rc-average");
        Assert.Equal(both[..256], both[256..]);
    }

    public static TheoryData<string> Options =>
    [
        "--pooling mean", "--pooling cls", "--pooling max", "--pooling max --on-n unk", "--pooling mean --on-n unk --max-tokens 20",
        "--pooling max --max-tokens 9 --overlap 3", "--pooling cls --max-tokens 16 --overlap 0 --batch-tokens 40",
    ];

    [Theory]
    [MemberData(nameof(Options))]
    public void Both_strands_are_the_average_of_the_vectors_of_each_alone(string options)
    {
        using var folder = new TempFolder();
        string forward = Write(folder, "f.fa", Fasta), reverse = Write(folder, "r.fa", OtherStrand(Fasta));
        string[] args = options.Split(' ');
        AssertAverage(Vectors(forward, toy.Folder, args), Vectors(reverse, toy.Folder, args),
            Vectors(forward, toy.Folder, [.. args, "--rc-average"]));
    }

    [Theory]
    [InlineData("split", "mean")]
    [InlineData("split", "cls")]
    [InlineData("unk", "max")]
    public void Of_a_truncated_record_both_strands_are_of_the_bases_that_were_kept_and_no_strand_is_cut_again(string onN, string pooling)
    {
        using var folder = new TempFolder();
        string whole = Write(folder, "w.fa", Fasta);
        string[] truncate = ["--on-n", onN, "--max-tokens", "24", "--on-too-long", "truncate", "--pooling"];
        // The bases that were kept: the vectors of all tokens say where the last one ends.
        ToolRun.Of(["embed", whole, "--model", toy.Folder, "-o", folder["t.npy"], .. truncate, "none"]).Succeeds();
        Dictionary<string, int> kept = File.ReadLines(folder["t.ids.tsv"]).Skip(1).Select(line => line.Split('\t'))
            .GroupBy(f => f[1]).ToDictionary(g => g.Key, g => g.Max(f => int.Parse(f[6])));
        Assert.True(kept["a"] == 33 && kept["long"] < 300 && kept["with_n"] < 300, "the limit is to cut the long records alone");
        string beginning = string.Concat(Records(Fasta).Select(r => $">{r.Id}\n{r.Bases[..kept[r.Id]]}\n"));
        string reverse = Write(folder, "r.fa", OtherStrand(beginning));
        float[] forwardVectors = Vectors(whole, toy.Folder, [.. truncate, pooling]);
        // With room for every token of the other strand nothing of it can be cut.
        float[] reverseVectors = Vectors(reverse, toy.Folder, "--pooling", pooling, "--on-n", onN, "--max-tokens", "2000");
        AssertAverage(forwardVectors, reverseVectors, Vectors(whole, toy.Folder, [.. truncate, pooling, "--rc-average"]));
        Assert.NotEqual(reverseVectors, Vectors(reverse, toy.Folder, [.. truncate, pooling]));
    }

    [Fact]
    public void A_record_that_fits_on_one_strand_only_is_an_error_that_names_the_strand_where_errors_are_asked_for()
    {
        string dna = Enumerable.Range(0, 400).Select(seed => SmallModels.Dna(seed, 90)).First(d => Tokens(d) < Tokens(Turned(d)));
        string most = $"{Tokens(dna) + 2}";
        ToolRun run = ToolRun.Of(
            $">a\n{dna}\n", ["embed", "-", "--model", toy.Folder, "--max-tokens", most, "--on-too-long", "error", "--overlap", "0"])
            .Succeeds();
        run = ToolRun.Of(
            $">a\n{dna}\n",
            ["embed", "-", "--model", toy.Folder, "--max-tokens", most, "--on-too-long", "error", "--overlap", "0", "--rc-average"]);
        Assert.Equal(1, run.Code);
        Assert.Contains("record 1 'a', line 1: of its reverse complement, ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_averaged_is_said_in_every_result_and_only_there()
    {
        using var folder = new TempFolder();
        string input = Write(folder, "f.fa", Fasta);
        foreach (string name in (string[])["a.npy", "a.safetensors", "a.tsv"])
        {
            ToolRun.Of("embed", input, "--model", toy.Folder, "--rc-average", "-o", folder[name]).Succeeds();
            ToolRun.Of("embed", input, "--model", toy.Folder, "-o", folder["one_" + name]).Succeeds();
        }

        foreach (string table in (string[])["a.ids.tsv", "a.tsv"])
        {
            string[][] rows = [.. File.ReadLines(folder[table]).Select(line => line.Split('\t'))];
            int column = Array.IndexOf(rows[0], "strands");
            Assert.All(rows[1..], row => Assert.Equal("both", row[column]));
            Assert.DoesNotContain("strands", File.ReadLines(folder["one_" + table]).First(), StringComparison.Ordinal);
        }

        Assert.Contains(
            "\"strands\":\"both: average of forward and reverse complement\"", Header(folder["a.safetensors"]), StringComparison.Ordinal);
        Assert.DoesNotContain("strands", Header(folder["one_a.safetensors"]), StringComparison.Ordinal);
    }

    [Fact]
    public void The_policy_for_unknown_bases_is_that_of_the_reader_on_both_strands()
    {
        using Dnabert2Model model = Dnabert2Model.Load(toy.Folder);
        string dna = SmallModels.Dna(7, 40) + "NNN" + SmallModels.Dna(8, 30);
        // The options of the embedder say nothing of records that a reader yields: these are whole.
        float[] forward = Embed(dna, false), reverse = Embed(Turned(dna), false);
        AssertAverage(forward, reverse, Embed(dna, true));

        float[] Embed(string bases, bool both) =>
            new Embedder(model, new EmbedOptions { AverageReverseComplement = both }).Embed(SmallModels.Records($">a\n{bases}\n"))
                .Single().Vector.ToArray();
    }

    internal static string Turned(string bases) =>
        string.Concat(bases.Reverse().Select(b => b switch { 'A' => 'T', 'C' => 'G', 'G' => 'C', 'T' => 'A', _ => b }));

    internal static string OtherStrand(string fasta) => string.Concat(Records(fasta).Select(r => $">{r.Id}\n{Turned(r.Bases)}\n"));

    private static IEnumerable<(string Id, string Bases)> Records(string fasta) =>
        fasta.Split('>', StringSplitOptions.RemoveEmptyEntries).Select(r => r.Split('\n')).Select(r => (r[0], r[1]));

    private int Tokens(string dna)
    {
        using Dnabert2Model model = Dnabert2Model.Load(toy.Folder);
        List<int> ids = [];
        model.Tokenizer.EncodeSequence(Encoding.ASCII.GetBytes(dna), ids);
        return ids.Count;
    }

    private static string Write(TempFolder folder, string name, string text) => folder.Write(name, Encoding.ASCII.GetBytes(text));

    private static string Header(string path) => Encoding.ASCII.GetString(File.ReadAllBytes(path).AsSpan(8, 248));

    private static float[] Vectors(string input, string model, params string[] options)
    {
        using var folder = new TempFolder();
        ToolRun.Of(["embed", input, "--model", model, "-o", folder["x.npy"], .. options]).Succeeds();
        return new Npy(folder["x.npy"]).Values;
    }

    private static void AssertAverage(float[] forward, float[] reverse, float[] both)
    {
        Assert.Equal(forward.Length, both.Length);
        Assert.Contains(Enumerable.Range(0, both.Length), i => Math.Abs(forward[i] - reverse[i]) > 1e-2);
        for (int i = 0; i < both.Length; i++) Assert.Equal((forward[i] + reverse[i]) / 2, both[i], Close);
    }
}

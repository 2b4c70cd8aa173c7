using Dnabert2.Tool;
using Tests.Interpretation;
using Tests.Weights;

namespace Tests.Tools.Pieces;

/// <summary>Runs of verbs that write rows, in many small blocks, and what their results hold.</summary>
internal static class PieceRuns
{
    /// <summary>Verbs, formats and layouts, each of a result with more than one block.</summary>
    public static TheoryData<string> Commands =>
    [
        "embed SAMPLE --window 64 --step 32 --batch-tokens 1 -o x.npy",
        "embed SAMPLE --window 64 --step 32 --batch-tokens 1 --output-dtype f16 -o x.npy",
        "embed SAMPLE --window 64 --batch-tokens 1 --rc-average -o x.safetensors",
        "embed SAMPLE --window 64 --step 32 --batch-tokens 1 -o x.parquet",
        "embed SAMPLE --batch-tokens 1 --pooling none -o x.parquet",
        "embed SAMPLE SAMPLE --window 80 --batch-tokens 1 -o x.csv",
        "embed SAMPLE --batch-tokens 1 --pooling none --on-n unk -o x.npy",
        "embed SAMPLE --batch-tokens 1 --bed LARGE -o x.tsv",
        "predict SAMPLE --model TUNED --window 50 --step 25 --batch-tokens 1 -o x.tsv",
        "predict PAIRS --model TUNED --batch-tokens 1 -o x.csv",
        "variants VCF --genome SAMPLE --window 64 --batch-tokens 8 -o x.tsv",
        "attribute SAMPLE --bed BED --batch-tokens 40 --window 64 -o x.tsv --bedgraph x.bedgraph",
        "attribute SAMPLE --region 3-30 --window 64 -o x.csv --bedgraph y.bedgraph",
        "tokenize LONG --ids -o x.ids",
        "tokenize LONG -o x.tsv",
    ];

    /// <summary>The command line for a folder, in which its files are made.</summary>
    public static string[] Line(string command, TempFolder folder, ToyModel toy)
    {
        string[] words = command.Split(' ');
        bool names = words.Contains("--model") || words[0] == "tokenize";
        string[] model = names ? [] : ["--model", toy.Folder];
        string[] device = words[0] == "tokenize" ? [] : ["--device", "cpu"];
        return [.. words.Select(word => Path(word, folder)), .. model, .. device];
    }

    /// <summary>Runs a piece.</summary>
    public static ToolRun Piece(string[] line, int index, int count, params string[] more) =>
        ToolRun.Of([.. line, "--shard", $"{index}/{count}", .. more]);

    /// <summary>The contents of the files of a result whose names begin with one of these letters and that are of no piece.</summary>
    public static Dictionary<string, byte[]> Result(TempFolder folder) => folder.Names
        .Where(name => name[0] is 'x' or 'y' && !name.Contains("-of-", StringComparison.Ordinal))
        .ToDictionary(name => name, name => File.ReadAllBytes(folder[name]));

    /// <summary>The one result has the files of the other, with their bytes.</summary>
    public static void Same(Dictionary<string, byte[]> expected, Dictionary<string, byte[]> actual)
    {
        Assert.Equal(expected.Keys, actual.Keys);
        foreach ((string name, byte[] bytes) in expected) Assert.True(bytes.AsSpan().SequenceEqual(actual[name]), $"{name} differs");
    }

    private static string Path(string word, TempFolder folder)
    {
        switch (word)
        {
            case "SAMPLE": return ToyModel.SamplePath;
            case "VCF": return System.IO.Path.ChangeExtension(ToyModel.SamplePath, ".vcf");
            case "BED":
                return folder.Write("regions.bed", "long\t100\t160\nmasked\t10\t40\nlong\t300\t330\nrna\t0\t20\npromoter\t5\t9\n"u8);
            case "LARGE": return folder.Write("large.bed", "long\t0\t400\nlong\t200\t600\nrna\t0\t20\npromoter\t5\t200\nlong\t9\t99\n"u8);
            case "TUNED":
                if (!Directory.Exists(folder["tuned"])) SmallModels.WriteFineTuned(folder["tuned"]);
                return folder["tuned"];
            case "PAIRS":
                return folder.Write("pairs.csv", System.Text.Encoding.ASCII.GetBytes("id,sequence1,sequence2\n" + string.Concat(
                    Enumerable.Range(0, 20).Select(i => $"p{i},{SmallModels.Dna(i, 60)},{SmallModels.Dna(100 + i, 40)}\n"))));
            case "LONG":
                return folder.Write("long.fa", System.Text.Encoding.ASCII.GetBytes(string.Concat(
                    Enumerable.Range(0, 9).Select(i => $">r{i}\n{SmallModels.Dna(i, 400_000)}\n"))));
            default:
                return word.StartsWith("x.", StringComparison.Ordinal) || word.StartsWith("y.", StringComparison.Ordinal)
                    ? folder[word] : word;
        }
    }
}

using System.Text;
using Dnabert2.Tool.Pieces;
using Tests.Weights;

namespace Tests.Tools.Pieces;

public class MergeTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const string Windows = "embed SAMPLE --window 64 --step 32 --batch-tokens 1 -o x.npy";

    [Theory]
    [MemberData(nameof(PieceRuns.Commands), MemberType = typeof(PieceRuns))]
    public void Merged_pieces_are_one_run_byte_for_byte(string command)
    {
        using var folder = new TempFolder();
        string[] line = PieceRuns.Line(command, folder, toy);
        ToolRun.Of(line).Succeeds();
        Dictionary<string, byte[]> one = PieceRuns.Result(folder);
        foreach (string name in one.Keys) File.Delete(folder[name]);
        foreach (int i in (int[])[2, 3, 1]) PieceRuns.Piece(line, i, 3).Succeeds();
        Assert.Empty(PieceRuns.Result(folder));
        string main = line[Array.IndexOf(line, "-o") + 1];
        string[] pieces = [new Shard(3, 3).NameOf(main), new Shard(1, 3).NameOf(main), new Shard(2, 3).NameOf(main)];
        bool isOneBlock = command.Contains("--region", StringComparison.Ordinal);
        Assert.All(pieces, piece => Assert.True(isOneBlock || BlockRecord.Read(piece + ".shard.json").Blocks.Count > 0));
        ToolRun.Of(["merge", .. pieces, "-o", main]).Succeeds();
        PieceRuns.Same(one, PieceRuns.Result(folder));
    }

    [Fact]
    public void Pieces_are_results_by_themselves()
    {
        using var folder = new TempFolder();
        string[] line = PieceRuns.Line(Windows, folder, toy);
        ToolRun.Of(line).Succeeds();
        var all = new Npy(folder["x.npy"]);
        int rows = 0;
        for (int i = 1; i <= 2; i++)
        {
            PieceRuns.Piece(line, i, 2).Succeeds();
            var piece = new Npy(folder[$"x.{i}-of-2.npy"]);
            Assert.Equal(piece.Rows, File.ReadAllLines(folder[$"x.{i}-of-2.ids.tsv"]).Length - 1);
            rows += piece.Rows;
            // Blocks take turns: four windows of 64 bases have the 256 that a block is to have.
            Assert.Equal(all.Values.AsSpan((i - 1) * 4 * 24, 4 * 24), piece.Values.AsSpan(0, 4 * 24));
        }

        Assert.Equal(all.Rows, rows);
    }

    [Fact]
    public void More_pieces_than_blocks_leave_some_empty()
    {
        using var folder = new TempFolder();
        string[] line = PieceRuns.Line("variants VCF --genome SAMPLE --window 64 --batch-tokens 64 -o x.tsv", folder, toy);
        ToolRun.Of(line).Succeeds();
        Dictionary<string, byte[]> one = PieceRuns.Result(folder);
        for (int i = 1; i <= 3; i++) PieceRuns.Piece(line, i, 3).Succeeds();
        Assert.Single(File.ReadAllLines(folder["x.3-of-3.tsv"]));
        ToolRun.Of(
            "merge", folder["x.1-of-3.tsv"], folder["x.2-of-3.tsv.shard.json"], folder["x.3-of-3.tsv"], "-o", folder["x.tsv"]).Succeeds();
        PieceRuns.Same(one, PieceRuns.Result(folder));
    }

    [Fact]
    public void What_is_missing_given_twice_or_of_another_run_is_named_and_nothing_is_written()
    {
        using var folder = new TempFolder();
        string[] line = PieceRuns.Line(Windows, folder, toy);
        string Name(int i, int n = 3) => folder[$"x.{i}-of-{n}.npy"];
        for (int i = 1; i <= 3; i++) PieceRuns.Piece(line, i, 3).Succeeds();
        Refused("of 3 pieces 1 are missing: 2; compute them with --shard 2/3", Name(1), Name(3));
        Refused("are both piece 1 of 3", Name(1), Name(2), Name(3), Name(1) + ".shard.json");
        Refused(".shard.json: is missing", Name(1), folder["x.1-of-3.ids.tsv"]);
        PieceRuns.Piece(line, 1, 2).Succeeds();
        Refused("is piece 1 of 2, and ", Name(1), Name(1, 2));
        PieceRuns.Piece([.. line, "--pooling", "max"], 2, 3).Succeeds();
        Refused("--pooling was mean, and is max", Name(1), Name(2), Name(3));
        ToyModel.Write(folder["other"], spoil: (_, values) => values[0]++);
        string[] other = [.. line];
        other[Array.IndexOf(other, "--model") + 1] = folder["other"];
        PieceRuns.Piece(other, 2, 3).Succeeds();
        Refused("model name was toy, and is other", Name(1), Name(2), Name(3));
        string fasta = folder.Write("sample.fa", [.. File.ReadAllBytes(ToyModel.SamplePath), .. ">new\nACGT\n"u8]);
        PieceRuns.Piece([.. line.Select(word => word == ToyModel.SamplePath ? fasta : word)], 2, 3).Succeeds();
        Refused("input 1 bytes was 5040, and is 5050", Name(1), Name(2), Name(3));
        string record = Name(2) + ".shard.json";
        PieceRuns.Piece(line, 2, 3).Succeeds();
        string text = File.ReadAllText(record), version = $"\"version\": \"{typeof(Shard).Assembly.GetName().Version!.ToString(3)}";
        Assert.Contains(version, text, StringComparison.Ordinal);
        File.WriteAllText(record, text.Replace(version, "\"version\": \"0.0.9", StringComparison.Ordinal));
        Refused("version was ", Name(1), Name(2), Name(3));
    }

    [Fact]
    public void A_piece_that_was_changed_or_cut_is_refused()
    {
        using var folder = new TempFolder();
        string[] line = PieceRuns.Line(Windows, folder, toy);
        for (int i = 1; i <= 2; i++) PieceRuns.Piece(line, i, 2).Succeeds();
        string[] pieces = [folder["x.1-of-2.npy"], folder["x.2-of-2.npy"]];
        byte[] good = File.ReadAllBytes(pieces[1]), bad = [.. good];
        bad[^5] ^= 1;
        File.WriteAllBytes(pieces[1], bad);
        Refused("are not what was written there; compute the piece again", pieces);
        File.WriteAllBytes(pieces[1], good[..^1]);
        Refused($"has {good.Length - 1} bytes, {good.Length} were written", pieces);
        File.Delete(pieces[1]);
        Refused("is missing, a file of the piece", pieces);
        File.WriteAllBytes(pieces[1], good);
        string ids = folder["x.2-of-2.ids.tsv"];
        File.WriteAllText(ids, File.ReadAllText(ids).Replace("promoter", "renamed!", StringComparison.Ordinal));
        Refused("are not what was written there", pieces);
    }

    [Fact]
    public void Other_formats_and_outputs_are_refused()
    {
        using var folder = new TempFolder();
        string[] line = PieceRuns.Line(Windows, folder, toy);
        PieceRuns.Piece(line, 1, 1).Succeeds();
        Assert.Contains(
            "the pieces are '.npy' files", Fails("merge", folder["x.1-of-1.npy"], "-o", folder["x.tsv"]), StringComparison.Ordinal);
        Assert.Contains("-o -:", Fails("merge", folder["x.1-of-1.npy"], "-o", "-"), StringComparison.Ordinal);
        Assert.Contains(
            "this is the input", Fails("merge", folder["x.1-of-1.npy"], "-o", folder["x.1-of-1.npy"]), StringComparison.Ordinal);
        Assert.Contains(
            "--shard: its result is a file", Fails([.. line.Where(word => word != "-o" && word != folder["x.npy"]), "--shard", "1/2"]),
            StringComparison.Ordinal);
        Assert.Contains("from a pipe cannot be read again",
            Fails("embed", "-", "--model", toy.Folder, "-o", folder["x.npy"], "--shard", "1/2"), StringComparison.Ordinal);
        string picture = Fails(
            "attribute", ToyModel.SamplePath, "--model", toy.Folder, "--region", "1-5", "-o", folder["x.tsv"], "--picture", folder["x.svg"],
            "--shard", "1/2");
        Assert.Contains("a picture is made of all rows at once, not piece by piece", picture, StringComparison.Ordinal);
        Assert.Contains("there is no such file", Fails("embed", folder["none.fa"], "-o", folder["z.npy"], "--shard", "1/2"),
            StringComparison.Ordinal);

        static string Fails(params string[] args)
        {
            ToolRun run = ToolRun.Of(args);
            Assert.NotEqual(0, run.Code);
            return run.Error;
        }
    }

    [Fact]
    public void Pieces_of_other_processors_are_joined_with_a_warning()
    {
        using var folder = new TempFolder();
        string[] line = PieceRuns.Line(Windows, folder, toy);
        for (int i = 1; i <= 2; i++) PieceRuns.Piece(line, i, 2, "--threads", $"{i}").Succeeds();
        string[] merge = ["merge", folder["x.1-of-2.npy"], folder["x.2-of-2.npy"], "-o", folder["x.npy"]];
        Assert.DoesNotContain("devices", ToolRun.Of(merge).Succeeds().Error, StringComparison.Ordinal);
        string record = folder["x.2-of-2.npy.shard.json"];
        const string here = "\"computed_on\": \"CPU, ";
        File.WriteAllText(record, File.ReadAllText(record).Replace(here, here + "AVX-1024, ", StringComparison.Ordinal));
        Assert.Contains("were computed on different devices", ToolRun.Of(merge).Succeeds().Error, StringComparison.Ordinal);
    }

    private static void Refused(string why, params string[] pieces)
    {
        string result = Path.Combine(Path.GetDirectoryName(pieces[0])!, "x.npy");
        ToolRun run = ToolRun.Of(["merge", .. pieces, "-o", result]);
        Assert.Equal(1, run.Code);
        Assert.Contains(why, run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(result), Encoding.UTF8.GetString(run.Output));
    }
}

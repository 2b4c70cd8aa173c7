using System.Diagnostics;
using System.Text;
using Dnabert2.Tool.Pieces;
using Tests.Interpretation;
using Tests.Weights;

namespace Tests.Tools.Pieces;

/// <summary>Pieces as processes of their own, which are killed, run twice at once, and lost.</summary>
[Trait("Category", "Slow")]
public class KilledPieceTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const int Pieces = 3;

    [Theory]
    [InlineData("x.npy", 1)]
    [InlineData("x.parquet", 2)]
    [InlineData("x.tsv", 3)]
    public void Pieces_that_are_killed_at_random_moments_make_the_bytes_of_one_run(string name, int seed)
    {
        using var folder = new TempFolder();
        string[] line = Line(folder, name);
        ToolRun.Of(line).Succeeds();
        Dictionary<string, byte[]> one = PieceRuns.Result(folder);
        foreach (string file in one.Keys) File.Delete(folder[file]);
        var random = new Random(seed);
        int killed = 0, wentOn = 0;
        for (int piece = 1; piece <= Pieces; piece++)
        {
            string[] own = [.. line, "--shard", $"{piece}/{Pieces}", "--resume"];
            for (int wait = 300; ; wait += 100)
            {
                using Process process = ToolRun.Start(own);
                Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
                // Each run is given longer than the one before, so that the last comes to its end on a slow machine, too.
                if (!process.WaitForExit(wait + random.Next(400)))
                {
                    process.Kill();
                    process.WaitForExit();
                    // The record of a piece is named last: where it is, the process was done but for its end.
                    if (!File.Exists(folder[new Shard(piece, Pieces).NameOf(name) + BlockRecord.OfPiece])) killed++;
                    continue;
                }

                Assert.True(process.ExitCode == 0, Said(error));
                if (Said(error).Contains("goes on behind", StringComparison.Ordinal)) wentOn++;
                break;
            }
        }

        Assert.True(killed > 0 && wentOn > 0, $"{killed} killed, {wentOn} went on");
        string[] pieces = [.. Enumerable.Range(1, Pieces).Select(i => folder[new Shard(Pieces + 1 - i, Pieces).NameOf(name)])];
        ToolRun.Of(["merge", .. pieces, "-o", folder[name]]).Succeeds();
        PieceRuns.Same(one, PieceRuns.Result(folder));
        Assert.DoesNotContain(
            folder.Names, file => file.Contains(".part", StringComparison.Ordinal) || file.EndsWith(".tmp", StringComparison.Ordinal));
        // One that is lost is named.
        File.Delete(pieces[1] + BlockRecord.OfPiece);
        ToolRun lost = ToolRun.Of(["merge", pieces[0], pieces[2], "-o", folder[name]]);
        Assert.Equal(1, lost.Code);
        Assert.Contains("compute them with --shard 2/3", lost.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_two_processes_for_one_piece_both_write_the_same_or_one_is_told_of_the_other()
    {
        using var folder = new TempFolder();
        string[] line = [.. Line(folder, "x.npy"), "--shard", "2/3"];
        ToolRun.Of(line).Succeeds();
        string[] files = [.. folder.Names.Where(name => name[0] == 'x')];
        byte[][] one = [.. files.Select(name => File.ReadAllBytes(folder[name]))];
        foreach (string[] more in (string[][])[[], ["--resume"]])
        {
            foreach (string name in files) File.Delete(folder[name]);
            using Process first = ToolRun.Start([.. line, .. more]), second = ToolRun.Start([.. line, .. more]);
            string[] errors = [first.StandardError.ReadToEnd(), second.StandardError.ReadToEnd()];
            ToolRun.Await(first);
            ToolRun.Await(second);
            int done = (first.ExitCode == 0 ? 1 : 0) + (second.ExitCode == 0 ? 1 : 0);
            // With --resume the second one ends, unless it comes when the first has ended.
            Assert.True(more.Length == 0 ? done == 2 : done >= 1, string.Concat(errors));
            if (done == 1) Assert.Contains(errors, error => error.Contains("another process writes", StringComparison.Ordinal));
            Assert.Equal(files, folder.Names.Where(name => name[0] == 'x'));
            Assert.Equal(one, files.Select(name => File.ReadAllBytes(folder[name])));
        }
    }

    private static string Said(Task<string> text) => text.Result;

    /// <summary>A run of a few seconds, in many blocks.</summary>
    private string[] Line(TempFolder folder, string name)
    {
        string fasta = folder.Write("in.fa", Encoding.ASCII.GetBytes(string.Concat(
            Enumerable.Range(0, 40).Select(i => $">r{i}\n{SmallModels.Dna(i, 5000)}\n"))));
        return ["embed", fasta, "--model", toy.Folder, "--device", "cpu", "--threads", "1", "--window", "200", "--step", "20",
            "--batch-tokens", "8", "-o", folder[name]];
    }
}

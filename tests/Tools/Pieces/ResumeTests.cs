using Dnabert2.Tool;
using Tests.Weights;

namespace Tests.Tools.Pieces;

[Trait("Category", "Slow")]
public class ResumeTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const string Windows = "embed SAMPLE --window 64 --step 32 --batch-tokens 1 -o x.npy";

    [Theory]
    [MemberData(nameof(PieceRuns.Commands), MemberType = typeof(PieceRuns))]
    public void A_run_that_is_interrupted_again_and_again_comes_to_the_same_bytes(string command)
    {
        using var folder = new TempFolder();
        string[] line = PieceRuns.Line(command, folder, toy);
        ToolRun.Of(line).Succeeds();
        Dictionary<string, byte[]> one = PieceRuns.Result(folder);
        foreach (string name in one.Keys) File.Delete(folder[name]);
        bool isOneBlock = command.Contains("--region", StringComparison.Ordinal);
        int runs = 0, wentOn = 0;
        for (ToolRun run = Interrupted(line); run.Code != 0; run = Interrupted(line))
        {
            Assert.Equal(130, run.Code);
            Assert.DoesNotContain(folder.Names, name => one.ContainsKey(name));
            if (run.Error.Contains("goes on behind", StringComparison.Ordinal)) wentOn++;
            if (isOneBlock || runs++ > 200) break;
        }

        if (isOneBlock) ToolRun.Of([.. line, "--resume"]).Succeeds();
        Assert.True(isOneBlock || (runs > 1 && wentOn == runs - 1), $"{wentOn} of {runs} runs went on");
        PieceRuns.Same(one, PieceRuns.Result(folder));
    }

    [Fact]
    public void A_piece_goes_on_and_one_that_is_complete_is_left_alone()
    {
        using var folder = new TempFolder();
        string[] line = [.. PieceRuns.Line(Windows, folder, toy), "--shard", "2/3"];
        ToolRun.Of(line).Succeeds();
        string[] files = ["x.2-of-3.npy", "x.2-of-3.ids.tsv", "x.2-of-3.npy.shard.json"];
        byte[][] one = [.. files.Select(name => File.ReadAllBytes(folder[name]))];
        foreach (string name in files) File.Delete(folder[name]);
        Assert.Equal(130, Interrupted(line).Code);
        Assert.Equal(["x.2-of-3.ids.tsv.part", "x.2-of-3.npy.part", "x.2-of-3.npy.part.json"], folder.Names);
        ToolRun on = ToolRun.Of([.. line, "--resume"]).Succeeds();
        Assert.Contains("goes on behind", on.Error, StringComparison.Ordinal);
        Assert.Equal(files.Order(StringComparer.Ordinal), folder.Names);
        Assert.Equal(one, files.Select(name => File.ReadAllBytes(folder[name])));
        DateTime written = File.GetLastWriteTimeUtc(folder["x.2-of-3.npy"]);
        Assert.Contains("piece 2 of 3 is complete already", ToolRun.Of([.. line, "--resume"]).Succeeds().Error, StringComparison.Ordinal);
        Assert.Equal(written, File.GetLastWriteTimeUtc(folder["x.2-of-3.npy"]));
        // One that was cut is not.
        File.WriteAllBytes(folder["x.2-of-3.npy"], one[0][..^1]);
        ToolRun.Of([.. line, "--resume"]).Succeeds();
        Assert.Equal(one[0], File.ReadAllBytes(folder["x.2-of-3.npy"]));
        Assert.Contains(
            "--pooling was mean, and is max", ToolRun.Of([.. line, "--resume", "--pooling", "max"]).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_options_models_and_inputs_are_refused_and_what_was_kept_stays()
    {
        using var folder = new TempFolder();
        string fasta = folder.Write("in.fa", File.ReadAllBytes(ToyModel.SamplePath));
        string[] line = [.. PieceRuns.Line(Windows, folder, toy).Select(word => word == ToyModel.SamplePath ? fasta : word)];
        Assert.Equal(130, Interrupted(line).Code);
        byte[] kept = File.ReadAllBytes(folder["x.npy.part.json"]);
        Refused("--pooling was mean, and is max", [.. line, "--pooling", "max"]);
        Refused("--rc-average was not given, and is yes", [.. line, "--rc-average"]);
        Refused("is of piece 1 of 1, not 1 of 2", [.. line, "--shard", "1/2"], "x.1-of-2.npy");
        File.WriteAllText(fasta, File.ReadAllText(fasta).Replace('A', 'C'));
        Refused("input 1 xxh128 was ", line);
        Assert.Equal(kept, File.ReadAllBytes(folder["x.npy.part.json"]));

        void Refused(string why, string[] args, string? name = null)
        {
            if (name is not null)
                foreach (string end in (string[])[".part", ".part.json"]) File.Copy(folder["x.npy" + end], folder[name + end]);
            ToolRun run = ToolRun.Of([.. args, "--resume"]);
            Assert.Equal(1, run.Code);
            Assert.Contains(why, run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_another_process_writes_is_not_gone_on_with()
    {
        using var folder = new TempFolder();
        string[] line = PieceRuns.Line(Windows, folder, toy);
        Assert.Equal(130, Interrupted(line).Code);
        byte[] kept = File.ReadAllBytes(folder["x.npy.part"]);
        using (new FileStream(folder["x.npy.part"], FileMode.Open, FileAccess.Write, FileShare.None))
        {
            ToolRun run = ToolRun.Of([.. line, "--resume"]);
            Assert.Equal(1, run.Code);
            Assert.Contains("x.npy.part: another process writes", run.Error, StringComparison.Ordinal);
        }

        Assert.Equal(kept, File.ReadAllBytes(folder["x.npy.part"]));
        ToolRun.Of([.. line, "--resume"]).Succeeds();
    }

    [Fact]
    public void Parts_without_their_journal_or_shorter_than_it_says_are_begun_anew()
    {
        using var folder = new TempFolder();
        string[] line = PieceRuns.Line(Windows, folder, toy);
        ToolRun.Of(line).Succeeds();
        Dictionary<string, byte[]> one = PieceRuns.Result(folder);
        Assert.Equal(130, Interrupted(line).Code);
        using (var part = new FileStream(folder["x.ids.tsv.part"], FileMode.Open)) part.SetLength(100);
        Assert.Contains("begun anew", ToolRun.Of([.. line, "--resume"]).Succeeds().Error, StringComparison.Ordinal);
        PieceRuns.Same(one, PieceRuns.Result(folder));
        Assert.Equal(130, Interrupted(line).Code);
        File.Delete(folder["x.npy.part.json"]);
        Assert.DoesNotContain("goes on", ToolRun.Of([.. line, "--resume"]).Succeeds().Error, StringComparison.Ordinal);
        PieceRuns.Same(one, PieceRuns.Result(folder));
        Assert.Equal(130, Interrupted(line).Code);
        File.WriteAllText(folder["x.npy.part.json"], "{}");
        ToolRun damaged = ToolRun.Of([.. line, "--resume"]);
        Assert.Equal(1, damaged.Code);
        Assert.Contains("x.npy.part.json: format is missing; the file is damaged; remove it", damaged.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_resume_nothing_is_kept()
    {
        using var folder = new TempFolder();
        string[] line = PieceRuns.Line(Windows, folder, toy);
        Assert.Equal(130, Interrupted(line, resume: false).Code);
        Assert.Empty(folder.Names);
    }

    /// <summary>Runs a verb that is interrupted once it has kept something new; if there is nothing more, it comes to its end.</summary>
    private static ToolRun Interrupted(string[] line, bool resume = true)
    {
        using var source = new CancellationTokenSource();
        using var output = new MemoryStream();
        var error = new StringWriter();
        string folder = Path.GetDirectoryName(line[Array.IndexOf(line, "-o") + 1])!;
        long before = Journals(folder), calls = 0;
        var terminal = new Terminal
        {
            Input = Stream.Null,
            Output = output,
            Error = error,
            Cancellation = source.Token,
            Time = new Clock(() =>
            {
                if (resume ? Journals(folder) != before : ++calls > 20) source.Cancel();
            }),
        };
        int code = CommandLineTool.Run(resume ? [.. line, "--resume"] : line, terminal);
        return new ToolRun(code, output.ToArray(), error.ToString());
    }

    private static long Journals(string folder) => Directory.GetFiles(folder, "*.part.json").Sum(path => new FileInfo(path).Length);

    private sealed class Clock(Action tick) : TimeProvider
    {
        public override long GetTimestamp()
        {
            tick();
            return base.GetTimestamp();
        }
    }
}

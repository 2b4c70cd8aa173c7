using System.Diagnostics;
using System.Runtime.InteropServices;
using Dnabert2.Files;
using Dnabert2.Training;
using Tests.Tools;
using Tests.Training;

namespace Tests.Collectives;

/// <summary>Ranks that are killed, stopped or started otherwise than the others.</summary>
[Trait("Category", "Slow")]
public sealed partial class MpiFaultTests : IDisposable
{
    private const int Kill9 = 9, Stop = 19;
    private const string Shape = "--hidden 24 --layers 2 --heads 3 --intermediate 20 --threads 1 --device cpu --min-bases 20 "
        + "--max-bases 120 --max-tokens 40 --held-out 0.2 --batch 8 --micro-batch-tokens 200 --lr 2e-3 --warmup 1 --evaluate-every 50 "
        + "--evaluation-windows 5 --keep 1 --checkpoint-every 7 --shards 8";

    // From the loss of a rank until all have ended.
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);
    private readonly Toy _toy = new();

    public MpiFaultTests() => ResultFiles.Write(_toy["tokenizer.json"], Toy.Tokenizer.Save);

    public static TheoryData<string> Launchers => MpiProcess.Launchers;

    public void Dispose() => _toy.Dispose();

    [Theory]
    [MemberData(nameof(Launchers))]
    public void With_any_rank_killed_at_any_moment_all_end_and_a_restart_goes_on_to_the_same_bits(string launcher)
    {
        MpiProcess.SkipWithout(launcher);
        const int steps = 150;
        ToolRun.Of(Pretrain("whole", steps)).Succeeds();
        var random = new Random(launcher.Length);
        int kills = 0;
        // Each time with another number of ranks, fewer and more.
        for (int size = 4; kills < 3; size = size == 2 ? 4 : size - 1)
        {
            using Process process = MpiProcess.Start(launcher, size, [.. Pretrain("killed", steps), "--resume"]);
            string? before = Pretrainer.LastCheckpointOf(_toy["killed"]);
            Until(process, () => Pretrainer.LastCheckpointOf(_toy["killed"]) != before);
            Thread.Sleep(random.Next(0, 100));
            SortedDictionary<int, int> ranks = MpiProcess.RanksIn(_toy["killed"]);
            Assert.True(process.HasExited || ranks.Count == size, $"{ranks.Count} of {size} ranks are at work");
            int killed = random.Next(size);
            if (process.HasExited) break;
            Assert.Equal(0, Send(ranks[killed], Kill9));
            kills++;
            ToolRun run = MpiProcess.End(process, Soon);
            Assert.NotEqual(0, run.Code);
            AssertGone("killed");
            Assert.DoesNotContain("this should not have happened", run.Error, StringComparison.Ordinal);
        }

        Assert.True(kills >= 2, $"the run ended after {kills} kills: the test shows little");
        MpiProcess.Run(launcher, 3, [.. Pretrain("killed", steps), "--resume"]).Succeeds();
        SortedDictionary<string, byte[]> whole = Toy.Files(_toy["whole"]), rest = Toy.Files(_toy["killed"]);
        Assert.Equal(whole.Keys, rest.Keys);
        foreach (string name in (string[])["model.safetensors", "optimizer.safetensors"])
            Assert.Equal(whole["checkpoints/step-00000150/" + name], rest["checkpoints/step-00000150/" + name]);
        Assert.Equal(whole["evaluation.csv"], rest["evaluation.csv"]);
        Assert.Empty(Directory.GetFileSystemEntries(_toy["killed/checkpoints"], ".*"));
    }

    [Theory]
    [MemberData(nameof(Launchers))]
    public void A_rank_that_hangs_is_noticed_in_the_time_that_is_said_and_named_once(string launcher)
    {
        MpiProcess.SkipWithout(launcher);
        using Process process = MpiProcess.Start(
            launcher, 3, Pretrain("run", 1_000_000), variables: ("DNABERT2_RANK_TIMEOUT", "3"));
        Until(process, () => Pretrainer.LastCheckpointOf(_toy["run"]) is not null);
        SortedDictionary<int, int> ranks = MpiProcess.RanksIn(_toy["run"]);
        var since = Stopwatch.StartNew();
        Assert.Equal(0, Send(ranks[1], Stop));
        ToolRun run = MpiProcess.End(process, Soon);
        Assert.NotEqual(0, run.Code);
        Assert.InRange(since.Elapsed.TotalSeconds, 2, Soon.TotalSeconds);
        Assert.Single(
            run.Error.Split('\n'),
            line => line.Contains("error: rank 1 of 3 has not answered for 3 s: it hangs or is gone, and all ranks end"));
        AssertGone("run");
    }

    [Theory]
    [MemberData(nameof(Launchers))]
    public void Another_SIMD_form_on_one_rank_is_refused_by_name(string launcher)
    {
        MpiProcess.SkipWithout(launcher);
        Assert.SkipUnless(System.Runtime.Intrinsics.Vector256.IsHardwareAccelerated, "the narrow form is the only one here");
        // The launcher's variables say which rank a process is.
        string script = _toy.Write(
            "rank.sh",
            "[ \"$OMPI_COMM_WORLD_RANK$PMI_RANK\" = 1 ] && export DOTNET_EnableAVX2=0 DOTNET_EnableAVX512=0\nexec dotnet \"$@\"\n");
        ToolRun run = MpiProcess.Run(launcher, 2, Pretrain("run", 5), script);
        Assert.Equal(1, run.Code);
        Assert.Single(run.Error.Split('\n'), line => line.Contains("ranks differ: what computes is CPU, AVX"));
        Assert.False(File.Exists(_toy["run/train.csv"]));
    }

    [Fact]
    public void The_library_of_another_launcher_is_refused()
    {
        MpiProcess.SkipWithout("mpirun.openmpi");
        MpiProcess.SkipWithout("mpirun.mpich");
        ToolRun run = MpiProcess.Run("mpirun.mpich", 2, Pretrain("run", 5), variables: ("DNABERT2_MPI", "libmpi.so.40"));
        Assert.NotEqual(0, run.Code);
        Assert.Contains("it is not the library of this launcher", run.Error, StringComparison.Ordinal);
        ToolRun missing = MpiProcess.Run("mpirun.openmpi", 2, Pretrain("run", 5), variables: ("DNABERT2_MPI", "/none/libmpi.so"));
        Assert.Equal(1, missing.Code);
        Assert.Single(missing.Error.Split('\n'), line => line.Contains("there is no MPI library here (/none/libmpi.so)"));
    }

    // A launcher may be gone before those that it ends.
    private void AssertGone(string run)
    {
        var since = Stopwatch.StartNew();
        while (MpiProcess.RanksIn(_toy[run]).Count > 0 && since.Elapsed < Soon) Thread.Sleep(20);
        Assert.Empty(MpiProcess.RanksIn(_toy[run]));
    }

    private static void Until(Process process, Func<bool> isDone)
    {
        var waited = Stopwatch.StartNew();
        while (!process.HasExited && !isDone())
        {
            if (waited.Elapsed > TimeSpan.FromMinutes(2))
            {
                process.Kill(entireProcessTree: true);
                Assert.Fail("the ranks have not got on for two minutes");
            }

            Thread.Sleep(2);
        }
    }

    private string[] Pretrain(string run, int steps) =>
    [
        "pretrain", _toy["alpha.fa"], _toy["beta.fa"], "--tokenizer", _toy["tokenizer.json"], "-o", _toy[run], "--steps", $"{steps}",
        .. Shape.Split(' '),
    ];

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Send(int process, int signal);
}

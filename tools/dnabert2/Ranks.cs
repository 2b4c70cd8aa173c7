using System.Globalization;
using Dnabert2.Training;
using Engine.Runtime.Collectives;

namespace Dnabert2.Tool;

/// <summary>
/// The ranks that a verb works on together, where a launcher has started several. Rank 0 speaks for all, and writes; another one is heard
/// where it alone has failed.
/// </summary>
internal sealed class Ranks
{
    /// <summary>The environment variable that says for how many seconds a rank may be silent.</summary>
    public const string PatienceVariable = "DNABERT2_RANK_TIMEOUT";

    // Shards of a step where nothing is said, so that weights do not depend on the number of ranks.
    private const int Shards = 8;
    private static readonly TimeSpan First = TimeSpan.FromSeconds(2), Between = TimeSpan.FromSeconds(0.1);
    private bool _speaks;

    /// <summary>All of them; null: this process works alone.</summary>
    public Communicator? All { get; private set; }

    /// <summary>What the launcher says of this process.</summary>
    public Launch Launch { get; private set; } = Launch.Alone;

    /// <summary>Whether this is a rank other than 0, which says nothing.</summary>
    public bool IsSilent => Launch.Rank > 0 && !_speaks;

    /// <summary>The shards of a step where none are given.</summary>
    public int UsualShards => All is null ? 1 : Shards;

    /// <summary>Joins the other ranks, for a verb that can.</summary>
    /// <returns>Null where there are none.</returns>
    public Communicator? Join(Terminal terminal)
    {
        Launch = Launch.OfProcess();
        return All = Communicator.OfLauncher(
            why =>
            {
                _speaks = true;
                terminal.Say("error: " + why);
            },
            Patience());
    }

    /// <summary>Takes the folder of a run for all ranks.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="kind">What is to run in it.</param>
    /// <param name="claim">Takes it, on rank 0.</param>
    public RunFolder Claim(string path, RunKind kind, Func<RunFolder> claim)
    {
        RunFolder folder = IsSilent ? RunFolder.Follow(path, kind) : claim();
        All?.Barrier();
        return folder;
    }

    /// <summary>
    /// Before an error is said: gives rank 0, and those before this one, the time to say theirs, which ends this process.
    /// </summary>
    /// <param name="message">What is to be said.</param>
    /// <param name="ended">Whether the launcher ends this process meanwhile.</param>
    /// <returns>The message as this rank says it; nothing where another one has spoken.</returns>
    public string Wait(string message, CancellationToken ended)
    {
        if (Launch.Rank == 0) return message;
        if (ended.WaitHandle.WaitOne(First + (Math.Min(Launch.Rank, 40) * Between))) return "";
        _speaks = true;
        return $"{message} (rank {Launch.Rank} of {Launch.Size})";
    }

    /// <summary>Ends the work with an exit code; one that is not 0 ends all ranks at once.</summary>
    public void End(int code)
    {
        if (code == 0) All?.Complete();
        else All?.Abort(code);
    }

    private static TimeSpan? Patience()
    {
        if (Environment.GetEnvironmentVariable(PatienceVariable) is not { Length: > 0 } text) return null;
        return double.TryParse(text, CultureInfo.InvariantCulture, out double seconds) && seconds is >= 0.5 and <= 86_400
            ? TimeSpan.FromSeconds(seconds)
            : throw new UsageException($"{PatienceVariable} is '{text}': it must be a number of seconds from 0.5 to 86400");
    }
}

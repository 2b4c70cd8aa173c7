using System.Globalization;

namespace Dnabert2.Tool.Pieces;

/// <summary>
/// One of several pieces of a result. The input is cut into blocks of records, of which piece i of n has the blocks i, i + n, i + 2n, …: so
/// pieces are about equally large, whatever the input, and nobody has to know beforehand how large it is.
/// </summary>
/// <param name="Index">Which one, from 1.</param>
/// <param name="Count">How many there are.</param>
internal readonly record struct Shard(int Index, int Count)
{
    /// <summary>The most pieces of a result.</summary>
    public const int MostPieces = 1_000_000;

    private const string Slurm = "slurm", Kubernetes = "kubernetes";
    private const string Forms = "expected I/N, such as 3/8; slurm in a task of an array; or kubernetes/N in a pod of an indexed job";

    /// <summary>All of it.</summary>
    public static Shard Whole => new(1, 1);

    /// <summary>What <c>--shard</c> names.</summary>
    /// <param name="text"><c>3/8</c>, <c>slurm</c> or <c>kubernetes/8</c>.</param>
    /// <param name="environment">The variables of the process's environment; null for one that is not there.</param>
    /// <exception cref="UsageException">It is no piece, or the environment is not that of such a task.</exception>
    public static Shard Parse(string text, Func<string, string?> environment)
    {
        if (text == Slurm) return OfSlurm(environment);
        string[] parts = text.Split('/');
        if (parts.Length != 2 || Number(parts[1]) is not (> 0 and <= MostPieces and int count))
            throw new UsageException($"--shard {text}: {Forms}");
        if (parts[0] == Kubernetes)
        {
            int completed = Variable(environment, text, "JOB_COMPLETION_INDEX", "a pod of an indexed job, which counts from 0");
            return completed < count ? new Shard(completed + 1, count)
                : throw new UsageException($"--shard {text}: JOB_COMPLETION_INDEX is {completed}; N is the job's 'completions'");
        }

        return Number(parts[0]) is { } index && index >= 1 && index <= count ? new Shard(index, count)
            : throw new UsageException($"--shard {text}: {Forms}; pieces are counted from 1");
    }

    /// <summary>Whether it has a block.</summary>
    /// <param name="block">Its number, from 0.</param>
    public bool Holds(long block) => block % Count == Index - 1;

    /// <summary>How many of so many blocks it has.</summary>
    public long BlocksOf(long all) => (all + Count - Index) / Count;

    /// <summary>What a file of the result is called where it holds this piece: <c>x.npy</c> is <c>x.3-of-8.npy</c>.</summary>
    public string NameOf(string path) => Path.ChangeExtension(path, null) + Mark + Path.GetExtension(path);

    /// <summary>The name of the result whose piece has this name; null: it is that of no such piece.</summary>
    public string? ResultOf(string name)
    {
        int at = name.LastIndexOf(Mark + ".", StringComparison.Ordinal);
        if (at >= 0) return string.Concat(name.AsSpan(0, at), name.AsSpan(at + Mark.Length));
        return name.EndsWith(Mark, StringComparison.Ordinal) ? name[..^Mark.Length] : null;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Index} of {Count}");

    private string Mark => string.Create(CultureInfo.InvariantCulture, $".{Index}-of-{Count}");

    /// <summary>The task of a Slurm array. Its ids begin anywhere, and may lie in steps.</summary>
    private static Shard OfSlurm(Func<string, string?> environment)
    {
        const string what = "a task of an array";
        int id = Variable(environment, Slurm, "SLURM_ARRAY_TASK_ID", what);
        int first = Variable(environment, Slurm, "SLURM_ARRAY_TASK_MIN", what);
        int last = Variable(environment, Slurm, "SLURM_ARRAY_TASK_MAX", what);
        int count = Variable(environment, Slurm, "SLURM_ARRAY_TASK_COUNT", what);
        long step = count > 1 ? ((long)last - first) / (count - 1) : 1;
        // Of --array=1,2,7 or of some that are submitted again, the ids do not say which piece is meant.
        if (id < first || id > last || count is < 1 or > MostPieces || step < 1 || first + (step * (count - 1)) != last
            || (id - first) % step != 0)
            throw new UsageException(
                $"--shard slurm: the ids of the array do not lie in equal steps ({first} to {last}, {count} of them, this one {id}); give "
                + "--shard I/N");
        return new Shard((int)((id - first) / step) + 1, count);
    }

    private static int Variable(Func<string, string?> environment, string text, string name, string what) =>
        Number(environment(name) ?? throw new UsageException($"--shard {text}: {name} is not set, as it is in {what}; give --shard I/N"))
            ?? throw new UsageException($"--shard {text}: {name} is '{environment(name)}', expected a whole number");

    private static int? Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}

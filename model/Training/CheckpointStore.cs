using System.Globalization;

namespace Dnabert2.Training;

/// <summary>The checkpoints of a run: folders <c>step-00001000</c>, each there wholly or not at all.</summary>
internal sealed class CheckpointStore
{
    private const string Prefix = "step-";
    private readonly string _folder;

    public CheckpointStore(string runFolder) => _folder = Path.Combine(runFolder, "checkpoints");

    /// <summary>The steps of the checkpoints that are there, in order.</summary>
    public int[] Steps => !Directory.Exists(_folder) ? [] :
    [
        .. Directory.EnumerateDirectories(_folder, Prefix + "*").Select(Path.GetFileName)
            .Where(name => int.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .Select(name => int.Parse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture)).Order(),
    ];

    /// <summary>The folder of a checkpoint.</summary>
    public string PathOf(int step) => Path.Combine(_folder, Prefix + step.ToString("D8", CultureInfo.InvariantCulture));

    /// <summary>Removes what an ended process has left half-written or half-deleted.</summary>
    public void CleanUp()
    {
        if (!Directory.Exists(_folder)) return;
        foreach (string leftover in Directory.GetDirectories(_folder, ".*")) Directory.Delete(leftover, recursive: true);
    }

    /// <summary>Writes a checkpoint; it appears under its name when it is complete and on the disk.</summary>
    /// <param name="step">Its step.</param>
    /// <param name="fill">Writes its files into a folder, flushed.</param>
    public void Write(int step, Action<string> fill)
    {
        string final = PathOf(step), temporary = Hidden(final);
        Directory.CreateDirectory(temporary);
        try
        {
            fill(temporary);
            Directory.Move(temporary, final);
        }
        catch (Exception e)
        {
            Directory.Delete(temporary, recursive: true);
            if (e is not IOException) throw;
            string last = Steps is [.., int before] ? $"; {Path.GetFileName(PathOf(before))} is whole: make room, and resume from it" : "";
            throw new IOException($"{final}: cannot be written: {e.Message}{last}", e);
        }
    }

    /// <summary>Deletes all but the newest checkpoints and one more.</summary>
    public void Keep(int newest, int besides)
    {
        int[] steps = Steps;
        foreach (int step in steps.AsSpan(0, Math.Max(0, steps.Length - newest)))
        {
            if (step == besides) continue;
            // Renamed first: a folder under a checkpoint's name is whole.
            string trash = Hidden(PathOf(step));
            Directory.Move(PathOf(step), trash);
            Directory.Delete(trash, recursive: true);
        }
    }

    /// <summary>Deletes all checkpoints of a run that is not to be resumed any more.</summary>
    public void Delete()
    {
        if (Directory.Exists(_folder)) Directory.Delete(_folder, recursive: true);
    }

    private static string Hidden(string path) =>
        Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.{Path.GetRandomFileName()}");
}

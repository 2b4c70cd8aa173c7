using System.Globalization;
using System.Text.RegularExpressions;

namespace Dnabert2.Training;

/// <summary>
/// The checkpoints of a run: folders <c>step-00001000</c>, each there wholly or not at all. While one is written or removed its name is
/// <c>.step-00001000.writing</c> or <c>.step-00001000.removing</c>. What else lies beside or in them is left.
/// </summary>
internal sealed partial class CheckpointStore
{
    public const string FolderName = "checkpoints";
    private const string Prefix = "step-";
    private static readonly string[] Files =
        ["config.json", "model.safetensors", "tokenizer.json", "trained.safetensors", "optimizer.safetensors", RunState.FileName];

    private readonly string _folder;

    public CheckpointStore(string runFolder) => _folder = Path.Combine(runFolder, FolderName);

    /// <summary>The steps of the checkpoints that are there, in order.</summary>
    public int[] Steps => !Directory.Exists(_folder) ? [] :
        [.. Directory.EnumerateDirectories(_folder, Prefix + "*").Select(StepOf).OfType<int>().Order()];

    /// <summary>Whether a run of this format has left a checkpoint in a folder.</summary>
    public static bool IsIn(string runFolder, string format)
    {
        var store = new CheckpointStore(runFolder);
        return Array.Exists(store.Steps, step => RunState.IsIn(store.PathOf(step), format));
    }

    /// <summary>The folder of a checkpoint.</summary>
    public string PathOf(int step) => Path.Combine(_folder, NameOf(step));

    /// <summary>Removes what an ended process has left half-written or half-removed.</summary>
    public void CleanUp()
    {
        if (!Directory.Exists(_folder)) return;
        foreach (string leftover in Directory.GetDirectories(_folder, $".{Prefix}*"))
            if (Leftover().IsMatch(Path.GetFileName(leftover))) Directory.Delete(leftover, recursive: true);
    }

    /// <summary>Writes a checkpoint; it appears under its name when it is complete and on the disk.</summary>
    /// <param name="step">Its step.</param>
    /// <param name="fill">Writes its files into a folder, flushed.</param>
    public void Write(int step, Action<string> fill)
    {
        string final = PathOf(step), temporary = Hidden(step, "writing");
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
            string last = Steps is [.., int before] ? $"; {NameOf(before)} is whole: make room, and resume from it" : "";
            throw new IOException($"{final}: cannot be written: {e.Message}{last}", e);
        }
    }

    /// <summary>Removes all but the newest checkpoints and one more.</summary>
    public void Keep(int newest, int besides)
    {
        int[] steps = Steps;
        foreach (int step in steps.AsSpan(0, Math.Max(0, steps.Length - newest)))
            if (step != besides) Remove(step);
    }

    /// <summary>Removes all checkpoints of a run that is not to be resumed any more.</summary>
    public void Delete()
    {
        CleanUp();
        foreach (int step in Steps) Remove(step);
        RunFolder.RemoveEmpty(_folder);
    }

    /// <summary>Removes a checkpoint, unless it holds something that the run has not made.</summary>
    private void Remove(int step)
    {
        if (!Directory.EnumerateFileSystemEntries(PathOf(step)).All(entry => Files.Contains(Path.GetFileName(entry)))) return;
        // Renamed first: a folder under a checkpoint's name is whole.
        string removed = Hidden(step, "removing");
        Directory.Move(PathOf(step), removed);
        Directory.Delete(removed, recursive: true);
    }

    private static string NameOf(int step) => Prefix + step.ToString("D8", CultureInfo.InvariantCulture);

    private static int? StepOf(string path)
    {
        string name = Path.GetFileName(path);
        bool isNumber = int.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int step);
        return isNumber && NameOf(step) == name ? step : null;
    }

    private string Hidden(int step, string state) => Path.Combine(_folder, $".{NameOf(step)}.{state}");

    // The second form is that of earlier versions.
    [GeneratedRegex(@"^\.step-\d{8,10}\.(writing|removing|[a-z0-9]{8}\.[a-z0-9]{3})$", RegexOptions.CultureInvariant)]
    private static partial Regex Leftover();
}

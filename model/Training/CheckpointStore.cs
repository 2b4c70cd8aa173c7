using System.Globalization;
using System.Text.RegularExpressions;
using Dnabert2.Files;

namespace Dnabert2.Training;

/// <summary>
/// The checkpoints of a run: folders <c>step-00001000</c>, each there wholly or not at all. While one is written or removed its name is
/// <c>.step-00001000.writing</c> or <c>.step-00001000.removing</c>. What else lies beside or in them is left.
/// </summary>
internal sealed partial class CheckpointStore
{
    public const string FolderName = "checkpoints";
    private const string Prefix = "step-";

    // Of versions that kept no checksums.
    private static readonly string[] OlderFiles =
        ["config.json", "model.safetensors", "tokenizer.json", "trained.safetensors", "optimizer.safetensors", RunState.FileName];

    private readonly string _folder;
    private readonly FileOperations _disk;

    public CheckpointStore(string runFolder, FileOperations? disk = null) =>
        (_folder, _disk) = (Path.Combine(runFolder, FolderName), disk ?? FileOperations.OfMachine);

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
            if (Leftover().IsMatch(Path.GetFileName(leftover))) _disk.DeleteFolder(leftover);
    }

    /// <summary>Writes a checkpoint; it appears under its name when it is complete and on the disk.</summary>
    /// <param name="step">Its step.</param>
    /// <param name="fill">Writes its files into a folder, flushed.</param>
    /// <exception cref="IOException">
    /// It cannot be written; the ones before it are as they were. Or its name cannot be written to the disk, which is said: it is there,
    /// but may be lost if the power fails.
    /// </exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written; the ones before it are as they were.</exception>
    /// <exception cref="NotFiniteNumberException">A value is not finite: there is nothing to resume from in it.</exception>
    public void Write(int step, Action<string> fill)
    {
        string final = PathOf(step), temporary = Hidden(step, "writing");
        try
        {
            _disk.CreateFolder(temporary);
            fill(temporary);
            CheckpointSums.Write(temporary, _disk);
            _disk.MoveFolder(temporary, final);
        }
        catch (Exception e)
        {
            TryDelete(temporary);
            if (Explain(step, e) is { } explained) throw explained;
            throw;
        }

        _disk.FlushFolder(_folder);
    }

    /// <summary>Checks every byte of a checkpoint. One of a version that kept no checksums is only held to be complete.</summary>
    /// <exception cref="InvalidDataException">A file is missing or was altered; the message names it.</exception>
    public void Check(int step, params string[] needed)
    {
        string folder = PathOf(step);
        foreach (string file in needed)
            if (!File.Exists(Path.Combine(folder, file)))
                throw new InvalidDataException($"{Path.Combine(folder, file)} is missing; {CheckpointSums.Remedy}");
        if (CheckpointSums.AreIn(folder)) CheckpointSums.Check(folder, needed);
        else if (RunState.HasSums(folder))
            throw new InvalidDataException($"{Path.Combine(folder, CheckpointSums.FileName)} is missing; {CheckpointSums.Remedy}");
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
        string[] own = CheckpointSums.AreIn(PathOf(step)) ? [.. CheckpointSums.FilesOf(PathOf(step))] : OlderFiles;
        if (!Directory.EnumerateFileSystemEntries(PathOf(step)).All(entry => own.Contains(Path.GetFileName(entry)))) return;
        // Renamed first: a folder under a checkpoint's name is whole.
        string removed = Hidden(step, "removing");
        _disk.MoveFolder(PathOf(step), removed);
        _disk.DeleteFolder(removed);
    }

    private static string NameOf(int step) => Prefix + step.ToString("D8", CultureInfo.InvariantCulture);

    /// <summary>Says of an error what it means for the run.</summary>
    private Exception? Explain(int step, Exception e)
    {
        string final = PathOf(step), whole = Steps is [.., int last] ? $"; {NameOf(last)} is whole" : "";
        string room = whole.Length == 0 ? "" : $"{whole}: make room, and resume from it";
        return e switch
        {
            IOException => new IOException($"{final}: cannot be written: {e.Message}{room}", e),
            UnauthorizedAccessException => new UnauthorizedAccessException($"{final}: may not be written: {e.Message}{whole}", e),
            NotFiniteNumberException n => new NotFiniteNumberException(
                $"{final}: is not written, since {e.Message}{whole}; begin a new run with a lower learning rate, a "
                + "longer warm-up or clipped gradients",
                n.OffendingNumber, e),
            _ => null,
        };
    }

    private void TryDelete(string folder)
    {
        try
        {
            if (Directory.Exists(folder)) _disk.DeleteFolder(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It stays under a name by which the next run finds it.
        }
    }

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

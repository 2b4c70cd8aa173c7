using System.Text;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.Folders;

namespace Dnabert2.Training;

/// <summary>
/// The file <c>start.json</c> of a pre-training: which model it began with, by content. A resumed run has its weights from a checkpoint,
/// and would otherwise go on with a model that is not the one it was told.
/// </summary>
internal static class RunStart
{
    public const string FileName = "start.json";
    private const string Weights = "weights_sha256", New = "new", Remedy = "the file is damaged: begin a new run in another folder";

    /// <summary>Keeps what a run begins with, or holds a run that was begun against it.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="start">The model that it begins with; null: new weights or, of a run that was begun, whatever it was.</param>
    /// <param name="begun">Whether the run was begun before.</param>
    /// <exception cref="InvalidDataException">The run was begun with another model.</exception>
    public static void Check(RunFolder folder, ModelSource? start, bool begun)
    {
        string path = Path.Combine(folder.Path, FileName), now = start is null ? New : start.HashOfWeights();
        // A checksum or a word: nothing in it is to be escaped.
        if (!begun) ResultFiles.Write(path, Encoding.UTF8.GetBytes($"{{\n  \"{Weights}\": \"{now}\"\n}}\n"), folder.Disk);
        if (!begun || start is null || !File.Exists(path)) return;
        string before = JsonFields.Read(path, Remedy, json => json.Text(Weights));
        if (before != now)
            throw new InvalidDataException(
                $"{path}: the run was begun with {(before == New ? "new weights, not" : "other weights than")} those of " +
                $"{start.Folder}; resume with the same model, " +
                "or begin a new run in another folder");
    }
}

using System.Buffers;
using System.Text;
using Dnabert2.Data;
using Dnabert2.Files;

namespace Dnabert2.Training;

/// <summary>
/// The checksums of a checkpoint: the file <c>SHA256SUMS</c> beside its others, written last, in the form that <c>sha256sum --check</c>
/// reads.
/// </summary>
internal static class CheckpointSums
{
    public const string FileName = "SHA256SUMS";
    private const int HashDigits = 64, MostBytes = 1 << 16;
    private static readonly SearchValues<char> LowerHex = SearchValues.Create("0123456789abcdef");

    /// <summary>What a checkpoint is worth whose files are not what they were.</summary>
    public const string Remedy = "the checkpoint is damaged: delete its folder to resume from the one before";

    /// <summary>Writes the checksums of all files of a folder.</summary>
    public static void Write(string folder, FileOperations disk)
    {
        var sums = new StringBuilder();
        foreach (string file in Directory.GetFiles(folder).Order(StringComparer.Ordinal))
            sums.Append(FileHash.OfFile(file)).Append("  ").Append(Path.GetFileName(file)).Append('\n');
        ResultFiles.Write(Path.Combine(folder, FileName), Encoding.UTF8.GetBytes(sums.ToString()), disk);
    }

    /// <summary>Whether a folder has checksums.</summary>
    public static bool AreIn(string folder) => File.Exists(Path.Combine(folder, FileName));

    /// <summary>The files that were written with the checksums; none where these are damaged.</summary>
    public static IEnumerable<string> FilesOf(string folder) => Read(folder).Select(sum => sum.File).OfType<string>().Append(FileName);

    /// <summary>Checks every file of a checkpoint.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="needed">The files that it has to have.</param>
    /// <exception cref="InvalidDataException">A file is missing or was altered; the message names it.</exception>
    public static void Check(string folder, IEnumerable<string> needed)
    {
        string path = Path.Combine(folder, FileName);
        var written = new HashSet<string>(StringComparer.Ordinal);
        foreach ((int line, string? hash, string? file) in Read(folder))
        {
            if (hash is null || file is null || !written.Add(file))
                throw new InvalidDataException($"{path}: line {line} is not valid; {Remedy}");
            string full = Path.Combine(folder, file), shown = Path.Combine(folder, Excerpt.Of(file));
            if (!File.Exists(full)) throw new InvalidDataException($"{shown} is missing; {Remedy}");
            if (FileHash.OfFile(full) != hash)
                throw new InvalidDataException($"{shown} was altered: its checksum is not that of {FileName}; {Remedy}");
        }

        foreach (string file in needed)
            if (!written.Contains(file)) throw new InvalidDataException($"{path}: it has no line for {file}; {Remedy}");
    }

    private static IEnumerable<(int Line, string? Hash, string? File)> Read(string folder)
    {
        string[] lines = Encoding.UTF8.GetString(RegularFile.Read(Path.Combine(folder, FileName), MostBytes)).Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i];
            if (i == lines.Length - 1 && line.Length == 0) yield break;
            bool isSum = line.Length > HashDigits + 2 && line.AsSpan(HashDigits, 2) is "  "
                && line.IndexOf('/', StringComparison.Ordinal) < 0
                && !line.AsSpan(0, HashDigits).ContainsAnyExcept(LowerHex);
            yield return isSum ? (i + 1, line[..HashDigits], line[(HashDigits + 2)..]) : (i + 1, null, null);
        }
    }
}

using System.Text.Json;
using Dnabert2.Data;
using Dnabert2.Files;

namespace Dnabert2.Training;

/// <summary>
/// The folder of a run, held by one process. A marker, <c>dnabert2-run.json</c>, says whose it is and under which names the run makes its
/// files; what else lies in the folder is nobody's to touch. While the run is at work the marker is locked; the system unlocks it for a
/// process that is killed. Let go of before anything was made, the folder is as it was.
/// </summary>
public sealed class RunFolder : IDisposable
{
    /// <summary>The name of the marker.</summary>
    public const string MarkerFile = "dnabert2-run.json";

    private const string Format = "dnabert2-run";
    private const int Version = 1;
    private const string Remedy = "remove it if the folder holds nothing of a run, otherwise name another folder";
    private readonly RunKind _kind;
    private readonly List<string> _made;
    private FileStream? _marker;

    private RunFolder(string path, RunKind kind, FileStream? marker, List<string> made) =>
        (Path, _kind, _marker, _made) = (path, kind, marker, made);

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>What the run does to the disk, it does by this.</summary>
    internal FileOperations Disk { get; private init; } = FileOperations.OfMachine;

    /// <summary>Takes a folder for a run; it is made if there is none.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="kind">What is to run in it.</param>
    /// <param name="resume">Whether to go on with the run that it holds, where there is one.</param>
    /// <param name="inputs">
    /// Files, and folders of files, that the run reads; none of them may lie where it writes, or be the folder.
    /// </param>
    /// <exception cref="IOException">
    /// The folder holds something that is not the run's under a name that the run would write, or a run that is not to be resumed; an input
    /// lies there; another process runs in it; it cannot be made. Nothing was changed.
    /// </exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    /// <exception cref="InvalidDataException">The marker is damaged.</exception>
    public static RunFolder Claim(string path, RunKind kind, bool resume = false, IEnumerable<string>? inputs = null) =>
        ClaimOn(FileOperations.OfMachine, path, kind, resume, inputs);

    /// <summary>
    /// The folder of a run as it is to the ranks other than 0, once rank 0 has taken it: they read there and write nothing.
    /// </summary>
    /// <param name="path">The folder.</param>
    /// <param name="kind">What is to run in it.</param>
    public static RunFolder Follow(string path, RunKind kind)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(kind);
        return new RunFolder(path, kind, null, []);
    }

    /// <summary>Takes a folder on a disk of its own.</summary>
    internal static RunFolder ClaimOn(FileOperations disk, string path, RunKind kind, bool resume, IEnumerable<string>? inputs = null)
    {
        string[] read = [.. inputs ?? []];
        if (Refusal(path, kind, resume, read) is { } reason) throw new IOException($"{path}: {reason}");
        List<string> made = MakeFolder(path, disk);
        FileStream? marker = null;
        try
        {
            marker = Lock(path);
            // Another process may have come first.
            if (Refusal(path, kind, resume, read, marker) is { } late) throw new IOException($"{path}: {late}");
            if (Write(marker, kind)) disk.FlushFolder(path);
            RemoveLeftovers(path, kind);
            return new RunFolder(path, kind, marker, made) { Disk = disk };
        }
        catch
        {
            // One without contents is this process's.
            if (marker is { Length: 0 }) Remove(path, marker);
            marker?.Dispose();
            RemoveEmpty(made);
            throw;
        }
    }

    /// <summary>Why a run may not have a folder, with the way out, or null where it may; nothing is changed.</summary>
    /// <inheritdoc cref="Claim"/>
    public static string? Refusal(string path, RunKind kind, bool resume = false, IEnumerable<string>? inputs = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(kind);
        return Refusal(path, kind, resume, inputs ?? [], null);
    }

    /// <summary>
    /// Lets go of the folder. Where the run has made nothing, the marker goes, and with it the folder if this process made it.
    /// </summary>
    public void Dispose()
    {
        if (_marker is not { } marker) return;
        _marker = null;
        if (Directory.Exists(Path) && (!Files.Any() || (_kind.IsWhole && _kind.IsBegun(Path)))) Remove(Path, marker);
        marker.Dispose();
        RemoveEmpty(_made);
    }

    /// <summary>What lies in the folder under the names of the run.</summary>
    internal IEnumerable<string> Files =>
        Directory.GetFileSystemEntries(Path).Where(entry => RunKind.Matches(_kind.Names, System.IO.Path.GetFileName(entry)));

    /// <summary>Whether a folder has a marker.</summary>
    internal static bool IsMarked(string path) => File.Exists(MarkerOf(path));

    /// <summary>Removes what a killed process has left of files that it was writing (see <see cref="ResultFiles"/>).</summary>
    private static void RemoveLeftovers(string path, RunKind kind)
    {
        foreach (string file in Directory.GetFiles(path, ".*"))
            if (kind.IsLeftover(System.IO.Path.GetFileName(file))) File.Delete(file);
    }

    private static string? Refusal(string path, RunKind kind, bool resume, IEnumerable<string> inputs, FileStream? marker)
    {
        if (File.Exists(path)) return "is a file; name a folder";
        if (!Directory.Exists(path)) return null;
        if (Written(path, kind, inputs) is { } input)
            return $"{input}: this is the input, and the run would write there; name another folder";
        IReadOnlyList<string>? own = ReadMarker(path, marker, kind) ?? (kind.IsOlder(path) ? kind.Names : null);
        foreach (string entry in Directory.EnumerateFileSystemEntries(path))
        {
            string name = System.IO.Path.GetFileName(entry);
            if (name == MarkerFile || !(kind.IsWhole || RunKind.Matches(kind.Names, name))) continue;
            if (own is not null && (RunKind.Matches(own, name) || kind.IsLeftover(name))) continue;
            return kind.IsWhole
                ? $"holds {name}, which is not of a {kind.Name}; name a new or empty folder"
                : $"holds {name}, which no {kind.Name} has made there and this one would write over; move it away, or name another folder";
        }

        return own is not null && !resume && kind.IsBegun(path) ? "holds a run already; resume it, or name another folder" : null;
    }

    /// <summary>The first input that is, or lies in, something that the run writes, by whatever links it is named.</summary>
    private static string? Written(string path, RunKind kind, IEnumerable<string> inputs)
    {
        string[] written = [.. Directory.EnumerateFileSystemEntries(path)
            .Where(entry => RunKind.Matches(kind.Names, System.IO.Path.GetFileName(entry))).Select(FileIdentity.Resolve)];
        string folder = FileIdentity.Resolve(path);
        foreach (string input in inputs)
        {
            if (FileIdentity.Resolve(input) == folder) return input;
            foreach (string file in Directory.Exists(input) ? [input, .. Directory.EnumerateFiles(input)] : (IEnumerable<string>)[input])
                if (Array.Exists(written, target => IsOrLiesIn(target, FileIdentity.Resolve(file)))) return file;
        }

        return null;

        static bool IsOrLiesIn(string target, string file) =>
            FileIdentity.AreSame(target, file) || file.StartsWith(target + System.IO.Path.DirectorySeparatorChar, StringComparison.Ordinal);
    }

    private static string MarkerOf(string path) => System.IO.Path.Combine(path, MarkerFile);

    private static FileStream Lock(string path)
    {
        while (true)
        {
            FileStream marker =
                Open(path, () => new FileStream(MarkerOf(path), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1));
            if (!marker.CanSeek)
            {
                marker.Dispose();
                throw NotRegular(path);
            }

            // Between opening and locking, another process may have let go of the folder and removed the file.
            if (IsMarked(path)) return marker;
            marker.Dispose();
        }
    }

    private static IOException NotRegular(string path) => new($"{MarkerOf(path)}: is not a regular file; {Remedy}");

    private static T Open<T>(string path, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException))
        {
            throw new IOException($"{path}: another process works in this folder; wait for its end, or name another folder", e);
        }
    }

    // Removed while it is locked, so that no other process holds what is removed; Windows removes no open file.
    private static void Remove(string path, FileStream marker)
    {
        if (OperatingSystem.IsWindows()) marker.Dispose();
        File.Delete(MarkerOf(path));
    }

    /// <summary>Removes folders that are there and empty.</summary>
    internal static void RemoveEmpty(params IEnumerable<string> folders)
    {
        foreach (string folder in folders)
            if (Directory.Exists(folder) && !Directory.EnumerateFileSystemEntries(folder).Any()) Directory.Delete(folder);
    }

    /// <summary>The names that the marker of a folder gives the run; null where there is none, or it was begun and not written.</summary>
    private static string[]? ReadMarker(string folder, FileStream? locked, RunKind kind)
    {
        string path = MarkerOf(folder);
        // No run makes a link, and to write through one would be to write elsewhere.
        if (new FileInfo(path).LinkTarget is not null) throw NotRegular(folder);
        if (locked is null && !File.Exists(path)) return null;
        byte[] json = locked is null ? Open(folder, () => new FileInfo(path).Length == 0 ? [] : JsonFields.Bytes(path)) : Content(locked);
        if (json.Length == 0) return null;
        return JsonFields.Read(path, json, Remedy, fields =>
        {
            if (fields.Text("format") != Format) throw fields.Fault("format", $"is not {Format}");
            if (fields.Integer("version", 0) != Version) throw fields.Fault("version", $"is not {Version}, the one this program reads");
            string held = fields.Text("kind");
            if (held != kind.Name)
                throw new IOException($"{folder}: holds a run of another kind ({Excerpt.Of(held)}); name another folder");
            return fields.Texts("names");
        });
    }

    private static byte[] Content(FileStream file)
    {
        byte[] bytes = new byte[file.Length];
        file.Position = 0;
        file.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Writes the marker; false where it is written already.</summary>
    private static bool Write(FileStream marker, RunKind kind)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteNumber("version", Version);
            json.WriteString("kind", kind.Name);
            json.WriteString("about", "This folder is of a run of dnabert2, which writes and deletes under these names and no others.");
            json.WriteStartArray("names");
            foreach (string name in kind.Names) json.WriteStringValue(name);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        ReadOnlySpan<byte> content = bytes.GetBuffer().AsSpan(0, (int)bytes.Length);
        if (content.SequenceEqual(Content(marker))) return false;
        marker.SetLength(0);
        marker.Write(content);
        marker.Flush(flushToDisk: true);
        return true;
    }

    /// <summary>Makes a folder and those it lies in; those that were made, the innermost first.</summary>
    private static List<string> MakeFolder(string path, FileOperations disk)
    {
        var made = new List<string>();
        string? at = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        for (; at is not null && !Directory.Exists(at); at = System.IO.Path.GetDirectoryName(at)) made.Add(at);
        try
        {
            disk.CreateFolder(path);
            return made;
        }
        catch
        {
            RemoveEmpty(made);
            throw;
        }
    }
}

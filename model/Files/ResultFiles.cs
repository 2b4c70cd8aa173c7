using System.IO.Enumeration;

namespace Dnabert2.Files;

/// <summary>
/// The files of one result. They are written under temporary names in the same folder, and take their final names, over what was there
/// before, only when all of them are complete; where one cannot be named, all are as before. Disposed without a commit, be it by an error
/// or an interruption, nothing is left. What a killed process has left of the same files is removed.
/// </summary>
/// <remarks>
/// A final name that is a symbolic link is written through: what it leads to is replaced, or made, and the link stays. A file that is
/// replaced keeps its permissions and, where that is allowed, its owner. A process that is killed between two renames leaves the later
/// named ones of its files new and the others as they were, each whole.
/// </remarks>
public sealed class ResultFiles : IDisposable
{
    private const int MostAttempts = 8;
    private readonly FileOperations _disk;
    private readonly List<Part> _parts = [];

    /// <summary>Begins a result of no files.</summary>
    public ResultFiles()
        : this(FileOperations.OfMachine)
    {
    }

    internal ResultFiles(FileOperations disk) => _disk = disk;

    /// <summary>Writes a file that is there wholly or not at all.</summary>
    /// <exception cref="IOException">It cannot be written; what was there before is left.</exception>
    /// <exception cref="UnauthorizedAccessException">It, or its folder, may not be written to.</exception>
    public static void Write(string path, ReadOnlySpan<byte> bytes) => Write(path, bytes, FileOperations.OfMachine);

    /// <summary>Writes a file that is there wholly or not at all.</summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Writes its contents.</param>
    /// <exception cref="IOException">It cannot be written; what was there before is left.</exception>
    /// <exception cref="UnauthorizedAccessException">It, or its folder, may not be written to.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        Write(path, write, FileOperations.OfMachine);
    }

    internal static void Write(string path, ReadOnlySpan<byte> bytes, FileOperations? disk)
    {
        using var files = new ResultFiles(disk ?? FileOperations.OfMachine);
        files.Add(path).Write(bytes);
        files.Commit();
    }

    internal static void Write(string path, Action<Stream> write, FileOperations? disk)
    {
        using var files = new ResultFiles(disk ?? FileOperations.OfMachine);
        write(files.Add(path));
        files.Commit();
    }

    /// <summary>Says what is wrong with a path to write to, before any work is done.</summary>
    /// <exception cref="DirectoryNotFoundException">Its folder does not exist.</exception>
    /// <exception cref="IOException">It is a folder, a pipe or a device.</exception>
    /// <exception cref="UnauthorizedAccessException">It, or its folder, may not be written to.</exception>
    public static void Check(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        FileStatus? there = FileStatus.Of(path);
        if (there is { IsFolder: true } || Path.EndsInDirectorySeparator(path))
            throw new IOException($"{path}: this is a folder; name the file to write");
        if (there is { IsRegular: false } other)
            throw new IOException($"{path}: this is {other.Kind}, which a result would replace; name a file");
        string final = FileIdentity.Resolve(path), folder = Path.GetDirectoryName(final)!;
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{path}: there is no folder {folder}; make it first, or name another one");
        if (there is not null && !FileStatus.MayWrite(final))
            throw new UnauthorizedAccessException($"{path}: is write-protected; name another file");
        if (!FileStatus.MayWrite(folder)) throw ClosedFolder(path);
    }

    /// <summary>Begins a file; it is named in the reverse order of these calls, so that the first one appears last.</summary>
    /// <param name="path">Its final name.</param>
    /// <param name="size">The bytes it will have, if known: a disk that is too full for them is found at once.</param>
    /// <exception cref="DirectoryNotFoundException">Its folder does not exist.</exception>
    /// <exception cref="IOException">It cannot be created, or is another file of this result.</exception>
    /// <exception cref="UnauthorizedAccessException">It, or its folder, may not be written to.</exception>
    public FileStream Add(string path, long size = 0)
    {
        string final = FinalOf(path);
        RemoveLeftovers(final);
        UnixFileMode? mode = ModeOf(final);
        for (int attempt = 1; ; attempt++)
        {
            string temporary = TemporaryName.Of(final);
            // Between its creation and its lock, another process may have taken the file for a leftover.
            if (Create(path, temporary, size, mode, attempt) is not { } stream) continue;
            if (attempt == MostAttempts || FileIdentity.IsOf(stream.SafeFileHandle, temporary))
            {
                _parts.Add(new Part(final, temporary, stream));
                return stream;
            }

            stream.Dispose();
        }
    }

    /// <summary>
    /// Begins a file that several processes may write, one after the other, or goes on with it. Until the commit it has the name of
    /// <see cref="KeptName"/>, and without one it stays there, for the next process. While this one lives, no other can go on with it.
    /// </summary>
    /// <param name="path">Its final name.</param>
    /// <returns>The file with what is in it, at its beginning.</returns>
    /// <exception cref="DirectoryNotFoundException">Its folder does not exist.</exception>
    /// <exception cref="IOException">Another process writes it; or it cannot be created, or is another file of this result.</exception>
    /// <exception cref="UnauthorizedAccessException">It, or its folder, may not be written to.</exception>
    internal FileStream AddKept(string path)
    {
        string final = FinalOf(path), kept = KeptName(path);
        if (FileStatus.Of(kept) is { IsRegular: false } other)
            throw new IOException($"{kept}: this is {other.Kind}, where a part of the result is to be; name another result");
        for (int attempt = 1; ; attempt++)
        {
            FileStream stream = OpenKept(path, kept, ModeOf(final));
            // Between its opening and its lock, another process may have completed it, and what is open here is the result.
            if (FileIdentity.IsOf(stream.SafeFileHandle, kept))
            {
                _parts.Add(new Part(final, kept, stream, isKept: true));
                return stream;
            }

            stream.Dispose();
            if (attempt == MostAttempts) throw new IOException($"{kept}: other processes replace this file; let one write the result");
        }
    }

    /// <summary>The name that a file of <see cref="AddKept"/> has until it is complete: its final one and <c>.part</c>.</summary>
    internal static string KeptName(string path) => FileIdentity.Resolve(path) + ".part";

    /// <summary>Makes the files appear under their final names, complete and on the disk.</summary>
    /// <exception cref="IOException">
    /// The disk is full, or a file cannot be named; all final names are as before. Or the names cannot be written to the disk, which is
    /// said: the files are there, but may be lost if the power fails.
    /// </exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be named; all final names are as before.</exception>
    public void Commit()
    {
        foreach (Part part in _parts)
        {
            _disk.Flush(part.Stream);
            if (File.Exists(part.Final)) _disk.CopyPermissions(part.Final, part.Stream);
        }

        // The last rename replaces in one step; what the ones before it replace is kept until then.
        for (int i = _parts.Count - 1; i > 0; i--)
        {
            if (!File.Exists(_parts[i].Final)) continue;
            string former = _parts[i].Temporary + TemporaryName.Former;
            _parts[i].Former = former;
            _disk.Keep(_parts[i].Final, former);
        }

        int named = _parts.Count;
        try
        {
            // Still open, and so locked: no other process takes them for leftovers.
            for (; named > 0; named--) _disk.Move(_parts[named - 1].Temporary, _parts[named - 1].Final);
        }
        catch (Exception e)
        {
            string notUndone = string.Concat(_parts.Skip(named).Select(Undo));
            if (notUndone.Length == 0) throw;
            throw new IOException($"{e.Message}{notUndone}", e);
        }

        foreach (string folder in _parts.Select(part => Path.GetDirectoryName(part.Final)!).Distinct()) _disk.FlushFolder(folder);
        Dispose();
    }

    /// <summary>Closes the files; without a commit, removes what was written.</summary>
    public void Dispose()
    {
        foreach (Part part in _parts)
        {
            // While it is still locked; elsewhere, an open file is not removed.
            if (!OperatingSystem.IsWindows() && !part.IsKept) TryDelete(part.Temporary);
            try
            {
                part.Stream.Dispose();
            }
            catch (IOException)
            {
                // What was left in the buffer does not fit on the disk, and is not wanted any more.
            }

            if (OperatingSystem.IsWindows() && !part.IsKept) TryDelete(part.Temporary);
            if (part.Former is not null) TryDelete(part.Former);
        }

        _parts.Clear();
    }

    /// <summary>The final name of a new file of this result.</summary>
    private string FinalOf(string path)
    {
        Check(path);
        string final = FileIdentity.Resolve(path);
        foreach (Part part in _parts)
            if (FileIdentity.AreSame(part.Final, final))
                throw new IOException($"{path}: this is {part.Final} by another name; name another file");
        return final;
    }

    private static UnixFileMode? ModeOf(string final) =>
        !OperatingSystem.IsWindows() && File.Exists(final) ? File.GetUnixFileMode(final) : null;

    private FileStream OpenKept(string path, string kept, UnixFileMode? mode)
    {
        try
        {
            return _disk.OpenOrCreate(kept, mode);
        }
        catch (IOException e) when (TemporaryName.IsLookedAt(e))
        {
            throw new IOException($"{kept}: another process writes {path}; wait until it ends", e);
        }
        catch (UnauthorizedAccessException)
        {
            throw FileStatus.MayWrite(Path.GetDirectoryName(kept)!)
                ? new UnauthorizedAccessException($"{kept}: is write-protected; remove it, or name another result") : ClosedFolder(path);
        }
    }

    private FileStream? Create(string path, string temporary, long size, UnixFileMode? mode, int attempt)
    {
        try
        {
            return _disk.Create(temporary, size, mode);
        }
        catch (IOException e) when (attempt < MostAttempts && TemporaryName.IsLookedAt(e))
        {
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            throw ClosedFolder(path);
        }
    }

    private static UnauthorizedAccessException ClosedFolder(string path) =>
        new($"{path}: its folder may not be written to; name another one");

    /// <summary>Gives a final name back to what had it; returns what to say where that fails.</summary>
    private string Undo(Part part)
    {
        try
        {
            if (part.IsKept) _disk.Move(part.Final, part.Temporary);
            else if (part.Former is null) _disk.Delete(part.Final);
            if (part.Former is not null) _disk.Move(part.Former, part.Final);
            return "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            string kept = part.Former is { } former ? $"what was there before is {former}" : "remove it";
            part.Former = null;
            return $"; {part.Final} is of the result that was not completed: {kept}";
        }
    }

    /// <summary>Removes what killed processes have left of a file.</summary>
    private void RemoveLeftovers(string final)
    {
        var options = new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = true };
        string folder = Path.GetDirectoryName(final)!;
        var found = new FileSystemEnumerable<string>(folder, (ref FileSystemEntry entry) => entry.ToFullPath(), options)
        {
            ShouldIncludePredicate = (ref FileSystemEntry entry) => TemporaryName.IsOf(final, entry.FileName) && !entry.IsDirectory,
        };
        foreach (string path in found)
        {
            // What is replaced is not locked itself, but what replaces it is, before and after it is renamed.
            if (!path.EndsWith(TemporaryName.Former, StringComparison.Ordinal))
                TemporaryName.RemoveUnlessLocked(path, () => TryDelete(path));
            else if (!TemporaryName.IsLocked(path[..^TemporaryName.Former.Length]) && !TemporaryName.IsLocked(final)) TryDelete(path);
        }
    }

    private void TryDelete(string path)
    {
        try
        {
            _disk.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It stays under a name by which the next process that writes this result finds it.
        }
    }

    private sealed class Part(string final, string temporary, FileStream stream, bool isKept = false)
    {
        public string Final => final;

        public string Temporary => temporary;

        public FileStream Stream => stream;

        /// <summary>Whether it stays without a commit.</summary>
        public bool IsKept => isKept;

        /// <summary>The second name of what is replaced, or null.</summary>
        public string? Former { get; set; }
    }
}

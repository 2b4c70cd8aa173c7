namespace Dnabert2.Files;

/// <summary>
/// A new folder as a result: it is filled under a temporary name beside its final one, and appears when it is complete. Disposed without a
/// commit, be it by an error or an interruption, it leaves nothing. What a killed process has left of the same folder is removed.
/// </summary>
public sealed class ResultFolder : IDisposable
{
    private const string LockEnd = ".lock";
    private readonly FileOperations _disk;
    private readonly string _final;
    private FileStream? _lock;

    /// <summary>Begins a folder.</summary>
    /// <param name="path">Its final name; nothing is there yet. A symbolic link that leads to nothing yet is written through.</param>
    /// <exception cref="DirectoryNotFoundException">The folder it is to lie in does not exist.</exception>
    /// <exception cref="IOException">Something is there already, or the folder cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder it is to lie in may not be written to.</exception>
    public ResultFolder(string path)
        : this(path, FileOperations.OfMachine)
    {
    }

    internal ResultFolder(string path, FileOperations disk)
    {
        _disk = disk;
        ArgumentException.ThrowIfNullOrEmpty(path);
        path = System.IO.Path.TrimEndingDirectorySeparator(path);
        _final = FileIdentity.Resolve(path);
        if (FileStatus.Of(_final) is not null) throw new IOException($"{path}: is there already; name a new folder");
        ResultFiles.Check(path);
        RemoveLeftovers();
        (Path, _lock) = Begin(_final);
        try
        {
            disk.CreateFolder(Path);
        }
        catch
        {
            TryDelete(Path);
            _lock.Dispose();
            throw;
        }
    }

    /// <summary>The folder to fill.</summary>
    public string Path { get; }

    /// <summary>Makes the folder appear under its final name, on the disk with the files that were flushed in it.</summary>
    /// <exception cref="IOException">
    /// Something of that name is there by now, or the folder cannot be named. Or the name cannot be written to the disk, which is said: the
    /// folder is there, but may be lost if the power fails.
    /// </exception>
    public void Commit()
    {
        ObjectDisposedException.ThrowIf(_lock is null, this);
        _disk.FlushFolder(Path);
        _disk.MoveFolder(Path, _final);
        _disk.FlushFolder(System.IO.Path.GetDirectoryName(_final)!);
        Dispose();
    }

    /// <summary>Without a commit, removes what was written.</summary>
    public void Dispose()
    {
        if (_lock is null) return;
        TryDelete(Path);
        _lock.Dispose();
        _lock = null;
    }

    private void RemoveLeftovers()
    {
        string parent = System.IO.Path.GetDirectoryName(_final)!;
        var options = new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = true };
        foreach (string path in Directory.EnumerateFileSystemEntries(parent, "*", options))
        {
            string folder = path.EndsWith(LockEnd, StringComparison.Ordinal) ? path[..^LockEnd.Length] : path;
            if (!TemporaryName.IsOf(_final, System.IO.Path.GetFileName(folder))) continue;
            TemporaryName.RemoveUnlessLocked(folder + LockEnd, () =>
            {
                TryDelete(folder);
                File.Delete(folder + LockEnd);
            });
        }
    }

    /// <summary>A temporary name that is this process's: its lock is held, and still there.</summary>
    private static (string Path, FileStream Lock) Begin(string final)
    {
        const int mostAttempts = 8;
        for (int attempt = 1; ; attempt++)
        {
            string path = TemporaryName.Of(final);
            try
            {
                var held = new FileStream(
                    path + LockEnd, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
                // Between its creation and its lock, another process may have taken the file for a leftover.
                if (attempt == mostAttempts || FileIdentity.IsOf(held.SafeFileHandle, path + LockEnd)) return (path, held);
                held.Dispose();
            }
            catch (IOException e) when (attempt < mostAttempts && TemporaryName.IsLookedAt(e))
            {
                // Taken for a leftover before it was locked: another name.
            }
        }
    }

    private void TryDelete(string folder)
    {
        if (!Directory.Exists(folder)) return;
        try
        {
            _disk.DeleteFolder(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It stays under a name by which the next process that writes this result finds it.
        }
    }
}

namespace Dnabert2.Tool;

/// <summary>
/// The files of one result. They are written under temporary names in the same folder, and take their final names, over what was there
/// before, only when all of them are complete. Disposed without a commit, be it by an error or an interruption, it leaves nothing.
/// </summary>
internal sealed class ResultFiles : IDisposable
{
    private readonly List<(string Path, string Temporary, FileStream Stream)> _files = [];

    /// <summary>Says what is wrong with a path to write to, before any work is done.</summary>
    /// <exception cref="DirectoryNotFoundException">Its folder does not exist.</exception>
    /// <exception cref="IOException">It is a folder.</exception>
    public static void Check(string path)
    {
        string full = Path.GetFullPath(path);
        if (Directory.Exists(full)) throw new IOException($"{path}: this is a folder; name the file to write");
        string folder = Path.GetDirectoryName(full)!;
        if (!Directory.Exists(folder)) throw new DirectoryNotFoundException($"{path}: there is no folder {folder}; make it first, or name another one");
    }

    /// <summary>Begins a file; it is named in the reverse order of these calls, so that the first one appears last.</summary>
    /// <exception cref="IOException">It cannot be created.</exception>
    /// <exception cref="UnauthorizedAccessException">Its folder may not be written to.</exception>
    public FileStream Add(string path)
    {
        Check(path);
        string full = Path.GetFullPath(path);
        string temporary = Path.Combine(Path.GetDirectoryName(full)!, $".{Path.GetFileName(full)}.{Path.GetRandomFileName()}.tmp");
        try
        {
            var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);
            _files.Add((full, temporary, stream));
            return stream;
        }
        catch (UnauthorizedAccessException)
        {
            throw new UnauthorizedAccessException($"{path}: its folder may not be written to; name another one");
        }
    }

    /// <summary>Makes the files appear under their final names, complete and on the disk.</summary>
    /// <exception cref="IOException">The disk is full, or a file cannot be named; none of the files is left then.</exception>
    public void Commit()
    {
        foreach ((_, _, FileStream stream) in _files)
        {
            stream.Flush(flushToDisk: true);
            stream.Dispose();
        }

        int named = _files.Count;
        try
        {
            for (; named > 0; named--) File.Move(_files[named - 1].Temporary, _files[named - 1].Path, overwrite: true);
            _files.Clear();
        }
        catch
        {
            foreach ((string path, _, _) in _files[named..]) File.Delete(path);
            throw;
        }
    }

    /// <summary>Closes the files; without a commit, removes what was written.</summary>
    public void Dispose()
    {
        foreach ((_, string temporary, FileStream stream) in _files)
        {
            try
            {
                stream.Dispose();
            }
            catch (IOException)
            {
                // What was left in the buffer does not fit on the disk, and is not wanted any more.
            }

            File.Delete(temporary);
        }

        _files.Clear();
    }
}

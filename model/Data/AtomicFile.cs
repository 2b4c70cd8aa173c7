using Engine.Runtime;

namespace Dnabert2.Training;

/// <summary>Files that are there wholly or not at all.</summary>
internal static class AtomicFile
{
    /// <summary>
    /// Opens a file that no other process can open meanwhile, and that is gone when it is closed. The system closes it for a process that
    /// is killed.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="held">The error where another process holds it.</param>
    public static FileStream Lock(string path, string held)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException))
        {
            throw new IOException(held, e);
        }
    }

    /// <summary>Removes the lock file that a killed process has left; one that is held, or may not be removed, stays.</summary>
    public static void RemoveAbandonedLock(string path)
    {
        if (!File.Exists(path)) return;
        try
        {
            Lock(path, path).Dispose();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    /// <summary>Writes a file that is there wholly or not at all; see <see cref="ResultFiles"/>.</summary>
    public static void Write(string path, ReadOnlySpan<byte> bytes) => ResultFiles.Write(path, bytes);
}

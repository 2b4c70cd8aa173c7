using Engine.Runtime;

namespace Dnabert2.Training;

/// <summary>Files that are there wholly or not at all; see <see cref="ResultFiles"/>.</summary>
internal static class AtomicFile
{
    /// <summary>Writes a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="bytes">Its contents.</param>
    /// <param name="disk">Where to; null: the disks of this machine.</param>
    public static void Write(string path, ReadOnlySpan<byte> bytes, FileOperations? disk = null)
    {
        using ResultFiles files = new(disk ?? FileOperations.OfMachine);
        files.Add(path).Write(bytes);
        files.Commit();
    }

    /// <summary>Writes a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Writes its contents.</param>
    /// <param name="disk">Where to; null: the disks of this machine.</param>
    public static void Write(string path, Action<Stream> write, FileOperations? disk = null)
    {
        using ResultFiles files = new(disk ?? FileOperations.OfMachine);
        write(files.Add(path));
        files.Commit();
    }
}

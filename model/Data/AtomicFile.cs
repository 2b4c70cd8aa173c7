using Engine.Runtime;

namespace Dnabert2.Training;

/// <summary>Files that are there wholly or not at all.</summary>
internal static class AtomicFile
{
    /// <summary>Writes a file that is there wholly or not at all; see <see cref="ResultFiles"/>.</summary>
    public static void Write(string path, ReadOnlySpan<byte> bytes) => ResultFiles.Write(path, bytes);
}

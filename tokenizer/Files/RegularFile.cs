namespace Dnabert2.Files;

/// <summary>
/// Opens files that are read whole or at any place, such as those of a model. Anything but a regular file (a pipe, a socket, a device) is
/// refused before it is opened: opening it may wait for ever, and reading it may never end.
/// </summary>
internal static class RegularFile
{
    /// <summary>Opens a file of at least one byte.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <exception cref="IOException">It is a folder, or reading failed.</exception>
    /// <exception cref="InvalidDataException">It is empty, or not a regular file.</exception>
    public static FileStream Open(string path)
    {
        if (Directory.Exists(path)) throw new IOException($"{path}: is a folder; name a file in it");
        // Pipes, sockets and devices have no length; asking for it opens nothing.
        if (File.Exists(path) && LengthOf(path) == 0) throw NotRegular(path);
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        if (stream.CanSeek && stream.Length > 0) return stream;
        stream.Dispose();
        throw NotRegular(path);
    }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="most">The most bytes it may have.</param>
    /// <exception cref="InvalidDataException">It is empty, larger, or not a regular file; else as <see cref="Open"/>.</exception>
    public static byte[] Read(string path, int most)
    {
        using FileStream stream = Open(path);
        long length = stream.Length;
        if (length > most) throw new InvalidDataException($"{path}: has {length} bytes; a file of its kind has at most {most}");
        byte[] bytes = new byte[length];
        if (stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
            throw new InvalidDataException($"{path}: became shorter while it was read");
        return bytes;
    }

    private static long LengthOf(string path)
    {
        // What a link leads to may have no name that could be found: /dev/stdin is a link to "pipe:[1234]".
        var file = new FileInfo(path);
        if (file.ResolveLinkTarget(returnFinalTarget: true) is { } target) file = new FileInfo(target.FullName);
        return file.Exists ? file.Length : 0;
    }

    private static InvalidDataException NotRegular(string path) =>
        new($"{path}: is empty, or not a regular file; a pipe or a device cannot be read here, write its content to a file");
}

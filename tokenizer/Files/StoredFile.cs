namespace Dnabert2.Files;

/// <summary>A file of a model: one on disk, or content in memory, to which a path is a name for messages.</summary>
/// <param name="Path">The path.</param>
/// <param name="Content">The content in memory; null: it is on disk.</param>
internal readonly record struct StoredFile(string Path, ReadOnlyMemory<byte>? Content)
{
    /// <summary>A file on disk.</summary>
    public static implicit operator StoredFile(string path) => new(path, null);

    /// <summary>The bytes of the file.</summary>
    public long Length => Content?.Length ?? new FileInfo(Path).Length;

    /// <summary>The whole content.</summary>
    /// <param name="most">The most bytes it may have.</param>
    /// <exception cref="InvalidDataException">
    /// It is empty, larger, or not a regular file; else as <see cref="RegularFile.Open"/>.
    /// </exception>
    public ReadOnlyMemory<byte> Read(int most) => Content is not { } content ? RegularFile.Read(Path, most)
        : content.Length is > 0 and var length && length <= most ? content
        : throw new InvalidDataException($"{Path}: has {content.Length} bytes; a file of its kind has 1 to {most}");

    /// <inheritdoc/>
    public override string ToString() => Path;
}

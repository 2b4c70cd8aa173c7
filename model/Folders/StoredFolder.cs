using Dnabert2.Files;

namespace Dnabert2.Folders;

/// <summary>A folder of a model's files: one on disk, or files in memory, to which a path is a name for messages.</summary>
/// <param name="Path">The path.</param>
/// <param name="Files">The files in memory; null: they are on disk.</param>
internal readonly record struct StoredFolder(string Path, ModelFiles? Files)
{
    /// <summary>A folder on disk, or by its name the built-in model.</summary>
    public static implicit operator StoredFolder(string path) => new(path, path == ModelSource.BuiltIn ? BuiltInModel.Files : null);

    /// <summary>Files in memory.</summary>
    public static implicit operator StoredFolder(ModelFiles files) => new(files.Name, files);

    /// <summary>A file; null where there is none.</summary>
    public StoredFile? Find(string name)
    {
        string path = System.IO.Path.Combine(Path, name);
        if (Files is null) return File.Exists(path) ? new StoredFile(path, Content: null) : default(StoredFile?);
        return Files.Find(name) is { } content ? new StoredFile(path, content) : default(StoredFile?);
    }

    /// <summary>Whether there is such a file.</summary>
    public bool Has(string name) => Find(name) is not null;

    /// <inheritdoc/>
    public override string ToString() => Path;
}

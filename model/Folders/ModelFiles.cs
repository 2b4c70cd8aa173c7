using System.Buffers;
using System.Reflection;

namespace Dnabert2.Folders;

/// <summary>
/// The files of a model in memory, under the names that they have in a folder: <c>config.json</c>, <c>tokenizer.json</c>,
/// <c>model.safetensors</c> and whatever else such a folder holds. <see cref="ModelSource.Open(ModelFiles, SelfAttention?)"/> takes them,
/// and nothing is written to a disk.
/// </summary>
/// <example>
/// <code>
/// var files = new ModelFiles("my model").Add("config.json", config).Add("tokenizer.json", tokenizer).Add("model.safetensors", stream);
/// using SequenceModel model = ModelSource.Open(files).Load();
/// using SequenceModel embedded = ModelSource.Open(ModelFiles.FromResources(typeof(Program).Assembly, "MyProgram.model.")).Load();
/// </code>
/// </example>
public sealed class ModelFiles
{
    private readonly Dictionary<string, ReadOnlyMemory<byte>> _files = new(StringComparer.Ordinal);

    /// <summary>Files to be added.</summary>
    /// <param name="name">What messages call the model.</param>
    public ModelFiles(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Name = name;
    }

    /// <summary>What messages call the model.</summary>
    public string Name { get; }

    /// <summary>The names of the files.</summary>
    public IReadOnlyCollection<string> FileNames => _files.Keys;

    /// <summary>Adds a file that is in memory.</summary>
    /// <param name="fileName">Its name in a folder.</param>
    /// <param name="content">Its content, which is not copied: it has to stay as it is while models are loaded from it.</param>
    /// <returns>These files.</returns>
    /// <exception cref="ArgumentException">There is such a file already.</exception>
    public ModelFiles Add(string fileName, ReadOnlyMemory<byte> content)
    {
        ArgumentException.ThrowIfNullOrEmpty(fileName);
        _files.Add(fileName, content);
        return this;
    }

    /// <summary>Adds a file that is read from a stream, to its end.</summary>
    /// <param name="fileName">Its name in a folder.</param>
    /// <param name="stream">The stream, which is left open.</param>
    /// <returns>These files.</returns>
    /// <exception cref="ArgumentException">There is such a file already.</exception>
    /// <exception cref="IOException">The stream cannot be read, or has more than 2 GB: give such a model as a folder.</exception>
    public ModelFiles Add(string fileName, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using var content = new MemoryStream(stream.CanSeek ? (int)Math.Clamp(stream.Length - stream.Position, 0, Array.MaxLength) : 0);
        stream.CopyTo(content);
        return Add(fileName, content.GetBuffer().AsMemory(0, (int)content.Length));
    }

    /// <summary>The embedded resources of an assembly whose names begin in one way; the rest of each name is that of the file.</summary>
    /// <param name="assembly">The assembly.</param>
    /// <param name="prefix">What the names begin with, such as <c>MyProgram.model.</c>.</param>
    /// <returns>Views of the resources, which are not copied.</returns>
    /// <exception cref="ArgumentException">There is no such resource.</exception>
    public static ModelFiles FromResources(Assembly assembly, string prefix)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        return FromResources(assembly, prefix, prefix);
    }

    internal static ModelFiles FromResources(Assembly assembly, string prefix, string name)
    {
        var files = new ModelFiles(name);
        foreach (string resource in assembly.GetManifestResourceNames())
        {
            if (resource.Length == prefix.Length || !resource.StartsWith(prefix, StringComparison.Ordinal)) continue;
            using Stream stream = assembly.GetManifestResourceStream(resource)!;
            string file = resource[prefix.Length..];
            if (stream is UnmanagedMemoryStream mapped) files.Add(file, new ResourceMemory(mapped, assembly).Memory);
            else files.Add(file, stream);
        }

        return files._files.Count > 0 ? files
            : throw new ArgumentException($"{assembly.GetName().Name} has no resource whose name begins with {prefix}", nameof(prefix));
    }

    internal ReadOnlyMemory<byte>? Find(string fileName) =>
        _files.TryGetValue(fileName, out ReadOnlyMemory<byte> content) ? content : default(ReadOnlyMemory<byte>?);

    /// <summary>A resource where the loaded assembly has it; the assembly stays while somebody holds this.</summary>
    private sealed unsafe class ResourceMemory : MemoryManager<byte>
    {
        private readonly byte* _start;
        private readonly int _length;
        private readonly Assembly _assembly;

        public ResourceMemory(UnmanagedMemoryStream stream, Assembly assembly)
        {
            _start = stream.PositionPointer;
            (_length, _assembly) = (checked((int)stream.Length), assembly);
        }

        public override Span<byte> GetSpan() => new(_start, _length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex, default, this);

        public override void Unpin() => GC.KeepAlive(_assembly);

        protected override void Dispose(bool disposing)
        {
        }
    }
}

using System.Collections.Frozen;
using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace Engine.Kernels.Gpu;

/// <summary>How a parameter is passed to a kernel.</summary>
internal enum KernelParameterKind
{
    /// <summary>A view of device memory: address and number of elements, 8 bytes each.</summary>
    View,

    I32,

    U32,

    I64,

    F32,

    /// <summary>What the copy engine knows of a matrix: 128 bytes that the driver writes.</summary>
    TensorMap,
}

/// <summary>The GPUs that a kernel is for.</summary>
internal enum KernelTarget
{
    /// <summary>Compute capability 8.0 and newer.</summary>
    Any,

    /// <summary>Compute capability 9.0 alone, with a driver that knows PTX 8.0 (CUDA 12.0).</summary>
    Hopper,
}

/// <summary>A parameter of a compiled kernel.</summary>
/// <param name="Name">Its name in the source.</param>
/// <param name="Kind">How it is passed.</param>
/// <param name="Element">The element type of a view: f32, f64, bf16, i32, u32, u8 or the name of a struct; else null.</param>
/// <param name="Offset">Where it lies in the parameter block, in bytes.</param>
internal sealed record KernelParameter(string Name, KernelParameterKind Kind, string? Element, int Offset)
{
    public int Size =>
        Kind switch { KernelParameterKind.View => 16, KernelParameterKind.I64 => 8, KernelParameterKind.TensorMap => 128, _ => 4 };
}

/// <summary>A kernel that was compiled ahead.</summary>
/// <param name="Entry">The name under which it is launched; its text is <c>ENTRY.ptx</c> in the archive.</param>
/// <param name="Threads">The threads of a block.</param>
/// <param name="StaticShared">Bytes of shared memory that the text declares.</param>
/// <param name="DynamicShared">Bytes of shared memory that the launch provides.</param>
/// <param name="Parameters">The parameters, in order.</param>
/// <param name="Target">The GPUs it is for.</param>
internal sealed record CompiledKernel(
    string Entry, int Threads, int StaticShared, int DynamicShared, IReadOnlyList<KernelParameter> Parameters,
    KernelTarget Target = KernelTarget.Any);

/// <summary>
/// What the kernel compiler has produced: the list of compiled kernels. It lies beside their texts in an archive, which the build embeds in
/// this assembly.
/// </summary>
/// <param name="Compiler">Which compiler, and so which sources, it is of.</param>
/// <param name="Kernels">The kernels, sorted by entry.</param>
internal sealed record KernelManifest(string Compiler, IReadOnlyList<CompiledKernel> Kernels)
{
    private const string FileName = "manifest.json", ResourceName = "kernels.zip";

    private static readonly string[] KindNames = ["view", "i32", "u32", "i64", "f32", "tensorMap"], TargetNames = ["sm_80", "sm_90a"];

    private static readonly Lazy<FrozenDictionary<string, CompiledKernel>> Embedded =
        new(() => Read(OpenEmbedded()).Kernels.ToFrozenDictionary(k => k.Entry));

    /// <summary>All kernels of this assembly by entry.</summary>
    public static FrozenDictionary<string, CompiledKernel> Compiled => Embedded.Value;

    /// <summary>The text of a kernel of this assembly: ASCII, closed by a zero.</summary>
    public static byte[] Text(CompiledKernel kernel) => [.. Text(OpenEmbedded(), kernel), 0];

    /// <summary>The text of a kernel of an archive, which is closed: ASCII.</summary>
    public static byte[] Text(Stream archive, CompiledKernel kernel) => Entry(archive, kernel.Entry + ".ptx");

    /// <summary>Reads the manifest of an archive, and closes it.</summary>
    public static KernelManifest Read(Stream archive)
    {
        using JsonDocument document = JsonDocument.Parse(Entry(archive, FileName));
        JsonElement root = document.RootElement;
        return new(root.GetProperty("compiler").GetString()!, [.. root.GetProperty("kernels").EnumerateArray().Select(ReadKernel)]);
    }

    /// <summary>Writes an archive: the same bytes for the same kernels.</summary>
    /// <param name="archive">Where to.</param>
    /// <param name="texts">The text of each kernel.</param>
    public void Write(Stream archive, IReadOnlyList<string> texts)
    {
        using var zip = new ZipArchive(archive, ZipArchiveMode.Create, leaveOpen: true);
        Add(zip, FileName, WriteJson());
        for (int i = 0; i < texts.Count; i++) Add(zip, Kernels[i].Entry + ".ptx", Encoding.ASCII.GetBytes(texts[i]));
    }

    private byte[] WriteJson()
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            writer.WriteStartObject();
            writer.WriteString("compiler", Compiler);
            writer.WriteStartArray("kernels");
            foreach (CompiledKernel kernel in Kernels) WriteKernel(writer, kernel);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        stream.WriteByte((byte)'\n');
        return stream.ToArray();
    }

    private static void Add(ZipArchive zip, string name, byte[] content)
    {
        ZipArchiveEntry entry = zip.CreateEntry(name, CompressionLevel.SmallestSize);
        // The oldest that the format knows: the time of the build is none of the content.
        entry.LastWriteTime = new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
        using Stream stream = entry.Open();
        stream.Write(content);
    }

    private static CompiledKernel ReadKernel(JsonElement kernel)
    {
        var parameters = new List<KernelParameter>();
        foreach (JsonElement p in kernel.GetProperty("parameters").EnumerateArray())
        {
            string? element = p.TryGetProperty("element", out JsonElement e) ? e.GetString() : null;
            var kind = (KernelParameterKind)Array.IndexOf(KindNames, p.GetProperty("kind").GetString());
            parameters.Add(new(p.GetProperty("name").GetString()!, kind, element, p.GetProperty("offset").GetInt32()));
        }

        return new(kernel.GetProperty("entry").GetString()!, kernel.GetProperty("threads").GetInt32(),
            kernel.GetProperty("staticShared").GetInt32(), kernel.GetProperty("dynamicShared").GetInt32(), parameters,
            (KernelTarget)Array.IndexOf(TargetNames, kernel.GetProperty("target").GetString()));
    }

    private static void WriteKernel(Utf8JsonWriter writer, CompiledKernel kernel)
    {
        writer.WriteStartObject();
        writer.WriteString("entry", kernel.Entry);
        writer.WriteString("target", TargetNames[(int)kernel.Target]);
        writer.WriteNumber("threads", kernel.Threads);
        writer.WriteNumber("staticShared", kernel.StaticShared);
        writer.WriteNumber("dynamicShared", kernel.DynamicShared);
        writer.WriteStartArray("parameters");
        foreach (KernelParameter p in kernel.Parameters)
        {
            writer.WriteStartObject();
            writer.WriteString("name", p.Name);
            writer.WriteString("kind", KindNames[(int)p.Kind]);
            if (p.Element is not null) writer.WriteString("element", p.Element);
            writer.WriteNumber("offset", p.Offset);
            writer.WriteNumber("size", p.Size);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static Stream OpenEmbedded() => typeof(KernelManifest).Assembly.GetManifestResourceStream(ResourceName)
        ?? throw new InvalidOperationException($"{ResourceName} is not a resource of {typeof(KernelManifest).Assembly.GetName().Name}");

    private static byte[] Entry(Stream archive, string name)
    {
        using var zip = new ZipArchive(archive, ZipArchiveMode.Read);
        ZipArchiveEntry entry = zip.GetEntry(name) ?? throw new InvalidDataException($"{name} is not in the archive of GPU kernels");
        var bytes = new byte[entry.Length];
        using Stream stream = entry.Open();
        stream.ReadExactly(bytes);
        return bytes;
    }
}

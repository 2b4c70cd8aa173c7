using System.Collections.Frozen;
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
}

/// <summary>A parameter of a compiled kernel.</summary>
/// <param name="Name">Its name in the source.</param>
/// <param name="Kind">How it is passed.</param>
/// <param name="Element">The element type of a view: f32, f64, bf16, i32, u32, u8 or the name of a struct; else null.</param>
/// <param name="Offset">Where it lies in the parameter block, in bytes.</param>
internal sealed record KernelParameter(string Name, KernelParameterKind Kind, string? Element, int Offset)
{
    public int Size => Kind switch { KernelParameterKind.View => 16, KernelParameterKind.I64 => 8, _ => 4 };
}

/// <summary>A kernel that was compiled ahead.</summary>
/// <param name="Entry">The name under which it is launched; its text is the resource <c>ENTRY.ptx</c>.</param>
/// <param name="Threads">The threads of a block.</param>
/// <param name="StaticShared">Bytes of shared memory that the text declares.</param>
/// <param name="DynamicShared">Bytes of shared memory that the launch provides.</param>
/// <param name="Parameters">The parameters, in order.</param>
internal sealed record CompiledKernel(string Entry, int Threads, int StaticShared, int DynamicShared, IReadOnlyList<KernelParameter> Parameters);

/// <summary>
/// What the kernel compiler has produced: the list of compiled kernels, and the sources they were compiled from. It lies beside the
/// texts in <c>ptx/manifest.json</c>, and both are resources of this assembly.
/// </summary>
/// <param name="Sources">SHA-256 of every source, by its path from this project's folder; line ends count as LF.</param>
/// <param name="Kernels">The kernels, sorted by entry.</param>
internal sealed record KernelManifest(IReadOnlyDictionary<string, string> Sources, IReadOnlyList<CompiledKernel> Kernels)
{
    public const string FileName = "manifest.json";

    private static readonly string[] KindNames = ["view", "i32", "u32", "i64", "f32"];

    private static readonly Lazy<FrozenDictionary<string, CompiledKernel>> Embedded =
        new(() => Read(Resource(FileName)).Kernels.ToFrozenDictionary(k => k.Entry));

    /// <summary>All kernels of this assembly by entry.</summary>
    public static FrozenDictionary<string, CompiledKernel> Compiled => Embedded.Value;

    /// <summary>The text of a kernel of this assembly: ASCII, closed by a zero.</summary>
    public static byte[] Text(CompiledKernel kernel) => [.. Resource(kernel.Entry + ".ptx"), 0];

    public static KernelManifest Read(ReadOnlyMemory<byte> json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        var sources = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (JsonProperty source in document.RootElement.GetProperty("sources").EnumerateObject()) sources.Add(source.Name, source.Value.GetString()!);
        var kernels = new List<CompiledKernel>();
        foreach (JsonElement kernel in document.RootElement.GetProperty("kernels").EnumerateArray()) kernels.Add(ReadKernel(kernel));
        return new KernelManifest(sources, kernels);
    }

    public byte[] Write()
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("sources");
            foreach ((string path, string hash) in Sources) writer.WriteString(path, hash);
            writer.WriteEndObject();
            writer.WriteStartArray("kernels");
            foreach (CompiledKernel kernel in Kernels) WriteKernel(writer, kernel);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        stream.WriteByte((byte)'\n');
        return stream.ToArray();
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
            kernel.GetProperty("staticShared").GetInt32(), kernel.GetProperty("dynamicShared").GetInt32(), parameters);
    }

    private static void WriteKernel(Utf8JsonWriter writer, CompiledKernel kernel)
    {
        writer.WriteStartObject();
        writer.WriteString("entry", kernel.Entry);
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

    private static byte[] Resource(string name)
    {
        using Stream stream = typeof(KernelManifest).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"{name} is not a resource of {typeof(KernelManifest).Assembly.GetName().Name}");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}

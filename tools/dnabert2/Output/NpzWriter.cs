using System.IO.Compression;
using System.Runtime.InteropServices;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Writes arrays of fp32 numbers as NumPy's <c>.npz</c>, a zip archive of <c>.npy</c> files, of which <c>numpy.load</c> reads one at a
/// time. The same arrays give the same bytes.
/// </summary>
/// <param name="stream">Where it goes; it stays open.</param>
internal sealed class NpzWriter(Stream stream) : IDisposable
{
    // Zip begins its days in 1980; the time of the work would make each file another one.
    private static readonly DateTimeOffset Always = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly ZipArchive _archive = new(stream, ZipArchiveMode.Create, leaveOpen: true);

    /// <summary>Adds an array.</summary>
    /// <param name="name">Its name, by which it is asked for.</param>
    /// <param name="shape">The lengths of its axes.</param>
    /// <param name="values">Its numbers, row-major.</param>
    public void Add(string name, IReadOnlyList<int> shape, ReadOnlySpan<float> values)
    {
        ZipArchiveEntry entry = _archive.CreateEntry(name + ".npy", CompressionLevel.Fastest);
        entry.LastWriteTime = Always;
        using Stream array = entry.Open();
        array.Write(MatrixHeader.Npy(string.Join(", ", shape)));
        array.Write(MemoryMarshal.AsBytes(values));
    }

    /// <summary>Writes the list of the arrays, without which the file is none.</summary>
    public void Dispose() => _archive.Dispose();
}

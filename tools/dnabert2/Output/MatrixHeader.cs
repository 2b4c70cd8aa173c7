using System.Buffers.Binary;
using System.Text;

namespace Dnabert2.Tool.Output;

/// <summary>
/// The bytes before a matrix of fp32 or fp16 numbers in a file. Their length does not depend on the number of rows, so that they are
/// written once the rows are counted.
/// </summary>
internal static class MatrixHeader
{
    private const int NpyLength = 128;

    private const int SafetensorsLength = 256;

    /// <summary>
    /// The header of NumPy's format 1.0: magic, version, length, and a Python dict padded with spaces, up to a line feed
    /// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
    /// </summary>
    public static byte[] Npy(long rows, int width, bool half = false) => Npy($"{rows}, {width}", half);

    /// <summary>The same of an array of any number of axes, at most 8.</summary>
    /// <param name="shape">The lengths of its axes, with commas between them.</param>
    /// <param name="half">Whether its numbers have 16 bits, not 32.</param>
    public static byte[] Npy(string shape, bool half = false)
    {
        byte[] header = new byte[NpyLength];
        header.AsSpan().Fill((byte)' ');
        header[0] = 0x93;
        "NUMPY\u0001\0"u8.CopyTo(header.AsSpan(1));
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(8), NpyLength - 10);
        string type = half ? "<f2" : "<f4";
        Encoding.ASCII.GetBytes($"{{'descr': '{type}', 'fortran_order': False, 'shape': ({shape}), }}", header.AsSpan(10));
        header[^1] = (byte)'\n';
        return header;
    }

    /// <summary>
    /// The header of a safetensors file with one tensor, <c>embeddings</c>; where its rows are averages over both strands, the metadata
    /// say so under <c>strands</c>.
    /// </summary>
    public static byte[] Safetensors(long rows, int width, bool bothStrands, bool half = false)
    {
        byte[] header = new byte[SafetensorsLength];
        header.AsSpan().Fill((byte)' ');
        BinaryPrimitives.WriteInt64LittleEndian(header, SafetensorsLength - sizeof(long));
        string strands = bothStrands ? $",\"{Strands.Column}\":\"{Strands.Both}: average of forward and reverse complement\"" : "";
        long bytes = rows * width * (half ? 2 : 4);
        string tensor = $$"""{"dtype":"{{(half ? "F16" : "F32")}}","shape":[{{rows}},{{width}}],"data_offsets":[0,{{bytes}}]}""";
        string json = $$$"""
            {"__metadata__":{"format":"pt"{{{strands}}}},"embeddings":{{{tensor}}}}
            """;
        Encoding.ASCII.GetBytes(json, header.AsSpan(sizeof(long)));
        return header;
    }
}

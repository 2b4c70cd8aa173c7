using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Tests.Tools;

/// <summary>A NumPy file as its specification describes it, read independently of what writes it.</summary>
internal sealed partial class Npy
{
    public Npy(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        Assert.Equal([0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0], file[..8]);
        int length = BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(8));
        Assert.Equal(0, (10 + length) % 64);
        string header = Encoding.ASCII.GetString(file, 10, length);
        Assert.EndsWith("\n", header);
        Match match = Dict().Match(header);
        Assert.True(match.Success, header);
        (Rows, Columns) = (
            int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture), int.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture));
        Assert.Equal(10 + length + (4L * Rows * Columns), file.Length);
        Values = new float[Rows * Columns];
        for (int i = 0; i < Values.Length; i++) Values[i] = BinaryPrimitives.ReadSingleLittleEndian(file.AsSpan(10 + length + (4 * i)));
    }

    public int Rows { get; }

    public int Columns { get; }

    public float[] Values { get; }

    [GeneratedRegex(@"^\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n$")]
    private static partial Regex Dict();
}

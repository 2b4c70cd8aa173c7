using System.Runtime.InteropServices;

namespace Conformance.Ptx;

/// <summary>
/// What a tensor map says of a matrix. PTX leaves the 128 bytes to the driver: these are the interpreter's own. Boxes are swizzled by 128
/// bytes, and what lies outside the matrix is filled with zeros.
/// </summary>
internal readonly record struct TensorMapBits(
    ulong Address, int Inner, int Outer, long Stride, int BoxInner, int BoxOuter, int ElementBytes)
{
    public const int Bytes = 128, SwizzleBytes = 128;
    private const ulong Mark = 0x70614D20736E6554;

    /// <summary>Whether a parameter is a tensor map.</summary>
    public static bool Fits(PtxVariable parameter) => parameter is { Bytes: Bytes, Alignment: >= 64 };

    /// <summary>The 128 bytes; the limits are the driver's.</summary>
    public byte[] Encode()
    {
        if (Address % 16 != 0 || Stride % 16 != 0)
            throw new ArgumentException($"a tensor map wants address and stride to be multiples of 16: 0x{Address:x}, {Stride}");
        if (BoxOuter is < 1 or > 256 || BoxInner * ElementBytes != SwizzleBytes)
            throw new ArgumentException($"a box of {BoxOuter} × {BoxInner} elements of {ElementBytes} bytes");
        if (Inner < 1 || Outer < 1 || Inner * (long)ElementBytes > Stride)
            throw new ArgumentException($"a matrix of {Outer} × {Inner} elements, {Stride} bytes a row");
        ulong[] words = [Mark, Address, (ulong)Inner, (ulong)Outer, (ulong)Stride, (ulong)BoxInner, (ulong)BoxOuter, (ulong)ElementBytes, 0,
            0, 0, 0, 0, 0, 0, 0];
        return MemoryMarshal.AsBytes(words.AsSpan()).ToArray();
    }

    /// <summary>Reads a parameter.</summary>
    public static TensorMapBits? Decode(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes[..Bytes]);
        return words[0] == Mark
            ? new(words[1], (int)words[2], (int)words[3], (long)words[4], (int)words[5], (int)words[6], (int)words[7]) : null;
    }
}

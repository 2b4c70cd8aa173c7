using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Engine.Kernels;

/// <summary>What a 32-bit word of a prepared factor holds.</summary>
internal enum WordFormat
{
    /// <summary>A float.</summary>
    Float,

    /// <summary>A float that was rounded to bfloat16.</summary>
    RoundedBFloat16,

    /// <summary>Two bfloat16, the one of lower index in the lower half.</summary>
    BFloat16Pair,

    /// <summary>A float that was scaled and rounded to an integer in [−127, 127].</summary>
    RoundedInt8,

    /// <summary>Four such integers, as the right factor of <c>VPDPBUSD</c> has them.</summary>
    Int8Quad,

    /// <summary>Four such integers plus 128, without sign, as its left factor has them.</summary>
    OffsetInt8Quad,
}

/// <summary>Rounding of rows of floats to the words of a factor.</summary>
internal static unsafe partial class MatMul
{
    /// <summary>What the left factor's 128 too much amount to in a sum is −128 times the sum of the right factor.</summary>
    public const int Int8Offset = 128;

    /// <summary>The format of a factor.</summary>
    public static WordFormat FormatOf(in MatMulTile tile, bool left) => tile.Precision switch
    {
        Precision.BF16 => tile.Elements == 2 ? WordFormat.BFloat16Pair : WordFormat.RoundedBFloat16,
        Precision.I8 => tile.Elements != 4 ? WordFormat.RoundedInt8 : left ? WordFormat.OffsetInt8Quad : WordFormat.Int8Quad,
        _ => WordFormat.Float,
    };

    /// <summary>The scale of a row of 8-bit integers: its largest magnitude is 127 of them.</summary>
    public static float ScaleOf(float* row, int count)
    {
        Vector512<float> largest = default;
        int i = 0;
        for (; i + 16 <= count; i += 16) largest = Vector512.Max(largest, Vector512.Abs(Vector512.Load(row + i)));
        float most = 0;
        for (int lane = 0; lane < 16; lane++) most = Math.Max(most, largest[lane]);
        for (; i < count; i++) most = Math.Max(most, Math.Abs(row[i]));
        return most / 127;
    }

    /// <summary>Converts a row of floats to words; what the last word has no element for is zero.</summary>
    /// <returns>The sum of the integers, without their offset; 0 for the other formats.</returns>
    public static int ConvertRow(WordFormat format, float* source, int count, uint* words, float scale)
    {
        switch (format)
        {
            case WordFormat.Float:
                new ReadOnlySpan<float>(source, count).CopyTo(new Span<float>(words, count));
                return 0;
            case WordFormat.RoundedBFloat16:
                for (int i = 0; i < count; i++) words[i] = (uint)((BFloat16)source[i]).Bits << 16;
                return 0;
            case WordFormat.BFloat16Pair:
                Narrow(source, count, (ushort*)words);
                return 0;
            case WordFormat.RoundedInt8:
                float inverse = scale == 0 ? 0 : 1 / scale;
                for (int i = 0; i < count; i++) ((float*)words)[i] = MathF.Round(source[i] * inverse);
                return 0;
            default:
                return Quantize(source, count, (byte*)words, scale, format == WordFormat.OffsetInt8Quad ? Int8Offset : 0);
        }
    }

    /// <summary>
    /// Makes one row of words of <paramref name="depth"/> rows (as many as a word has elements, or fewer at the end) of a factor
    /// <c>[depth, count]</c>: <c>words[c] = (source[0, c], source[1, c], …)</c>.
    /// </summary>
    public static void InterleaveRows(WordFormat format, float* source, long leading, int depth, int count, uint* words)
    {
        if (format != WordFormat.BFloat16Pair)
        {
            ConvertRow(format, source, count, words, 0);
            return;
        }

        float* second = source + (depth > 1 ? leading : 0);
        uint keep = depth > 1 ? 0xFFFF0000 : 0;
        int i = 0;
        for (; i + 16 <= count; i += 16)
        {
            Vector512<uint> low = Round(Vector512.Load(source + i)) >> 16,
                high = Round(Vector512.Load(second + i)) & Vector512.Create(keep);
            (low | high).Store(words + i);
        }

        for (; i < count; i++) words[i] = ((BFloat16)source[i]).Bits | (((uint)((BFloat16)second[i]).Bits << 16) & keep);
    }

    /// <summary><c>destination[c · stride + r] = source[r · leading + c]</c>.</summary>
    public static void Transpose(uint* source, long leading, int rows, int columns, uint* destination, long stride)
    {
        int r = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            for (; r + 8 <= rows; r += 8) TransposeEightRows(source + (r * leading), leading, columns, destination + r, stride);
            for (; r + 4 <= rows; r += 4) PackFourRows((float*)source + (r * leading), leading, columns, (float*)destination + r, stride);
        }

        for (; r < rows; r++)
            for (int c = 0; c < columns; c++) destination[(c * stride) + r] = source[(r * leading) + c];
    }

    private static void TransposeEightRows(uint* source, long leading, int columns, uint* destination, long stride)
    {
        float* upper = (float*)source, lower = upper + (4 * leading);
        int c = 0;
        for (; c + 4 <= columns; c += 4, destination += 4 * stride)
        {
            (Vector128<float> a0, Vector128<float> a1, Vector128<float> a2, Vector128<float> a3) = TransposeFour(upper + c, leading);
            (Vector128<float> b0, Vector128<float> b1, Vector128<float> b2, Vector128<float> b3) = TransposeFour(lower + c, leading);
            Vector256.Create(a0, b0).AsUInt32().Store(destination);
            Vector256.Create(a1, b1).AsUInt32().Store(destination + stride);
            Vector256.Create(a2, b2).AsUInt32().Store(destination + (2 * stride));
            Vector256.Create(a3, b3).AsUInt32().Store(destination + (3 * stride));
        }

        for (; c < columns; c++, destination += stride)
            for (int r = 0; r < 8; r++) destination[r] = source[(r * leading) + c];
    }

    private static void Narrow(float* source, int count, ushort* destination)
    {
        int i = 0;
        for (; i + 32 <= count; i += 32)
        {
            Vector512<uint> low = Round(Vector512.Load(source + i)) >> 16, high = Round(Vector512.Load(source + i + 16)) >> 16;
            Vector512.Narrow(low, high).Store(destination + i);
        }

        for (; i < count; i++) destination[i] = ((BFloat16)source[i]).Bits;
        if (count % 2 != 0) destination[count] = 0;
    }

    /// <summary>The bits of floats rounded to the upper half, ties to even; the lower half is left as rubbish.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Round(Vector512<float> value)
    {
        Vector512<uint> bits = value.AsUInt32(), odd = (bits >> 16) & Vector512<uint>.One;
        Vector512<uint> rounded = bits + Vector512.Create(0x7FFFu) + odd, quiet = bits | Vector512.Create(0x400000u);
        return Vector512.ConditionalSelect(Vector512.Equals(value, value).AsUInt32(), rounded, quiet);
    }

    private static int Quantize(float* source, int count, byte* destination, float scale, int offset)
    {
        float inverse = scale == 0 ? 0 : 1 / scale;
        Vector512<int> sum = default;
        int i = 0;
        for (; i + 64 <= count; i += 64)
        {
            Vector512<int> a = Rounded(source + i, inverse), b = Rounded(source + i + 16, inverse);
            Vector512<int> c = Rounded(source + i + 32, inverse), d = Rounded(source + i + 48, inverse);
            sum += a + b + c + d;
            Vector512<int> shift = Vector512.Create(offset);
            Vector512<short> low = Vector512.Narrow(a + shift, b + shift), high = Vector512.Narrow(c + shift, d + shift);
            Vector512.Narrow(low, high).AsByte().Store(destination + i);
        }

        int total = Vector512.Sum(sum);
        for (; i < count; i++)
        {
            int value = (int)MathF.Round(source[i] * inverse);
            total += value;
            destination[i] = (byte)(value + offset);
        }

        for (; i % 4 != 0; i++) destination[i] = 0;
        return total;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Rounded(float* source, float inverse) =>
        Vector512.ConvertToInt32(Vector512.Round(Vector512.Load(source) * inverse));
}

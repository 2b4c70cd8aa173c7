using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Engine.Kernels;

internal static unsafe partial class MatMul
{
    /// <summary>
    /// Packs a panel from a row-major <c>[rows, depth]</c> source: <c>panel[k · stride + r] = source[r · leading + k]</c>, and zero for
    /// <paramref name="rows"/> ≤ r &lt; <paramref name="width"/>.
    /// </summary>
    public static void PackRows(float* source, long leading, int rows, int depth, float* panel, int width, int stride)
    {
        Transpose((uint*)source, leading, rows, depth, (uint*)panel, stride);
        for (int r = rows; r < width; r++)
            for (int k = 0; k < depth; k++) panel[((long)k * stride) + r] = 0;
    }

    /// <summary>
    /// Packs a panel from a row-major <c>[depth, columns]</c> source: <c>panel[k · width + c] = source[k · leading + c]</c>, and zero
    /// for <paramref name="columns"/> ≤ c &lt; <paramref name="width"/>.
    /// </summary>
    public static void PackColumns(float* source, long leading, int columns, int depth, float* panel, int width)
    {
        for (int k = 0; k < depth; k++)
        {
            var row = new Span<float>(panel + ((long)k * width), width);
            new ReadOnlySpan<float>(source + (k * leading), columns).CopyTo(row);
            row[columns..].Clear();
        }
    }

    private static void PackFourRows(float* source, long leading, int depth, float* panel, long stride)
    {
        int k = 0;
        for (; k + 4 <= depth; k += 4, panel += 4 * stride)
        {
            (Vector128<float> r0, Vector128<float> r1, Vector128<float> r2, Vector128<float> r3) = TransposeFour(source + k, leading);
            r0.Store(panel);
            r1.Store(panel + stride);
            r2.Store(panel + (2 * stride));
            r3.Store(panel + (3 * stride));
        }

        for (; k < depth; k++, panel += stride)
            for (int r = 0; r < 4; r++) panel[r] = source[(r * leading) + k];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<float> R0, Vector128<float> R1, Vector128<float> R2, Vector128<float> R3) TransposeFour(
        float* source, long leading)
    {
        Vector128<float> a = Vector128.Load(source), b = Vector128.Load(source + leading);
        Vector128<float> c = Vector128.Load(source + (2 * leading)), d = Vector128.Load(source + (3 * leading));
        Vector128<float> acLow = ZipLow(a, c), acHigh = ZipHigh(a, c), bdLow = ZipLow(b, d), bdHigh = ZipHigh(b, d);
        return (ZipLow(acLow, bdLow), ZipHigh(acLow, bdLow), ZipLow(acHigh, bdHigh), ZipHigh(acHigh, bdHigh));
    }

    // Sse.UnpackLow and AdvSimd.ZipLow are the same operation: a0 b0 a1 b1.
    private static Vector128<float> ZipLow(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackLow(a, b) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b)
        : Vector128.Create(a[0], b[0], a[1], b[1]);

    private static Vector128<float> ZipHigh(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackHigh(a, b) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b)
        : Vector128.Create(a[2], b[2], a[3], b[3]);
}

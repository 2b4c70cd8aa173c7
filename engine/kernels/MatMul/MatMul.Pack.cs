using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Engine.Kernels;

internal static unsafe partial class MatMul
{
    /// <summary>Floats of <paramref name="rows"/> × <paramref name="depth"/> packed in panels of <paramref name="width"/> rows.</summary>
    public static long PackedLength(int rows, int depth, int width) => (rows + (long)width - 1) / width * width * depth;

    /// <summary>
    /// Packs a panel from a row-major <c>[rows, depth]</c> source: <c>panel[k · stride + r] = source[r · leading + k]</c>, and zero for
    /// <paramref name="rows"/> ≤ r &lt; <paramref name="width"/>.
    /// </summary>
    public static void PackRows(float* source, long leading, int rows, int depth, float* panel, int width, int stride)
    {
        int r = 0;
        if (Vector128.IsHardwareAccelerated)
            for (; r + 4 <= rows; r += 4) PackFourRows(source + (r * leading), leading, depth, panel + r, stride);
        for (; r < rows; r++)
        {
            float* row = source + (r * leading);
            for (int k = 0; k < depth; k++) panel[((long)k * stride) + r] = row[k];
        }

        for (; r < width; r++)
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

    private static void PackFourRows(float* source, long leading, int depth, float* panel, int stride)
    {
        float* a = source;
        float* b = a + leading;
        float* c = b + leading;
        float* d = c + leading;
        int k = 0;
        for (; k + 4 <= depth; k += 4, panel += 4 * stride)
        {
            Vector128<float> va = Vector128.Load(a + k), vb = Vector128.Load(b + k), vc = Vector128.Load(c + k), vd = Vector128.Load(d + k);
            Vector128<float> acLow = ZipLow(va, vc), acHigh = ZipHigh(va, vc), bdLow = ZipLow(vb, vd), bdHigh = ZipHigh(vb, vd);
            ZipLow(acLow, bdLow).Store(panel);
            ZipHigh(acLow, bdLow).Store(panel + stride);
            ZipLow(acHigh, bdHigh).Store(panel + (2 * stride));
            ZipHigh(acHigh, bdHigh).Store(panel + (3 * stride));
        }

        for (; k < depth; k++, panel += stride)
        {
            panel[0] = a[k];
            panel[1] = b[k];
            panel[2] = c[k];
            panel[3] = d[k];
        }
    }

    // Sse.UnpackLow and AdvSimd.ZipLow are the same operation: a0 b0 a1 b1.
    private static Vector128<float> ZipLow(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackLow(a, b) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b)
        : Vector128.Create(a[0], b[0], a[1], b[1]);

    private static Vector128<float> ZipHigh(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackHigh(a, b) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b)
        : Vector128.Create(a[2], b[2], a[3], b[3]);
}

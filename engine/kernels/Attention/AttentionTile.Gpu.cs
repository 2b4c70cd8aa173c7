using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>
/// The parts of attention on the GPU in fp32 arithmetic. A block of 256 threads works on tiles of 64 rows of a head in shared memory, rows
/// being four floats longer than their content so that reads meet no bank conflicts. Thread (i, j) of 16 × 16 holds, of a 64 × 64 tile of
/// scores, rows 4i … 4i + 3 at columns j, j + 16, j + 32, j + 48, and of a result 64 rows long the rows 4i … 4i + 3 at columns
/// 4j … 4j + 3 and 64 more. Head sizes go up to 128, and for 16-byte accesses are multiples of four.
/// </summary>
internal static class AttentionTile
{
    public const int Threads = 256, Rows = 64, LargestHead = 128;

    /// <summary>Floats of a row of a tile of scores.</summary>
    public const int ScoreStride = Rows + 4;

    public static int I => Group.IdxX >> 4;

    public static int J => Group.IdxX & 15;

    /// <summary>Bytes of shared memory for so many tiles of a head size, and one of scores.</summary>
    public static int SharedBytes(int tiles, int headSize) => 4 * Rows * ((tiles * ((headSize + 7) & ~3)) + ScoreStride);

    /// <summary>Reads 64 rows of a head, those from <paramref name="end"/> on as 0.</summary>
    public static void Fill<TE, T>(ArrayView<Float4> target, ArrayView<T> source, int first, int end, int headSize, int sourceStride)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int quads = (headSize + 3) >> 2;
        for (int i = Group.IdxX; i < Rows * quads; i += Threads)
        {
            int row = i / quads, quad = i - (row * quads);
            target[(row * (quads + 1)) + quad] = TE.LoadQuad(
                source.SubView((long)(first + row) * sourceStride, headSize), quad * 4, first + row < end);
        }
    }

    /// <summary>The exponentials of four numbers.</summary>
    public static Float4 Exp(Float4 v) => new(GpuMath.Exp(v.X), GpuMath.Exp(v.Y), GpuMath.Exp(v.Z), GpuMath.Exp(v.W));
}

/// <summary>A thread's scores: four rows, one component a column.</summary>
internal struct ScoreTile
{
    public Float4 S0, S1, S2, S3;

    /// <summary>The products of the rows of two tiles.</summary>
    public static ScoreTile Products(ArrayView<Float4> left, ArrayView<Float4> right, int quads)
    {
        int stride = quads + 1, l = AttentionTile.I * 4 * stride, r = AttentionTile.J * stride;
        ScoreTile sums = default;
        for (int d = 0; d < quads; d++)
        {
            Float4 r0 = right[r + d], r1 = right[r + (16 * stride) + d], r2 = right[r + (32 * stride) + d],
                r3 = right[r + (48 * stride) + d];
            sums.S0 += Dots(left[l + d], r0, r1, r2, r3);
            sums.S1 += Dots(left[l + stride + d], r0, r1, r2, r3);
            sums.S2 += Dots(left[l + (2 * stride) + d], r0, r1, r2, r3);
            sums.S3 += Dots(left[l + (3 * stride) + d], r0, r1, r2, r3);
        }

        return sums;
    }

    /// <summary>Writes them for the other threads.</summary>
    public readonly void Store(ArrayView<float> scores)
    {
        int at = (AttentionTile.I * 4 * AttentionTile.ScoreStride) + AttentionTile.J;
        Store(scores, at, S0);
        Store(scores, at + AttentionTile.ScoreStride, S1);
        Store(scores, at + (2 * AttentionTile.ScoreStride), S2);
        Store(scores, at + (3 * AttentionTile.ScoreStride), S3);
    }

    /// <summary>The largest score of each row, in all threads of the row.</summary>
    public readonly Float4 RowMax() => new(RowMax(S0), RowMax(S1), RowMax(S2), RowMax(S3));

    /// <summary>The sum of each row.</summary>
    public readonly Float4 RowSum() => new(RowSum(S0), RowSum(S1), RowSum(S2), RowSum(S3));

    private static Float4 Dots(Float4 l, Float4 r0, Float4 r1, Float4 r2, Float4 r3) =>
        new(Float4.Dot(l, r0), Float4.Dot(l, r1), Float4.Dot(l, r2), Float4.Dot(l, r3));

    private static void Store(ArrayView<float> scores, int at, Float4 row)
    {
        scores[at] = row.X;
        scores[at + 16] = row.Y;
        scores[at + 32] = row.Z;
        scores[at + 48] = row.W;
    }

    // The 16 threads of a row are lanes next to each other.
    private static float RowMax(Float4 row)
    {
        float value = Float4.Max(row);
        value = Ptx.Max(value, Ptx.ShuffleXor(value, 8));
        value = Ptx.Max(value, Ptx.ShuffleXor(value, 4));
        value = Ptx.Max(value, Ptx.ShuffleXor(value, 2));
        return Ptx.Max(value, Ptx.ShuffleXor(value, 1));
    }

    private static float RowSum(Float4 row)
    {
        float value = Float4.Sum(row);
        value += Ptx.ShuffleXor(value, 8);
        value += Ptx.ShuffleXor(value, 4);
        value += Ptx.ShuffleXor(value, 2);
        return value + Ptx.ShuffleXor(value, 1);
    }
}

/// <summary>A thread's part of a result: rows R0 … R3, lower and upper columns.</summary>
internal struct ResultTile
{
    public Float4 R0L, R1L, R2L, R3L, R0H, R1H, R2H, R3H;

    /// <summary>Adds the rows of a tile, weighted by the scores of 64 columns each.</summary>
    public void Add(ArrayView<Float4> scores, ArrayView<Float4> rows, int quads)
    {
        const int Stride = AttentionTile.ScoreStride / 4;
        int stride = quads + 1, at = AttentionTile.I * 4 * Stride;
        bool low = AttentionTile.J < quads, high = AttentionTile.J + 16 < quads;
        for (int k = 0; k < AttentionTile.Rows / 4; k++)
        {
            Float4 p0 = scores[at + k], p1 = scores[at + Stride + k], p2 = scores[at + (2 * Stride) + k],
                p3 = scores[at + (3 * Stride) + k];
            int v = (k * 4 * stride) + AttentionTile.J;
            if (low)
            {
                Float4 v0 = rows[v], v1 = rows[v + stride], v2 = rows[v + (2 * stride)], v3 = rows[v + (3 * stride)];
                R0L = Weighted(p0, v0, v1, v2, v3, R0L);
                R1L = Weighted(p1, v0, v1, v2, v3, R1L);
                R2L = Weighted(p2, v0, v1, v2, v3, R2L);
                R3L = Weighted(p3, v0, v1, v2, v3, R3L);
            }

            if (high)
            {
                v += 16;
                Float4 v0 = rows[v], v1 = rows[v + stride], v2 = rows[v + (2 * stride)], v3 = rows[v + (3 * stride)];
                R0H = Weighted(p0, v0, v1, v2, v3, R0H);
                R1H = Weighted(p1, v0, v1, v2, v3, R1H);
                R2H = Weighted(p2, v0, v1, v2, v3, R2H);
                R3H = Weighted(p3, v0, v1, v2, v3, R3H);
            }
        }
    }

    /// <summary>Adds the rows of a tile, weighted by the scores of 64 rows each: the scores are transposed.</summary>
    public void AddTransposed(ArrayView<Float4> scores, ArrayView<Float4> rows, int quads)
    {
        int stride = quads + 1;
        bool low = AttentionTile.J < quads, high = AttentionTile.J + 16 < quads;
        for (int k = 0; k < AttentionTile.Rows; k++)
        {
            Float4 p = scores[(k * (AttentionTile.ScoreStride / 4)) + AttentionTile.I];
            int v = (k * stride) + AttentionTile.J;
            if (low)
            {
                Float4 row = rows[v];
                R0L = Float4.Fma(p.X, row, R0L);
                R1L = Float4.Fma(p.Y, row, R1L);
                R2L = Float4.Fma(p.Z, row, R2L);
                R3L = Float4.Fma(p.W, row, R3L);
            }

            if (high)
            {
                Float4 row = rows[v + 16];
                R0H = Float4.Fma(p.X, row, R0H);
                R1H = Float4.Fma(p.Y, row, R1H);
                R2H = Float4.Fma(p.Z, row, R2H);
                R3H = Float4.Fma(p.W, row, R3H);
            }
        }
    }

    /// <summary>Multiplies each row by a component.</summary>
    public void Scale(Float4 factors)
    {
        (R0L, R0H, R1L, R1H) = (R0L * factors.X, R0H * factors.X, R1L * factors.Y, R1H * factors.Y);
        (R2L, R2H, R3L, R3H) = (R2L * factors.Z, R2H * factors.Z, R3L * factors.W, R3H * factors.W);
    }

    /// <summary>Writes the rows that lie before <paramref name="end"/>; the tile's first is <paramref name="first"/>.</summary>
    public readonly void Write<TE, T>(ArrayView<T> y, int first, int end, int stride, int headSize)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int row = first + (AttentionTile.I * 4);
        Write<TE, T>(y, row, end, R0L, R0H, stride, headSize);
        Write<TE, T>(y, row + 1, end, R1L, R1H, stride, headSize);
        Write<TE, T>(y, row + 2, end, R2L, R2H, stride, headSize);
        Write<TE, T>(y, row + 3, end, R3L, R3H, stride, headSize);
    }

    private static void Write<TE, T>(ArrayView<T> y, int row, int end, Float4 low, Float4 high, int stride, int headSize)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        if (row >= end) return;
        ArrayView<T> target = y.SubView((long)row * stride, headSize);
        int column = AttentionTile.J * 4;
        if (column < headSize) TE.StoreQuad(target, column, low);
        if (column + 64 < headSize) TE.StoreQuad(target, column + 64, high);
    }

    private static Float4 Weighted(Float4 p, Float4 v0, Float4 v1, Float4 v2, Float4 v3, Float4 r) =>
        Float4.Fma(p.X, v0, Float4.Fma(p.Y, v1, Float4.Fma(p.Z, v2, Float4.Fma(p.W, v3, r))));
}

using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>
/// The innermost loops in C#, for machines without those of <see cref="TileAssembler"/>. Every accumulator is a named local because the
/// compiler keeps only those in registers.
/// </summary>
internal static unsafe partial class MatMul
{
    /// <summary>See <see cref="MatMulTile.Run{T}"/>; a tile is <c>TileRows × 2·Lanes</c>.</summary>
    public static void Tile<T>(int rows, TileArguments* arguments, bool byColumns)
        where T : unmanaged, ISimd<T>
    {
        if (T.TileRows == 12) Tile12<T>(rows, arguments, byColumns);
        else Tile6<T>(rows, arguments, byColumns);
    }

    // Rows that are not asked for repeat the last one, and are not stored.
    /// <summary>The register tile of 12 rows and two registers of columns.</summary>
    private static void Tile12<T>(int rows, TileArguments* a, bool byColumns)
        where T : unmanaged, ISimd<T>
    {
        long toRow = byColumns ? 1 : a->LeftStride / sizeof(float), toStep = byColumns ? a->LeftStride / sizeof(float) : 1, at = 0;
        float* right = (float*)a->Right;
        float* left00 = (float*)a->Left;
        float* left01 = (float*)a->Left + (Math.Min(1, rows - 1) * toRow);
        float* left02 = (float*)a->Left + (Math.Min(2, rows - 1) * toRow);
        float* left03 = (float*)a->Left + (Math.Min(3, rows - 1) * toRow);
        float* left04 = (float*)a->Left + (Math.Min(4, rows - 1) * toRow);
        float* left05 = (float*)a->Left + (Math.Min(5, rows - 1) * toRow);
        float* left06 = (float*)a->Left + (Math.Min(6, rows - 1) * toRow);
        float* left07 = (float*)a->Left + (Math.Min(7, rows - 1) * toRow);
        float* left08 = (float*)a->Left + (Math.Min(8, rows - 1) * toRow);
        float* left09 = (float*)a->Left + (Math.Min(9, rows - 1) * toRow);
        float* left10 = (float*)a->Left + (Math.Min(10, rows - 1) * toRow);
        float* left11 = (float*)a->Left + (Math.Min(11, rows - 1) * toRow);
        T c00L = 0f, c00R = 0f;
        T c01L = 0f, c01R = 0f;
        T c02L = 0f, c02R = 0f;
        T c03L = 0f, c03R = 0f;
        T c04L = 0f, c04R = 0f;
        T c05L = 0f, c05R = 0f;
        T c06L = 0f, c06R = 0f;
        T c07L = 0f, c07R = 0f;
        T c08L = 0f, c08R = 0f;
        T c09L = 0f, c09R = 0f;
        T c10L = 0f, c10R = 0f;
        T c11L = 0f, c11R = 0f;
        for (long steps = a->Steps; steps > 0; steps--)
        {
            T rightL = T.Load(right), rightR = T.Load(right + T.Lanes);
            T x00 = left00[at];
            c00L = T.MultiplyAdd(x00, rightL, c00L);
            c00R = T.MultiplyAdd(x00, rightR, c00R);
            T x01 = left01[at];
            c01L = T.MultiplyAdd(x01, rightL, c01L);
            c01R = T.MultiplyAdd(x01, rightR, c01R);
            T x02 = left02[at];
            c02L = T.MultiplyAdd(x02, rightL, c02L);
            c02R = T.MultiplyAdd(x02, rightR, c02R);
            T x03 = left03[at];
            c03L = T.MultiplyAdd(x03, rightL, c03L);
            c03R = T.MultiplyAdd(x03, rightR, c03R);
            T x04 = left04[at];
            c04L = T.MultiplyAdd(x04, rightL, c04L);
            c04R = T.MultiplyAdd(x04, rightR, c04R);
            T x05 = left05[at];
            c05L = T.MultiplyAdd(x05, rightL, c05L);
            c05R = T.MultiplyAdd(x05, rightR, c05R);
            T x06 = left06[at];
            c06L = T.MultiplyAdd(x06, rightL, c06L);
            c06R = T.MultiplyAdd(x06, rightR, c06R);
            T x07 = left07[at];
            c07L = T.MultiplyAdd(x07, rightL, c07L);
            c07R = T.MultiplyAdd(x07, rightR, c07R);
            T x08 = left08[at];
            c08L = T.MultiplyAdd(x08, rightL, c08L);
            c08R = T.MultiplyAdd(x08, rightR, c08R);
            T x09 = left09[at];
            c09L = T.MultiplyAdd(x09, rightL, c09L);
            c09R = T.MultiplyAdd(x09, rightR, c09R);
            T x10 = left10[at];
            c10L = T.MultiplyAdd(x10, rightL, c10L);
            c10R = T.MultiplyAdd(x10, rightR, c10R);
            T x11 = left11[at];
            c11L = T.MultiplyAdd(x11, rightL, c11L);
            c11R = T.MultiplyAdd(x11, rightR, c11R);
            at += toStep;
            right += 2 * T.Lanes;
        }

        StoreRow<T>(a, 0, rows, c00L, c00R);
        StoreRow<T>(a, 1, rows, c01L, c01R);
        StoreRow<T>(a, 2, rows, c02L, c02R);
        StoreRow<T>(a, 3, rows, c03L, c03R);
        StoreRow<T>(a, 4, rows, c04L, c04R);
        StoreRow<T>(a, 5, rows, c05L, c05R);
        StoreRow<T>(a, 6, rows, c06L, c06R);
        StoreRow<T>(a, 7, rows, c07L, c07R);
        StoreRow<T>(a, 8, rows, c08L, c08R);
        StoreRow<T>(a, 9, rows, c09L, c09R);
        StoreRow<T>(a, 10, rows, c10L, c10R);
        StoreRow<T>(a, 11, rows, c11L, c11R);
    }

    /// <summary>The register tile of 6 rows and two registers of columns.</summary>
    private static void Tile6<T>(int rows, TileArguments* a, bool byColumns)
        where T : unmanaged, ISimd<T>
    {
        long toRow = byColumns ? 1 : a->LeftStride / sizeof(float), toStep = byColumns ? a->LeftStride / sizeof(float) : 1, at = 0;
        float* right = (float*)a->Right;
        float* left00 = (float*)a->Left;
        float* left01 = (float*)a->Left + (Math.Min(1, rows - 1) * toRow);
        float* left02 = (float*)a->Left + (Math.Min(2, rows - 1) * toRow);
        float* left03 = (float*)a->Left + (Math.Min(3, rows - 1) * toRow);
        float* left04 = (float*)a->Left + (Math.Min(4, rows - 1) * toRow);
        float* left05 = (float*)a->Left + (Math.Min(5, rows - 1) * toRow);
        T c00L = 0f, c00R = 0f;
        T c01L = 0f, c01R = 0f;
        T c02L = 0f, c02R = 0f;
        T c03L = 0f, c03R = 0f;
        T c04L = 0f, c04R = 0f;
        T c05L = 0f, c05R = 0f;
        for (long steps = a->Steps; steps > 0; steps--)
        {
            T rightL = T.Load(right), rightR = T.Load(right + T.Lanes);
            T x00 = left00[at];
            c00L = T.MultiplyAdd(x00, rightL, c00L);
            c00R = T.MultiplyAdd(x00, rightR, c00R);
            T x01 = left01[at];
            c01L = T.MultiplyAdd(x01, rightL, c01L);
            c01R = T.MultiplyAdd(x01, rightR, c01R);
            T x02 = left02[at];
            c02L = T.MultiplyAdd(x02, rightL, c02L);
            c02R = T.MultiplyAdd(x02, rightR, c02R);
            T x03 = left03[at];
            c03L = T.MultiplyAdd(x03, rightL, c03L);
            c03R = T.MultiplyAdd(x03, rightR, c03R);
            T x04 = left04[at];
            c04L = T.MultiplyAdd(x04, rightL, c04L);
            c04R = T.MultiplyAdd(x04, rightR, c04R);
            T x05 = left05[at];
            c05L = T.MultiplyAdd(x05, rightL, c05L);
            c05R = T.MultiplyAdd(x05, rightR, c05R);
            at += toStep;
            right += 2 * T.Lanes;
        }

        StoreRow<T>(a, 0, rows, c00L, c00R);
        StoreRow<T>(a, 1, rows, c01L, c01R);
        StoreRow<T>(a, 2, rows, c02L, c02R);
        StoreRow<T>(a, 3, rows, c03L, c03R);
        StoreRow<T>(a, 4, rows, c04L, c04R);
        StoreRow<T>(a, 5, rows, c05L, c05R);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow<T>(TileArguments* a, int row, int rows, T left, T right)
        where T : unmanaged, ISimd<T>
    {
        if (row >= rows) return;
        float* start = a->Start + (row * a->StartStride / sizeof(float)), tile = a->Tile + (row * 2 * T.Lanes);
        T.Store(tile, T.Load(start) + left);
        T.Store(tile + T.Lanes, T.Load(start + T.Lanes) + right);
    }
}

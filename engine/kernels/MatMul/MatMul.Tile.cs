using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>
/// The innermost loops in C#, for machines without those of <see cref="TileAssembler"/>. Every accumulator is a named local because the
/// compiler keeps only those in registers.
/// </summary>
internal static unsafe partial class MatMul
{
    /// <summary>See <see cref="MatMulTile.Run{TS, TV}"/>; a tile is <c>TileRows × 2·Lanes</c>.</summary>
    public static void Tile<TS, TV>(int rows, TileArguments* arguments, bool byColumns)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        if (TS.TileRows == 12) Tile12<TS, TV>(rows, arguments, byColumns);
        else Tile6<TS, TV>(rows, arguments, byColumns);
    }

    // Rows that are not asked for repeat the last one, and are not stored.
    /// <summary>The register tile of 12 rows and two registers of columns.</summary>
    private static void Tile12<TS, TV>(int rows, TileArguments* a, bool byColumns)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
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
        TV c00L = TS.Constant(0), c00R = TS.Constant(0);
        TV c01L = TS.Constant(0), c01R = TS.Constant(0);
        TV c02L = TS.Constant(0), c02R = TS.Constant(0);
        TV c03L = TS.Constant(0), c03R = TS.Constant(0);
        TV c04L = TS.Constant(0), c04R = TS.Constant(0);
        TV c05L = TS.Constant(0), c05R = TS.Constant(0);
        TV c06L = TS.Constant(0), c06R = TS.Constant(0);
        TV c07L = TS.Constant(0), c07R = TS.Constant(0);
        TV c08L = TS.Constant(0), c08R = TS.Constant(0);
        TV c09L = TS.Constant(0), c09R = TS.Constant(0);
        TV c10L = TS.Constant(0), c10R = TS.Constant(0);
        TV c11L = TS.Constant(0), c11R = TS.Constant(0);
        for (long steps = a->Steps; steps > 0; steps--)
        {
            TV rightL = TS.Load(right), rightR = TS.Load(right + TS.Lanes);
            TV x00 = TS.Broadcast(left00[at]);
            c00L = TS.MultiplyAdd(x00, rightL, c00L);
            c00R = TS.MultiplyAdd(x00, rightR, c00R);
            TV x01 = TS.Broadcast(left01[at]);
            c01L = TS.MultiplyAdd(x01, rightL, c01L);
            c01R = TS.MultiplyAdd(x01, rightR, c01R);
            TV x02 = TS.Broadcast(left02[at]);
            c02L = TS.MultiplyAdd(x02, rightL, c02L);
            c02R = TS.MultiplyAdd(x02, rightR, c02R);
            TV x03 = TS.Broadcast(left03[at]);
            c03L = TS.MultiplyAdd(x03, rightL, c03L);
            c03R = TS.MultiplyAdd(x03, rightR, c03R);
            TV x04 = TS.Broadcast(left04[at]);
            c04L = TS.MultiplyAdd(x04, rightL, c04L);
            c04R = TS.MultiplyAdd(x04, rightR, c04R);
            TV x05 = TS.Broadcast(left05[at]);
            c05L = TS.MultiplyAdd(x05, rightL, c05L);
            c05R = TS.MultiplyAdd(x05, rightR, c05R);
            TV x06 = TS.Broadcast(left06[at]);
            c06L = TS.MultiplyAdd(x06, rightL, c06L);
            c06R = TS.MultiplyAdd(x06, rightR, c06R);
            TV x07 = TS.Broadcast(left07[at]);
            c07L = TS.MultiplyAdd(x07, rightL, c07L);
            c07R = TS.MultiplyAdd(x07, rightR, c07R);
            TV x08 = TS.Broadcast(left08[at]);
            c08L = TS.MultiplyAdd(x08, rightL, c08L);
            c08R = TS.MultiplyAdd(x08, rightR, c08R);
            TV x09 = TS.Broadcast(left09[at]);
            c09L = TS.MultiplyAdd(x09, rightL, c09L);
            c09R = TS.MultiplyAdd(x09, rightR, c09R);
            TV x10 = TS.Broadcast(left10[at]);
            c10L = TS.MultiplyAdd(x10, rightL, c10L);
            c10R = TS.MultiplyAdd(x10, rightR, c10R);
            TV x11 = TS.Broadcast(left11[at]);
            c11L = TS.MultiplyAdd(x11, rightL, c11L);
            c11R = TS.MultiplyAdd(x11, rightR, c11R);
            at += toStep;
            right += 2 * TS.Lanes;
        }

        StoreRow<TS, TV>(a, 0, rows, c00L, c00R);
        StoreRow<TS, TV>(a, 1, rows, c01L, c01R);
        StoreRow<TS, TV>(a, 2, rows, c02L, c02R);
        StoreRow<TS, TV>(a, 3, rows, c03L, c03R);
        StoreRow<TS, TV>(a, 4, rows, c04L, c04R);
        StoreRow<TS, TV>(a, 5, rows, c05L, c05R);
        StoreRow<TS, TV>(a, 6, rows, c06L, c06R);
        StoreRow<TS, TV>(a, 7, rows, c07L, c07R);
        StoreRow<TS, TV>(a, 8, rows, c08L, c08R);
        StoreRow<TS, TV>(a, 9, rows, c09L, c09R);
        StoreRow<TS, TV>(a, 10, rows, c10L, c10R);
        StoreRow<TS, TV>(a, 11, rows, c11L, c11R);
    }

    /// <summary>The register tile of 6 rows and two registers of columns.</summary>
    private static void Tile6<TS, TV>(int rows, TileArguments* a, bool byColumns)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        long toRow = byColumns ? 1 : a->LeftStride / sizeof(float), toStep = byColumns ? a->LeftStride / sizeof(float) : 1, at = 0;
        float* right = (float*)a->Right;
        float* left00 = (float*)a->Left;
        float* left01 = (float*)a->Left + (Math.Min(1, rows - 1) * toRow);
        float* left02 = (float*)a->Left + (Math.Min(2, rows - 1) * toRow);
        float* left03 = (float*)a->Left + (Math.Min(3, rows - 1) * toRow);
        float* left04 = (float*)a->Left + (Math.Min(4, rows - 1) * toRow);
        float* left05 = (float*)a->Left + (Math.Min(5, rows - 1) * toRow);
        TV c00L = TS.Constant(0), c00R = TS.Constant(0);
        TV c01L = TS.Constant(0), c01R = TS.Constant(0);
        TV c02L = TS.Constant(0), c02R = TS.Constant(0);
        TV c03L = TS.Constant(0), c03R = TS.Constant(0);
        TV c04L = TS.Constant(0), c04R = TS.Constant(0);
        TV c05L = TS.Constant(0), c05R = TS.Constant(0);
        for (long steps = a->Steps; steps > 0; steps--)
        {
            TV rightL = TS.Load(right), rightR = TS.Load(right + TS.Lanes);
            TV x00 = TS.Broadcast(left00[at]);
            c00L = TS.MultiplyAdd(x00, rightL, c00L);
            c00R = TS.MultiplyAdd(x00, rightR, c00R);
            TV x01 = TS.Broadcast(left01[at]);
            c01L = TS.MultiplyAdd(x01, rightL, c01L);
            c01R = TS.MultiplyAdd(x01, rightR, c01R);
            TV x02 = TS.Broadcast(left02[at]);
            c02L = TS.MultiplyAdd(x02, rightL, c02L);
            c02R = TS.MultiplyAdd(x02, rightR, c02R);
            TV x03 = TS.Broadcast(left03[at]);
            c03L = TS.MultiplyAdd(x03, rightL, c03L);
            c03R = TS.MultiplyAdd(x03, rightR, c03R);
            TV x04 = TS.Broadcast(left04[at]);
            c04L = TS.MultiplyAdd(x04, rightL, c04L);
            c04R = TS.MultiplyAdd(x04, rightR, c04R);
            TV x05 = TS.Broadcast(left05[at]);
            c05L = TS.MultiplyAdd(x05, rightL, c05L);
            c05R = TS.MultiplyAdd(x05, rightR, c05R);
            at += toStep;
            right += 2 * TS.Lanes;
        }

        StoreRow<TS, TV>(a, 0, rows, c00L, c00R);
        StoreRow<TS, TV>(a, 1, rows, c01L, c01R);
        StoreRow<TS, TV>(a, 2, rows, c02L, c02R);
        StoreRow<TS, TV>(a, 3, rows, c03L, c03R);
        StoreRow<TS, TV>(a, 4, rows, c04L, c04R);
        StoreRow<TS, TV>(a, 5, rows, c05L, c05R);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow<TS, TV>(TileArguments* a, int row, int rows, TV left, TV right)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        if (row >= rows) return;
        float* start = a->Start + (row * a->StartStride / sizeof(float)), tile = a->Tile + (row * 2 * TS.Lanes);
        TS.Store(tile, TS.Add(TS.Load(start), left));
        TS.Store(tile + TS.Lanes, TS.Add(TS.Load(start + TS.Lanes), right));
    }
}

using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>
/// The innermost loops: a tile of the result held in registers while the reduction runs. Every accumulator is a named local because
/// the compiler keeps only those in registers.
/// </summary>
internal static unsafe partial class MatMul
{
    /// <summary>
    /// <c>tile[r, c] (+)= Σₖ left[k · TileRows + r] · right[k · 2·Lanes + c]</c> over <paramref name="depth"/> steps;
    /// <paramref name="tile"/> is <c>TileRows × 2·Lanes</c>, row-major.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Tile<TS, TV>(int depth, float* left, float* right, float* tile, bool accumulate)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        if (TS.TileRows == 12) Tile12<TS, TV>(depth, left, right, tile, accumulate);
        else Tile6<TS, TV>(depth, left, right, tile, accumulate);
    }

    /// <summary>The register tile of 12 rows and two registers of columns.</summary>
    private static void Tile12<TS, TV>(int depth, float* left, float* right, float* tile, bool accumulate)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
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
        for (; depth > 0; depth--)
        {
            TV rightL = TS.Load(right), rightR = TS.Load(right + TS.Lanes);
            TV left00 = TS.Broadcast(left[0]);
            c00L = TS.MultiplyAdd(left00, rightL, c00L);
            c00R = TS.MultiplyAdd(left00, rightR, c00R);
            TV left01 = TS.Broadcast(left[1]);
            c01L = TS.MultiplyAdd(left01, rightL, c01L);
            c01R = TS.MultiplyAdd(left01, rightR, c01R);
            TV left02 = TS.Broadcast(left[2]);
            c02L = TS.MultiplyAdd(left02, rightL, c02L);
            c02R = TS.MultiplyAdd(left02, rightR, c02R);
            TV left03 = TS.Broadcast(left[3]);
            c03L = TS.MultiplyAdd(left03, rightL, c03L);
            c03R = TS.MultiplyAdd(left03, rightR, c03R);
            TV left04 = TS.Broadcast(left[4]);
            c04L = TS.MultiplyAdd(left04, rightL, c04L);
            c04R = TS.MultiplyAdd(left04, rightR, c04R);
            TV left05 = TS.Broadcast(left[5]);
            c05L = TS.MultiplyAdd(left05, rightL, c05L);
            c05R = TS.MultiplyAdd(left05, rightR, c05R);
            TV left06 = TS.Broadcast(left[6]);
            c06L = TS.MultiplyAdd(left06, rightL, c06L);
            c06R = TS.MultiplyAdd(left06, rightR, c06R);
            TV left07 = TS.Broadcast(left[7]);
            c07L = TS.MultiplyAdd(left07, rightL, c07L);
            c07R = TS.MultiplyAdd(left07, rightR, c07R);
            TV left08 = TS.Broadcast(left[8]);
            c08L = TS.MultiplyAdd(left08, rightL, c08L);
            c08R = TS.MultiplyAdd(left08, rightR, c08R);
            TV left09 = TS.Broadcast(left[9]);
            c09L = TS.MultiplyAdd(left09, rightL, c09L);
            c09R = TS.MultiplyAdd(left09, rightR, c09R);
            TV left10 = TS.Broadcast(left[10]);
            c10L = TS.MultiplyAdd(left10, rightL, c10L);
            c10R = TS.MultiplyAdd(left10, rightR, c10R);
            TV left11 = TS.Broadcast(left[11]);
            c11L = TS.MultiplyAdd(left11, rightL, c11L);
            c11R = TS.MultiplyAdd(left11, rightR, c11R);
            left += 12;
            right += 2 * TS.Lanes;
        }

        StoreRow<TS, TV>(tile + (0 * TS.Lanes), c00L, c00R, accumulate);
        StoreRow<TS, TV>(tile + (2 * TS.Lanes), c01L, c01R, accumulate);
        StoreRow<TS, TV>(tile + (4 * TS.Lanes), c02L, c02R, accumulate);
        StoreRow<TS, TV>(tile + (6 * TS.Lanes), c03L, c03R, accumulate);
        StoreRow<TS, TV>(tile + (8 * TS.Lanes), c04L, c04R, accumulate);
        StoreRow<TS, TV>(tile + (10 * TS.Lanes), c05L, c05R, accumulate);
        StoreRow<TS, TV>(tile + (12 * TS.Lanes), c06L, c06R, accumulate);
        StoreRow<TS, TV>(tile + (14 * TS.Lanes), c07L, c07R, accumulate);
        StoreRow<TS, TV>(tile + (16 * TS.Lanes), c08L, c08R, accumulate);
        StoreRow<TS, TV>(tile + (18 * TS.Lanes), c09L, c09R, accumulate);
        StoreRow<TS, TV>(tile + (20 * TS.Lanes), c10L, c10R, accumulate);
        StoreRow<TS, TV>(tile + (22 * TS.Lanes), c11L, c11R, accumulate);
    }

    /// <summary>The register tile of 6 rows and two registers of columns.</summary>
    private static void Tile6<TS, TV>(int depth, float* left, float* right, float* tile, bool accumulate)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV c00L = TS.Constant(0), c00R = TS.Constant(0);
        TV c01L = TS.Constant(0), c01R = TS.Constant(0);
        TV c02L = TS.Constant(0), c02R = TS.Constant(0);
        TV c03L = TS.Constant(0), c03R = TS.Constant(0);
        TV c04L = TS.Constant(0), c04R = TS.Constant(0);
        TV c05L = TS.Constant(0), c05R = TS.Constant(0);
        for (; depth > 0; depth--)
        {
            TV rightL = TS.Load(right), rightR = TS.Load(right + TS.Lanes);
            TV left00 = TS.Broadcast(left[0]);
            c00L = TS.MultiplyAdd(left00, rightL, c00L);
            c00R = TS.MultiplyAdd(left00, rightR, c00R);
            TV left01 = TS.Broadcast(left[1]);
            c01L = TS.MultiplyAdd(left01, rightL, c01L);
            c01R = TS.MultiplyAdd(left01, rightR, c01R);
            TV left02 = TS.Broadcast(left[2]);
            c02L = TS.MultiplyAdd(left02, rightL, c02L);
            c02R = TS.MultiplyAdd(left02, rightR, c02R);
            TV left03 = TS.Broadcast(left[3]);
            c03L = TS.MultiplyAdd(left03, rightL, c03L);
            c03R = TS.MultiplyAdd(left03, rightR, c03R);
            TV left04 = TS.Broadcast(left[4]);
            c04L = TS.MultiplyAdd(left04, rightL, c04L);
            c04R = TS.MultiplyAdd(left04, rightR, c04R);
            TV left05 = TS.Broadcast(left[5]);
            c05L = TS.MultiplyAdd(left05, rightL, c05L);
            c05R = TS.MultiplyAdd(left05, rightR, c05R);
            left += 6;
            right += 2 * TS.Lanes;
        }

        StoreRow<TS, TV>(tile + (0 * TS.Lanes), c00L, c00R, accumulate);
        StoreRow<TS, TV>(tile + (2 * TS.Lanes), c01L, c01R, accumulate);
        StoreRow<TS, TV>(tile + (4 * TS.Lanes), c02L, c02R, accumulate);
        StoreRow<TS, TV>(tile + (6 * TS.Lanes), c03L, c03R, accumulate);
        StoreRow<TS, TV>(tile + (8 * TS.Lanes), c04L, c04R, accumulate);
        StoreRow<TS, TV>(tile + (10 * TS.Lanes), c05L, c05R, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow<TS, TV>(float* row, TV left, TV right, bool accumulate)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        if (accumulate)
        {
            left = TS.Add(TS.Load(row), left);
            right = TS.Add(TS.Load(row + TS.Lanes), right);
        }

        TS.Store(row, left);
        TS.Store(row + TS.Lanes, right);
    }
}

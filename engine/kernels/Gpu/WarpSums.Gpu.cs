using static ILGPU.Util.Utilities;

namespace Engine.Kernels.Gpu;

/// <summary>
/// The 16 × 32 sums of a warp: C with the number of the eight columns. Of each eight, lane l holds rows l / 4 (X, Y) and l / 4 + 8 (Z, W)
/// at columns 2 · (l % 4) and the next; "low" is said of the former row, "high" of the latter.
/// </summary>
internal struct WarpSums
{
    public Float4 C0, C1, C2, C3;

    /// <summary>The position of this lane's low row within the 16.</summary>
    public static int Row => Warp.Lane >> 2;

    /// <summary>The position of this lane's first column within each eight.</summary>
    public static int Column => (Warp.Lane & 3) * 2;

    /// <summary>A number for each row.</summary>
    public static WarpSums OfRows(float low, float high)
    {
        Float4 c = new(low, low, high, high);
        return new() { C0 = c, C1 = c, C2 = c, C3 = c };
    }

    /// <summary>The sums with the products of 16 depths added; the right factor's operands hold 16 columns each.</summary>
    public readonly WarpSums Add(UInt4 left, UInt4 right0, UInt4 right1) => new()
    {
        C0 = Ptx.MmaBF16(left, right0.X, right0.Y, C0),
        C1 = Ptx.MmaBF16(left, right0.Z, right0.W, C1),
        C2 = Ptx.MmaBF16(left, right1.X, right1.Y, C2),
        C3 = Ptx.MmaBF16(left, right1.Z, right1.W, C3),
    };

    /// <summary>The lower 16 columns, rounded, as the left factor of a product: their layout is that of its operand.</summary>
    public readonly UInt4 Left0() => Left(C0, C1);

    /// <summary>The upper 16 columns.</summary>
    public readonly UInt4 Left1() => Left(C2, C3);

    public readonly WarpSums Scale(float low, float high)
    {
        Float4 f = new(low, low, high, high);
        return new() { C0 = C0 * f, C1 = C1 * f, C2 = C2 * f, C3 = C3 * f };
    }

    /// <summary><c>2^(this · factor − shift)</c>; 0 for −∞.</summary>
    public readonly WarpSums Exp2(float factor, WarpSums shift) => new()
    {
        C0 = Exp2(C0, factor, shift.C0),
        C1 = Exp2(C1, factor, shift.C1),
        C2 = Exp2(C2, factor, shift.C2),
        C3 = Exp2(C3, factor, shift.C3),
    };

    /// <summary>What stands from a column on replaced.</summary>
    /// <param name="columns">The columns that stay, counted from this lane's first.</param>
    /// <param name="value">What replaces the others.</param>
    public readonly WarpSums Keep(int columns, float value) => new()
    {
        C0 = Keep(C0, columns, value),
        C1 = Keep(C1, columns - 8, value),
        C2 = Keep(C2, columns - 16, value),
        C3 = Keep(C3, columns - 24, value),
    };

    /// <summary>The largest of this lane's numbers in the low row.</summary>
    public readonly float MaxLow() =>
        Ptx.Max(Ptx.Max(Ptx.Max(C0.X, C0.Y), Ptx.Max(C1.X, C1.Y)), Ptx.Max(Ptx.Max(C2.X, C2.Y), Ptx.Max(C3.X, C3.Y)));

    /// <summary>The largest of this lane's numbers in the high row.</summary>
    public readonly float MaxHigh() =>
        Ptx.Max(Ptx.Max(Ptx.Max(C0.Z, C0.W), Ptx.Max(C1.Z, C1.W)), Ptx.Max(Ptx.Max(C2.Z, C2.W), Ptx.Max(C3.Z, C3.W)));

    /// <summary>The sum of this lane's numbers in the low row.</summary>
    public readonly float SumLow() => C0.X + C0.Y + (C1.X + C1.Y) + (C2.X + C2.Y + (C3.X + C3.Y));

    /// <summary>The sum of this lane's numbers in the high row.</summary>
    public readonly float SumHigh() => C0.Z + C0.W + (C1.Z + C1.W) + (C2.Z + C2.W + (C3.Z + C3.W));

    /// <summary>The largest of a row, from what its four lanes have.</summary>
    public static float RowMax(float value)
    {
        value = Ptx.Max(value, Ptx.ShuffleXor(value, 2));
        return Ptx.Max(value, Ptx.ShuffleXor(value, 1));
    }

    /// <summary>The sum of a row, from what its four lanes have.</summary>
    public static float RowSum(float value)
    {
        value += Ptx.ShuffleXor(value, 2);
        return value + Ptx.ShuffleXor(value, 1);
    }

    private static UInt4 Left(Float4 a, Float4 b) =>
        new(Ptx.PackBF16(a.X, a.Y), Ptx.PackBF16(a.Z, a.W), Ptx.PackBF16(b.X, b.Y), Ptx.PackBF16(b.Z, b.W));

    private static Float4 Exp2(Float4 x, float factor, Float4 shift) => new(
        Ptx.Exp2(Ptx.Fma(x.X, factor, -shift.X)), Ptx.Exp2(Ptx.Fma(x.Y, factor, -shift.Y)),
        Ptx.Exp2(Ptx.Fma(x.Z, factor, -shift.Z)), Ptx.Exp2(Ptx.Fma(x.W, factor, -shift.W)));

    private static Float4 Keep(Float4 x, int columns, float value) => new(
        Select(columns > 0, x.X, value), Select(columns > 1, x.Y, value), Select(columns > 0, x.Z, value), Select(columns > 1, x.W, value));
}

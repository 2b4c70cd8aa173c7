using ILGPU;

namespace Engine.Kernels.Gpu;

/// <summary>
/// How an element type is read and written, always as fp32 values. Rows are worked on in chunks of 256 elements, eight a lane: 16-byte
/// accesses of adjacent lanes are adjacent, so a warp's access covers whole sectors. fp32 takes two such accesses, of four elements
/// each, 128 elements apart; bf16 takes one of eight. Rows have a multiple of eight elements; what lies past the end of a row reads as
/// the given filling and is not written.
/// </summary>
/// <typeparam name="T">The element as the memory holds it.</typeparam>
internal interface IElement<T>
    where T : unmanaged
{
    /// <summary>The position in the row of the first of a lane's lower four elements.</summary>
    static abstract int Low(int chunk, int lane);

    /// <summary>The position in the row of the first of a lane's upper four elements.</summary>
    static abstract int High(int chunk, int lane);

    /// <summary>A value in those of a lane's eight elements that are in the row, 0 in the others.</summary>
    static abstract Float8 Inside(int chunk, int lane, int width, float value);

    /// <summary>A lane's eight elements, read once.</summary>
    static abstract Float8 Load(ArrayView<T> row, int chunk, int lane, int width, float filling);

    /// <summary>A lane's eight elements of a parameter, read by many.</summary>
    static abstract Float8 LoadConstant(ArrayView<T> row, int chunk, int lane, int width);

    /// <summary>Writes a lane's eight elements.</summary>
    static abstract void Store(ArrayView<T> row, int chunk, int lane, int width, Float8 value);

    /// <summary>Writes four elements.</summary>
    static abstract void StoreQuad(ArrayView<T> row, int start, Float4 value);

    /// <summary>Four elements from a multiple of four on, where <paramref name="inside"/>; else 0. The view ends with the row.</summary>
    static abstract Float4 LoadQuad(ArrayView<T> row, int start, bool inside);

    /// <summary>One element.</summary>
    static abstract float Get(ArrayView<T> row, int index);

    /// <summary>Writes one element.</summary>
    static abstract void Set(ArrayView<T> row, int index, float value);
}

/// <summary>Elements of 32 bits.</summary>
internal readonly struct F32 : IElement<float>
{
    public static int Low(int chunk, int lane) => (chunk * Warp.Chunk) + (lane * 4);

    public static int High(int chunk, int lane) => (chunk * Warp.Chunk) + 128 + (lane * 4);

    public static Float8 Inside(int chunk, int lane, int width, float value) =>
        new(Float4.Broadcast(Low(chunk, lane) < width ? value : 0), Float4.Broadcast(High(chunk, lane) < width ? value : 0));

    public static Float8 Load(ArrayView<float> row, int chunk, int lane, int width, float filling)
    {
        ArrayView<Float4> quads = row.Cast<Float4>();
        int low = Low(chunk, lane), high = High(chunk, lane);
        return new(Ptx.LoadOnce(ref quads[low >> 2], low < width, filling), Ptx.LoadOnce(ref quads[high >> 2], high < width, filling));
    }

    public static Float8 LoadConstant(ArrayView<float> row, int chunk, int lane, int width)
    {
        ArrayView<Float4> quads = row.Cast<Float4>();
        int low = Low(chunk, lane), high = High(chunk, lane);
        return new(Ptx.LoadConstant(ref quads[low >> 2], low < width), Ptx.LoadConstant(ref quads[high >> 2], high < width));
    }

    public static void Store(ArrayView<float> row, int chunk, int lane, int width, Float8 value)
    {
        ArrayView<Float4> quads = row.Cast<Float4>();
        int low = Low(chunk, lane), high = High(chunk, lane);
        Ptx.Store(ref quads[low >> 2], low < width, value.Low);
        Ptx.Store(ref quads[high >> 2], high < width, value.High);
    }

    public static Float4 LoadQuad(ArrayView<float> row, int start, bool inside) =>
        Ptx.LoadConstant(ref row.Cast<Float4>()[start >> 2], inside);

    public static void StoreQuad(ArrayView<float> row, int start, Float4 value) => row.Cast<Float4>()[start >> 2] = value;

    public static float Get(ArrayView<float> row, int index) => row[index];

    public static void Set(ArrayView<float> row, int index, float value) => row[index] = value;
}

/// <summary>
/// Elements of 32 bits in rows of any length, which need not start at a multiple of 16 bytes: they are read and written one by one.
/// </summary>
internal readonly struct F32Any : IElement<float>
{
    public static int Low(int chunk, int lane) => F32.Low(chunk, lane);

    public static int High(int chunk, int lane) => F32.High(chunk, lane);

    public static Float8 Inside(int chunk, int lane, int width, float value) =>
        new(Inside(Low(chunk, lane), width, value), Inside(High(chunk, lane), width, value));

    public static Float8 Load(ArrayView<float> row, int chunk, int lane, int width, float filling) =>
        new(Quad(row, Low(chunk, lane), width, filling), Quad(row, High(chunk, lane), width, filling));

    public static Float8 LoadConstant(ArrayView<float> row, int chunk, int lane, int width) => Load(row, chunk, lane, width, 0);

    public static void Store(ArrayView<float> row, int chunk, int lane, int width, Float8 value)
    {
        StoreQuad(row, Low(chunk, lane), width, value.Low);
        StoreQuad(row, High(chunk, lane), width, value.High);
    }

    public static Float4 LoadQuad(ArrayView<float> row, int start, bool inside) => Quad(row, start, inside ? (int)row.Length : 0, 0);

    public static void StoreQuad(ArrayView<float> row, int start, Float4 value) => StoreQuad(row, start, (int)row.Length, value);

    public static float Get(ArrayView<float> row, int index) => row[index];

    public static void Set(ArrayView<float> row, int index, float value) => row[index] = value;

    private static Float4 Inside(int start, int end, float value) =>
        new(start < end ? value : 0, start + 1 < end ? value : 0, start + 2 < end ? value : 0, start + 3 < end ? value : 0);

    private static Float4 Quad(ArrayView<float> row, int start, int end, float filling) => new(
        Ptx.Load(ref row[start], start < end, filling), Ptx.Load(ref row[start + 1], start + 1 < end, filling),
        Ptx.Load(ref row[start + 2], start + 2 < end, filling), Ptx.Load(ref row[start + 3], start + 3 < end, filling));

    private static void StoreQuad(ArrayView<float> row, int start, int end, Float4 value)
    {
        Ptx.Store(ref row[start], start < end, value.X);
        Ptx.Store(ref row[start + 1], start + 1 < end, value.Y);
        Ptx.Store(ref row[start + 2], start + 2 < end, value.Z);
        Ptx.Store(ref row[start + 3], start + 3 < end, value.W);
    }
}

/// <summary>bfloat16, held in 16-bit words.</summary>
internal readonly struct BF16 : IElement<ushort>
{
    public static int Low(int chunk, int lane) => (chunk * Warp.Chunk) + (lane * 8);

    public static int High(int chunk, int lane) => Low(chunk, lane) + 4;

    public static Float8 Inside(int chunk, int lane, int width, float value) => Float8.Broadcast(Low(chunk, lane) < width ? value : 0);

    public static Float8 Load(ArrayView<ushort> row, int chunk, int lane, int width, float filling)
    {
        int start = Low(chunk, lane);
        return Unpack(Ptx.LoadOnce(ref row.Cast<UInt4>()[start >> 3], start < width, Ptx.PackBF16(filling, filling)));
    }

    public static Float8 LoadConstant(ArrayView<ushort> row, int chunk, int lane, int width)
    {
        int start = Low(chunk, lane);
        return Unpack(Ptx.LoadConstant(ref row.Cast<UInt4>()[start >> 3], start < width));
    }

    public static void Store(ArrayView<ushort> row, int chunk, int lane, int width, Float8 value)
    {
        int start = Low(chunk, lane);
        Ptx.Store(ref row.Cast<UInt4>()[start >> 3], start < width, Pack(value));
    }

    public static Float4 LoadQuad(ArrayView<ushort> row, int start, bool inside)
    {
        UInt2 pairs = default;
        if (inside) pairs = row.Cast<UInt2>()[start >> 2];
        return new(LowHalf(pairs.X), HighHalf(pairs.X), LowHalf(pairs.Y), HighHalf(pairs.Y));
    }

    public static void StoreQuad(ArrayView<ushort> row, int start, Float4 value) => row.Cast<UInt2>()[start >> 2] = Pack(value);

    public static float Get(ArrayView<ushort> row, int index) => Ptx.AsFloat((uint)row[index] << 16);

    public static void Set(ArrayView<ushort> row, int index, float value) => row[index] = (ushort)Ptx.PackBF16(value, 0);

    /// <summary>Eight bf16 as floats.</summary>
    public static Float8 Unpack(UInt4 pairs) => new(
        new(LowHalf(pairs.X), HighHalf(pairs.X), LowHalf(pairs.Y), HighHalf(pairs.Y)),
        new(LowHalf(pairs.Z), HighHalf(pairs.Z), LowHalf(pairs.W), HighHalf(pairs.W)));

    /// <summary>Eight floats rounded to bf16.</summary>
    public static UInt4 Pack(Float8 v) => new(
        Ptx.PackBF16(v.Low.X, v.Low.Y), Ptx.PackBF16(v.Low.Z, v.Low.W), Ptx.PackBF16(v.High.X, v.High.Y), Ptx.PackBF16(v.High.Z, v.High.W));

    /// <summary>Four floats rounded to bf16.</summary>
    public static UInt2 Pack(Float4 v) => new(Ptx.PackBF16(v.X, v.Y), Ptx.PackBF16(v.Z, v.W));

    private static float LowHalf(uint pair) => Ptx.AsFloat(pair << 16);

    private static float HighHalf(uint pair) => Ptx.AsFloat(pair & 0xFFFF0000);
}

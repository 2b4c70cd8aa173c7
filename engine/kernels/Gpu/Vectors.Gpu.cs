namespace Engine.Kernels.Gpu;

/// <summary>Four floats; as an element of memory it is read and written in one access of 16 bytes.</summary>
internal struct Float4(float x, float y, float z, float w)
{
    public float X = x, Y = y, Z = z, W = w;

    public static Float4 Broadcast(float value) => new(value, value, value, value);

    public static Float4 operator +(Float4 a, Float4 b) => new(a.X + b.X, a.Y + b.Y, a.Z + b.Z, a.W + b.W);

    public static Float4 operator -(Float4 a, Float4 b) => new(a.X - b.X, a.Y - b.Y, a.Z - b.Z, a.W - b.W);

    public static Float4 operator *(Float4 a, Float4 b) => new(a.X * b.X, a.Y * b.Y, a.Z * b.Z, a.W * b.W);

    public static Float4 operator *(Float4 a, float b) => new(a.X * b, a.Y * b, a.Z * b, a.W * b);

    /// <summary><c>a · b + c</c>.</summary>
    public static Float4 Fma(Float4 a, Float4 b, Float4 c) =>
        new(Ptx.Fma(a.X, b.X, c.X), Ptx.Fma(a.Y, b.Y, c.Y), Ptx.Fma(a.Z, b.Z, c.Z), Ptx.Fma(a.W, b.W, c.W));

    /// <summary><c>a · b + c</c>.</summary>
    public static Float4 Fma(float a, Float4 b, Float4 c) =>
        new(Ptx.Fma(a, b.X, c.X), Ptx.Fma(a, b.Y, c.Y), Ptx.Fma(a, b.Z, c.Z), Ptx.Fma(a, b.W, c.W));

    public static Float4 Max(Float4 a, Float4 b) => new(Ptx.Max(a.X, b.X), Ptx.Max(a.Y, b.Y), Ptx.Max(a.Z, b.Z), Ptx.Max(a.W, b.W));

    public static float Sum(Float4 a) => a.X + a.Y + (a.Z + a.W);

    public static float Max(Float4 a) => Ptx.Max(Ptx.Max(a.X, a.Y), Ptx.Max(a.Z, a.W));

    /// <summary>The sum of products.</summary>
    public static float Dot(Float4 a, Float4 b) => Ptx.Fma(a.X, b.X, a.Y * b.Y) + Ptx.Fma(a.Z, b.Z, a.W * b.W);
}

/// <summary>Two floats; as an element of memory it is read and written in one access of 8 bytes.</summary>
internal struct Float2(float x, float y)
{
    public float X = x, Y = y;
}

/// <summary>Four words; as an element of memory it is read and written in one access of 16 bytes.</summary>
internal struct UInt4(uint x, uint y, uint z, uint w)
{
    public uint X = x, Y = y, Z = z, W = w;
}

/// <summary>Two words; as an element of memory it is read and written in one access of 8 bytes.</summary>
internal struct UInt2(uint x, uint y)
{
    public uint X = x, Y = y;
}

/// <summary>Eight floats: what a lane works on at a time. In memory they are 32 bytes of fp32 or 16 bytes of bf16.</summary>
internal struct Float8(Float4 low, Float4 high)
{
    public Float4 Low = low, High = high;

    public static Float8 Broadcast(float value) => new(Float4.Broadcast(value), Float4.Broadcast(value));

    public static Float8 operator +(Float8 a, Float8 b) => new(a.Low + b.Low, a.High + b.High);

    public static Float8 operator -(Float8 a, Float8 b) => new(a.Low - b.Low, a.High - b.High);

    public static Float8 operator *(Float8 a, Float8 b) => new(a.Low * b.Low, a.High * b.High);

    public static Float8 operator *(Float8 a, float b) => new(a.Low * b, a.High * b);

    public static Float8 Fma(Float8 a, Float8 b, Float8 c) => new(Float4.Fma(a.Low, b.Low, c.Low), Float4.Fma(a.High, b.High, c.High));

    public static Float8 Max(Float8 a, Float8 b) => new(Float4.Max(a.Low, b.Low), Float4.Max(a.High, b.High));

    public static float Sum(Float8 a) => Float4.Sum(a.Low + a.High);

    public static float Max(Float8 a) => Float4.Max(Float4.Max(a.Low, a.High));

    public static float Dot(Float8 a, Float8 b) => Float4.Dot(a.Low, b.Low) + Float4.Dot(a.High, b.High);
}

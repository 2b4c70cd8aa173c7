using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>
/// The 64 rows of sums of four warps, as <c>wgmma</c> lays them out: a warp has 16 of them, and of each eight columns a lane holds what
/// <see cref="WarpSums"/> says.
/// </summary>
internal interface IWarpgroupSums<TSelf>
    where TSelf : struct, IWarpgroupSums<TSelf>
{
    /// <summary>The columns.</summary>
    static abstract int Width { get; }

    static abstract TSelf Multiply(TSelf sums, ulong left, ulong right, uint read, bool arrives);

    static abstract TSelf MultiplyByColumns(TSelf sums, ulong left, ulong right, uint read, bool arrives);

    static abstract TSelf MultiplyColumns(TSelf sums, ulong left, ulong right, uint read, bool arrives);

    /// <summary>Lays the sums out by rows; at: the pair of the lane's first sum; stride: pairs of a row.</summary>
    static abstract void Store(TSelf sums, ArrayView<Float2> pairs, int at, int stride);
}

/// <summary>Sums at 64 columns.</summary>
internal struct Sums64
{
    public Float4 C0, C1, C2, C3, C4, C5, C6, C7;

    public static void Store(Sums64 sums, ArrayView<Float2> pairs, int at, int stride)
    {
        WarpTile16.Store(sums.C0, pairs, at, stride);
        WarpTile16.Store(sums.C1, pairs, at + 4, stride);
        WarpTile16.Store(sums.C2, pairs, at + 8, stride);
        WarpTile16.Store(sums.C3, pairs, at + 12, stride);
        WarpTile16.Store(sums.C4, pairs, at + 16, stride);
        WarpTile16.Store(sums.C5, pairs, at + 20, stride);
        WarpTile16.Store(sums.C6, pairs, at + 24, stride);
        WarpTile16.Store(sums.C7, pairs, at + 28, stride);
    }
}

/// <summary>Sums at 128 columns: 64 registers.</summary>
internal struct Sums128 : IWarpgroupSums<Sums128>
{
    public Sums64 Low, High;

    public static int Width => 128;

    public static Sums128 Multiply(Sums128 sums, ulong left, ulong right, uint read, bool arrives) =>
        Ptx.Multiply(sums, left, right, read, arrives);

    public static Sums128 MultiplyByColumns(Sums128 sums, ulong left, ulong right, uint read, bool arrives) =>
        Ptx.MultiplyByColumns(sums, left, right, read, arrives);

    public static Sums128 MultiplyColumns(Sums128 sums, ulong left, ulong right, uint read, bool arrives) =>
        Ptx.MultiplyColumns(sums, left, right, read, arrives);

    public static void Store(Sums128 sums, ArrayView<Float2> pairs, int at, int stride)
    {
        Sums64.Store(sums.Low, pairs, at, stride);
        Sums64.Store(sums.High, pairs, at + 32, stride);
    }
}

/// <summary>Sums at 256 columns: 128 registers.</summary>
internal struct Sums256 : IWarpgroupSums<Sums256>
{
    public Sums128 Low, High;

    public static int Width => 256;

    public static Sums256 Multiply(Sums256 sums, ulong left, ulong right, uint read, bool arrives) =>
        Ptx.Multiply(sums, left, right, read, arrives);

    public static Sums256 MultiplyByColumns(Sums256 sums, ulong left, ulong right, uint read, bool arrives) =>
        Ptx.MultiplyByColumns(sums, left, right, read, arrives);

    public static Sums256 MultiplyColumns(Sums256 sums, ulong left, ulong right, uint read, bool arrives) =>
        Ptx.MultiplyColumns(sums, left, right, read, arrives);

    public static void Store(Sums256 sums, ArrayView<Float2> pairs, int at, int stride)
    {
        Sums128.Store(sums.Low, pairs, at, stride);
        Sums128.Store(sums.High, pairs, at + 64, stride);
    }
}

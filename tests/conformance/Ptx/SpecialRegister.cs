namespace Conformance.Ptx;

/// <summary>Extents or an index in three dimensions; x runs fastest.</summary>
internal readonly record struct Dim3(int X, int Y = 1, int Z = 1)
{
    public long Count => (long)X * Y * Z;

    public static implicit operator Dim3(int x) => new(x);

    public int this[char axis] => axis switch { 'x' => X, 'y' => Y, 'z' => Z, _ => 0 };

    /// <summary>The position that the linear <paramref name="index"/> has in these extents.</summary>
    public Dim3 Position(int index) => new(index % X, index / X % Y, index / X / Y);

    public override string ToString() => $"({X}, {Y}, {Z})";
}

/// <summary>PTX's read-only registers. All are fixed for a thread's life, and all but the block's position for a launch.</summary>
internal static class SpecialRegister
{
    private static readonly HashSet<string> Known =
    [
        "%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y", "%ntid.z",
        "%ctaid.x", "%ctaid.y", "%ctaid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z",
        "%laneid", "%warpid", "%nwarpid", "%smid", "%nsmid", "%gridid",
        "%lanemask_eq", "%lanemask_le", "%lanemask_lt", "%lanemask_ge", "%lanemask_gt", "%dynamic_smem_size", "%total_smem_size",
    ];

    public static bool IsKnown(string name) => Known.Contains(name);

    /// <summary>Whether the register differs from block to block.</summary>
    public static bool DependsOnBlock(string name) => name.StartsWith("%ctaid", StringComparison.Ordinal);

    /// <summary>The register's values, by lane.</summary>
    public static void Fill(Span<ulong> values, string name, Launch launch, Dim3 block, int warp)
    {
        string stem = name.Split('.')[0];
        for (int lane = 0; lane < values.Length; lane++) values[lane] = Value(stem, name[^1], launch, block, warp, lane);
    }

    private static uint Value(string stem, char axis, Launch launch, Dim3 block, int warp, int lane) => (uint)(stem switch
    {
        "%tid" => launch.Block.Position(warp * 32 + lane)[axis],
        "%ntid" => launch.Block[axis],
        "%ctaid" => block[axis],
        "%nctaid" => launch.Grid[axis],
        "%laneid" => lane,
        "%warpid" => warp,
        "%nwarpid" => (launch.Block.Count + 31) / 32,
        "%nsmid" => 1,
        "%lanemask_eq" => 1u << lane,
        "%lanemask_le" => (uint)((2UL << lane) - 1),
        "%lanemask_lt" => (1u << lane) - 1,
        "%lanemask_ge" => ~((1u << lane) - 1),
        "%lanemask_gt" => ~(uint)((2UL << lane) - 1),
        "%dynamic_smem_size" => launch.DynamicSharedBytes,
        "%total_smem_size" => launch.SharedBytes,
        _ => 0,
    });
}

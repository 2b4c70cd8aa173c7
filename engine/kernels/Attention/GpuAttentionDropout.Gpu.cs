using Engine.Kernels.Gpu;
using ILGPU;
using static ILGPU.Util.Utilities;

namespace Engine.Kernels;

/// <summary>The mask of <see cref="AttentionMask"/>, bit for bit, for one head of one sequence.</summary>
internal struct GpuAttentionDropout
{
    public uint Threshold, SeedLow, SeedHigh, Step, Site;
    public float Scale;

    /// <summary>The row in the batch of the sequence's first token.</summary>
    public int Start;

    public int Head;

    /// <summary>The mask of a launch; without dropout none, and nothing is read.</summary>
    /// <typeparam name="TDropout">Whether something is dropped.</typeparam>
    /// <param name="randomState">Seed, lower and upper word, and step: from memory, so that a captured launch draws anew.</param>
    /// <param name="threshold">What a word must reach.</param>
    /// <param name="scale">What is kept is multiplied by this.</param>
    /// <param name="site">Who draws.</param>
    public static GpuAttentionDropout Of<TDropout>(ArrayView<uint> randomState, uint threshold, float scale, uint site)
        where TDropout : struct, IChoice
    {
        GpuAttentionDropout dropout = default;
        if (!TDropout.Value) return dropout;
        (dropout.SeedLow, dropout.SeedHigh, dropout.Step) = (randomState[0], randomState[1], randomState[2]);
        (dropout.Threshold, dropout.Scale, dropout.Site) = (threshold, scale, site);
        return dropout;
    }

    /// <summary>The mask of a head of the sequence that starts at a row.</summary>
    public readonly GpuAttentionDropout For(int start, int head)
    {
        GpuAttentionDropout d = this;
        (d.Start, d.Head) = (start, head);
        return d;
    }

    /// <summary>A thread's probabilities, or their gradients, of queries from an even position on and keys 16 apart.</summary>
    public readonly ScoreTile Apply(ScoreTile s, int query, int key)
    {
        (s.S0, s.S1) = Apply(s.S0, s.S1, query, key);
        (s.S2, s.S3) = Apply(s.S2, s.S3, query + 2, key);
        return s;
    }

    /// <summary>
    /// A warp's probabilities, or their gradients; row is the position of the lane's low row, column the even one of its first column.
    /// </summary>
    /// <typeparam name="TTransposed">Whether the rows are keys and the columns queries.</typeparam>
    public readonly WarpSums Apply<TTransposed>(WarpSums s, int row, int column)
        where TTransposed : struct, IChoice
    {
        (s.C0, s.C1) = Columns<TTransposed>(s.C0, s.C1, row, column);
        (s.C2, s.C3) = Columns<TTransposed>(s.C2, s.C3, row, column + 16);
        return s;
    }

    // Two columns next to each other, the first of them even, share a block; the low row and the high one are both even or both odd.
    private readonly (Float4 First, Float4 Second) Columns<TTransposed>(Float4 first, Float4 second, int row, int column)
        where TTransposed : struct, IChoice
    {
        FourBlocks words = TTransposed.Value
            ? Blocks(column, row, column, row + 8, column + 8, row, column + 8, row + 8)
            : Blocks(row, column, row + 8, column, row, column + 8, row + 8, column + 8);
        return (Columns<TTransposed>(first, words.A, words.B, row), Columns<TTransposed>(second, words.C, words.D, row));
    }

    private readonly Float4 Columns<TTransposed>(Float4 s, UInt4 low, UInt4 high, int row)
        where TTransposed : struct, IChoice
    {
        bool odd = (row & 1) != 0;
        if (TTransposed.Value)
            return new(Keep(s.X, Select(odd, low.Z, low.X)), Keep(s.Y, Select(odd, low.W, low.Y)), Keep(s.Z, Select(odd, high.Z, high.X)),
                Keep(s.W, Select(odd, high.W, high.Y)));
        return new(Keep(s.X, Select(odd, low.Y, low.X)), Keep(s.Y, Select(odd, low.W, low.Z)), Keep(s.Z, Select(odd, high.Y, high.X)),
            Keep(s.W, Select(odd, high.W, high.Z)));
    }

    private readonly (Float4 Even, Float4 Odd) Apply(Float4 even, Float4 odd, int query, int key)
    {
        FourBlocks words = Blocks(query, key, query, key + 16, query, key + 32, query, key + 48);
        bool oddKey = (key & 1) != 0;
        return (
            new(Keep(even.X, Select(oddKey, words.A.Z, words.A.X)), Keep(even.Y, Select(oddKey, words.B.Z, words.B.X)),
                Keep(even.Z, Select(oddKey, words.C.Z, words.C.X)), Keep(even.W, Select(oddKey, words.D.Z, words.D.X))),
            new(Keep(odd.X, Select(oddKey, words.A.W, words.A.Y)), Keep(odd.Y, Select(oddKey, words.B.W, words.B.Y)),
                Keep(odd.Z, Select(oddKey, words.C.W, words.C.Y)), Keep(odd.W, Select(oddKey, words.D.W, words.D.Y))));
    }

    /// <summary>The blocks of four pairs of positions.</summary>
    private readonly FourBlocks Blocks(int queryA, int keyA, int queryB, int keyB, int queryC, int keyC, int queryD, int keyD) =>
        GpuPhilox.Four(
        new(Row(queryA), Row(queryB), Row(queryC), Row(queryD)), new(Upper(keyA), Upper(keyB), Upper(keyC), Upper(keyD)), SeedLow, SeedHigh,
        Step, Site);

    private readonly uint Row(int query) => (uint)(Start + (query & ~1));

    private readonly uint Upper(int key) => ((uint)Head << 22) | (uint)(key >> 1);

    private readonly float Keep(float x, uint word) => Select(word >= Threshold, x * Scale, 0f);
}

using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>
/// The gradient of the table of <see cref="RelativeBias"/> on the GPU, in fp32 arithmetic and without atomic sums: the scores' gradients are
/// computed once more, by blocks that own 64 queries of a head, and summed over the diagonals of each tile. The sums of the blocks are to be
/// added.
/// </summary>
internal static class RelativeBiasGradientKernels
{
    private const int Diagonals = (2 * AttentionTile.Rows) - 1;

    public static void Add(KernelList list)
    {
        int shared = AttentionTile.SharedBytes(4, AttentionTile.LargestHead) + ((Diagonals + 1) * sizeof(float));
        list.AddFamily<RelativeBias>(
            "attention_table_gradient_{0}", AttentionTile.Threads, f32: Sums<F32, float>, anyF32: Sums<F32Any, float>, bf16: Sums<BF16, ushort>,
            dynamicShared: shared);
    }

    /// <summary>
    /// qkv: [tokens, 3 · heads · headSize]; cuSeqlens: [sequences + 1]; mods: [heads], after ForHead; logSumExp, delta: [heads, tokens]; dy:
    /// [tokens, heads · headSize]; sums: [sequences · ⌈longest / 64⌉, heads, entries]. Grid: (⌈longest / 64⌉, heads, sequences); shared memory
    /// for four tiles and 128 floats.
    /// </summary>
    public static void Sums<TE, T>(
        ArrayView<T> qkv, ArrayView<int> cuSeqlens, ArrayView<RelativeBias> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy,
        ArrayView<float> sums, int headSize, int tokens, int entries, float scale)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int head = Grid.IdxY, start = cuSeqlens[Grid.IdxZ], length = cuSeqlens[Grid.IdxZ + 1] - start, query = Grid.IdxX * AttentionTile.Rows;
        ArrayView<float> own = sums.SubView(((((long)Grid.IdxZ * Grid.DimX) + Grid.IdxX) * Grid.DimY + head) * entries, entries);
        for (int entry = Group.IdxX; entry < entries; entry += AttentionTile.Threads) own[entry] = 0;
        if (query >= length) return;
        int hidden = Grid.DimY * headSize, quads = (headSize + 3) >> 2, tile = AttentionTile.Rows * (quads + 1);
        ArrayView<Float4> keys = SharedMemory.GetDynamic<Float4>();
        ArrayView<Float4> values = keys.SubView(tile, tile), queries = keys.SubView(2 * tile, tile), gradients = keys.SubView(3 * tile, tile);
        int place = 4 * tile, size = AttentionTile.Rows * AttentionTile.ScoreStride / 4;
        ArrayView<float> scores = keys.SubView(place, size).Cast<float>(), diagonals = keys.SubView(place + size, (Diagonals + 1) / 4).Cast<float>();
        long column = (long)head * headSize;
        ArrayView<T> source = qkv.SubView(((long)start * 3 * hidden) + column, headSize);
        ArrayView<float> rowLogSumExp = logSumExp.SubView(((long)head * tokens) + start, length), rowDelta = delta.SubView(((long)head * tokens) + start, length);
        AttentionTile.Fill<TE, T>(queries, source, query, length, headSize, 3 * hidden);
        AttentionTile.Fill<TE, T>(gradients, dy.SubView(((long)start * hidden) + column, headSize), query, length, headSize, hidden);
        RelativeBias mod = mods[head];
        for (int key = 0; key < length; key += AttentionTile.Rows)
        {
            Group.Barrier();
            AttentionTile.Fill<TE, T>(keys, source.SubView(hidden, headSize), key, length, headSize, 3 * hidden);
            AttentionTile.Fill<TE, T>(values, source.SubView(2 * hidden, headSize), key, length, headSize, 3 * hidden);
            Group.Barrier();
            AttentionGradientTile<RelativeBias> g = AttentionGradientTile<RelativeBias>.Compute<No>(
                queries, keys, gradients, values, quads, mod, rowLogSumExp, rowDelta, query, key, length, scale, default);
            g.Scores.Store(scores);
            Group.Barrier();
            SumDiagonal(scores, diagonals);
            Group.Barrier();
            AddDiagonals(diagonals, own, key - query, entries, 1f / scale);
        }
    }

    /// <summary>Thread t sums the scores whose key less query is t − 63. All take the same query at a time, so that neighbours read neighbours.</summary>
    private static void SumDiagonal(ArrayView<float> scores, ArrayView<float> diagonals)
    {
        int distance = Group.IdxX - (AttentionTile.Rows - 1);
        if (distance >= AttentionTile.Rows) return;
        float sum = 0;
        for (int q = 0; q < AttentionTile.Rows; q++)
            if (q + distance >= 0 && q + distance < AttentionTile.Rows) sum += scores[(q * AttentionTile.ScoreStride) + q + distance];
        diagonals[Group.IdxX] = sum;
    }

    /// <summary>Adds to each entry the diagonals that are its own: one, or for the first and last all that lie further away.</summary>
    private static void AddDiagonals(ArrayView<float> diagonals, ArrayView<float> own, int offset, int entries, float factor)
    {
        for (int entry = Group.IdxX; entry < entries; entry += AttentionTile.Threads)
        {
            int at = entry - (entries >> 1) - offset + AttentionTile.Rows - 1;
            int first = entry == 0 ? 0 : at, last = entry == entries - 1 ? Diagonals - 1 : at;
            first = first < 0 ? 0 : first;
            last = last > Diagonals - 1 ? Diagonals - 1 : last;
            float sum = 0;
            for (int d = first; d <= last; d++) sum += diagonals[d];
            if (first <= last) own[entry] += sum * factor;
        }
    }
}

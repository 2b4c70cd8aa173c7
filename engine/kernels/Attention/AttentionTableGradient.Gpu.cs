using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>
/// The gradient of a table that a score modification looks up, on the GPU, in fp32 arithmetic and without atomic sums: the scores'
/// gradients are computed once more, by blocks that own 64 queries of a head. Within a tile each thread adds, in the order of the pairs,
/// those of the entries that are its own; the sums of the blocks are added in their order.
/// </summary>
internal static class AttentionTableGradientKernels
{
    /// <summary>Adds the kernels for a score modification with tables, and those for dropped probabilities.</summary>
    public static void Add<TMod>(KernelList list)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int shared = AttentionTile.SharedBytes(4, AttentionTile.LargestHead);
        list.AddFamily<TMod>(
            "attention_table_gradient_{0}", AttentionTile.Threads, f32: Sums<F32, float, TMod, No>, anyF32: Sums<F32Any, float, TMod, No>,
            bf16: Sums<BF16, ushort, TMod, No>, dynamicShared: shared);
        list.AddFamily<TMod>(
            "attention_table_gradient_{0}_dropout", AttentionTile.Threads, f32: Sums<F32, float, TMod, Yes>,
            anyF32: Sums<F32Any, float, TMod, Yes>, bf16: Sums<BF16, ushort, TMod, Yes>, dynamicShared: shared);
        list.AddFamily<TMod>("attention_table_total_{0}", Flat.Threads, f32: Total<TMod>);
    }

    /// <summary>
    /// Operands as for <see cref="AttentionGradientKernels"/>; sums: [sequences · ⌈longest / 64⌉, heads, entries]. Grid: (⌈longest / 64⌉,
    /// heads, sequences); shared memory for four tiles of heads of at least 32.
    /// </summary>
    public static void Sums<TE, T, TMod, TDropout>(
        ArrayView<T> queries, ArrayView<T> keys, ArrayView<T> values, ArrayView<int> cuSeqlens, ArrayView<int> keyCuSeqlens,
        ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy, ArrayView<float> sums, int table,
        int entries, int headSize, int tokens, int queryStride, int keyStride, int group, float scale,
        ArrayView<uint> randomState, uint threshold, float keptScale, uint site)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
        => SumsBlock<TE, T, TMod, TDropout>(
            HeadRows<T>.Of(queries, keys, values, cuSeqlens, keyCuSeqlens, Grid.IdxY, group, headSize, queryStride, keyStride),
            mods, logSumExp, delta, dy, sums, table, entries, tokens, scale,
            GpuAttentionDropout.Of<TDropout>(randomState, threshold, keptScale, site));

    private static void SumsBlock<TE, T, TMod, TDropout>(
        HeadRows<T> rows, ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy, ArrayView<float> sums,
        int table, int entries, int tokens, float scale, GpuAttentionDropout dropout)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
    {
        int head = Grid.IdxY, start = rows.Start, length = rows.QueryCount, query = Grid.IdxX * AttentionTile.Rows, headSize = rows.Size;
        ArrayView<float> own = sums.SubView(((((long)Grid.IdxZ * Grid.DimX) + Grid.IdxX) * Grid.DimY + head) * entries, entries);
        for (int entry = Group.IdxX; entry < entries; entry += AttentionTile.Threads) own[entry] = 0;
        if (query >= length) return;
        int hidden = Grid.DimY * headSize, quads = (headSize + 3) >> 2, tile = AttentionTile.Rows * (quads + 1);
        const int Scores = AttentionTile.Rows * AttentionTile.ScoreStride / 4;
        ArrayView<Float4> queries = SharedMemory.GetDynamic<Float4>();
        ArrayView<Float4> gradients = queries.SubView(tile, tile), scores = queries.SubView(2 * tile, Scores);
        ArrayView<Float4> keys = queries.SubView((2 * tile) + Scores, tile), values = queries.SubView((3 * tile) + Scores, tile);
        // Once the products are there nobody needs the keys and values: the entries of the tile take their place.
        ArrayView<UInt4> looked = queries.SubView((2 * tile) + Scores, Scores).Cast<UInt4>();
        long statistics = ((long)head * tokens) + start;
        ArrayView<float> rowLogSumExp = logSumExp.SubView(statistics, length), rowDelta = delta.SubView(statistics, length);
        AttentionTile.Fill<TE, T>(queries, rows.Queries, query, length, headSize, rows.QueryStride);
        AttentionTile.Fill<TE, T>(gradients, dy.SubView(((long)start * hidden) + ((long)head * headSize), headSize), query, length,
            headSize, hidden);
        TMod mod = TMod.ForSequence(mods[head], Grid.IdxZ);
        int endQuery = query + AttentionTile.Rows < length ? query + AttentionTile.Rows : length;
        for (KeyTiles<TMod> at = KeyTiles<TMod>.Of(mod, query, endQuery, rows.KeyCount);
             at.Key < at.End; at = at.Behind(AttentionTile.Rows))
        {
            Group.Barrier();
            AttentionTile.Fill<TE, T>(keys, rows.Keys, at.Key, at.End, headSize, rows.KeyStride);
            AttentionTile.Fill<TE, T>(values, rows.Values, at.Key, at.End, headSize, rows.KeyStride);
            Group.Barrier();
            ScoreTile g = AttentionGradientTile<TMod>.Entries<TDropout>(
                queries, keys, gradients, values, quads, mod, table, rowLogSumExp, rowDelta, query, at.Key, at.End, scale,
                dropout.For(start, head));
            g.Store(scores.Cast<float>());
            Group.Barrier();
            Look(looked.Cast<uint>(), mod, table, query, at.Key, entries);
            Group.Barrier();
            AddOwn(scores, looked, own);
        }
    }

    /// <summary>
    /// Adds the sums of all blocks of the heads and sequences that look up a row to the row's gradient, in their order. sums: [sequences ·
    /// tiles, heads, entries]; mods: [heads], after ForHead; gradient: [rows, entries]; address: of the table. Grid: (⌈entries / 256⌉,
    /// rows).
    /// </summary>
    public static void Total<TMod>(
        ArrayView<float> sums, ArrayView<TMod> mods, ArrayView<float> gradient, long address, int table, int tiles, int sequences,
        int entries)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int entry = (Grid.IdxX * Flat.Threads) + Group.IdxX, heads = (int)mods.Length;
        if (entry >= entries) return;
        long row = (long)Grid.IdxY * entries;
        float sum = gradient[row + entry];
        for (int sequence = 0; sequence < sequences; sequence++)
            for (int head = 0; head < heads; head++)
            {
                TMod mod = TMod.ForSequence(mods[head], sequence);
                if (TMod.Table(mod, table).Address == address + (row * sizeof(float)))
                    for (long tile = (long)sequence * tiles; tile < (long)(sequence + 1) * tiles; tile++)
                        sum += sums[(((tile * heads) + head) * entries) + entry];
            }

        gradient[row + entry] = sum;
    }

    /// <summary>Writes the entries that the scores of a tile look up, where their gradients lie.</summary>
    private static void Look<TMod>(ArrayView<uint> looked, TMod mod, int table, int firstQuery, int firstKey, int entries)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        for (int row = 0; row < 4; row++)
            for (int column = 0; column < AttentionTile.Rows; column += 16)
            {
                int query = (AttentionTile.I * 4) + row, key = AttentionTile.J + column;
                int entry = (int)TMod.Entry<GpuFloat>(mod, table, firstQuery + query, firstKey + key).Value;
                entry = entry < 0 ? 0 : entry >= entries ? entries - 1 : entry;
                looked[(query * AttentionTile.ScoreStride) + key] = (uint)entry;
            }
    }

    /// <summary>
    /// Thread t adds the gradients of the entries whose number leaves the remainder t. All read the same four pairs at a time, and a thread
    /// whose entry is the same as before adds to a register.
    /// </summary>
    private static void AddOwn(ArrayView<Float4> scores, ArrayView<UInt4> looked, ArrayView<float> own)
    {
        const int Stride = AttentionTile.ScoreStride / 4;
        uint entry = (uint)Group.IdxX;
        float sum = 0;
        for (int row = 0; row < AttentionTile.Rows; row++)
            for (int quad = row * Stride; quad < (row * Stride) + (AttentionTile.Rows / 4); quad++)
            {
                Float4 gradients = scores[quad];
                UInt4 entries = looked[quad];
                (entry, sum) = Add(own, entry, sum, entries.X, gradients.X);
                (entry, sum) = Add(own, entry, sum, entries.Y, gradients.Y);
                (entry, sum) = Add(own, entry, sum, entries.Z, gradients.Z);
                (entry, sum) = Add(own, entry, sum, entries.W, gradients.W);
            }

        if (entry < own.Length) own[(int)entry] += sum;
    }

    private static (uint Entry, float Sum) Add(ArrayView<float> own, uint entry, float sum, uint next, float gradient)
    {
        if ((next & (AttentionTile.Threads - 1)) != Group.IdxX) return (entry, sum);
        if (next == entry) return (entry, sum + gradient);
        own[(int)entry] += sum;
        return (next, gradient);
    }
}

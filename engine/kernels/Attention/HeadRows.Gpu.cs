using ILGPU;

namespace Engine.Kernels;

/// <summary>The queries, keys and values of a head of one sequence.</summary>
/// <typeparam name="T">The elements.</typeparam>
internal struct HeadRows<T>
    where T : unmanaged
{
    /// <summary>From the first row of the sequence on, at the head's columns.</summary>
    public ArrayView<T> Queries, Keys, Values;

    /// <summary>Elements from a query to the next; from a key to the next, and from a value.</summary>
    public int QueryStride, KeyStride;

    /// <summary>The row of the first query and of the first key in the batch, and how many there are.</summary>
    public int Start, KeyStart, QueryCount, KeyCount;

    /// <summary>The head's size.</summary>
    public int Size;

    /// <summary>A head of queries of the sequence of this block, with the head of keys that its group shares.</summary>
    public static HeadRows<T> Of(
        ArrayView<T> queries, ArrayView<T> keys, ArrayView<T> values, ArrayView<int> cuSeqlens, ArrayView<int> keyCuSeqlens,
        int head, int group, int headSize, int queryStride, int keyStride)
    {
        HeadRows<T> rows = new()
        {
            QueryStride = queryStride,
            KeyStride = keyStride,
            Start = cuSeqlens[Grid.IdxZ],
            KeyStart = keyCuSeqlens[Grid.IdxZ],
            Size = headSize,
        };
        rows.QueryCount = cuSeqlens[Grid.IdxZ + 1] - rows.Start;
        rows.KeyCount = keyCuSeqlens[Grid.IdxZ + 1] - rows.KeyStart;
        rows.Queries = rows.OfQuery(queries, head);
        rows.Keys = rows.OfKey(keys, head / group);
        rows.Values = rows.OfKey(values, head / group);
        return rows;
    }

    /// <summary>The part of queries, or their gradients, that belongs to the sequence and a head.</summary>
    public readonly ArrayView<T> OfQuery(ArrayView<T> queries, int head) =>
        queries.SubView(((long)Start * QueryStride) + ((long)head * Size), Size);

    /// <summary>The part of keys or values, or their gradients, that belongs to the sequence and a head of keys.</summary>
    public readonly ArrayView<T> OfKey(ArrayView<T> keys, int head) =>
        keys.SubView(((long)KeyStart * KeyStride) + ((long)head * Size), Size);
}

using System.Buffers.Binary;

namespace Dnabert2.Tool.Output;

/// <summary>The R tree of bigWig: which block holds the bases of a region.</summary>
internal static class IntervalIndex
{
    private const uint Signature = 0x2468ACE0;
    private const int HeaderSize = 48, Children = 256, LeafItem = 32, NodeItem = 24, NodeHeader = 4;

    /// <summary>A block, or a node that holds several: from a base up to another, and where it lies.</summary>
    public readonly record struct Entry(uint Contig, uint Start, uint LastContig, uint End, ulong Place, ulong Size);

    /// <summary>Writes the index.</summary>
    /// <param name="stream">A file.</param>
    /// <param name="blocks">The blocks, in the order of their bases.</param>
    /// <param name="itemsOfBlock">The most items of a block.</param>
    /// <returns>Its place.</returns>
    public static ulong Write(Stream stream, IReadOnlyList<Entry> blocks, int itemsOfBlock)
    {
        ulong place = (ulong)stream.Position;
        Span<byte> header = stackalloc byte[HeaderSize];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, Signature);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], Children);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], (ulong)blocks.Count);
        if (blocks.Count > 0) WriteBounds(header[16..], Over(blocks, 0, blocks.Count));
        BinaryPrimitives.WriteUInt64LittleEndian(header[32..], place);
        BinaryPrimitives.WriteUInt32LittleEndian(header[40..], (uint)itemsOfBlock);
        stream.Write(header);

        // From the blocks up to the root, which stands first.
        List<IReadOnlyList<Entry>> levels = [blocks];
        while (levels[^1].Count > Children)
        {
            IReadOnlyList<Entry> below = levels[^1];
            var above = new List<Entry>();
            for (int at = 0; at < below.Count; at += Children) above.Add(Over(below, at, Math.Min(below.Count, at + Children)));
            levels.Add(above);
        }

        ulong next = place + HeaderSize;
        for (int level = levels.Count - 1; level >= 0; level--)
        {
            int size = level == 0 ? LeafItem : NodeItem;
            int nodes = Math.Max(1, (levels[level].Count + Children - 1) / Children);
            next += (ulong)((nodes * (long)NodeHeader) + (levels[level].Count * (long)size));
            WriteLevel(stream, levels[level], isLeaf: level == 0, next, level == 1 ? LeafItem : NodeItem);
        }

        return place;
    }

    /// <summary>Writes the nodes of a level, whose items point at those of the next, which begin at a place.</summary>
    private static void WriteLevel(Stream stream, IReadOnlyList<Entry> items, bool isLeaf, ulong next, int itemBelow)
    {
        Span<byte> item = stackalloc byte[LeafItem];
        ulong nodeBelow = (ulong)(NodeHeader + (Children * itemBelow));
        for (int at = 0; at == 0 || at < items.Count; at += Children)
        {
            int count = Math.Min(Children, items.Count - at);
            (item[0], item[1]) = (isLeaf ? (byte)1 : (byte)0, 0);
            BinaryPrimitives.WriteUInt16LittleEndian(item[2..], (ushort)count);
            stream.Write(item[..NodeHeader]);
            for (int i = at; i < at + count; i++)
            {
                WriteBounds(item, items[i]);
                BinaryPrimitives.WriteUInt64LittleEndian(item[16..], isLeaf ? items[i].Place : next + ((ulong)i * nodeBelow));
                BinaryPrimitives.WriteUInt64LittleEndian(item[24..], items[i].Size);
                stream.Write(item[..(isLeaf ? LeafItem : NodeItem)]);
            }
        }
    }

    private static void WriteBounds(Span<byte> bytes, in Entry entry)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, entry.Contig);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], entry.Start);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], entry.LastContig);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[12..], entry.End);
    }

    /// <summary>What some items hold together; the last one ends last, since they are in order.</summary>
    private static Entry Over(IReadOnlyList<Entry> items, int from, int to) =>
        new(items[from].Contig, items[from].Start, items[to - 1].LastContig, items[to - 1].End, 0, 0);
}

/// <summary>The B+ tree of bigWig: the number and the length of each sequence, by its name.</summary>
internal static class ContigTree
{
    private const uint Signature = 0x78CA8C91;
    private const int HeaderSize = 32, NodeHeader = 4, ValueSize = 8, Children = 256;

    /// <summary>Writes the tree.</summary>
    /// <param name="stream">A file.</param>
    /// <param name="contigs">The sequences, in the order of their numbers.</param>
    public static void Write(Stream stream, IReadOnlyList<(byte[] Name, uint Length)> contigs)
    {
        int key = 1;
        int[] order = new int[contigs.Count];
        for (int i = 0; i < order.Length; i++) (order[i], key) = (i, Math.Max(key, contigs[i].Name.Length));
        Array.Sort(order, (a, b) => contigs[a].Name.AsSpan().SequenceCompareTo(contigs[b].Name));
        ulong place = (ulong)stream.Position;
        Span<byte> header = stackalloc byte[HeaderSize];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, Signature);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], Children);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], (uint)key);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], ValueSize);
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], (ulong)contigs.Count);
        stream.Write(header);

        // Of each level, how many sequences an item stands for: one of the leaves, 256 of the next, and so on up to the root.
        List<long> spans = [1];
        while (contigs.Count > spans[^1] * Children) spans.Add(spans[^1] * Children);
        Span<byte> item = stackalloc byte[key + ValueSize];
        ulong next = place + HeaderSize, node = (ulong)(NodeHeader + (Children * item.Length));
        for (int level = spans.Count - 1; level >= 0; level--)
        {
            long span = spans[level], items = (contigs.Count + span - 1) / span, nodes = Math.Max(1, (items + Children - 1) / Children);
            next += (ulong)((nodes * NodeHeader) + (items * item.Length));
            for (long at = 0; at == 0 || at < items; at += Children)
            {
                int count = (int)Math.Min(Children, items - at);
                (item[0], item[1]) = (level == 0 ? (byte)1 : (byte)0, 0);
                BinaryPrimitives.WriteUInt16LittleEndian(item[2..], (ushort)count);
                stream.Write(item[..NodeHeader]);
                for (long i = at; i < at + count; i++)
                {
                    int contig = order[i * span];
                    item.Clear();
                    contigs[contig].Name.CopyTo(item);
                    if (level > 0) BinaryPrimitives.WriteUInt64LittleEndian(item[key..], next + ((ulong)i * node));
                    else
                    {
                        BinaryPrimitives.WriteUInt32LittleEndian(item[key..], (uint)contig);
                        BinaryPrimitives.WriteUInt32LittleEndian(item[(key + 4)..], contigs[contig].Length);
                    }

                    stream.Write(item);
                }
            }
        }
    }
}

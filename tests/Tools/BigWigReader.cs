using System.IO.Compression;
using System.Text;

namespace Tests.Tools;

/// <summary>Reads bigWig as its description says (Kent et al., 2010, supplement), with plain loops.</summary>
internal sealed class BigWigReader
{
    private readonly byte[] _file;
    private readonly uint _bufferSize;

    public BigWigReader(byte[] file)
    {
        _file = file;
        BinaryReader header = At(0);
        Assert.Equal(0x888FFC26, header.ReadUInt32());
        Assert.Equal(4, header.ReadUInt16());
        int zooms = header.ReadUInt16();
        ulong contigs = header.ReadUInt64(), data = header.ReadUInt64(), index = header.ReadUInt64();
        Assert.Equal((0, 0, 0UL), (header.ReadUInt16(), header.ReadUInt16(), header.ReadUInt64()));
        ulong summary = header.ReadUInt64();
        _bufferSize = header.ReadUInt32();
        Assert.Equal(0UL, header.ReadUInt64());
        for (int i = 0; i < zooms; i++)
        {
            uint reduction = header.ReadUInt32();
            header.ReadUInt32();
            Zooms.Add((reduction, header.ReadUInt64(), header.ReadUInt64()));
        }

        BinaryReader total = At(summary);
        Total = (total.ReadUInt64(), total.ReadDouble(), total.ReadDouble(), total.ReadDouble(), total.ReadDouble());
        ReadContigs(contigs);
        Index = index;
        Assert.Equal((ulong)Blocks(index).Count(), At(data).ReadUInt64());
        Assert.Equal(0x888FFC26, At((ulong)file.Length - 4).ReadUInt32());
    }

    public ulong Index { get; }

    public List<(uint Reduction, ulong Data, ulong Index)> Zooms { get; } = [];

    public (ulong Count, double Least, double Most, double Sum, double Squares) Total { get; }

    public Dictionary<string, (uint Number, uint Length)> Contigs { get; } = [];

    /// <summary>All values, and each block within what the index says of it.</summary>
    public IEnumerable<(uint Contig, uint At, float Value)> Values()
    {
        foreach ((uint contig, uint first, uint lastContig, uint last, byte[] block) in Blocks(Index))
        {
            var reader = new BinaryReader(new MemoryStream(block));
            Assert.Equal((contig, first, last), (reader.ReadUInt32(), reader.ReadUInt32(), reader.ReadUInt32()));
            Assert.Equal(contig, lastContig);
            uint step = reader.ReadUInt32(), span = reader.ReadUInt32();
            int kind = reader.ReadByte();
            reader.ReadByte();
            int count = reader.ReadUInt16();
            Assert.Equal(1u, span);
            uint at = first;
            for (int i = 0; i < count; i++, at += step)
            {
                if (kind == 2) at = reader.ReadUInt32();
                else Assert.Equal((3, 1u), (kind, step));
                Assert.InRange(at, first, last - 1);
                yield return (contig, at, reader.ReadSingle());
            }

            Assert.Equal(block.Length, reader.BaseStream.Position);
        }
    }

    /// <summary>The summaries of a level.</summary>
    public IEnumerable<(uint Contig, uint Start, uint End, uint Count, float Least, float Most, float Sum, float Squares)> Summaries(
        int zoom)
    {
        uint counted = 0;
        foreach ((uint contig, uint first, uint lastContig, uint last, byte[] block) in Blocks(Zooms[zoom].Index))
        {
            var reader = new BinaryReader(new MemoryStream(block));
            for (; reader.BaseStream.Position < block.Length; counted++)
            {
                var record = (Contig: reader.ReadUInt32(), Start: reader.ReadUInt32(), End: reader.ReadUInt32(), reader.ReadUInt32(),
                    reader.ReadSingle(), reader.ReadSingle(), reader.ReadSingle(), reader.ReadSingle());
                Assert.True((record.Contig, record.Start).CompareTo((contig, first)) >= 0);
                Assert.True((record.Contig, record.End).CompareTo((lastContig, last)) <= 0);
                yield return record;
            }
        }

        Assert.Equal(counted, At(Zooms[zoom].Data).ReadUInt32());
    }

    private IEnumerable<(uint Contig, uint First, uint LastContig, uint Last, byte[] Content)> Blocks(ulong index)
    {
        BinaryReader header = At(index);
        Assert.Equal(0x2468ACE0u, header.ReadUInt32());
        header.ReadUInt32();
        ulong count = header.ReadUInt64();
        var bounds = (header.ReadUInt32(), header.ReadUInt32(), header.ReadUInt32(), header.ReadUInt32());
        ulong found = 0;
        foreach (var block in Node(index + 48, bounds))
        {
            found++;
            yield return block;
        }

        Assert.Equal(count, found);
    }

    private IEnumerable<(uint, uint, uint, uint, byte[])> Node(ulong place, (uint Contig, uint First, uint LastContig, uint Last) bounds)
    {
        BinaryReader node = At(place);
        bool isLeaf = node.ReadByte() == 1;
        node.ReadByte();
        for (int count = node.ReadUInt16(); count > 0; count--)
        {
            var own = (Contig: node.ReadUInt32(), First: node.ReadUInt32(), LastContig: node.ReadUInt32(), Last: node.ReadUInt32());
            Assert.True((own.Contig, own.First).CompareTo((bounds.Contig, bounds.First)) >= 0);
            Assert.True((own.LastContig, own.Last).CompareTo((bounds.LastContig, bounds.Last)) <= 0);
            ulong child = node.ReadUInt64();
            if (!isLeaf)
            {
                foreach (var block in Node(child, own)) yield return block;
                continue;
            }

            using var zlib = new ZLibStream(new MemoryStream(_file, (int)child, (int)node.ReadUInt64()), CompressionMode.Decompress);
            using var content = new MemoryStream();
            zlib.CopyTo(content);
            Assert.InRange(content.Length, 1, _bufferSize);
            yield return (own.Contig, own.First, own.LastContig, own.Last, content.ToArray());
        }
    }

    private void ReadContigs(ulong place)
    {
        BinaryReader header = At(place);
        Assert.Equal(0x78CA8C91u, header.ReadUInt32());
        header.ReadUInt32();
        int key = header.ReadInt32();
        Assert.Equal(8u, header.ReadUInt32());
        ulong count = header.ReadUInt64();
        string last = "";
        Node(place + 32);
        Assert.Equal(count, (ulong)Contigs.Count);

        void Node(ulong at)
        {
            BinaryReader node = At(at);
            bool isLeaf = node.ReadByte() == 1;
            node.ReadByte();
            for (int i = node.ReadUInt16(); i > 0; i--)
            {
                string name = Encoding.UTF8.GetString(node.ReadBytes(key)).TrimEnd('\0');
                Assert.True(string.CompareOrdinal(name, last) >= 0);
                last = name;
                if (isLeaf) Contigs.Add(name, (Number: node.ReadUInt32(), Length: node.ReadUInt32()));
                else Node(node.ReadUInt64());
            }
        }
    }

    private BinaryReader At(ulong place) => new(new MemoryStream(_file, (int)place, _file.Length - (int)place));
}

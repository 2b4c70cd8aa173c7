using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Tests.Tools;

/// <summary>Reads a VCF by its index, as the specifications of tabix and CSI say; with plain loops.</summary>
internal sealed class VcfIndex
{
    private readonly byte[] _file;
    private readonly int _shift, _depth;
    private readonly List<Dictionary<uint, (ulong Offset, List<(ulong From, ulong To)> Places)>> _bins = [];
    private readonly List<ulong[]> _first = [];

    private VcfIndex(byte[] file, byte[] index)
    {
        _file = file;
        var reader = new BinaryReader(new MemoryStream(Decompress(index)));
        bool isTabix = Encoding.ASCII.GetString(reader.ReadBytes(4)) == "TBI\u0001";
        int count = 0;
        (_shift, _depth) = (14, 5);
        if (isTabix) count = reader.ReadInt32();
        else
        {
            (_shift, _depth) = (reader.ReadInt32(), reader.ReadInt32());
            reader.ReadInt32();
        }

        Assert.Equal([2, 1, 2, 0, '#', 0], Enumerable.Range(0, 6).Select(_ => reader.ReadInt32()));
        Names = Encoding.UTF8.GetString(reader.ReadBytes(reader.ReadInt32())).Split('\0')[..^1];
        if (!isTabix) count = reader.ReadInt32();
        Assert.Equal(Names.Length, count);
        for (int i = 0; i < count; i++)
        {
            var bins = new Dictionary<uint, (ulong, List<(ulong, ulong)>)>();
            for (int bin = reader.ReadInt32(); bin > 0; bin--)
            {
                uint number = reader.ReadUInt32();
                ulong offset = isTabix ? 0 : reader.ReadUInt64();
                var places = new List<(ulong, ulong)>();
                for (int place = reader.ReadInt32(); place > 0; place--) places.Add((reader.ReadUInt64(), reader.ReadUInt64()));
                bins.Add(number, (offset, places));
            }

            _bins.Add(bins);
            _first.Add(isTabix ? [.. Enumerable.Range(0, reader.ReadInt32()).Select(_ => reader.ReadUInt64())] : []);
        }

        Assert.Equal(0UL, reader.ReadUInt64());
        Assert.Equal(reader.BaseStream.Length, reader.BaseStream.Position);
    }

    public string[] Names { get; }

    public static VcfIndex Read(string path, string extension) => new(File.ReadAllBytes(path), File.ReadAllBytes(path + extension));

    public static long PositionOf(string line) => long.Parse(line.Split('\t')[1]);

    public static byte[] Decompress(byte[] stored)
    {
        using var gzip = new GZipStream(new MemoryStream(stored), CompressionMode.Decompress);
        using var content = new MemoryStream();
        gzip.CopyTo(content);
        return content.ToArray();
    }

    /// <summary>The lines at the places that the index gives for a region, counted from 1; of these, those that overlap it.</summary>
    public IEnumerable<string> Query(string name, long start, long end)
    {
        int at = Array.IndexOf(Names, name);
        if (at < 0) yield break;
        long begin = start - 1;
        ulong least = 0;
        if (_first[at].Length > 0) least = _first[at][Math.Min(_first[at].Length - 1, (int)(begin >> 14))];
        var places = new List<(ulong From, ulong To)>();
        // reg2bins of the specification.
        long below = 0;
        for (int level = 0, shift = _shift + (3 * _depth); level <= _depth; shift -= 3, below += 1L << (3 * level), level++)
            for (long bin = below + (begin >> shift); bin <= below + ((end - 1) >> shift); bin++)
                if (_bins[at].TryGetValue((uint)bin, out var found)) places.AddRange(found.Places.Where(p => p.To > least));
        foreach ((ulong from, ulong to) in places)
            foreach (string line in Lines(from, to))
            {
                string[] fields = line.Split('\t');
                long first = long.Parse(fields[1]), last = first + fields[3].Length - 1;
                foreach (string info in fields[7].Split(';'))
                    if (info.StartsWith("END=", StringComparison.Ordinal)) last = Math.Max(last, long.Parse(info[4..]));
                if (fields[0] == name && first <= end && last >= start) yield return line;
            }
    }

    /// <summary>The number of records and the places that the bin of no record gives.</summary>
    public (ulong From, ulong To, ulong Records) Totals(string name)
    {
        uint number = (uint)(((1L << (3 * (_depth + 1))) - 1) / 7) + 1;
        List<(ulong From, ulong To)> places = _bins[Array.IndexOf(Names, name)][number].Places;
        return (places[0].From, places[0].To, places[1].From);
    }

    private string[] Lines(ulong from, ulong to)
    {
        var content = new MemoryStream();
        int skip = (int)(from & 0xFFFF);
        for (long block = (long)(from >> 16); block <= (long)(to >> 16) && block < _file.Length;)
        {
            int size = BinaryPrimitives.ReadUInt16LittleEndian(_file.AsSpan((int)block + 16)) + 1;
            byte[] bytes = Decompress(_file[(int)block..((int)block + size)]);
            int length = block == (long)(to >> 16) ? (int)(to & 0xFFFF) : bytes.Length;
            content.Write(bytes, skip, length - skip);
            (skip, block) = (0, block + size);
        }

        return Encoding.UTF8.GetString(content.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Dnabert2.Tool.Output;

/// <summary>
/// The index of a VCF that bgzip compressed, by which the records of a region are found: <c>.tbi</c> of tabix or, where positions exceed
/// 2^29, <c>.csi</c> (specifications of hts-specs). Records have to come in order. Memory: about a hundred bytes for each 16,384 bases that
/// have records, and 16 a block of bgzip.
/// </summary>
internal sealed class PlaceIndex
{
    // A bin of level 0 has 2^14 bases, and each level has eight times the bases of the one below.
    private const int SmallestShift = 14, LevelShift = 3, LevelsOfTabix = 5, OfVcf = 2;
    private const long MostOfTabix = 1L << 29, MostOfAny = int.MaxValue;

    private readonly List<Contig> _contigs = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private long _last = -1, _end;

    /// <summary>Why there can be no index, in words; null: there can.</summary>
    public string? Obstacle { get; private set; }

    /// <summary>How the file's name goes on: <c>.tbi</c> or <c>.csi</c>.</summary>
    public string Extension => _end > MostOfTabix ? ".csi" : ".tbi";

    /// <summary>Adds a record.</summary>
    /// <param name="record">The record.</param>
    /// <param name="from">Its place in the file, as <see cref="BgzfWriter.Place"/> says it.</param>
    /// <param name="to">One past its place.</param>
    public void Add(in VcfRecord record, ulong from, ulong to)
    {
        if (Obstacle is not null) return;
        (string contig, long line) = (record.Contig, record.Line);
        long start = Math.Max(0, record.Start), end = Math.Min(Math.Max(record.End, start + 1), MostOfAny);
        if (_contigs.Count == 0 || _contigs[^1].Name != contig)
        {
            if (!_names.Add(contig)) Obstacle = $"the records of '{contig}' are not all together, line {line} is apart";
            _contigs.Add(new Contig(contig, from));
            _last = -1;
        }

        if (start < _last) Obstacle = $"its records are not in order, line {line} lies before the one above";
        if (start >= MostOfAny) Obstacle = $"the position on line {line} is larger than 2,147,483,647";
        if (Obstacle is not null)
        {
            _contigs.Clear();
            return;
        }

        _last = start;
        _end = Math.Max(_end, end);
        _contigs[^1].Add(start, end, from, to);
    }

    /// <summary>Writes the index, compressed as it has to be.</summary>
    public void Write(Stream stream)
    {
        var bgzf = new BgzfWriter(stream);
        bool isTabix = _end <= MostOfTabix;
        int levels = LevelsOfTabix;
        while (_end > 1L << (SmallestShift + (LevelShift * levels))) levels++;
        byte[] names = Encoding.UTF8.GetBytes(string.Concat(_contigs.Select(contig => contig.Name + '\0')));
        bgzf.Write(isTabix ? "TBI\u0001"u8 : "CSI\u0001"u8);
        // The columns of the sequence and of the place, none for the end; lines of '#' are none of records.
        ReadOnlySpan<int> columns = [OfVcf, 1, 2, 0, '#', 0, names.Length];
        if (isTabix) Numbers(bgzf, [_contigs.Count]);
        else Numbers(bgzf, [SmallestShift, levels, (columns.Length * sizeof(int)) + names.Length]);
        Numbers(bgzf, columns);
        bgzf.Write(names);
        if (!isTabix) Numbers(bgzf, [_contigs.Count]);
        foreach (Contig contig in _contigs) contig.Write(bgzf, levels, isTabix);
        // Records without a place.
        Place(bgzf, 0);
        bgzf.Finish();
    }

    private static void Numbers(Stream stream, ReadOnlySpan<int> numbers)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        foreach (int number in numbers)
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
            stream.Write(bytes);
        }
    }

    private static void Place(Stream stream, ulong place)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, place);
        stream.Write(bytes);
    }

    /// <summary>The records of one sequence.</summary>
    private sealed class Contig(string name, ulong from)
    {
        // Of each bin, by its level and its number in it, where its records lie. Of each 16,384 bases the first record that has some, or
        // that of those before them: where it changes.
        private readonly SortedDictionary<(int Level, long Number), List<(ulong From, ulong To)>> _bins = [];
        private readonly List<(int Window, ulong Place)> _first = [];
        private int _windows;
        private ulong _to;
        private ulong _records;

        public string Name => name;

        public void Add(long start, long end, ulong at, ulong to)
        {
            int level = 0;
            while (start >> (SmallestShift + (LevelShift * level)) != (end - 1) >> (SmallestShift + (LevelShift * level))) level++;
            (int, long) bin = (level, start >> (SmallestShift + (LevelShift * level)));
            if (!_bins.TryGetValue(bin, out List<(ulong From, ulong To)>? places)) _bins[bin] = places = [];
            // Records of one block, or that follow each other, are read together.
            if (places.Count > 0 && (places[^1].To == at || places[^1].To >> 16 == at >> 16)) places[^1] = (places[^1].From, to);
            else places.Add((at, to));
            int last = (int)((end - 1) >> SmallestShift), first = (int)(start >> SmallestShift);
            if (last >= _windows) _first.Add((Math.Max(first, _windows), at));
            _windows = Math.Max(_windows, last + 1);
            _to = to;
            _records++;
        }

        public void Write(Stream stream, int levels, bool isTabix)
        {
            // A bin that no record has says how many there are, and where the first one begins and the last one ends.
            int all = FirstOf(levels + 1) + 1;
            Numbers(stream, [_bins.Count + 1]);
            foreach (((int level, long number), List<(ulong From, ulong To)> places) in _bins)
            {
                Numbers(stream, [FirstOf(levels - level) + (int)number]);
                if (!isTabix) Place(stream, FirstFrom((int)(number << (LevelShift * level))));
                Numbers(stream, [places.Count]);
                foreach ((ulong begin, ulong end) in CollectionsMarshal.AsSpan(places))
                {
                    Place(stream, begin);
                    Place(stream, end);
                }
            }

            Numbers(stream, [all]);
            if (!isTabix) Place(stream, 0);
            Numbers(stream, [2]);
            Place(stream, from);
            Place(stream, _to);
            Place(stream, _records);
            Place(stream, 0);
            if (!isTabix) return;
            Numbers(stream, [_windows]);
            for (int window = 0, at = 0; window < _windows; window++)
            {
                if (at + 1 < _first.Count && _first[at + 1].Window == window) at++;
                Place(stream, _first[at].Place);
            }
        }

        /// <summary>The first record of a window, or of those before it.</summary>
        private ulong FirstFrom(int window)
        {
            int low = 0, high = _first.Count;
            while (low < high)
            {
                int middle = (low + high) / 2;
                if (_first[middle].Window <= window) low = middle + 1;
                else high = middle;
            }

            return _first[Math.Max(0, low - 1)].Place;
        }

        /// <summary>The number of the first bin of a level, counted from that of all bases.</summary>
        private static int FirstOf(int fromTop) => (int)(((1L << (LevelShift * fromTop)) - 1) / 7);
    }
}

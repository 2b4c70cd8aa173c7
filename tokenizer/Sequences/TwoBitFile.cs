using System.Buffers.Binary;
using System.Text;

namespace Dnabert2.Sequences;

/// <summary>
/// A genome in UCSC's .2bit, version 0, of either byte order: two bits a base, and lists of the stretches of N and of those that are
/// masked. Of a sequence that is asked for, the places of its N are kept (8 bytes a stretch); masks (lower case) are passed over. Several
/// threads may use one at once. Format: genome.ucsc.edu/FAQ/FAQformat.html, format 7.
/// </summary>
internal sealed class TwoBitFile : IGenomeFile
{
    private const uint Signature = 0x1A412743;
    private const int HeaderSize = 16, MostNamesAtOnce = 1 << 16, Piece = 1 << 14;
    private const string Remedy = "Make it anew with faToTwoBit, or give the genome as FASTA";
    private readonly RandomBytes _bytes;
    private readonly bool _swapped;
    private readonly List<string> _names = [];
    private readonly Dictionary<string, (long Place, uint Length)> _places = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Sequence> _sequences = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private long _kept;

    /// <param name="bytes">The file, which is closed with this.</param>
    /// <param name="name">Its name in messages.</param>
    /// <exception cref="InvalidDataException">The header or the index of the file is at fault.</exception>
    public TwoBitFile(RandomBytes bytes, string name)
    {
        (_bytes, Name) = (bytes, name);
        Span<byte> header = stackalloc byte[HeaderSize];
        if (bytes.Read(0, header) < HeaderSize) throw Fault("it ends within its header");
        _swapped = BinaryPrimitives.ReadUInt32LittleEndian(header) != Signature;
        if (Number(header) != Signature) throw Fault("it does not begin as .2bit does");
        if (Number(header[4..]) is not 0 and uint version) throw Fault($"it is of version {version}, and version 0 is read");
        ReadIndex(Number(header[8..]));
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Names => _names;

    /// <inheritdoc/>
    public long BytesRead => _bytes.BytesRead;

    /// <summary>Whether a file begins as .2bit does.</summary>
    public static bool IsOne(RandomBytes bytes)
    {
        Span<byte> start = stackalloc byte[4];
        if (bytes.Read(0, start) < start.Length) return false;
        return BinaryPrimitives.ReadUInt32LittleEndian(start) == Signature || BinaryPrimitives.ReadUInt32BigEndian(start) == Signature;
    }

    /// <inheritdoc/>
    public bool TryGetLength(string name, out long length)
    {
        bool found = _places.TryGetValue(name, out (long Place, uint Length) entry);
        length = entry.Length;
        return found;
    }

    /// <inheritdoc/>
    public void Read(string name, long start, Span<byte> destination)
    {
        Sequence sequence = Of(name);
        byte[] packed = new byte[Math.Min(Piece, (destination.Length / 4) + 2)];
        for (int done = 0; done < destination.Length;)
        {
            long first = (start + done) / 4;
            int shift = (int)((start + done) % 4), bases = Math.Min(destination.Length - done, (packed.Length * 4) - shift);
            Span<byte> read = packed.AsSpan(0, (shift + bases + 3) / 4);
            if (_bytes.Read(sequence.Packed + first, read) < read.Length) throw Fault("it became shorter while it was read");
            for (int i = 0; i < bases; i++)
            {
                int at = shift + i;
                destination[done + i] = "TCAG"u8[read[at >> 2] >> (6 - (2 * (at & 3))) & 3];
            }

            done += bases;
        }

        sequence.FillUnknown(start, destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _bytes.Dispose();

    private void ReadIndex(uint count)
    {
        // An entry has a length, a name of one letter at least, and a place.
        if (count == 0 || count > (_bytes.Length - HeaderSize) / 6)
            throw Fault($"it cannot have the {count} sequences that it says it has");
        byte[] piece = new byte[MostNamesAtOnce];
        long at = HeaderSize;
        int from = 0, to = 0;
        for (uint i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> length = Take(1);
            ReadOnlySpan<byte> entry = Take(length[0] + 4);
            long place = Number(entry[^4..]);
            string name = Encoding.UTF8.GetString(entry[..^4]);
            if (name.Length == 0 || name.Contains('\uFFFD', StringComparison.Ordinal))
                throw Fault($"the name of sequence {i + 1} is no text");
            uint bases = NumberAt(place, name);
            // As in an index of FASTA, a sequence without bases is none.
            if (bases == 0) continue;
            if (!_places.TryAdd(name, (place, bases))) throw Fault($"'{Faults.Show(name)}' occurs twice");
            _names.Add(name);
        }

        if (_names.Count == 0) throw Fault("no sequence of it has bases");

        ReadOnlySpan<byte> Take(int bytes)
        {
            if (to - from < bytes)
            {
                piece.AsSpan(from, to - from).CopyTo(piece);
                (from, to) = (0, to - from);
                int read = _bytes.Read(at, piece.AsSpan(to));
                (to, at) = (to + read, at + read);
                if (to < bytes) throw Fault("it ends within the index of its sequences");
            }

            from += bytes;
            return piece.AsSpan(from - bytes, bytes);
        }
    }

    private Sequence Of(string name)
    {
        lock (_lock)
        {
            if (_sequences.TryGetValue(name, out Sequence? known)) return known;
            (long place, uint length) = _places[name];
            return _sequences[name] = ReadSequence(name, place, length);
        }
    }

    /// <summary>Reads where the parts of a sequence lie; each has to be in the file.</summary>
    private Sequence ReadSequence(string name, long place, uint length)
    {
        uint unknown = NumberAt(place + 4, name);
        // The lists of all sequences lie side by side in the file.
        if ((_kept += 8L * unknown) > _bytes.Length) throw Fault($"the list of N of '{Faults.Show(name)}' is that of others, too");
        long at = place + 8;
        (uint[] starts, uint[] sizes) = (Numbers(at, unknown, name), Numbers(at + (4L * unknown), unknown, name));
        for (int i = 0; i < starts.Length; i++)
            if ((ulong)starts[i] + sizes[i] > length || (i > 0 && starts[i] < (ulong)starts[i - 1] + sizes[i - 1]))
                throw Fault($"'{Faults.Show(name)}': stretch {i + 1} of N is not within the {length} bases, or not behind the one before");
        at += 8L * unknown;
        uint masked = NumberAt(at, name);
        long packed = at + 8 + (8L * masked);
        if (packed + ((length + 3L) / 4) > _bytes.Length) throw Fault($"'{Faults.Show(name)}' ends past the end of the file");
        return new Sequence(packed, starts, sizes);
    }

    private uint[] Numbers(long at, uint count, string name)
    {
        if (at + (4L * count) > _bytes.Length) throw Fault($"'{Faults.Show(name)}' ends past the end of the file");
        uint[] numbers = new uint[count];
        Span<byte> bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(numbers.AsSpan());
        if (_bytes.Read(at, bytes) < bytes.Length) throw Fault("it became shorter while it was read");
        if (_swapped == BitConverter.IsLittleEndian) BinaryPrimitives.ReverseEndianness(numbers, numbers);
        return numbers;
    }

    private uint NumberAt(long at, string name)
    {
        Span<byte> bytes = stackalloc byte[4];
        return _bytes.Read(at, bytes) == bytes.Length ? Number(bytes) : throw Fault($"'{Faults.Show(name)}' ends past the end of the file");
    }

    private uint Number(ReadOnlySpan<byte> bytes) =>
        _swapped ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes);

    private InvalidDataException Fault(string what) =>
        new($"{Faults.Show(Name, 260)}: {what}: it is no .2bit file, or a damaged one. {Remedy}.");

    /// <summary>Where a sequence lies.</summary>
    /// <param name="Packed">The place of its first bases in the file.</param>
    /// <param name="Starts">Where stretches of N begin, in order.</param>
    /// <param name="Sizes">Their bases.</param>
    private sealed record Sequence(long Packed, uint[] Starts, uint[] Sizes)
    {
        /// <summary>Writes N over what is packed where bases are unknown.</summary>
        public void FillUnknown(long start, Span<byte> bases)
        {
            if (start > uint.MaxValue) return;
            int i = Array.BinarySearch(Starts, (uint)start);
            // A stretch that begins before may reach in.
            for (i = i < 0 ? Math.Max(0, ~i - 1) : i; i < Starts.Length && Starts[i] < start + bases.Length; i++)
            {
                long from = Math.Max(0, Starts[i] - start), to = Math.Min(bases.Length, Starts[i] + (long)Sizes[i] - start);
                if (to > from) bases[(int)from..(int)to].Fill((byte)'N');
            }
        }
    }
}

using System.Buffers;
using System.Collections.Concurrent;
using System.Text;

namespace Dnabert2.Sequences;

/// <summary>
/// A FASTA file, plain or of bgzip, whose sequences are read at any place with its index. Several threads may use one at once.
/// </summary>
internal sealed class FastaFile : IGenomeFile
{
    private const int Piece = 1 << 16, LongestHeader = 1 << 20;

    private readonly RandomBytes _bytes;
    private readonly string _indexName;
    private readonly ConcurrentDictionary<string, bool> _checked = new(StringComparer.Ordinal);

    private FastaFile(RandomBytes bytes, FastaIndex index, string name, string indexName)
    {
        (_bytes, Index, Name, _indexName) = (bytes, index, name, indexName);
        index.CheckAgainst(bytes.Length, name, indexName);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Names => Index.Names;

    /// <summary>Where the sequences lie.</summary>
    public FastaIndex Index { get; }

    /// <inheritdoc/>
    public bool TryGetLength(string name, out long length) => Index.TryGetLength(name, out length);

    /// <inheritdoc/>
    public long BytesRead => _bytes.BytesRead;

    /// <summary>Opens a file with the indexes beside it; one of at most 64 MB that has none is read once.</summary>
    public static FastaFile Open(string path, CancellationToken cancellation)
    {
        RandomBytes bytes = new RandomFile(path);
        try
        {
            bool isBgzf = BgzfIndex.IsOf(bytes, path);
            string fai = path + ".fai", gzi = path + ".gzi";
            FastaIndex index;
            if (File.Exists(fai)) index = FastaIndex.Read(fai, cancellation);
            else
            {
                RefuseLarge(bytes, path, fai);
                using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
                index = FastaIndex.Build(file, path, progress: null, cancellation);
            }

            RefuseOlder(fai, path);
            if (isBgzf)
            {
                if (!File.Exists(gzi)) RefuseLarge(bytes, path, gzi);
                BgzfIndex blocks = File.Exists(gzi) ? BgzfIndex.Read(gzi) : BgzfIndex.Build(bytes, path, cancellation);
                RefuseOlder(gzi, path);
                bytes = new BgzfBytes(bytes, blocks, path, gzi);
            }

            return new FastaFile(bytes, index, path, fai);
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    /// <summary>For tests: a file and its indexes in memory.</summary>
    public static FastaFile Open(RandomBytes bytes, FastaIndex index, string name) => new(bytes, index, name, name + ".fai");

    /// <summary>Reads bases of a sequence: A, C, G, T, N and the other IUPAC codes.</summary>
    /// <param name="contig">A sequence of the index.</param>
    /// <param name="start">The first base, counted from 0; there are as many as are asked for.</param>
    /// <param name="destination">Receives them.</param>
    /// <exception cref="InvalidDataException">The index does not fit the file, or a letter is no nucleotide.</exception>
    public void Read(string contig, long start, Span<byte> destination)
    {
        if (destination.IsEmpty || !Index.TryGet(contig, out FastaIndexEntry entry)) return;
        if (!_checked.ContainsKey(contig))
        {
            Check(contig, entry);
            _checked[contig] = true;
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(Piece);
        long at = (long)entry.OffsetOf(start), end = (long)entry.OffsetOf(start + destination.Length - 1) + 1;
        long column = start % entry.LineBases;
        for (int done = 0; at < end;)
        {
            Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(Piece, end - at));
            if (_bytes.Read(at, piece) < piece.Length) throw new InvalidDataException($"{Name}: became shorter while it was read");
            at += piece.Length;
            while (!piece.IsEmpty)
            {
                bool isEnd = column >= entry.LineBases;
                int count = (int)Math.Min(piece.Length, (isEnd ? entry.LineWidth : entry.LineBases) - column);
                if (isEnd)
                {
                    if (piece[..count].ContainsAnyExcept((byte)'\r', (byte)'\n')) throw Misfit(contig, entry);
                }
                else
                {
                    int clean = Nucleotides.Clean(piece[..count], destination[done..], out _, out _, keepCodes: true);
                    if (clean < count) throw Refused(contig, entry, piece[clean], start + done + clean);
                    done += count;
                }

                column = (column + count) % entry.LineWidth;
                piece = piece[count..];
            }
        }

        ArrayPool<byte>.Shared.Return(buffer);
    }

    /// <inheritdoc/>
    public void Dispose() => _bytes.Dispose();

    /// <summary>Holds the index against what is around a sequence: its header before it, another header or the end after it.</summary>
    private void Check(string contig, FastaIndexEntry entry)
    {
        byte[] before = [];
        for (int length = 256; ; length *= 4)
        {
            length = (int)Math.Min(length, entry.Offset);
            before = new byte[length];
            if (_bytes.Read(entry.Offset - length, before) < length) throw Misfit(contig, entry);
            // The header's line end, and before it no other.
            if (length < 3 || before[^1] != '\n') throw Misfit(contig, entry);
            int lineStart = before.AsSpan(0, length - 1).LastIndexOf((byte)'\n') + 1;
            if (lineStart > 0 || length == entry.Offset)
            {
                before = before[lineStart..];
                break;
            }

            if (length >= LongestHeader) throw Misfit(contig, entry);
        }

        ReadOnlySpan<byte> header = before.AsSpan().StartsWith("\uFEFF"u8) ? before.AsSpan(3) : before;
        byte[] name = Encoding.UTF8.GetBytes(contig);
        if (header.IsEmpty || header[0] != '>') throw Misfit(contig, entry);
        header = header[1..].TrimStart(" \t\u0001"u8);
        if (!header.StartsWith(name) || !" \t\u0001\r\n"u8.Contains(header[name.Length])) throw Misfit(contig, entry);
        byte[] after = new byte[3];
        int read = _bytes.Read((long)entry.End, after);
        ReadOnlySpan<byte> rest = after.AsSpan(0, read).TrimStart("\r\n"u8);
        if (rest.Length == read && read > 0) throw Misfit(contig, entry);
        if (!rest.IsEmpty && rest[0] != '>') throw Misfit(contig, entry);
    }

    private InvalidDataException Refused(string contig, FastaIndexEntry entry, byte letter, long at) =>
        letter is (byte)'\n' or (byte)'\r' or (byte)'>' ? Misfit(contig, entry)
        : new Faults(Name, new RecordDraft()).NotANucleotide(contig, letter, at + 1);

    private InvalidDataException Misfit(string contig, FastaIndexEntry entry) => new(
        $"{Faults.Show(_indexName, 260)}: line {entry.Line}: '{Faults.Show(contig)}' is not in {Faults.Show(Name, 260)} where the "
        + $"index says, from byte {entry.Offset} on in lines of {entry.LineBases} bases: it is the index of another "
        + $"file. {FastaIndex.Remedy}.");

    private static void RefuseLarge(RandomBytes bytes, string path, string index)
    {
        if (bytes.Length > Genome.LargestUnindexed)
            throw new InvalidDataException(
                $"{Faults.Show(path, 260)}: has no index {Faults.Show(Path.GetFileName(index), 260)}, and is too large to be read for each "
                + "region. Make the index once: 'dnabert2 index' or 'samtools faidx' with the file.");
    }

    private static void RefuseOlder(string index, string path)
    {
        if (!File.Exists(index) || File.GetLastWriteTimeUtc(index).AddSeconds(1) >= File.GetLastWriteTimeUtc(path)) return;
        throw new InvalidDataException(
            $"{Faults.Show(index, 260)}: is older than {Faults.Show(Path.GetFileName(path), 260)}, and may be of what the file was before. "
            + "Make it anew with 'dnabert2 index'; if you know that it is right, 'touch' it.");
    }
}

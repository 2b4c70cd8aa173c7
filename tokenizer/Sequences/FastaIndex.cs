using System.Globalization;
using System.Text;
using Dnabert2.Files;

namespace Dnabert2.Sequences;

/// <summary>
/// Where the sequences of a FASTA file lie: the index <c>.fai</c> of samtools. All lines of a sequence but the last have one length, so
/// that the place of a base is told by a multiplication. Immutable.
/// </summary>
public sealed class FastaIndex
{
    private readonly Dictionary<string, FastaIndexEntry> _entries = new(StringComparer.Ordinal);
    private readonly List<string> _names = [];

    private FastaIndex()
    {
    }

    /// <summary>The names of the sequences, in the order of the index.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>Records of the file that have no bases, which are not in its index.</summary>
    public int Empty { get; private init; }

    /// <summary>Whether there is a sequence of this name, and its number of bases.</summary>
    public bool TryGetLength(string name, out long length)
    {
        bool found = _entries.TryGetValue(name, out FastaIndexEntry entry);
        length = entry.Length;
        return found;
    }

    /// <summary>Reads an index.</summary>
    /// <param name="path">The index, <c>FILE.fai</c>.</param>
    /// <param name="cancellation">Ends the reading with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="IOException">There is no such file, or reading failed.</exception>
    /// <exception cref="InvalidDataException">It is no such index; the message names the line and says how to make it anew.</exception>
    public static FastaIndex Read(string path, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using FileStream file = RegularFile.Open(path);
        return Read(file, path, cancellation);
    }

    /// <summary>Makes the index of a file, which is read from its beginning to its end.</summary>
    /// <param name="stream">FASTA, gzipped or not; it is left open.</param>
    /// <param name="name">The file's name in messages.</param>
    /// <param name="progress">Told the stored bytes that were read, after each sequence, on this thread.</param>
    /// <param name="cancellation">Ends the work with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InvalidDataException">
    /// It is not FASTA, or cannot be indexed, since the lines of a sequence differ in length; the message names record, line and remedy.
    /// </exception>
    public static FastaIndex Build(
        Stream stream, string name, IProgress<long>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var draft = new RecordDraft();
        var faults = new Faults(name, draft);
        using var source = new ByteSource(stream, leaveOpen: true, faults, cancellation);
        var builder = new FastaIndexBuilder(source, draft, faults);
        List<(string, FastaIndexEntry)> found = [];
        while (builder.TryRead(out string contig, out FastaIndexEntry entry))
        {
            if (entry.Length > 0) found.Add((contig, entry));
            progress?.Report(source.BytesRead);
        }

        if (found.Count == 0) throw faults.File("there are no sequences in it", "Give a FASTA file with at least one sequence");
        var index = new FastaIndex { Empty = builder.Empty };
        foreach ((string contig, FastaIndexEntry entry) in found)
        {
            if (!index.TryAdd(contig, entry))
                throw faults.File(
                    $"line {entry.Line}: '{Faults.Show(contig)}' occurs twice",
                    "Rename one of the two: regions are named by their sequence");
        }

        return index;
    }

    /// <summary>Writes the index as samtools does.</summary>
    public void Write(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        foreach (string name in _names)
        {
            FastaIndexEntry e = _entries[name];
            stream.Write(Encoding.UTF8.GetBytes(string.Create(
                CultureInfo.InvariantCulture, $"{name}\t{e.Length}\t{e.Offset}\t{e.LineBases}\t{e.LineWidth}\n")));
        }
    }

    internal static FastaIndex Read(Stream stream, string name, CancellationToken cancellation = default)
    {
        var faults = new Faults(name, new RecordDraft());
        using var source = new ByteSource(stream, leaveOpen: true, faults, cancellation);
        var text = new LineText(source, faults);
        var index = new FastaIndex();
        while (source.HasMore)
        {
            long line = source.Line;
            string[] fields = text.ReadLine("a line").Split('\t');
            if (fields.Length == 6) throw Fault(line, "six columns: this is the index of a FASTQ file");
            if (fields.Length != 5) throw Fault(line, $"{fields.Length} columns, and an index has five, separated by tabs");
            long length = Number(1), offset = Number(2), bases = Number(3), width = Number(4);
            if (fields[0].Length == 0 || length == 0 || bases == 0 || width - bases is not (1 or 2))
                throw Fault(line, $"'{Faults.Show(fields[0])}': {length} bases in lines of {bases}, of {width} bytes, are no sequence");
            if (!index.TryAdd(fields[0], new FastaIndexEntry(length, offset, bases, width, line)))
                throw Fault(line, $"'{Faults.Show(fields[0])}' occurs twice");

            long Number(int column) =>
                long.TryParse(fields[column], NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value
                : throw Fault(line, $"'{Faults.Show(fields[column])}' is not a whole number");
        }

        return index._names.Count > 0 ? index : throw Fault(1, "there is no sequence in it");

        InvalidDataException Fault(long line, string what) => faults.Line(line, what, Remedy);
    }

    /// <summary>What to do about an index that is not right.</summary>
    internal const string Remedy = "Make the index anew: 'dnabert2 index' or 'samtools faidx' with the FASTA file";

    internal bool TryGet(string name, out FastaIndexEntry entry) => _entries.TryGetValue(name, out entry);

    /// <summary>Refuses an index of another file than one of this size.</summary>
    /// <param name="length">The bytes of the file, decompressed.</param>
    /// <param name="file">The file's name in messages.</param>
    /// <param name="name">The name of the index in messages.</param>
    internal void CheckAgainst(long length, string file, string name)
    {
        foreach (string contig in _names)
        {
            FastaIndexEntry entry = _entries[contig];
            if (entry.End <= length) continue;
            throw new InvalidDataException(
                $"{Faults.Show(name, 260)}: line {entry.Line}: '{Faults.Show(contig)}' ends at byte {entry.End}, and "
                + $"{Faults.Show(file, 260)} has {length} bytes: it is the index of another file. {Remedy}.");
        }
    }

    private bool TryAdd(string name, FastaIndexEntry entry)
    {
        if (!_entries.TryAdd(name, entry)) return false;
        _names.Add(name);
        return true;
    }
}

/// <summary>Where a sequence lies.</summary>
/// <param name="Length">Its bases.</param>
/// <param name="Offset">The place of the first one in the decompressed file.</param>
/// <param name="LineBases">The bases of a line.</param>
/// <param name="LineWidth">Its bytes, the line end included.</param>
/// <param name="Line">The line of the index, or of the file where there is none, for messages.</param>
internal readonly record struct FastaIndexEntry(long Length, long Offset, long LineBases, long LineWidth, long Line)
{
    /// <summary>One past the place of the last base; more than any file has where the numbers are too large.</summary>
    public Int128 End => OffsetOf(Length - 1) + 1;

    /// <summary>The place of a base in the decompressed file.</summary>
    public Int128 OffsetOf(long index) => Offset + ((Int128)(index / LineBases) * LineWidth) + (index % LineBases);
}

using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Dnabert2.Sequences;

/// <summary>
/// Reads the regions of a BED file, gzipped or not: contig, start and end, counted from 0 with the end left out; of further columns the
/// name and, the sixth, the strand. Columns are separated by tabs or, in a line without any, by blanks. Lines that begin with <c>#</c>,
/// <c>track</c> or <c>browser</c>, and empty ones, are passed over. Memory does not depend on the number of lines.
/// </summary>
/// <remarks>For one thread. What is wrong with the content comes out as <see cref="InvalidDataException"/> and nothing else.</remarks>
public sealed class BedReader : IDisposable
{
    private const string Remedy = "BED is contig, start and end, counted from 0; correct the line or remove it";
    private readonly Faults _faults;
    private readonly ByteSource _source;
    private readonly LineText _text;

    private BedReader(Stream stream, string name, bool leaveOpen, CancellationToken cancellation)
    {
        Name = name;
        _faults = new Faults(name, new RecordDraft());
        _source = new ByteSource(stream, leaveOpen, _faults, cancellation);
        _text = new LineText(_source, _faults);
    }

    /// <summary>The file's name in messages.</summary>
    public string Name { get; }

    /// <summary>Opens a stream.</summary>
    /// <param name="stream">Stored bytes, gzipped or not.</param>
    /// <param name="name">The name in messages.</param>
    /// <param name="leaveOpen">Whether the stream outlives the reader.</param>
    /// <param name="cancellation">Ends the reading with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InvalidDataException">The content is at fault; the message names file, line and remedy.</exception>
    public static BedReader Open(Stream stream, string name, bool leaveOpen = true, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return new BedReader(stream, name, leaveOpen, cancellation);
    }

    /// <summary>Reads the next region; false at the end of the file.</summary>
    /// <exception cref="InvalidDataException">The line is at fault; the message names file, line and remedy.</exception>
    /// <exception cref="OperationCanceledException">The token given on opening was cancelled.</exception>
    public bool TryRead([NotNullWhen(true)] out GenomeRegion? region)
    {
        region = null;
        while (_source.HasMore)
        {
            long line = _source.Line;
            string text = _text.ReadLine("a line");
            if (IsRemark(text)) continue;
            region = Parse(text, line);
            return true;
        }

        return false;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _source.Dispose();

    private static bool IsRemark(string text) => string.IsNullOrWhiteSpace(text) || text[0] == '#'
        || text.Split([' ', '\t'], 2)[0] is "track" or "browser";

    private GenomeRegion Parse(string text, long line)
    {
        string[] fields = text.Contains('\t', StringComparison.Ordinal) ? text.Split('\t')
            : text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length < 3) throw Fault($"{fields.Length} columns, and three are needed, separated by tabs");
        if (fields[0].Length == 0) throw Fault("the name of the sequence is empty");
        long start = Number(fields[1]), end = Number(fields[2]);
        if (end <= start) throw Fault($"from {start} up to {end}, the end left out, there are no bases");
        string name = fields.Length > 3 ? fields[3] : ".", strand = fields.Length > 5 ? fields[5] : ".";
        return new GenomeRegion(fields[0], start, end)
        {
            Name = name is "" or "." ? null : name,
            Line = line,
            Strand = strand switch
            {
                "+" => RegionStrand.Forward,
                "-" => RegionStrand.Reverse,
                "." or "" => RegionStrand.Unknown,
                _ => throw Fault($"the strand '{Faults.Show(strand)}' is not '+', '-' or '.'"),
            },
        };

        long Number(string field) => long.TryParse(field, NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value
            : throw Fault($"'{Faults.Show(field)}' is not a whole number");

        InvalidDataException Fault(string what) => _faults.Line(line, what, Remedy);
    }
}

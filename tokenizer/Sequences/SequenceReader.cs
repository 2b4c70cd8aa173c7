using System.Diagnostics.CodeAnalysis;

namespace Dnabert2.Sequences;

/// <summary>
/// Reads the sequences of a FASTA, FASTQ, CSV, TSV or plain-line file, gzipped or not, one after the other. Letters are
/// upper-cased, U becomes T, ambiguous bases become N; any other letter is an error. Memory is one byte per base of the longest
/// record, once; only beyond 256 million bases is the array copied to a larger one, and briefly held twice.
/// </summary>
/// <remarks>For one thread. What is wrong with the content comes out as <see cref="InvalidDataException"/> and nothing else.</remarks>
public sealed class SequenceReader : IDisposable
{
    private readonly ByteSource? _source;
    private readonly RegionParser? _regions;
    private readonly BaseBuffer _bases;
    private readonly RecordDraft _draft = new();
    private readonly Faults _faults;
    private readonly IRecordSource _parser;
    private readonly SequenceOptions _options;
    private string _firstLack = "";
    private bool _over;

    private SequenceReader(Stream stream, bool leaveOpen, string name, SequenceOptions options, CancellationToken cancellation)
    {
        Name = name;
        _options = options;
        options.Validate();
        _faults = new Faults(name, _draft);
        _source = new ByteSource(stream, leaveOpen, _faults, cancellation);
        try
        {
            (Format, byte separator) = FormatDetection.Detect(_source, name, options, _faults);
            bool isTable = Format is SequenceFormat.Csv or SequenceFormat.Tsv;
            if (!isTable && (options.SequenceColumn ?? options.SecondSequenceColumn) is { } column)
                throw _faults.File($"this is {Format} and has no columns, but column '{Faults.Show(column)}' is asked for",
                    "Give CSV or TSV, or name no column");
            _bases = new BaseBuffer(_source, _faults, options, blanksAllowed: Format == SequenceFormat.Fasta);
            _parser = InWindows(Format switch
            {
                SequenceFormat.Fasta => new FastaParser(_source, _bases, _draft, _faults, options.NeedsKnownBases),
                SequenceFormat.Fastq => new FastqParser(_source, _bases, _draft, _faults, options.NeedsKnownBases),
                SequenceFormat.Csv or SequenceFormat.Tsv =>
                    new CsvParser(_source, _bases, _draft, _faults, options.NeedsKnownBases, separator, options),
                SequenceFormat.Lines => new LinesParser(_source, _bases, _draft, _faults, options.NeedsKnownBases),
                _ => throw new ArgumentOutOfRangeException(nameof(options), options.Format, "not a sequence format"),
            });
        }
        catch
        {
            _source.Dispose();
            throw;
        }
    }

    private SequenceReader(Genome genome, IEnumerable<GenomeRegion> regions, SequenceOptions options, CancellationToken cancellation)
    {
        (Name, Format, _options) = (genome.Name, SequenceFormat.Fasta, options);
        options.Validate();
        _faults = new Faults(Name, _draft);
        _regions = new RegionParser(genome, regions.GetEnumerator(), _draft, options, cancellation);
        _bases = _regions.Bases = new BaseBuffer(_regions, _faults, options, blanksAllowed: false);
        _parser = InWindows(_regions);
    }

    private IRecordSource InWindows(IRecordSource records)
    {
        if (_options.Window is not { } window) return records;
        _bases.MostKept = null;
        return new WindowParser(records, _bases, _draft, _faults, _options, window, _options.Step ?? window);
    }

    /// <summary>The file's name in messages.</summary>
    public string Name { get; }

    /// <summary>The layout of the file, never <see cref="SequenceFormat.Detect"/>.</summary>
    public SequenceFormat Format { get; }

    /// <summary>The names in the header line of CSV or TSV; empty in the other layouts.</summary>
    public IReadOnlyList<string> Columns => _parser.Columns;

    /// <summary>Records read so far, dropped ones included.</summary>
    public long RecordsRead { get; private set; }

    /// <summary>Records left out under <see cref="AmbiguousBases.Drop"/>.</summary>
    public LeftOutRecords Dropped { get; } = new();

    /// <summary>Records without a sequence, left out under <see cref="EmptyRecords.Skip"/>.</summary>
    public LeftOutRecords Empty { get; } = new();

    /// <summary>
    /// Sequences that were written as overlapping k-mers with blanks between them, as for DNABERT-1, in a table or as plain lines, and
    /// were read as what they were made from: the first k-mer, then the last letter of each.
    /// </summary>
    public long KmersJoined => _bases.Joined;

    /// <summary>As <see cref="SequenceOptions.KeepBases"/>, for the records that are still to be read.</summary>
    public int? KeepBases
    {
        get => _bases.MostKept;
        set => _bases.MostKept = _options.Window is null ? value : null;
    }

    /// <summary>Whether the records are pairs.</summary>
    public bool IsOfPairs => _parser.IsOfPairs;

    /// <summary>
    /// What a user is to know of the records read so far, a sentence each: what was left out, and what was not taken as it stands.
    /// </summary>
    public IEnumerable<string> Notes()
    {
        if (Empty.Count > 0) yield return $"{Name}: {LeftOut(Empty)} for having no sequence: {Empty}";
        if (Dropped.Count > 0) yield return $"{Name}: {LeftOut(Dropped)} for bases that are not known: {Dropped}";
        if (KmersJoined > 0)
            yield return $"{Name}: {KmersJoined:N0} sequence{(KmersJoined == 1 ? " was" : "s were")} written as overlapping "
                + "k-mers and put together again";
    }

    private string LeftOut(LeftOutRecords records) =>
        $"{records.Count:N0} record{(records.Count == 1 ? "" : "s")} of {RecordsRead:N0} left out";

    /// <summary>Bytes of the file consumed so far, as stored (compressed), for progress; of regions, the bases.</summary>
    public long BytesRead => _source?.BytesRead ?? _regions!.BasesRead;

    /// <summary>Bytes of the file in all, as stored; null where unknown, as for a pipe or regions.</summary>
    public long? TotalBytes => _source?.TotalBytes;

    /// <summary>The record whose bases are in the buffer.</summary>
    internal SequenceRecord? Current { get; private set; }

    /// <summary>The records of a file; it is opened when the enumeration starts and closed when it ends.</summary>
    /// <param name="path">The file; "-" is standard input.</param>
    /// <param name="options">Layout and policy; the defaults of <see cref="SequenceOptions"/> if null.</param>
    /// <param name="cancellation">Ends the reading with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="IOException">The path is a folder, or reading failed.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <exception cref="InvalidDataException">The content is at fault; the message names file, record, line and remedy.</exception>
    public static IEnumerable<SequenceRecord> Read(
        string path, SequenceOptions? options = null, CancellationToken cancellation = default)
    {
        using SequenceReader reader = Open(path, options, cancellation);
        while (reader.TryRead(out SequenceRecord? record)) yield return record;
    }

    /// <summary>The records of a stream, from where it stands; it is left open.</summary>
    /// <param name="stream">Stored bytes, gzipped or not.</param>
    /// <param name="name">The name in messages; its extension decides where the content leaves the layout open.</param>
    /// <param name="options">Layout and policy; the defaults of <see cref="SequenceOptions"/> if null.</param>
    /// <param name="cancellation">Ends the reading with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InvalidDataException">The content is at fault; the message names file, record, line and remedy.</exception>
    public static IEnumerable<SequenceRecord> Read(
        Stream stream, string name, SequenceOptions? options = null, CancellationToken cancellation = default)
    {
        using SequenceReader reader = Open(stream, name, options, cancellation: cancellation);
        while (reader.TryRead(out SequenceRecord? record)) yield return record;
    }

    /// <summary>Opens a file, for callers that show progress or counts.</summary>
    /// <inheritdoc cref="Read(string, SequenceOptions?, CancellationToken)"/>
    public static SequenceReader Open(string path, SequenceOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (path == "-")
            return new SequenceReader(Console.OpenStandardInput(), leaveOpen: false, "standard input", options ?? new(), cancellation);
        if (Directory.Exists(path)) throw new IOException($"{path}: is a folder; name a file in it");
        var file = new FileStream(path, new FileStreamOptions { BufferSize = 1 << 16, Options = FileOptions.SequentialScan });
        return new SequenceReader(file, leaveOpen: false, path, options ?? new(), cancellation);
    }

    /// <summary>Opens a stream, for callers that show progress or counts.</summary>
    /// <param name="stream">Stored bytes, gzipped or not.</param>
    /// <param name="name">The name in messages; its extension decides where the content leaves the layout open.</param>
    /// <param name="options">Layout and policy; the defaults of <see cref="SequenceOptions"/> if null.</param>
    /// <param name="leaveOpen">Whether the stream outlives the reader.</param>
    /// <param name="cancellation">Ends the reading with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InvalidDataException">The content is at fault; the message names file, record, line and remedy.</exception>
    public static SequenceReader Open(
        Stream stream, string name, SequenceOptions? options = null, bool leaveOpen = true, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return new SequenceReader(stream, leaveOpen, name, options ?? new(), cancellation);
    }

    /// <summary>Opens regions of a genome, which are read one after the other, each a record with its place.</summary>
    /// <param name="genome">The genome; it is left open.</param>
    /// <param name="regions">
    /// The regions. One that the genome does not have is an <see cref="InvalidDataException"/> when its turn comes.
    /// </param>
    /// <param name="options">Policy; the layout is of no effect.</param>
    /// <param name="cancellation">Ends the reading with <see cref="OperationCanceledException"/>.</param>
    public static SequenceReader Open(
        Genome genome, IEnumerable<GenomeRegion> regions, SequenceOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(genome);
        ArgumentNullException.ThrowIfNull(regions);
        return new SequenceReader(genome, regions, options ?? new(), cancellation);
    }

    /// <summary>Reads the next record that is not dropped; false at the end of the file.</summary>
    /// <param name="record">The record; its bases are valid until the next call.</param>
    /// <exception cref="InvalidDataException">The content is at fault; the message names file, record, line and remedy.</exception>
    /// <exception cref="OperationCanceledException">The token given on opening was cancelled.</exception>
    public bool TryRead([NotNullWhen(true)] out SequenceRecord? record)
    {
        record = Current = null;
        if (_over) return false;
        // After an error the rest of the file is not to be trusted: the reader is over.
        _over = true;
        while (_parser.TryRead())
        {
            RecordsRead++;
            if (_draft.Lack is { } lack)
            {
                if (_options.OnEmpty == EmptyRecords.Error)
                    throw _faults.Record(lack, "Remove the record, add its bases, or have such records left out");
                if (Empty.Count == 0) _firstLack = $"{_faults.RecordPlace}: {lack}";
                Empty.Add(_faults);
                continue;
            }
            if (_options.OnAmbiguous == AmbiguousBases.Drop && _draft.First.TotalAmbiguous + _draft.Second.TotalAmbiguous > 0)
            {
                Dropped.Add(_faults);
                continue;
            }
            record = Current = new SequenceRecord(
                this, _bases.Array, _draft, _parser.Columns, _options.OnAmbiguous == AmbiguousBases.Split);
            _over = false;
            return true;
        }
        if (RecordsRead == 0 && _regions is not null) throw _faults.File("no region of it is asked for", "Give at least one region");
        if (RecordsRead == 0) throw _faults.File("there are no sequences in it", "Give a file with at least one sequence");
        if (RecordsRead == Empty.Count)
            throw _faults.File(
                $"there are no sequences in it, only {RecordsRead} without any ({_firstLack})", "Give a file with at least one sequence");
        return false;
    }

    /// <summary>Closes the file; the bases of the last record are no longer valid.</summary>
    public void Dispose()
    {
        Current = null;
        _over = true;
        _source?.Dispose();
    }
}

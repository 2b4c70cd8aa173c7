using Dnabert2.Sequences;
using Dnabert2.Tool.Verbs;

namespace Dnabert2.Tool;

/// <summary>The sequence files of a run, read one after the other as one row of records.</summary>
internal sealed class InputFiles : IDisposable
{
    private readonly string[] _paths;
    private readonly SequenceOptions _options;
    private readonly Terminal _terminal;
    private readonly RepeatedNames? _names;
    private readonly GenomeRegions? _regions;
    private readonly List<string> _notes = [];
    private readonly long? _totalBytes;
    private SequenceReader _reader;
    private long _recordsBefore, _bytesBefore;
    private int? _keepBases;

    /// <summary>
    /// Opens the first of some files, and looks at how the others begin, pipes left out, so that what cannot be read is told before
    /// anything is computed.
    /// </summary>
    /// <param name="paths">The files; "-" is standard input, once at most.</param>
    /// <param name="options">How they are read.</param>
    /// <param name="terminal">Standard input, and where warnings go.</param>
    /// <param name="givesNames">Whether results go by the records' names, so that two of one name are to be said.</param>
    /// <param name="regions">What of the one file is read; null: all.</param>
    /// <exception cref="UsageException">Standard input is named twice.</exception>
    /// <exception cref="IOException">A file is missing or cannot be opened.</exception>
    /// <exception cref="InvalidDataException">The beginning of a file is at fault.</exception>
    public InputFiles(string[] paths, SequenceOptions options, Terminal terminal, bool givesNames, GenomeRegions? regions = null)
    {
        // Regions and windows are told apart by their places.
        bool named = givesNames && regions is null && options.Window is null;
        (_paths, _options, _terminal, _names) = (paths, options, terminal, named ? new RepeatedNames() : null);
        _regions = regions;
        if (paths.Count(path => path == "-") > 1) throw new UsageException("'-' is given twice: standard input can be read only once");
        foreach (string path in paths) Shared.CheckThere(path);
        foreach (string path in paths.Skip(1))
            if (path != "-" && new FileInfo(path) is { Exists: true, Length: > 0 }) Open(path).Dispose();
        _reader = Open(paths[0]);
        _totalBytes = regions is not null ? regions.Bases : paths.Length == 1 ? _reader.TotalBytes : SizeOfAll(paths);
    }

    /// <summary>Their name in messages.</summary>
    public string Name => AreSeveral ? $"{_paths.Length} files" : _reader.Name;

    /// <summary>Whether there is more than one.</summary>
    public bool AreSeveral => _paths.Length > 1;

    /// <summary>Whether the records of the first one are pairs.</summary>
    public bool ArePairs => _reader.IsOfPairs;

    /// <summary>Records read so far, those left out included.</summary>
    public long RecordsRead => _recordsBefore + _reader.RecordsRead;

    /// <summary>The part of them that was read; null where their size is not known.</summary>
    public double? Share => _totalBytes is > 0 and long total ? (double)(_bytesBefore + _reader.BytesRead) / total : null;

    /// <summary>How many bases of a long sequence are needed; null: all.</summary>
    public int? KeepBases
    {
        get => _keepBases;
        set => _reader.KeepBases = _keepBases = value;
    }

    /// <summary>The records of all files.</summary>
    public IEnumerable<SequenceRecord> Records()
    {
        for (int next = 1; ; next++)
        {
            while (_reader.TryRead(out SequenceRecord? record))
            {
                // Numbers of several files are alike, and are no names.
                if (record.HasName || !AreSeveral) _names?.Add(record.Id);
                yield return record;
            }

            _notes.AddRange(_reader.Notes());
            if (next == _paths.Length) yield break;
            _recordsBefore += _reader.RecordsRead;
            _bytesBefore += _reader.BytesRead;
            _reader.Dispose();
            _reader = Open(_paths[next]);
            _reader.KeepBases = _keepBases;
        }
    }

    /// <summary>Says which records were left out, were not taken as they stand, or have one name.</summary>
    public void Report()
    {
        foreach (string note in _notes) _terminal.Say(note);
        foreach (string note in _names?.Notes(Name) ?? []) _terminal.Say(note);
    }

    /// <summary>Closes the file that is open.</summary>
    public void Dispose() => _reader.Dispose();

    private SequenceReader Open(string path) => _regions is null
        ? Shared.Open(path, _options, _terminal)
        : SequenceReader.Open(_regions.Genome, _regions.All(), _options, _terminal.Cancellation);

    private static long? SizeOfAll(string[] paths)
    {
        long total = 0;
        foreach (string path in paths)
        {
            if (path == "-" || new FileInfo(path) is not { Exists: true, Length: > 0 } file) return null;
            total += file.Length;
        }

        return total;
    }
}

using Dnabert2.Files;
using Dnabert2.Tool.Output;

namespace Dnabert2.Tool.Pieces;

/// <summary>
/// The result of a verb that writes rows: a file or several, or a table on standard output. All such verbs write through it. It cuts the
/// input into blocks of records, each of which is computed by itself, so that rows are the same whichever process computes them; gives a
/// piece its blocks; keeps what was done, and goes on with it; and puts the record of the run into the result or beside it.
/// </summary>
/// <remarks>
/// Without <c>--resume</c> nothing is left of a result that was not completed. With it, its files lie beside their final names with
/// <c>.part</c>, and a journal that is replaced in one step says which blocks in them are complete; whatever is behind these is cut off
/// when the next process goes on. The files are locked meanwhile. Where a disk knows no locks, or without <c>--resume</c>, two processes
/// may write one piece: the last one's takes the name, and it has the same bytes.
/// </remarks>
internal sealed class RowResult : IDisposable
{
    // The share of the time that goes into journals is less than one in this.
    private const int JournalShare = 20;
    private readonly Terminal _terminal;
    private readonly PieceOptions _options;
    private readonly Lazy<RunRecord> _run;
    private readonly string _device, _path;
    private readonly ResultFiles _files = new();
    private readonly List<BlockFile> _blockFiles = [];
    private readonly List<RowWriter> _printed = [];
    private readonly List<BlockPart[]> _blocks = [];
    private readonly FileStream? _piece;
    private readonly BlockRecord? _before;
    private string? _main;
    private TimeSpan _nextJournal;
    private int _journalled;
    private long? _all;

    /// <summary>Begins a result, or goes on with one.</summary>
    /// <param name="terminal">Standard output, and where is said what is gone on with.</param>
    /// <param name="path">The file that the option <c>-o</c> names, or "-" for standard output.</param>
    /// <param name="options">How much of it is written.</param>
    /// <param name="device">What is computed on, for people.</param>
    /// <param name="run">Makes the record of the run; asked where there is a file.</param>
    /// <exception cref="UsageException">A piece, or what is to be gone on with, is standard output or made from a pipe.</exception>
    /// <exception cref="InvalidDataException">What was kept, or what is there, is of another run; or its record is damaged.</exception>
    public RowResult(Terminal terminal, string path, PieceOptions options, string device, Func<RunRecord> run)
    {
        (_terminal, _path, _options, _device, _run) = (terminal, path, options, device, new Lazy<RunRecord>(run));
        if (!IsPieced) return;
        string option = options.Shard is null ? "--resume" : "--shard";
        if (path == "-") throw new UsageException($"{option}: its result is a file; name one with -o");
        if (!_run.Value.CanBeReadAgain)
            throw new UsageException($"{option}: what comes from a pipe cannot be read again; write it to a file and name that");
        if (options.Shard is { } shard && options.Resume && File.Exists(path + BlockRecord.OfPiece)) IsComplete = HoldsPiece(shard);
        if (IsComplete) return;
        if (options.Resume && File.Exists(JournalPath))
        {
            _before = BlockRecord.Read(JournalPath);
            Refuse(_before, JournalPath);
        }

        // Named last: where it is, the piece is complete.
        if (options.Shard is not null) _piece = _files.Add(path + BlockRecord.OfPiece);
    }

    /// <summary>Whether the piece is there already, so that nothing is to be done.</summary>
    public bool IsComplete { get; }

    /// <summary>Whether it is a piece, or may be gone on with.</summary>
    public bool IsPieced => _options.Shard is not null || _options.Resume;

    /// <summary>Whether not all rows are of this process: what holds for its rows need not hold for all.</summary>
    public bool IsPart => _options.Shard is not null || _before is not null;

    private string JournalPath => ResultFiles.KeptName(_path) + BlockRecord.OfPart;

    /// <summary>Begins a table.</summary>
    /// <param name="path">Its name, or "-" for standard output.</param>
    /// <param name="separator">What stands between its fields.</param>
    public RowWriter AddTable(string path, char separator)
    {
        if (path == "-")
        {
            var printed = new RowWriter(_terminal.Output, separator);
            _printed.Add(printed);
            return printed;
        }

        BlockFile file = Begin(path);
        var rows = new RowWriter(file.Stream, separator);
        file.Format = new TextBlocks(rows);
        return rows;
    }

    /// <summary>Begins a file of another format.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="begin">Makes the format, of what is written to and the record of the run.</param>
    /// <returns>The format.</returns>
    public TFormat Add<TFormat>(string path, Func<Stream, RunRecord, TFormat> begin)
        where TFormat : IBlockFormat
    {
        BlockFile file = Begin(path);
        TFormat format = begin(file.Stream, _run.Value);
        file.Format = format;
        return format;
    }

    /// <summary>Begins a file of a format that has no blocks.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="what">What it is, for a message: "a picture".</param>
    /// <exception cref="UsageException">A piece is written, or what is written is to be gone on with.</exception>
    public FileStream AddWhole(string path, string what)
    {
        if (IsPieced)
            throw new UsageException(
                $"{(_options.Shard is null ? "--resume" : "--shard")} and {path}: {what} is made of all rows at once, not piece by piece; "
                + "make it in a run of its own");
        _main ??= path;
        return _files.Add(path);
    }

    /// <summary>
    /// The records that this process computes, in blocks, each of which is to be computed and written before the next is asked for. The
    /// heads of all files are written by then.
    /// </summary>
    /// <param name="all">All records; each is used before the next is asked for.</param>
    /// <param name="size">The size of a record; a block ends with the record by which it has <see cref="PieceOptions.BlockSize"/>.</param>
    public IEnumerable<IEnumerable<T>> Blocks<T>(IEnumerable<T> all, Func<T, long> size)
    {
        foreach (BlockFile file in _blockFiles) file.EndHead();
        if (_options.Resume) GoOn();
        Shard shard = _options.Shard ?? Shard.Whole;
        using IEnumerator<T> source = all.GetEnumerator();
        long block = 0, done = _blocks.Count;
        while (source.MoveNext())
        {
            bool isOwn = shard.Holds(block) && --done < 0, isOpen = true;
            if (isOwn)
            {
                yield return Records();
                EndBlock();
            }
            else
            {
                foreach (T _ in Records())
                {
                    // Another process's, or done before.
                }
            }

            block++;

            IEnumerable<T> Records()
            {
                for (long length = 0; isOpen; isOpen = length < _options.BlockSize && source.MoveNext())
                {
                    yield return source.Current;
                    length += size(source.Current);
                }
            }
        }

        _all = block;
    }

    /// <summary>Makes the files appear, complete.</summary>
    /// <exception cref="IOException">The disk is full, or a file cannot be named.</exception>
    public void Commit()
    {
        foreach (RowWriter rows in _printed) rows.Flush();
        for (int i = 0; i < _blockFiles.Count; i++) _blockFiles[i].Complete([.. _blocks.Select(block => block[i].Note)]);
        _piece?.Write(Record(_all).Write());
        if (_main is not null && _piece is null && (_blockFiles.Count == 0 || !_blockFiles[0].Format.HoldsRecord))
            _files.Add(_main + RunRecord.Extension).Write(_run.Value.Json);
        _files.Commit();
        if (_options.Resume) File.Delete(JournalPath);
        _blockFiles.Clear();
    }

    /// <summary>Ends the result; without a commit, what is to be gone on with is kept, and nothing else is left.</summary>
    public void Dispose()
    {
        if (_options.Resume && _blockFiles.Count > 0 && _blocks.Count > 0)
        {
            try
            {
                if (_blocks.Count > _journalled) WriteJournal();
                _terminal.Say($"{ResultFiles.KeptName(_path)}: what was done is kept; the same command goes on with it");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The journal before is of blocks that are there.
            }
        }

        _files.Dispose();
    }

    private BlockFile Begin(string path)
    {
        // Before there is a file: an input that cannot be read is told first.
        _ = _run.Value;
        _main ??= path;
        var file = new BlockFile(path, _options.Resume ? _files.AddKept(path) : _files.Add(path));
        _blockFiles.Add(file);
        return file;
    }

    /// <summary>Whether a piece is there, of this run, with all that its record says.</summary>
    private bool HoldsPiece(Shard shard)
    {
        string path = _path + BlockRecord.OfPiece;
        BlockRecord there = BlockRecord.Read(path);
        Refuse(there, path);
        if (there.Shard != shard || there.All is null) return false;
        for (int i = 0; i < there.Files.Count; i++)
        {
            var file = new FileInfo(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(_path))!, there.Files[i].Name));
            if (!file.Exists || file.Length < there.EndOf(i)) return false;
        }

        _terminal.Say($"{_path}: piece {shard} is complete already");
        return true;
    }

    private void Refuse(BlockRecord there, string path)
    {
        if (there.Run.DifferenceTo(_run.Value) is { } difference)
            throw new InvalidDataException(
                $"{path}: is of another run: {difference}; give the same options, model and inputs, or remove it and its "
                + "files to begin anew");
        if (there.Shard != (_options.Shard ?? Shard.Whole))
            throw new InvalidDataException(
                $"{path}: is of piece {there.Shard}, not {_options.Shard ?? Shard.Whole}; remove it and its files to begin anew");
    }

    /// <summary>Goes on behind the blocks of an earlier process.</summary>
    private void GoOn()
    {
        if (_before is { } before)
        {
            bool isWhole = before.Files.Count == _blockFiles.Count;
            for (int i = 0; isWhole && i < _blockFiles.Count; i++)
                isWhole = before.Files[i] is var file && file.Name == _blockFiles[i].Record.Name && file.Head == _blockFiles[i].Head
                    && _blockFiles[i].Kept >= before.EndOf(i);
            if (isWhole) _blocks.AddRange(before.Blocks);
            else _terminal.Say($"{JournalPath}: its files are not there, or are shorter than it says; begun anew");
        }

        for (int i = 0; i < _blockFiles.Count; i++)
            _blockFiles[i].GoOnAt(_blocks.Count > 0 ? _blocks[^1][i].End : _blockFiles[i].Head);
        _journalled = _blocks.Count;
        if (_blocks.Count > 0)
            _terminal.Say($"{ResultFiles.KeptName(_path)}: goes on behind {_blocks[^1][0].End:N0} bytes of an earlier run");
    }

    private void EndBlock()
    {
        if (_blockFiles.Count == 0) return;
        _blocks.Add([.. _blockFiles.Select(file => file.EndBlock())]);
        if (_options.Resume && Now() >= _nextJournal) WriteJournal();
    }

    private void WriteJournal()
    {
        TimeSpan start = Now();
        foreach (BlockFile file in _blockFiles) file.Flush();
        ResultFiles.Write(JournalPath, Record(all: null).Write());
        _journalled = _blocks.Count;
        _nextJournal = Now() + (JournalShare * (Now() - start));
    }

    private BlockRecord Record(long? all) => new(
        _options.Shard ?? Shard.Whole, _run.Value, _device, all, [.. _blockFiles.Select(file => file.Record)], _blocks);

    private TimeSpan Now() => _terminal.Time.GetElapsedTime(0);
}

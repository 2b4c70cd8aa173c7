using System.Buffers;

namespace Dnabert2.Sequences;

/// <summary>
/// CSV and TSV by RFC 4180, with a header line; also with semicolons, as spreadsheet programs write where a comma is the decimal point.
/// Line breaks inside a quoted sequence are layout, as those of FASTA; a cell <c>NA</c> or <c>NaN</c> is an empty one. Own code because
/// a sequence field goes straight from the bytes of the file into the base buffer, and its faults are named by line and column: a general
/// reader holds the whole record first, which may be a chromosome.
/// </summary>
internal sealed class CsvParser : RecordParser
{
    private const byte Quote = (byte)'"';

    // More are a sign of a wrong file: a spreadsheet has as many.
    private const int MostColumns = 16_384;

    private enum FieldEnd { Delimiter, Line }

    private readonly byte _delimiter;
    private readonly SearchValues<byte> _special;
    private readonly string[] _columns;
    private readonly int _first;
    private readonly int _second;
    private readonly int _id;
    private readonly long _headerLine;
    private readonly string _firstCell;
    private readonly string _secondCell;

    public CsvParser(
        ByteSource source, BaseBuffer bases, RecordDraft draft, Faults faults, bool needsKnownBases, byte delimiter,
        SequenceOptions options)
        : base(source, bases, draft, faults, needsKnownBases)
    {
        _delimiter = delimiter;
        _special = SearchValues.Create([_delimiter, Quote, (byte)'\n', (byte)'\r']);
        bool any = SkipBlankLines();
        _headerLine = Source.Line;
        _columns = any ? ReadColumns() : [];
        if (options.SequenceColumn is { } named)
        {
            _first = Needed(named);
            _second = options.SecondSequenceColumn is { } second ? Needed(second) : -1;
        }
        else
        {
            _first = IndexOf("sequence");
            if (_first < 0) _first = IndexOf("sequence1");
            if (_first < 0) throw NoColumn("'sequence' or 'sequence1'");
            _second = options.SecondSequenceColumn is { } second ? Needed(second) : IndexOf("sequence2");
        }

        if (_first == _second)
            throw Faults.Line(
                _headerLine, $"both sequences of a pair are to be in column '{Faults.Show(_columns[_first])}'", "Name two columns");
        (_firstCell, _secondCell) = ($"column '{_columns[_first]}'", _second < 0 ? "" : $"column '{_columns[_second]}'");
        _id = IndexOf("id") is var id && id != _first && id != _second ? id : -1;
    }

    public override string[] Columns => _columns;

    public override bool IsOfPairs => _second >= 0;

    public override bool TryRead()
    {
        if (!SkipBlankLines()) return false;
        StartRecord();
        var values = new string?[_columns.Length];
        var end = FieldEnd.Delimiter;
        int column = 0;
        for (; end == FieldEnd.Delimiter; column++)
        {
            if (column == _columns.Length)
                throw Faults.Record(
                    $"more fields than the {_columns.Length} columns of the header", "Put quotes around fields that hold the delimiter");
            if (column == _first || column == _second)
            {
                string what = column == _first ? _firstCell : _secondCell;
                Bases.Begin();
                end = ReadField(toBases: true);
                BaseRange range = EndBases(what);
                if (IsMissing(range)) Draft.Lack ??= $"{what} has no sequence";
                if (column == _first) Draft.First = range;
                else Draft.Second = range;
            }
            else
            {
                end = ReadField(toBases: false);
                values[column] = TakeText(Draft.Line, "a field");
                if (column == _id) Draft.Id = values[column]!;
            }
        }
        if (column < _columns.Length)
            throw Faults.Record(
                $"{column} fields, but the header has {_columns.Length} columns", "Fill in the missing fields or remove the row");
        Draft.Values = values;
        return true;
    }

    /// <summary>Reads a field and what ends it.</summary>
    private FieldEnd ReadField(bool toBases)
    {
        if (Source.Peek() == Quote) ReadQuoted(toBases);
        while (Source.HasMore)
        {
            ReadOnlySpan<byte> window = Source.Window;
            int length = window.IndexOfAny(_special);
            if (length < 0) length = window.Length;
            if (length > 0)
            {
                Source.Skip(length);
                Take(window[..length], toBases);
                continue;
            }
            if (window[0] == _delimiter)
            {
                Source.Skip(1);
                return FieldEnd.Delimiter;
            }
            if (window[0] == Quote) throw StrayQuote();
            int lineEnd = Source.LineEnd();
            if (lineEnd == 0) throw Faults.LoneCarriageReturn(Source.Line);
            Source.SkipLineEnd(lineEnd);
            return FieldEnd.Line;
        }
        return FieldEnd.Line;
    }

    /// <summary>Whether a cell says that there is nothing in it, as R and pandas write it.</summary>
    private bool IsMissing(BaseRange range)
    {
        ReadOnlySpan<byte> text = Bases.Array.AsSpan(range.Start, range.Length);
        return text.SequenceEqual("NA"u8) || text.SequenceEqual("NAN"u8);
    }

    /// <summary>
    /// Reads from the opening to the closing quote; a doubled quote inside is one. Line ends are text, except in a sequence.
    /// </summary>
    private void ReadQuoted(bool toBases)
    {
        long line = Source.Line;
        ReadOnlySpan<byte> special = toBases ? "\"\n\r"u8 : "\"\n"u8;
        Source.Skip(1);
        while (Source.HasMore)
        {
            ReadOnlySpan<byte> window = Source.Window;
            int length = window.IndexOfAny(special);
            if (length != 0)
            {
                if (length < 0) length = window.Length;
                Source.Skip(length);
                Take(window[..length], toBases);
            }
            else if (window[0] == '\n')
            {
                Source.SkipLineEnd(1);
                if (toBases) Bases.EndLine();
                else Take("\n"u8, toBases);
            }
            else if (window[0] == '\r')
            {
                Source.Skip(1);
                Bases.EndLine();
            }
            else
            {
                Source.Skip(1);
                if (Source.Peek() != Quote)
                {
                    if (Source.Peek() is var next && next >= 0 && next != _delimiter && Source.LineEnd() == 0) throw StrayQuote();
                    return;
                }
                Source.Skip(1);
                Take("\""u8, toBases);
            }
        }
        throw Faults.Line(line, "a quote is opened and never closed", "Close it, or double a quote that belongs to the text");
    }

    private void Take(ReadOnlySpan<byte> piece, bool toBases)
    {
        if (toBases) Bases.Append(piece);
        else AddText(piece, Source.Line, "a field");
    }

    private string[] ReadColumns()
    {
        var names = new List<string>();
        var different = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var end = FieldEnd.Delimiter;
        while (end == FieldEnd.Delimiter)
        {
            end = ReadField(toBases: false);
            string name = TakeText(_headerLine, "a column name").Trim();
            if (name.Length > 0 && !different.Add(name))
                throw Faults.Line(_headerLine, $"two columns are named '{Faults.Show(name)}'", "Rename one of them");
            if (names.Count == MostColumns)
                throw Faults.Line(_headerLine, $"there are more than {MostColumns} columns",
                    "Keep those that are needed: the sequence, its name and its label");
            names.Add(name);
        }
        return [.. names];
    }

    private int Needed(string name) => IndexOf(name.Trim()) is >= 0 and int index ? index : throw NoColumn($"'{Faults.Show(name)}'");

    private int IndexOf(string name) => Array.FindIndex(_columns, column => column.Equals(name, StringComparison.OrdinalIgnoreCase));

    private InvalidDataException NoColumn(string name)
    {
        string found = string.Join(", ", _columns.Take(8).Select(column => $"'{Faults.Show(column, 30)}'"));
        return Faults.Line(
            _headerLine, $"no column is named {name}; found are {found}{(_columns.Length > 8 ? ", …" : "")}",
            "Name the columns in the first line, for example 'sequence,label', or say which one holds the sequences (SequenceColumn)");
    }

    private InvalidDataException StrayQuote() => Faults.Line(
        Source.Line, $"a quote in the middle of a field, near column {Source.Column}",
        "Put the whole field in quotes and double the quotes inside");
}

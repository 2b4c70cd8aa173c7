using System.Buffers;

namespace Dnabert2.Sequences;

/// <summary>
/// CSV and TSV by RFC 4180, with a header line. Own code because a sequence field goes straight from the bytes of the file
/// into the base buffer: a general reader hands out a field as UTF-16 text, several copies of a chromosome.
/// </summary>
internal sealed class CsvParser : RecordParser
{
    private const byte Quote = (byte)'"';

    private enum FieldEnd { Delimiter, Line }

    private readonly byte _delimiter;
    private readonly SearchValues<byte> _special;
    private readonly string[] _columns;
    private readonly int _first;
    private readonly int _second;
    private readonly int _id;

    public CsvParser(ByteSource source, BaseBuffer bases, RecordDraft draft, Faults faults, char delimiter)
        : base(source, bases, draft, faults)
    {
        _delimiter = (byte)delimiter;
        _special = SearchValues.Create([_delimiter, Quote, (byte)'\n', (byte)'\r']);
        _columns = SkipBlankLines() ? ReadColumns() : [];
        _first = IndexOf("sequence");
        if (_first < 0) _first = IndexOf("sequence1");
        _second = IndexOf("sequence2");
        _id = IndexOf("id");
        if (_first < 0) throw NoSequenceColumn();
    }

    public override string[] Columns => _columns;

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
                Bases.Begin();
                end = ReadField(toBases: true);
                BaseRange range = EndBases($"column '{_columns[column]}'");
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

    /// <summary>Reads from the opening to the closing quote; a doubled quote inside is one, and line ends are text.</summary>
    private void ReadQuoted(bool toBases)
    {
        long line = Source.Line;
        Source.Skip(1);
        while (Source.HasMore)
        {
            ReadOnlySpan<byte> window = Source.Window;
            int length = window.IndexOfAny(Quote, (byte)'\n');
            if (length != 0)
            {
                if (length < 0) length = window.Length;
                Source.Skip(length);
                Take(window[..length], toBases);
            }
            else if (window[0] == '\n')
            {
                Source.SkipLineEnd(1);
                Take("\n"u8, toBases);
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
        var end = FieldEnd.Delimiter;
        while (end == FieldEnd.Delimiter)
        {
            end = ReadField(toBases: false);
            string name = TakeText(1, "a column name").Trim();
            if (name.Length > 0 && names.Contains(name, StringComparer.OrdinalIgnoreCase))
                throw Faults.Line(1, $"two columns are named '{Faults.Show(name)}'", "Rename one of them");
            names.Add(name);
        }
        return [.. names];
    }

    private int IndexOf(string name) => Array.FindIndex(_columns, column => column.Equals(name, StringComparison.OrdinalIgnoreCase));

    private InvalidDataException NoSequenceColumn()
    {
        string found = string.Join(", ", _columns.Take(8).Select(column => $"'{Faults.Show(column, 30)}'"));
        return Faults.Line(
            1, $"no column is named 'sequence' or 'sequence1'; found are {found}{(_columns.Length > 8 ? ", …" : "")}",
            "Name the columns in the first line, for example 'sequence,label'");
    }

    private InvalidDataException StrayQuote() => Faults.Line(
        Source.Line, $"a quote in the middle of a field, near column {Source.Column}",
        "Put the whole field in quotes and double the quotes inside");
}

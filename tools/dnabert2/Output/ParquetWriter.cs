using System.Buffers.Binary;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Writes a table as Apache Parquet (https://github.com/apache/parquet-format): columns of text, numbers and lists of floats, not
/// compressed, in row groups that go to the file as they are full. Complete once it is finished.
/// </summary>
internal sealed class ParquetWriter
{
    private const int Plain = 0, RunLengths = 3, Uncompressed = 0, DataPage = 0, Required = 0, Repeated = 2, Utf8 = 0, List = 3;
    private const int RowGroupBytes = 64 << 20;

    private readonly Stream _stream;
    private readonly ParquetColumn[] _columns;
    private readonly List<RowGroup> _groups = [];
    private long _position;
    private int _waiting;

    public ParquetWriter(Stream stream, params ParquetColumn[] columns)
    {
        (_stream, _columns) = (stream, columns);
        Write(Magic);
    }

    private static ReadOnlySpan<byte> Magic => "PAR1"u8;

    /// <summary>Ends a row, of which every column was given a value.</summary>
    public void EndRow()
    {
        _waiting++;
        long bytes = 0;
        foreach (ParquetColumn column in _columns) bytes += column.Length;
        if (bytes >= RowGroupBytes) EndGroup();
    }

    /// <summary>Writes what waits, and the footer.</summary>
    public void Finish()
    {
        if (_waiting > 0) EndGroup();
        var footer = new ThriftWriter();
        footer.Int32(1, 2);
        WriteSchema(footer);
        footer.Int64(3, _groups.Sum(group => (long)group.Rows));
        footer.Structs(4, _groups.Count);
        foreach (RowGroup group in _groups) WriteGroup(footer, group);
        footer.Text(6, "dnabert2");
        footer.End();
        Write(footer.Written.Span);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, footer.Written.Length);
        Write(length);
        Write(Magic);
        _stream.Flush();
    }

    private static int TypeOf(ParquetType type) => type switch
    {
        ParquetType.Boolean => 0,
        ParquetType.Int64 => 2,
        ParquetType.Floats => 4,
        _ => 6,
    };

    private void EndGroup()
    {
        var chunks = new Chunk[_columns.Length];
        for (int i = 0; i < _columns.Length; i++)
        {
            ParquetColumn column = _columns[i];
            byte[] page = column.TakePage(_waiting);
            int values = column.Type == ParquetType.Floats ? _waiting * column.ListLength : _waiting;
            long start = _position;
            var header = new ThriftWriter();
            header.Int32(1, DataPage);
            header.Int32(2, page.Length);
            header.Int32(3, page.Length);
            header.Begin(5);
            header.Int32(1, values);
            header.Int32(2, Plain);
            header.Int32(3, RunLengths);
            header.Int32(4, RunLengths);
            header.End();
            header.End();
            Write(header.Written.Span);
            Write(page);
            chunks[i] = new Chunk(start, _position - start, values);
        }

        _groups.Add(new RowGroup(_waiting, chunks));
        _waiting = 0;
    }

    private void WriteSchema(ThriftWriter footer)
    {
        footer.Structs(2, 1 + _columns.Sum(column => column.Type == ParquetType.Floats ? 3 : 1));
        Element("schema", null, null, _columns.Length, null);
        foreach (ParquetColumn column in _columns)
        {
            if (column.Type != ParquetType.Floats)
            {
                Element(column.Name, TypeOf(column.Type), Required, null, column.Type == ParquetType.Text ? Utf8 : null);
                continue;
            }

            // The three levels that the format wants of a list.
            Element(column.Name, null, Required, 1, List);
            Element("list", null, Repeated, 1, null);
            Element("element", TypeOf(column.Type), Required, null, null);
        }

        void Element(string name, int? type, int? repetition, int? children, int? converted)
        {
            footer.Begin();
            if (type is { } t) footer.Int32(1, t);
            if (repetition is { } r) footer.Int32(3, r);
            footer.Text(4, name);
            if (children is { } n) footer.Int32(5, n);
            if (converted is { } c)
            {
                footer.Int32(6, c);
                footer.Begin(10);
                footer.Begin((short)(c == Utf8 ? 1 : 3));
                footer.End();
                footer.End();
            }

            footer.End();
        }
    }

    private void WriteGroup(ThriftWriter footer, RowGroup group)
    {
        footer.Begin();
        footer.Structs(1, _columns.Length);
        for (int i = 0; i < _columns.Length; i++)
        {
            Chunk chunk = group.Chunks[i];
            ParquetColumn column = _columns[i];
            footer.Begin();
            footer.Int64(2, chunk.Start);
            footer.Begin(3);
            footer.Int32(1, TypeOf(column.Type));
            footer.Int32s(2, Plain, RunLengths);
            if (column.Type == ParquetType.Floats) footer.Texts(3, column.Name, "list", "element");
            else footer.Texts(3, column.Name);
            footer.Int32(4, Uncompressed);
            footer.Int64(5, chunk.Values);
            footer.Int64(6, chunk.Length);
            footer.Int64(7, chunk.Length);
            footer.Int64(9, chunk.Start);
            footer.End();
            footer.End();
        }

        footer.Int64(2, group.Chunks.Sum(chunk => chunk.Length));
        footer.Int64(3, group.Rows);
        footer.End();
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        _stream.Write(bytes);
        _position += bytes.Length;
    }

    private sealed record RowGroup(int Rows, Chunk[] Chunks);

    private readonly record struct Chunk(long Start, long Length, long Values);
}

using System.Text;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Writes a table as Apache Parquet (https://github.com/apache/parquet-format): columns of text, numbers and lists of floats, not
/// compressed, in row groups that go to the file as they are full. <see cref="ParquetFooter"/> completes it.
/// </summary>
internal sealed class ParquetWriter
{
    private const int Plain = 0, RunLengths = 3, DataPage = 0;
    private const int RowGroupBytes = 64 << 20;

    private readonly Stream _stream;
    private readonly ParquetColumn[] _columns;
    private readonly StringBuilder _groups = new();
    private int _waiting;

    public ParquetWriter(Stream stream, params ParquetColumn[] columns)
    {
        (_stream, _columns) = (stream, columns);
        stream.Write(ParquetFooter.Magic);
    }

    /// <summary>Ends a row, of which every column was given a value.</summary>
    public void EndRow()
    {
        _waiting++;
        long bytes = 0;
        foreach (ParquetColumn column in _columns) bytes += column.Length;
        if (bytes >= RowGroupBytes) EndGroup();
    }

    /// <summary>Writes what waits.</summary>
    /// <returns>The row groups written since the last call, as <see cref="ParquetGroup.Parse"/> reads them.</returns>
    public string TakeGroups()
    {
        if (_waiting > 0) EndGroup();
        string groups = _groups.ToString();
        _groups.Clear();
        return groups;
    }

    private void EndGroup()
    {
        var chunks = new ParquetChunk[_columns.Length];
        for (int i = 0; i < _columns.Length; i++)
        {
            ParquetColumn column = _columns[i];
            byte[] page = column.TakePage(_waiting);
            int values = column.Type == ParquetType.Floats ? _waiting * column.ListLength : _waiting;
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
            _stream.Write(header.Written.Span);
            _stream.Write(page);
            chunks[i] = new ParquetChunk(header.Written.Length + page.Length, values);
        }

        new ParquetGroup(_waiting, chunks).Write(_groups);
        _waiting = 0;
    }
}

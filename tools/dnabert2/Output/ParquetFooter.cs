using System.Buffers.Binary;

namespace Dnabert2.Tool.Output;

/// <summary>The end of a Parquet file: its schema, where its row groups lie, and what it says of itself.</summary>
internal static class ParquetFooter
{
    /// <summary>The key of the record of the run in the metadata of the file.</summary>
    public const string RecordKey = "dnabert2";

    private const int Plain = 0, RunLengths = 3, Uncompressed = 0, Required = 0, Repeated = 2, Utf8 = 0, List = 3;

    /// <summary>What a file begins and ends with.</summary>
    public static ReadOnlySpan<byte> Magic => "PAR1"u8;

    /// <summary>The bytes behind the last row group.</summary>
    /// <param name="columns">The columns.</param>
    /// <param name="groups">The row groups, one behind the other.</param>
    /// <param name="start">Where the first one begins.</param>
    /// <param name="record">The record of the run, as JSON.</param>
    public static byte[] Of(IReadOnlyList<ParquetColumn> columns, IReadOnlyList<ParquetGroup> groups, long start, string record)
    {
        var footer = new ThriftWriter();
        footer.Int32(1, 2);
        WriteSchema(footer, columns);
        footer.Int64(3, groups.Sum(group => (long)group.Rows));
        footer.Structs(4, groups.Count);
        foreach (ParquetGroup group in groups) start = WriteGroup(footer, columns, group, start);
        footer.Structs(5, 1);
        footer.Begin();
        footer.Text(1, RecordKey);
        footer.Text(2, record);
        footer.End();
        footer.Text(6, "dnabert2");
        footer.End();
        ReadOnlySpan<byte> written = footer.Written.Span;
        byte[] bytes = new byte[written.Length + sizeof(int) + Magic.Length];
        written.CopyTo(bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(written.Length), written.Length);
        Magic.CopyTo(bytes.AsSpan(written.Length + sizeof(int)));
        return bytes;
    }

    private static int TypeOf(ParquetType type) => type switch
    {
        ParquetType.Boolean => 0,
        ParquetType.Int64 => 2,
        ParquetType.Floats => 4,
        _ => 6,
    };

    private static void WriteSchema(ThriftWriter footer, IReadOnlyList<ParquetColumn> columns)
    {
        footer.Structs(2, 1 + columns.Sum(column => column.Type == ParquetType.Floats ? 3 : 1));
        Element("schema", null, null, columns.Count, null);
        foreach (ParquetColumn column in columns)
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

    private static long WriteGroup(
        ThriftWriter footer, IReadOnlyList<ParquetColumn> columns, ParquetGroup group, long start)
    {
        footer.Begin();
        footer.Structs(1, columns.Count);
        for (int i = 0; i < columns.Count; i++)
        {
            ParquetChunk chunk = group.Chunks[i];
            ParquetColumn column = columns[i];
            footer.Begin();
            footer.Int64(2, start);
            footer.Begin(3);
            footer.Int32(1, TypeOf(column.Type));
            footer.Int32s(2, Plain, RunLengths);
            if (column.Type == ParquetType.Floats) footer.Texts(3, column.Name, "list", "element");
            else footer.Texts(3, column.Name);
            footer.Int32(4, Uncompressed);
            footer.Int64(5, chunk.Values);
            footer.Int64(6, chunk.Length);
            footer.Int64(7, chunk.Length);
            footer.Int64(9, start);
            footer.End();
            footer.End();
            start += chunk.Length;
        }

        footer.Int64(2, group.Chunks.Sum(chunk => chunk.Length));
        footer.Int64(3, group.Rows);
        footer.End();
        return start;
    }
}

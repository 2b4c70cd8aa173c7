using System.Text.Json;
using Dnabert2.Tool.Output;

namespace Dnabert2.Tool.Pieces;

/// <summary>Apache Parquet: blocks are of one or more row groups, and the end is the footer, which says where they lie.</summary>
/// <param name="writer">What ends its row group when a block ends; null where nothing is written.</param>
/// <param name="columns">The columns.</param>
/// <param name="record">The record of the run, for the footer.</param>
internal sealed class ParquetBlocks(ParquetWriter? writer, IReadOnlyList<ParquetColumn> columns, RunRecord record) : IBlockFormat
{
    /// <summary>Its name in the records of pieces.</summary>
    public const string Name = "parquet";

    /// <summary>What rows are written by.</summary>
    public ParquetWriter? Writer => writer;

    public bool HoldsRecord => true;

    public string EndBlock() => writer?.TakeGroups() ?? "";

    public ReadOnlyMemory<byte> Head(long bytes) => default;

    public ReadOnlyMemory<byte> End(long head, IReadOnlyList<string> notes)
    {
        var groups = new List<ParquetGroup>();
        foreach (string note in notes) ParquetGroup.Parse(note, columns.Count, groups);
        return ParquetFooter.Of(columns, groups, head, record.Text);
    }

    public void Describe(Utf8JsonWriter json)
    {
        json.WriteString("format", Name);
        json.WriteStartArray("columns");
        foreach (ParquetColumn column in columns) json.WriteStringValue($"{column.Type} {column.Name}");
        json.WriteEndArray();
    }
}

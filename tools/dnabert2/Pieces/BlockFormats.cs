using Dnabert2.Data;
using Dnabert2.Tool.Output;

namespace Dnabert2.Tool.Pieces;

/// <summary>The formats that pieces of results may have.</summary>
internal static class BlockFormats
{
    private const int MostColumns = 1 << 14, MostNumbers = 1 << 24;
    private static readonly string[] Names = [TextBlocks.Name, .. MatrixBlocks.Names, ParquetBlocks.Name];
    private static readonly ParquetType[] Types = Enum.GetValues<ParquetType>();

    /// <summary>The format of a file, without anything that writes to it.</summary>
    /// <param name="file">What <see cref="IBlockFormat.Describe"/> has written.</param>
    /// <param name="run">The run.</param>
    /// <exception cref="InvalidDataException">It is none that this program knows.</exception>
    public static IBlockFormat Read(JsonFields file, RunRecord run)
    {
        string name = Names[file.Choice("format", Names)];
        return name switch
        {
            TextBlocks.Name => new TextBlocks(rows: null),
            ParquetBlocks.Name =>
                new ParquetBlocks(writer: null, [.. file.Texts("columns", MostColumns).Select(text => Column(file, text))], run),
            _ => new MatrixBlocks(stream: null, name, file.Small("width", 1, MostNumbers), file.Truth("half"), file.Truth("both_strands")),
        };
    }

    private static ParquetColumn Column(JsonFields file, string text)
    {
        foreach (ParquetType type in Types)
            if (text.StartsWith($"{type} ", StringComparison.Ordinal)) return new ParquetColumn(text[(type.ToString().Length + 1)..], type);
        throw file.Fault("columns", $"has '{text}', expected one of {string.Join(", ", Types)} and a name");
    }
}

using System.Globalization;
using System.Text;

namespace Dnabert2.Tool.Output;

/// <summary>A row group of a Parquet file: how many rows it has, and the bytes and values of each column in it.</summary>
/// <param name="Rows">The rows.</param>
/// <param name="Chunks">A chunk for each column, one behind the other.</param>
internal sealed record ParquetGroup(int Rows, ParquetChunk[] Chunks)
{
    /// <summary>Adds the groups of a text.</summary>
    /// <param name="text">Groups as <see cref="Write"/> writes them, one after the other.</param>
    /// <param name="columns">The columns that each has.</param>
    /// <param name="groups">Where they go.</param>
    /// <exception cref="FormatException">It is no such text.</exception>
    public static void Parse(string text, int columns, List<ParquetGroup> groups)
    {
        foreach (string group in text.Split(';', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] numbers = group.Split(',');
            if (numbers.Length != 1 + (2 * columns))
                throw new FormatException($"a row group of {columns} columns has {1 + (2 * columns)} numbers, not {numbers.Length}");
            var chunks = new ParquetChunk[columns];
            for (int i = 0; i < columns; i++) chunks[i] = new ParquetChunk(Number(numbers[1 + (2 * i)]), Number(numbers[2 + (2 * i)]));
            groups.Add(new ParquetGroup(Number(numbers[0]), chunks));
        }
    }

    /// <summary>Adds rows, bytes and values of each column, and a semicolon to a text.</summary>
    public void Write(StringBuilder text)
    {
        text.Append(CultureInfo.InvariantCulture, $"{Rows}");
        foreach (ParquetChunk chunk in Chunks) text.Append(CultureInfo.InvariantCulture, $",{chunk.Length},{chunk.Values}");
        text.Append(';');
    }

    private static int Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number
            : throw new FormatException($"'{Excerpt.Of(text)}' is no number of a row group");
}

/// <summary>A column of a row group.</summary>
/// <param name="Length">Its bytes.</param>
/// <param name="Values">Its values; of a list each number is one.</param>
internal readonly record struct ParquetChunk(long Length, int Values);

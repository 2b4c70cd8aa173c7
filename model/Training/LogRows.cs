using System.Globalization;

namespace Dnabert2.Training;

/// <summary>
/// Reads the losses back from the log of a run. A log grows where it is, so that its last row may be half of one: what is no row is passed
/// over.
/// </summary>
internal static class LogRows
{
    // No row is as long, and no loss as large.
    private const int LongestRow = 1 << 16;
    private const double LargestLoss = 1e300;

    /// <summary>The steps and losses of the rows.</summary>
    /// <param name="path">The file.</param>
    /// <param name="column">The column of the loss.</param>
    /// <param name="of">What the second field says in the rows that count; null: all do.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static List<(double Step, double Loss)> Losses(string path, int column, string? of)
    {
        var losses = new List<(double, double)>();
        // So has a pipe, which would be waited for.
        if (new FileInfo(path) is { Exists: true, Length: 0 }) return losses;
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        var row = new char[LongestRow];
        int length = 0;
        for (int next; (next = reader.Read()) >= 0;)
        {
            if (next != '\n')
            {
                if (length < row.Length) row[length] = (char)next;
                length++;
                continue;
            }

            if (length <= row.Length) Add(row.AsSpan(0, length));
            length = 0;
        }

        if (length <= row.Length) Add(row.AsSpan(0, length));
        return losses;

        void Add(ReadOnlySpan<char> text)
        {
            string[] fields = text.ToString().Split(',');
            if (fields.Length <= column || (of is not null && fields[1] != of)) return;
            if (int.TryParse(fields[0], NumberStyles.None, CultureInfo.InvariantCulture, out int step)
                && double.TryParse(fields[column], NumberStyles.Float, CultureInfo.InvariantCulture, out double loss)
                && Math.Abs(loss) <= LargestLoss)
                losses.Add((step, loss));
        }
    }
}

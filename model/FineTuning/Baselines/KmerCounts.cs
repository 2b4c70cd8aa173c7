namespace Dnabert2.FineTuning.Baselines;

/// <summary>
/// The overlapping k-mers of labelled sequences as sparse rows: compressed, each with the numbers of the k-mers it has and how often. The
/// second sequence of a pair has numbers of its own. k-mers with an N are not counted.
/// </summary>
internal sealed class KmerCounts
{
    private readonly int[] _starts, _columns;
    private readonly float[] _values;

    private KmerCounts(int[] starts, int[] columns, float[] values, int width) =>
        (_starts, _columns, _values, Width) = (starts, columns, values, width);

    /// <summary>Rows.</summary>
    public int Rows => _starts.Length - 1;

    /// <summary>The number of different k-mers: 4ᵏ, or twice that for pairs.</summary>
    public int Width { get; }

    /// <summary>Counts the k-mers of each row.</summary>
    public static KmerCounts Count(IReadOnlyList<LabelledSequence> rows, int k, bool pairs)
    {
        int kinds = 1 << (2 * k);
        List<int> starts = new(rows.Count + 1) { 0 }, columns = [], found = [];
        List<float> values = [];
        foreach (LabelledSequence row in rows)
        {
            found.Clear();
            Collect(row.First, k, 0, found);
            if (pairs) Collect(row.Second, k, kinds, found);
            found.Sort();
            for (int i = 0, end; i < found.Count; i = end)
            {
                for (end = i + 1; end < found.Count && found[end] == found[i]; end++) { }
                columns.Add(found[i]);
                values.Add(end - i);
            }

            starts.Add(columns.Count);
        }

        return new KmerCounts([.. starts], [.. columns], [.. values], pairs ? 2 * kinds : kinds);
    }

    /// <summary>The k-mers of a row.</summary>
    public ReadOnlySpan<int> Columns(int row) => _columns.AsSpan(_starts[row].._starts[row + 1]);

    /// <summary>How often each of them occurs, times the scale.</summary>
    public ReadOnlySpan<float> Values(int row) => _values.AsSpan(_starts[row].._starts[row + 1]);

    /// <summary>The mean over rows of the length of the row as a vector; 0 where no row has a k-mer.</summary>
    public double MeanNorm()
    {
        double sum = 0;
        for (int r = 0; r < Rows; r++)
        {
            double squares = 0;
            foreach (float value in Values(r)) squares += (double)value * value;
            sum += Math.Sqrt(squares);
        }

        return sum / Rows;
    }

    /// <summary>Multiplies every count.</summary>
    public void Scale(double factor)
    {
        foreach (ref float value in _values.AsSpan()) value = (float)(value * factor);
    }

    private static void Collect(ReadOnlySpan<byte> sequence, int k, int offset, List<int> found)
    {
        int mask = (1 << (2 * k)) - 1, kmer = 0, length = 0;
        foreach (byte letter in sequence)
        {
            int code = letter switch { (byte)'A' => 0, (byte)'C' => 1, (byte)'G' => 2, (byte)'T' => 3, _ => -1 };
            length = code < 0 ? 0 : length + 1;
            kmer = ((kmer << 2) | (code & 3)) & mask;
            if (length >= k) found.Add(offset + kmer);
        }
    }
}

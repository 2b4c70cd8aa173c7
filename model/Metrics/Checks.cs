namespace Dnabert2.Metrics;

/// <summary>What every metric asks of its input.</summary>
internal static class Checks
{
    public static void SameRows(int left, int right)
    {
        if (left != right) throw new ArgumentException($"{left} true values and {right} predicted ones: each row needs one of each");
        if (left == 0) throw new ArgumentException("there are no rows: no metric is defined of nothing");
    }

    public static void Finite(ReadOnlySpan<double> values)
    {
        for (int i = 0; i < values.Length; i++)
            if (!double.IsFinite(values[i])) throw new ArgumentException($"row {i}: {values[i]} is not a finite number");
    }
}

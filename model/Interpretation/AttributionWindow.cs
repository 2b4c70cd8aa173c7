namespace Dnabert2.Interpretation;

/// <summary>A stretch of a record that the model sees at once.</summary>
/// <param name="Start">Its first base.</param>
/// <param name="End">One past its last base.</param>
/// <param name="From">Of these, the first one that is substituted.</param>
/// <param name="To">One past the last one that is substituted.</param>
internal readonly record struct AttributionWindow(long Start, long End, long From, long To)
{
    /// <summary>The windows that substitute the bases of a range, each once.</summary>
    /// <param name="length">The bases of the record.</param>
    /// <param name="window">The most bases of a window.</param>
    /// <param name="from">The first base of the range.</param>
    /// <param name="to">One past its last base.</param>
    public static IEnumerable<AttributionWindow> Of(long length, int window, long from, long to)
    {
        if (length <= window)
        {
            yield return new(0, length, from, to);
            yield break;
        }

        int step = window / 2, margin = (window - step) / 2;
        for (long start = Math.Max(0, (from - margin) / step * step); ; start += step)
        {
            // The last window is moved back to be full: a short one would show the model little.
            bool last = start >= length - window;
            long first = Math.Max(from, start == 0 ? 0 : start + margin), end = Math.Min(to, last ? length : start + margin + step);
            long begin = last ? length - window : start;
            if (first < end) yield return new(begin, begin + window, first, end);
            if (last || end >= to) yield break;
        }
    }
}

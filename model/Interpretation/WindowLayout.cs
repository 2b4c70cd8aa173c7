namespace Dnabert2.Interpretation;

/// <summary>How the windows of variants lie on a genome.</summary>
/// <param name="Width">The bases of a window.</param>
/// <param name="Most">The most bases that the model takes, of either allele with what is around it.</param>
/// <param name="Step">Windows begin at multiples of so many bases; null: each variant is in the middle of its own.</param>
internal readonly record struct WindowLayout(int Width, int Most, int? Step)
{
    /// <summary>The window of a stretch that fits into it: its first base and one past its last one.</summary>
    /// <param name="at">The first base of the stretch.</param>
    /// <param name="end">One past its last base.</param>
    /// <param name="width">The bases of this window, which may be narrower.</param>
    /// <param name="length">The bases of the sequence.</param>
    public (long Start, long End) Of(long at, long end, int width, long length)
    {
        int room = width - (int)(end - at);
        if (Step is { } step && width == Width)
        {
            // The multiple that is nearest to where the stretch would be in the middle; at the end the last window is full.
            long twice = Math.Max(0, at + end - width), start = Math.Min((twice + step) / (2 * step) * step, Math.Max(0, length - width));
            if (start <= at && end <= start + width) return (start, Math.Min(start + width, length));
        }

        return (Math.Max(0, at - (room / 2)), Math.Min(length, end + room - (room / 2)));
    }
}

using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Dnabert;

/// <summary>
/// Rows of any length for a DNABERT, cut into windows of as many tokens as it has positions, uploaded for a forward pass. All rows have as
/// many windows as the longest one, as if they were padded to its length: so what a row is averaged over depends on its batch, as it does
/// in the published model's own class. Special tokens are not repeated: only a row's first window begins with [CLS].
/// </summary>
public sealed class WindowedBatch
{
    /// <summary>Uploads a batch.</summary>
    /// <param name="arena">Where it lives.</param>
    /// <param name="ids">The token ids of all rows, one after the other, special tokens included, without padding.</param>
    /// <param name="lengths">The number of tokens of each row, at least 1.</param>
    /// <param name="window">The tokens of a window.</param>
    /// <param name="pad">The id of padding.</param>
    /// <exception cref="ArgumentException">The lengths do not sum to the number of ids, or a row is empty.</exception>
    public WindowedBatch(Arena arena, ReadOnlySpan<int> ids, ReadOnlySpan<int> lengths, int window, int pad)
    {
        ArgumentNullException.ThrowIfNull(arena);
        ArgumentOutOfRangeException.ThrowIfLessThan(window, 1);
        int longest = 0, filled = 0;
        foreach (int length in lengths)
        {
            if (length < 1) throw new ArgumentException($"a row has {length} tokens; it has one at least", nameof(lengths));
            longest = Math.Max(longest, length);
            filled += Pieces(length, window);
        }

        int perRow = Pieces(longest, window), all = perRow * lengths.Length;
        int[] windows = new int[filled], order = new int[all], rows = new int[lengths.Length];
        Array.Fill(rows, perRow);
        int next = 0, nextOfPadding = filled, place = 0;
        foreach (int length in lengths)
        {
            for (int start = 0; start < perRow * window; start += window)
            {
                bool isFilled = start < length;
                order[place++] = isFilled ? next : nextOfPadding++;
                if (isFilled) windows[next++] = Math.Min(window, length - start);
            }
        }

        Windows = new Batch(arena, ids, windows);
        Rows = arena.RentCuSeqlens(rows);
        if (all == filled) return;
        int[] padding = new int[(all - filled) * window], full = new int[all - filled];
        Array.Fill(padding, pad);
        Array.Fill(full, window);
        Padding = new Batch(arena, padding, full);
        Order = arena.Rent(new Shape(all), DType.I32);
        arena.Backend.Upload<int>(order, Order);
    }

    /// <summary>The windows of a row: those of the longest one.</summary>
    internal CuSeqlens Rows { get; }

    /// <summary>The windows that hold tokens, row by row; the last of a row has what is left.</summary>
    internal Batch Windows { get; }

    /// <summary>The windows of nothing but padding, or null.</summary>
    internal Batch? Padding { get; }

    /// <summary>I32 [rows · windows]: where a row's windows are in <see cref="Windows"/> and, behind them, <see cref="Padding"/>.</summary>
    internal Tensor Order { get; }

    private static int Pieces(int length, int window) => (length + window - 1) / window;
}

using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Dnabert2;

/// <summary>What to say when a batch does not fit the memory of a GPU: how many tokens would.</summary>
internal static class BatchMemory
{
    // While an arena grows it holds up to twice what it uses: it grows by halves, and pieces end in gaps. The last may be a whole piece.
    private const double Growth = 2;
    private const long Piece = 1 << 20;

    // Counts of tokens are given in steps.
    private const int Step = 64, ProbeTokens = 128;

    /// <summary>The fault with the number of tokens that would fit, computed from what a few tokens of the batch take.</summary>
    /// <param name="fault">What has happened; it has left the arenas as they were.</param>
    /// <param name="tokens">The tokens of the batch.</param>
    /// <param name="lengths">The tokens of its sequences.</param>
    /// <param name="arenas">What the pass has filled; their memory is returned.</param>
    /// <param name="parameter">The parameter that bounds a batch.</param>
    /// <param name="pass">Runs the pass on the first so many sequences, in arenas of its own; returns the bytes that took.</param>
    public static DeviceMemoryException Explain(
        DeviceMemoryException fault, int tokens, ReadOnlySpan<int> lengths, ReadOnlySpan<Arena> arenas, string parameter,
        Func<int, long> pass)
    {
        long free = fault.FreeBytes;
        foreach (Arena arena in arenas)
        {
            free += arena.Bytes - Piece;
            arena.Dispose();
        }

        int sequences = 0, probed = 0;
        while (sequences < lengths.Length && (sequences == 0 || probed + lengths[sequences] <= ProbeTokens)) probed += lengths[sequences++];
        try
        {
            long fit = (long)(free / Growth / (pass(sequences) / (double)probed));
            fit = fit > Step ? fit / Step * Step : fit;
            if (fit >= probed && fit < tokens)
                return fault.With($"a batch of {tokens:N0} tokens does not fit, {fit:N0} would: {parameter} = {fit}");
        }
        catch (DeviceMemoryException)
        {
            // Not even the first sequence fits.
        }

        return fault.With(
            $"with the model in memory there is not enough left for a batch of {probed:N0} tokens; shorter "
            + "sequences need less, or use the CPU");
    }
}

using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2;

/// <summary>Packed token sequences, uploaded for a forward pass.</summary>
public readonly struct Batch
{
    /// <summary>Uploads a batch.</summary>
    /// <param name="arena">Where it lives.</param>
    /// <param name="ids">The token ids of all sequences, one after the other, special tokens included.</param>
    /// <param name="lengths">The number of tokens of each sequence.</param>
    /// <param name="typeIds">Token types, as many as ids; empty: all 0.</param>
    /// <param name="longestStep">See <see cref="Engine.Kernels.CuSeqlens"/>.</param>
    /// <exception cref="ArgumentException">The lengths do not sum to the number of ids.</exception>
    public Batch(Arena arena, ReadOnlySpan<int> ids, ReadOnlySpan<int> lengths, ReadOnlySpan<int> typeIds = default, int longestStep = 1)
    {
        ArgumentNullException.ThrowIfNull(arena);
        CuSeqlens = arena.RentCuSeqlens(lengths, longestStep);
        if (CuSeqlens.Tokens != ids.Length)
            throw new ArgumentException($"the lengths sum to {CuSeqlens.Tokens}, there are {ids.Length} ids");
        Ids = Upload(arena, ids);
        TypeIds = typeIds.IsEmpty ? default : Upload(arena, typeIds);
    }

    /// <summary>I32 [tokens].</summary>
    public Tensor Ids { get; }

    /// <summary>I32 [tokens], or absent.</summary>
    public Tensor TypeIds { get; }

    /// <summary>The borders of the sequences.</summary>
    public CuSeqlens CuSeqlens { get; }

    /// <summary>
    /// Of rows that were cut into windows, each of which is a sequence here, the windows of each row; absent where sequences are whole.
    /// </summary>
    internal CuSeqlens Windows { get; init; }

    /// <summary>Whether rows were cut into windows.</summary>
    internal bool IsCut => !Windows.Borders.IsAbsent;

    /// <summary>The rows: sequences, or what their windows make.</summary>
    internal int Rows => IsCut ? Windows.Sequences : CuSeqlens.Sequences;

    private static Tensor Upload(Arena arena, ReadOnlySpan<int> values)
    {
        Tensor tensor = arena.Rent(new Shape(values.Length), DType.I32);
        arena.Backend.Upload(values, tensor);
        return tensor;
    }
}

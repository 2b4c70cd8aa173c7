namespace Engine.Kernels;

/// <summary>What is applied to a matrix product's result while it is still in cache.</summary>
public enum Activation
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The exact (erf) GELU.</summary>
    Gelu,

    /// <summary>
    /// GEGLU: of a product of width 2·I the first half is activated and multiplied by the second,
    /// <c>y[:, j] = gelu(g[:, j]) · g[:, I + j]</c>. The weights are packed so that both halves meet in one tile.
    /// </summary>
    Geglu,

    /// <summary>SwiGLU: the same with SiLU, <c>y[:, j] = silu(g[:, j]) · g[:, I + j]</c>.</summary>
    Swiglu,
}

/// <summary>What activations have in common.</summary>
internal static class ActivationExtensions
{
    /// <summary>
    /// Whether the first half of the columns is activated and multiplied by the second. The weights of all such products are packed alike.
    /// </summary>
    public static bool IsGated(this Activation activation) => activation is Activation.Geglu or Activation.Swiglu;

    /// <exception cref="ArgumentException">The activation is not a gated one.</exception>
    public static void ExpectGated(this Activation activation)
    {
        if (!activation.IsGated())
            throw new ArgumentException($"activation is {activation}, expected {Activation.Geglu} or {Activation.Swiglu}");
    }
}

/// <summary>
/// The matrix product of a linear layer, <c>y[m, n] = f(Σₖ x[m, k] · w[n, k] + bias[n]) + residual[m, n]</c>, with f of
/// <see cref="Activation"/>. It equals the composite of product, bias, activation and sum; only rounding order differs.
///
/// The right factor is packed into panels that a tile of registers reads front to back, <c>[n / width][K][width]</c>, zero-padded at the
/// edge; the rows of the left one are read where they are. Orientation is a matter of packing alone, so the same loop serves <c>x·wᵀ</c>,
/// <c>x·w</c> and, with the left factor transposed, before or block by block, <c>xᵀ·w</c>. The blocking is that of Goto and van de Geijn,
/// "Anatomy of high-performance matrix multiplication" (2008): a strip of the left factor stays in L1, a group of right panels in L2; for
/// <c>xᵀ·w</c> with the larger factor on the left, a group of its strips.
/// </summary>
internal static partial class MatMul
{
    /// <summary>Steps of the reduction that are worked through at a time: a strip of 9 × 1024 words is 36 KB of the 48 KB L1.</summary>
    public const int DepthBlock = 1024;

    /// <summary>
    /// Words of right panels that a thread keeps in its L2 (393 KB of 1 MB), while as many are brought in that come next.
    /// </summary>
    public const int PanelGroupWords = 96 * DepthBlock;

    /// <summary>Strips worked on together when the reduction is deeper than one block.</summary>
    public const int StripGroup = 24;

    /// <summary>
    /// Rows of a left factor that are transposed together, and columns of the product for which they serve: with their partial sums and
    /// the panels they meet they fill L2.
    /// </summary>
    public const int TransposedRows = 72, TransposedColumns = 768;
}

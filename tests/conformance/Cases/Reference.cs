using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>The operations in float64, plain loops.</summary>
internal static class Reference
{
    /// <summary><c>x wᵀ</c>: [rows, depth] × [columns, depth] → [rows, columns].</summary>
    public static double[] MatMul(double[] x, double[] w, int rows, int columns, int depth)
    {
        var y = new double[rows * columns];
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++)
                for (int k = 0; k < depth; k++) y[(r * columns) + c] += x[(r * depth) + k] * w[(c * depth) + k];
        return y;
    }

    /// <summary>The function of an activation: of a gated one, that of its first half.</summary>
    public static double Activate(Activation activation, double x) => activation switch
    {
        Activation.Gelu or Activation.Geglu => Gelu(x),
        Activation.Swiglu => x / (1 + Math.Exp(-x)),
        _ => x,
    };

    /// <summary>z [rows, columns of the product] → [rows, width].</summary>
    public static double[] Activate(Activation activation, double[] z, int rows, int width)
    {
        if (!activation.IsGated()) return Array.ConvertAll(z, v => Activate(activation, v));
        return [.. Enumerable.Range(0, rows * width).Select(i => (Gate: (i / width * 2 * width) + (i % width), Width: width))
            .Select(at => Activate(activation, z[at.Gate]) * z[at.Gate + at.Width])];
    }

    public static double Gelu(double x) => 0.5 * x * Erfc(-x / Math.Sqrt(2));

    /// <summary>
    /// The complementary error function to 1e-15: the Taylor series of erf below 2.5, the continued fraction above.
    /// </summary>
    public static double Erfc(double x)
    {
        if (x < 0) return 2 - Erfc(-x);
        if (x < 2.5)
        {
            double term = x, sum = x;
            for (int n = 1; Math.Abs(term) > 1e-18 * Math.Abs(sum) && n < 200; n++)
            {
                term *= -x * x / n;
                sum += term / ((2 * n) + 1);
            }

            return 1 - (2 / Math.Sqrt(Math.PI) * sum);
        }

        double fraction = 0;
        for (int n = 120; n >= 1; n--) fraction = n / 2.0 / (x + fraction);
        return Math.Exp(-x * x) / (Math.Sqrt(Math.PI) * (x + fraction));
    }

    public static double[] LayerNorm(double[] x, double[] weight, double[] bias, double eps)
    {
        int width = weight.Length;
        var y = new double[x.Length];
        for (int start = 0; start < x.Length; start += width)
        {
            double mean = 0, variance = 0;
            for (int i = 0; i < width; i++) mean += x[start + i] / width;
            for (int i = 0; i < width; i++) variance += Math.Pow(x[start + i] - mean, 2) / width;
            for (int i = 0; i < width; i++) y[start + i] = ((x[start + i] - mean) / Math.Sqrt(variance + eps) * weight[i]) + bias[i];
        }

        return y;
    }

    /// <summary>Attention over packed sequences; returns the result [tokens, hidden] and the log-sum-exp [heads, tokens].</summary>
    public static (double[] Result, double[] LogSumExp) Attention<TMod>(
        double[] qkv, int[] lengths, int heads, int headSize, TMod mod, AttentionMask dropout = default)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int hidden = heads * headSize;
        return new ReferenceAttention(lengths, lengths, heads, headSize) { Dropout = dropout }.Run(Part(0), Part(1), Part(2), mod);

        double[] Part(int part) => [.. Enumerable.Range(0,
            qkv.Length / 3).Select(i => qkv[(i / hidden * 3 * hidden) + (part * hidden) + (i % hidden)])];
    }
}

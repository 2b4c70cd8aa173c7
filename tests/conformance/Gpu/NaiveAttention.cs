using Engine.Kernels;

namespace Conformance.Gpu;

/// <summary>
/// Attention and its gradient written down step by step, every matrix that a step leaves passing through a rounding: to 16 bits it is what
/// a program does that calls one operation after the other, without any it is the reference.
/// </summary>
internal sealed class NaiveAttention
{
    private readonly Func<double, double> _round;
    private readonly int _heads, _headSize, _tokens;
    private readonly AttentionMask _dropout;

    public NaiveAttention(int tokens, int heads, int headSize, Func<double, double>? round = null, AttentionMask dropout = default)
    {
        (_tokens, _heads, _headSize, _dropout) = (tokens, heads, headSize, dropout);
        _round = round ?? (v => v);
        (Y, LogSumExp, DQkv) = (new double[tokens * Hidden], new double[heads * tokens], new double[3 * tokens * Hidden]);
    }

    public double[] Y { get; }

    public double[] LogSumExp { get; }

    public double[] DQkv { get; }

    private int Hidden => _heads * _headSize;

    /// <summary>Computes all of it for sequences of these lengths.</summary>
    public void Run<TMod>(double[] qkv, double[] dy, int[] lengths, TMod mod)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int start = 0;
        for (int sequence = 0; sequence < lengths.Length; sequence++)
        {
            for (int head = 0; head < _heads; head++)
                Head(qkv, dy, start, lengths[sequence], head, TMod.ForSequence(TMod.ForHead(mod, head, _heads), sequence));
            start += lengths[sequence];
        }
    }

    private void Head<TMod>(double[] qkv, double[] dy, int start, int length, int head, TMod mod)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        double scale = 1 / Math.Sqrt(_headSize);
        double[,] q = Part(qkv, 3, 0), k = Part(qkv, 3, 1), v = Part(qkv, 3, 2), g = Part(dy, 1, 0);
        double[,] s = Product(q, k, transposed: true), scaled = Each(s, (i, j) => s[i, j] * scale);
        double[,] modified = Each(s, (i, j) => TMod.Score<Float64>(mod, scaled[i, j], i, j).Value);
        var exact = new double[length, length];
        for (int i = 0; i < length; i++)
        {
            double maximum = Enumerable.Range(0, length).Max(j => modified[i, j]), sum = 0;
            for (int j = 0; j < length; j++) sum += exact[i, j] = Math.Exp(modified[i, j] - maximum);
            for (int j = 0; j < length; j++) exact[i, j] /= sum;
            LogSumExp[(head * _tokens) + start + i] = maximum + Math.Log(sum);
        }

        double[,] p = Each(exact, (i, j) => exact[i, j]), factors = Factors(start, length, head), dp = Product(g, v, transposed: true);
        double[,] kept = Each(p, (i, j) => p[i, j] * factors[i, j]);
        dp = Each(dp, (i, j) => dp[i, j] * factors[i, j]);
        double[] delta = [.. Enumerable.Range(0, length).Select(i => Enumerable.Range(0, length).Sum(j => p[i, j] * dp[i, j]))];
        double[,] dModified = Each(p, (i, j) => p[i, j] * (dp[i, j] - delta[i]));
        double[,] ds = Each(p, (i, j) => dModified[i, j] * TMod.Derivative<Float64>(mod, scaled[i, j], i, j).Value * scale);
        Put(Y, 1, 0, Product(kept, v, transposed: false));
        Put(DQkv, 3, 0, Product(ds, k, transposed: false));
        Put(DQkv, 3, 1, Product(Turned(ds), q, transposed: false));
        Put(DQkv, 3, 2, Product(Turned(kept), g, transposed: false));

        int At(int parts, int part, int i, int d) => ((start + i) * parts * Hidden) + (part * Hidden) + (head * _headSize) + d;

        double[,] Part(double[] values, int parts, int part)
        {
            var m = new double[length, _headSize];
            for (int i = 0; i < length; i++)
                for (int d = 0; d < _headSize; d++) m[i, d] = values[At(parts, part, i, d)];
            return m;
        }

        void Put(double[] values, int parts, int part, double[,] m)
        {
            for (int i = 0; i < length; i++)
                for (int d = 0; d < _headSize; d++) values[At(parts, part, i, d)] = m[i, d];
        }
    }

    private double[,] Factors(int start, int length, int head)
    {
        var m = new double[length, length];
        for (int i = 0; i < length; i++)
            for (int j = 0; j < length; j++) m[i, j] = _dropout.IsActive ? _dropout.Factor(start, head, i, j) : 1;
        return m;
    }

    private double[,] Each(double[,] like, Func<int, int, double> value)
    {
        var m = new double[like.GetLength(0), like.GetLength(1)];
        for (int i = 0; i < m.GetLength(0); i++)
            for (int j = 0; j < m.GetLength(1); j++) m[i, j] = _round(value(i, j));
        return m;
    }

    private double[,] Product(double[,] a, double[,] b, bool transposed)
    {
        var m = new double[a.GetLength(0), b.GetLength(transposed ? 0 : 1)];
        for (int i = 0; i < m.GetLength(0); i++)
            for (int j = 0; j < m.GetLength(1); j++)
            {
                double sum = 0;
                for (int d = 0; d < a.GetLength(1); d++) sum += a[i, d] * (transposed ? b[j, d] : b[d, j]);
                m[i, j] = _round(sum);
            }

        return m;
    }

    private static double[,] Turned(double[,] a)
    {
        var m = new double[a.GetLength(1), a.GetLength(0)];
        for (int i = 0; i < m.GetLength(0); i++)
            for (int j = 0; j < m.GetLength(1); j++) m[i, j] = a[j, i];
        return m;
    }
}

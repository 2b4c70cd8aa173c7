using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Rotary positions of the first heads of rows of so many, into another tensor or in place.</summary>
internal sealed class RotaryCase(int[] lengths, int rotated, int heads, int headSize, bool inPlace, bool inverse = false)
    : OpCase($"rotary {string.Join("+", lengths)} tokens, {rotated} of {heads} heads of {headSize}{(inPlace ? " in place" : "")}"
        + (inverse ? ", inverse" : ""))
{
    private readonly int _tokens = lengths.Sum(), _width = heads * headSize;
    private double[]? _x;

    public override double Bytes => 8.0 * _tokens * _width;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor x = Upload(backend, rent, X(), _tokens, _width), y = inPlace ? x : rent(x.Shape, DType.F32);
        Tensor table = Rotary.Table(arena, Math.Max(lengths.Max(), 1), headSize);
        CuSeqlens cuSeqlens = arena.RentCuSeqlens(lengths);
        return (() => backend.Run(new ApplyRotary(x, cuSeqlens, table, rotated, inverse, y)), [y]);
    }

    protected override double[][] Reference() => [Rotated(X(), lengths, rotated, headSize, inverse)];

    /// <summary>The definition in plain loops: x [tokens, heads · headSize], of which the first heads are rotated.</summary>
    public static double[] Rotated(double[] x, int[] lengths, int rotated, int headSize, bool inverse = false)
    {
        var y = (double[])x.Clone();
        int half = headSize / 2, width = lengths.Sum() == 0 ? 0 : x.Length / lengths.Sum(), row = 0;
        foreach (int length in lengths)
        {
            for (int position = 0; position < length; position++, row++)
                for (int head = 0; head < rotated; head++)
                    for (int i = 0; i < half; i++)
                    {
                        double angle = (inverse ? -1 : 1) * position / Math.Pow(10000, 2.0 * i / headSize);
                        int at = (row * width) + (head * headSize) + i;
                        y[at] = (x[at] * Math.Cos(angle)) - (x[at + half] * Math.Sin(angle));
                        y[at + half] = (x[at + half] * Math.Cos(angle)) + (x[at] * Math.Sin(angle));
                    }
        }

        return y;
    }

    private double[] X() => _x ??= Normal(_tokens * _width);
}

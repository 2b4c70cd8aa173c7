using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Learned positions added to rows, into another tensor or in place.</summary>
internal sealed class PositionsCase(int[] lengths, int width, bool inPlace)
    : OpCase($"positions {string.Join("+", lengths)}×{width}{(inPlace ? " in place" : "")}")
{
    private readonly int _tokens = lengths.Sum(), _positions = lengths.Max() + 1;
    private (double[] X, double[] Table)? _inputs;

    public override double Bytes => 12.0 * _tokens * width;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor x = Upload(backend, rent, Inputs().X, _tokens, width), y = inPlace ? x : rent(x.Shape, DType.F32);
        Tensor table = Upload(backend, rent, Inputs().Table, _positions, width);
        CuSeqlens cuSeqlens = arena.RentCuSeqlens(lengths);
        return (() => backend.Run(new AddPositions(x, cuSeqlens, table, y)), [y]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] table) = Inputs();
        var y = new List<double>();
        foreach (int length in lengths)
            for (int position = 0; position < length; position++)
                for (int i = 0; i < width; i++) y.Add(x[y.Count] + table[(position * width) + i]);
        return [[.. y]];
    }

    private (double[] X, double[] Table) Inputs() => _inputs ??= (Normal(_tokens * width), Normal(_positions * width));
}

/// <summary>ESM's token dropout, into another tensor or in place; every third token is a mask.</summary>
internal sealed class TokenDropoutCase(int[] lengths, int width, bool inPlace)
    : OpCase($"token dropout {string.Join("+", lengths)}×{width}{(inPlace ? " in place" : "")}")
{
    private const int Mask = 2;
    private readonly int[] _ids = [.. Enumerable.Range(0, lengths.Sum()).Select(t => t % 3)];
    private double[]? _x;

    public override double Bytes => 8.0 * _ids.Length * width;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor x = Upload(backend, rent, X(), _ids.Length, width), y = inPlace ? x : rent(x.Shape, DType.F32);
        Tensor ids = rent(new Shape(_ids.Length), DType.I32);
        backend.Upload<int>(_ids, ids);
        CuSeqlens cuSeqlens = arena.RentCuSeqlens(lengths);
        return (() => backend.Run(new ApplyTokenDropout(x, ids, cuSeqlens, Mask, y)), [y]);
    }

    protected override double[][] Reference() => [Scaled(X(), _ids, lengths, Mask)];

    /// <summary>The definition in plain loops.</summary>
    public static double[] Scaled(double[] x, int[] ids, int[] lengths, int mask)
    {
        int width = ids.Length == 0 ? 0 : x.Length / ids.Length, start = 0;
        var y = new double[x.Length];
        foreach (int length in lengths)
        {
            double masks = ids.Skip(start).Take(length).Count(id => id == mask);
            for (int t = start; t < start + length; t++)
                for (int i = 0; i < width; i++)
                    y[(t * width) + i] = ids[t] == mask ? 0 : x[(t * width) + i] * 0.88 / (1 - (masks / length));
            start += length;
        }

        return y;
    }

    private double[] X() => _x ??= Normal(_ids.Length * width);
}

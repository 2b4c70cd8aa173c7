using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>ESM's token dropout.</summary>
internal sealed class TokenDropoutCases : OperationSuite
{
    private static readonly int[] TapeLengths = [2, 0, 4], MaskedIds = [0, 1, 0, 1, 1, 0];

    public override IEnumerable<OpCase> Sizes
    {
        get
        {
            foreach (int n in Lengths)
            {
                yield return new TokenDropoutCase([n], 3, inPlace: n % 2 == 1);
                if (n > 0) yield return new TokenDropoutCase([2, 0, 3], n, inPlace: n % 3 == 1);
            }
        }
    }

    public override IEnumerable<OpCase> GpuSizes =>
        from rows in (int[])[0, 1, 7, 9]
        from width in (int[])[8, 24, 768, 1024, 1032]
        select new TokenDropoutCase([rows, 0, 3], width, inPlace: rows == 9);

    public override IEnumerable<BackendRun> Runs =>
        from lengths in Batches
        from width in (int[])[40, 13]
        select new BackendRun($"token dropout {string.Join("+", lengths)}×{width} beside the CPU", i =>
        {
            Tensor ids = i.Integers([.. Enumerable.Range(0, lengths.Sum()).Select(t => t % 3)]), y = i.Empty(lengths.Sum(), width);
            i.Backend.Run(new ApplyTokenDropout(i.Normal(lengths.Sum(), width), ids, i.Arena.RentCuSeqlens(lengths), mask: 1, y));
            return [i.Read(y)];
        });

    public override IEnumerable<OperationCase> OnTape => BothPlaces(
        "TokenDropout", "some masks", _ =>
        {
            var dropout = new TokenDropout(mask: 1);
            return (
                (inputs, x) => dropout.Forward(inputs.Tape, x[0], inputs.Integers(MaskedIds), inputs.Borders(TapeLengths)),
                (inputs, x) => dropout.ForwardInPlace(inputs.Tape, x[0], inputs.Integers(MaskedIds), inputs.Borders(TapeLengths)));
        },
        (x, _, _) => TokenDropoutCase.Scaled(x[0], MaskedIds, TapeLengths, mask: 1), rows: 6);

    public override void Launch(KernelLaunches on)
    {
        foreach (int width in on.Widths)
        {
            Tensor x = on.Numbers(on.Rows, width), ids = on.Integers(on.Rows);
            on.Run(new ApplyTokenDropout(x, ids, on.Borders(on.Rows - 1, 1), mask: 1, on.Numbers(on.Rows, width)));
        }
    }
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

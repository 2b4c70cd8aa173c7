using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Rotary positions.</summary>
internal sealed class RotaryCases : OperationSuite
{
    private static readonly int[] TapeLengths = [2, 0, 4];

    public override IEnumerable<OpCase> Sizes
    {
        get
        {
            foreach (int n in Lengths)
            {
                yield return new RotaryCase([n], rotated: 2, heads: 3, headSize: 8, inPlace: n % 2 == 0, inverse: n % 4 < 2);
                if (n > 0)
                    yield return new RotaryCase(
                        [2, 0, 3], rotated: 2, heads: 2 + (n % 2), headSize: 2 * n, inPlace: n % 3 == 0, inverse: n % 2 == 0);
            }
        }
    }

    public override IEnumerable<OpCase> GpuSizes
    {
        get
        {
            foreach (int headSize in (int[])[2, 10, 64])
            {
                foreach (bool inPlace in (bool[])[false, true])
                {
                    yield return new RotaryCase([7, 0, 65, 1], rotated: 8, heads: 12, headSize, inPlace);
                    yield return new RotaryCase([3], rotated: 2, heads: 2, headSize, inPlace, inverse: true);
                }
            }
        }
    }

    public override IEnumerable<OpCase> NarrowSizes =>
        new[] { false, true }.Select(inPlace => new RotaryCase([7, 0, 65], rotated: 4, heads: 6, headSize: 16, inPlace));

    public override IEnumerable<OperationCase> OnTape => BothPlaces(
        "Rotary", "q and k of a packed qkv", owner =>
        {
            var rotary = new Rotary(Rotary.Table(owner.Own(new Arena(owner.Set.Backend)), positions: 4, headSize: 4), heads: 4);
            return ((inputs, x) => rotary.Forward(inputs.Tape, x[0], inputs.Borders(TapeLengths)),
                (inputs, x) => rotary.ForwardInPlace(inputs.Tape, x[0], inputs.Borders(TapeLengths)));
        },
        (x, _, _) => RotaryCase.Rotated(x[0], TapeLengths, rotated: 4, headSize: 4), rows: 6, width: 24);

    public override void Launch(KernelLaunches on)
    {
        foreach (int headSize in (int[])[32, 64])
        {
            Tensor qkv = on.Numbers(16, 6 * headSize);
            on.Run(new ApplyRotary(qkv, on.Borders(7, 9), on.Floats(9, headSize), 4, inverse: false, qkv));
        }
    }
}

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

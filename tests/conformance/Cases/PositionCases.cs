using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Learned positions.</summary>
internal sealed class PositionCases : OperationSuite
{
    private static readonly int[] TapeLengths = [2, 0, 4];

    public override IEnumerable<OpCase> Sizes
    {
        get
        {
            foreach (int n in Lengths)
            {
                yield return new PositionsCase([n], 3, inPlace: n % 2 == 0);
                if (n > 0) yield return new PositionsCase([2, 0, 3], n, inPlace: n % 3 == 0);
            }
        }
    }

    public override IEnumerable<OpCase> GpuSizes =>
        from rows in (int[])[0, 1, 7, 9]
        from width in (int[])[8, 24, 768, 1024, 1032]
        select new PositionsCase([rows, 0, 3], width, inPlace: rows == 7);

    public override IEnumerable<BackendRun> Runs =>
        from lengths in Batches
        from width in (int[])[40, 13]
        select new BackendRun($"positions and their gradient {string.Join("+", lengths)}×{width}", i =>
        {
            CuSeqlens borders = i.Arena.RentCuSeqlens(lengths);
            Tensor x = i.Normal(lengths.Sum(), width), y = i.Empty(lengths.Sum(), width), table = i.Normal(lengths.Max() + 1, width),
                dtable = i.Normal(lengths.Max() + 1, width);
            i.Backend.Run(new AddPositions(x, borders, table, y));
            i.Backend.Run(new AddPositionsBackward(x, borders, dtable));
            return [i.Read(y), i.Read(dtable)];
        });

    public override IEnumerable<OperationCase> OnTape => BothPlaces(
        "PositionEmbedding", "from the third row on", owner =>
        {
            PositionEmbedding positions = PositionEmbedding.Declare(owner.Set, "position", rows: 7, width: 7, first: 2);
            return ((inputs, x) => positions.Forward(inputs.Tape, x[0], inputs.Borders(TapeLengths)),
                (inputs, x) => positions.ForwardInPlace(inputs.Tape, x[0], inputs.Borders(TapeLengths)));
        },
        (x, p, _) =>
        {
            int[] rows = Array.ConvertAll(PositionsCase.Places(TapeLengths), place => place + 2);
            return [.. x[0].Zip(EmbeddingCases.Picked(p[0], rows, 7), (v, position) => v + position)];
        },
        rows: 6);

    public override void Launch(KernelLaunches on)
    {
        foreach (int width in on.Widths)
        {
            CuSeqlens borders = on.Borders(on.Rows - 1, 1);
            Tensor x = on.Numbers(on.Rows, width), y = on.Numbers(on.Rows, width);
            on.Run(new AddPositions(x, borders, on.Numbers(on.Rows, width), y));
            on.Run(new AddPositionsBackward(y, borders, on.Floats(on.Rows, width)));
        }
    }
}

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

    /// <summary>The place of each token in its sequence.</summary>
    public static int[] Places(int[] lengths) => [.. lengths.SelectMany(length => Enumerable.Range(0, length))];

    private (double[] X, double[] Table) Inputs() => _inputs ??= (Normal(_tokens * width), Normal(_positions * width));
}

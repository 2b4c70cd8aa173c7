using Engine.Autograd;
using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>Rows that are picked, put below each other, or summed.</summary>
internal sealed class GatherCases : OperationSuite
{
    public override IEnumerable<BackendRun> Runs => Rows.Select(size => new BackendRun($"rows {size.Rows}×{size.Width}", i =>
    {
        (int rows, int width) = size;
        int[] order = [.. Enumerable.Range(0, rows).Reverse()];
        Tensor x = i.Normal(rows, width), y = i.Empty(rows, width), z = i.Normal(rows, width), sums = i.Normal(width);
        i.Backend.Run(new GatherRowsForward(x, i.Integers(order), y));
        i.Backend.Run(new GatherRowsBackward(x, i.Integers(order), z));
        i.Backend.Run(new SumRows(x, sums));
        return [i.Read(y), i.Read(z), i.Read(sums)];
    }));

    public override IEnumerable<OperationCase> OnTape
    {
        get
        {
            yield return new OperationCase("ConcatRows.Forward", "", (2, 7), (4, 7))
            {
                Declare = _ => (inputs, x) => ConcatRows.Instance.Forward(inputs.Tape, x[0], x[1]),
                Like = -1,
                Reference = (x, _, _) => [.. x[0], .. x[1]],
            };
            yield return new OperationCase("GatherRows.Forward", "some rows", (6, 7))
            {
                Declare = _ => (inputs, x) => GatherRows.Instance.Forward(inputs.Tape, x[0], inputs.Integers(5, 0, 3)),
                Like = -1,
                Reference = (x, _, _) => EmbeddingCases.Picked(x[0], [5, 0, 3], 7),
            };
        }
    }

    public override void Launch(KernelLaunches on)
    {
        foreach (int width in on.Widths)
        {
            Tensor x = on.Numbers(on.Rows, width), table = on.Numbers(4, width), indices = on.Integers(on.Rows);
            on.Run(new GatherRowsForward(table, indices, x));
            on.Run(new GatherRowsBackward(x, indices, table));
            on.Run(new SumRows(x, on.Floats(width)));
        }

        on.Run(new LastRows(on.Borders(7, 9), on.Integers(2)));
    }
}

using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>The cross-entropy of classes.</summary>
internal sealed class CrossEntropyCases : OperationSuite
{
    public override IEnumerable<OpCase> Sizes
    {
        get
        {
            foreach (int n in Lengths)
            {
                yield return new CrossEntropyCase(n, 3, weighted: n % 2 == 1);
                if (n > 0) yield return new CrossEntropyCase(3, n);
            }
        }
    }

    public override IEnumerable<OpCase> GpuSizes =>
    [
        .. from rows in (int[])[0, 1, 7, 9]
           from width in (int[])[8, 24, 768, 1024, 1032]
           select new CrossEntropyCase(rows, width),
        .. new[] { 1, 2, 3, 17, 300 }.Select(classes => new CrossEntropyCase(3, classes, weighted: classes % 2 == 0)),
    ];

    public override IEnumerable<OpCase> NarrowSizes => new[] { 8, 768, 1024, 1032 }.Select(width => new CrossEntropyCase(3, width));

    public override IEnumerable<BackendRun> Runs =>
        Rows.Select(size => new BackendRun($"cross-entropy gradient {size.Rows}×{size.Width}", i =>
        {
            (int rows, int width) = size;
            Tensor logits = i.Normal(rows, width),
                labels = i.Integers([.. Enumerable.Range(0, rows).Select(r => r % 4 == 3 ? -1 : r % width)]);
            i.Backend.Run(new CrossEntropyBackward(logits, labels, i.Normal(rows), i.Number(0.25f), logits));
            return [i.Read(logits)];
        }));

    public override IEnumerable<OperationCase> OnTape
    {
        get
        {
            int[] labels = [2, -1, 4, 0];
            float[] weights = [0.5f, 3, 2, 1];
            foreach (bool inPlace in (bool[])[false, true])
            {
                yield return new OperationCase(inPlace ? "CrossEntropy.ForwardInPlace" : "CrossEntropy.Forward", "weighted", (4, 5))
                {
                    Declare = _ => (inputs, x) => inPlace
                        ? CrossEntropy.Instance.ForwardInPlace(
                            inputs.Tape, x[0], inputs.Integers(labels), inputs.Scale(), inputs.Numbers([4], weights))
                        : CrossEntropy.Instance.Forward(
                            inputs.Tape, x[0], inputs.Integers(labels), inputs.Scale(), inputs.Numbers([4], weights)),
                    Reference = (x, _, _) => [.. labels.Select((label, r) => label < 0 ? 0
                        : weights[r] * (Math.Log(x[0].Skip(r * 5).Take(5).Sum(Math.Exp)) - x[0][(r * 5) + label]))],
                    IsLoss = true,
                    GradientInPlace = inPlace ? 0 : -1,
                };
            }
        }
    }

    public override void Launch(KernelLaunches on)
    {
        foreach (int width in on.Widths)
        {
            Tensor x = on.Numbers(on.Rows, width), labels = on.Integers(on.Rows);
            on.Run(new CrossEntropyForward(x, labels, default, on.Floats(on.Rows)));
            on.Run(new CrossEntropyBackward(x, labels, default, on.Floats(1), on.Numbers(on.Rows, width)));
        }
    }
}

/// <summary>The cross-entropy of each row; the label of row 0 is ignored.</summary>
internal sealed class CrossEntropyCase(int rows, int classes, bool weighted = false)
    : OpCase($"cross-entropy {rows}×{classes}{(weighted ? " weighted" : "")}")
{
    private (double[] Logits, double[] Labels, double[] Weights)? _inputs;

    public override double Bytes => 4.0 * rows * classes;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] logits, double[] labels, double[] weights) = Inputs();
        Tensor tl = Upload(backend, rent, logits, rows, classes), ty = UploadIntegers(backend, rent, labels),
            losses = rent(new Shape(rows), DType.F32);
        Tensor tw = weighted ? Upload(backend, rent, weights, rows) : default;
        return (() => backend.Run(new CrossEntropyForward(tl, ty, tw, losses)), [losses]);
    }

    protected override double[][] Reference()
    {
        (double[] logits, double[] labels, double[] weights) = Inputs();
        var losses = new double[rows];
        for (int r = 0; r < rows; r++)
            if (labels[r] >= 0)
                losses[r] = (weighted ? weights[r] : 1)
                    * (Math.Log(logits.Skip(r * classes).Take(classes).Sum(Math.Exp)) - logits[(r * classes) + (int)labels[r]]);
        return [losses];
    }

    private (double[] Logits, double[] Labels, double[] Weights) Inputs()
    {
        if (_inputs is { } made) return made;
        double[] logits = Normal(rows * classes, 4), labels = Integers(rows, classes), weights = Normal(rows);
        if (rows > 0) labels[0] = -1;
        return (_inputs = (logits, labels, weights)).Value;
    }
}

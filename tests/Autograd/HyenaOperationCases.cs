using Engine.Autograd;

namespace Tests.Autograd;

/// <summary>The operations of Hyena.</summary>
internal static class HyenaOperationCases
{
    private static readonly int[] Lengths = [4, 0, 1, 7];

    public static IReadOnlyList<OperationCase> All { get; } = [.. Elements(), .. Convolutions()];

    private static IEnumerable<OperationCase> Elements()
    {
        foreach (bool inPlace in (bool[])[false, true])
        {
            yield return new OperationCase(inPlace ? "Sine.ForwardInPlace" : "Sine.Forward", "", (5, 7))
            {
                Declare = owner =>
                {
                    Sine sine = Sine.Declare(owner.Set, "s", 7);
                    return (inputs, x) => inPlace ? sine.ForwardInPlace(inputs.Tape, x[0]) : sine.Forward(inputs.Tape, x[0]);
                },
                Reference = (x, p, _) => [.. x[0].Select((v, i) => Math.Sin(p[0][i % 7] * v))],
                InPlace = inPlace ? 0 : -1,
            };
            yield return new OperationCase(inPlace ? "FilterDecay.ForwardInPlace" : "FilterDecay.Forward", "", (5, 7))
            {
                Declare = _ =>
                {
                    var decay = new FilterDecay(longest: 9);
                    return (inputs, x) => inPlace ? decay.ForwardInPlace(inputs.Tape, x[0]) : decay.Forward(inputs.Tape, x[0]);
                },
                Reference = (x, _, _) => [.. x[0].Select((v, i) => v * (Math.Exp(-(i / 7) / 8.0 * Decay(i % 7, 7)) + 0.05))],
                InPlace = inPlace ? 0 : -1,
            };
        }

        yield return new OperationCase("ColumnProduct.Forward", "of two matrices", (5, 7), (5, 4))
        {
            Declare = _ => (inputs, x) => new ColumnProduct(2, 0, 4).Forward(inputs.Tape, x[0], x[1]),
            Reference = (x, _, _) => [.. x[1].Select((v, i) => v * x[0][(i / 4 * 7) + 2 + (i % 4)])],
        };
        yield return new OperationCase("ColumnProduct.Forward", "of one matrix", (5, 7))
        {
            Declare = _ => (inputs, x) => new ColumnProduct(4, 1, 3).Forward(inputs.Tape, x[0], x[0]),
            Like = -1,
            Reference = (x, _, _) =>
                [.. Enumerable.Range(0, 15).Select(i => x[0][(i / 3 * 7) + 4 + (i % 3)] * x[0][(i / 3 * 7) + 1 + (i % 3)])],
        };
    }

    private static IEnumerable<OperationCase> Convolutions()
    {
        foreach (int width in (int[])[1, 3])
        {
            yield return new OperationCase("ShortConvolution.Forward", $"{width} positions", (12, 5))
            {
                Declare = owner =>
                {
                    ShortConvolution convolution = ShortConvolution.Declare(owner.Set, "c", 5, width);
                    return (inputs, x) => convolution.Forward(inputs.Tape, x[0], inputs.Borders(Lengths));
                },
                Reference = (x, p, _) => Sum(5, (start, t, c) => p[1][c] + Enumerable.Range(0, width).Sum(j =>
                    t - width + 1 + j < start ? 0 : p[0][(c * width) + j] * x[0][((t - width + 1 + j) * 5) + c])),
            };
        }

        yield return new OperationCase("LongConvolution.Forward", "several lengths", (8, 5), (12, 5))
        {
            Declare = owner =>
            {
                LongConvolution convolution = LongConvolution.Declare(owner.Set, "c", 5);
                return (inputs, x) => convolution.Forward(inputs.Tape, x[1], x[0], inputs.Borders(Lengths));
            },
            Reference = (x, p, _) => Sum(5, (start, t, c) => (p[0][c] * x[1][(t * 5) + c])
                + Enumerable.Range(0, t - start + 1).Sum(tau => x[0][(tau * 5) + c] * x[1][((t - tau) * 5) + c])),
        };
    }

    /// <summary>The sums at each token and channel, given the start of the sequence.</summary>
    private static double[] Sum(int channels, Func<int, int, int, double> at)
    {
        var y = new List<double>();
        int start = 0;
        foreach (int length in Lengths)
        {
            for (int t = start; t < start + length; t++)
                for (int c = 0; c < channels; c++) y.Add(at(start, t, c));
            start += length;
        }

        return [.. y];
    }

    private static double Decay(int channel, int channels) =>
        -Math.Log(0.01) * ((1 / 1.5) + ((1 / 0.3) - (1 / 1.5)) * channel / (channels - 1));
}

using Engine.Autograd;

namespace Tests.Autograd;

/// <summary>The operations of convolutional networks.</summary>
internal static class ConvolutionOperationCases
{
    public static IReadOnlyList<OperationCase> All { get; } = [.. Activations(), .. Layers()];

    private static IEnumerable<OperationCase> Activations()
    {
        foreach (bool inPlace in (bool[])[false, true])
        {
            yield return Activation(
                "Relu", inPlace, (tape, x) => inPlace ? Relu.Instance.ForwardInPlace(tape, x) : Relu.Instance.Forward(tape, x),
                v => Math.Max(v, 0));
            yield return Activation(
                "Sigmoid", inPlace, (tape, x) => inPlace ? Sigmoid.Instance.ForwardInPlace(tape, x) : Sigmoid.Instance.Forward(tape, x),
                v => 1 / (1 + Math.Exp(-v)));
            yield return Activation(
                "GeluTanh", inPlace, (tape, x) => inPlace ? GeluTanh.Instance.ForwardInPlace(tape, x) : GeluTanh.Instance.Forward(tape, x),
                v => 0.5 * v * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (v + (0.044715 * v * v * v)))));
        }
    }

    private static OperationCase Activation(
        string name, bool inPlace, Func<Tape, Variable, Variable> run, Converter<double, double> function) =>
        new($"{name}.{(inPlace ? "ForwardInPlace" : "Forward")}", "", (5, 7))
        {
            Declare = _ => (inputs, x) => run(inputs.Tape, x[0]),
            Reference = (x, _, _) => Array.ConvertAll(x[0], function),
            InPlace = inPlace ? 0 : -1,
        };

    private static IEnumerable<OperationCase> Layers()
    {
        yield return new OperationCase("TokenEmbedding.Forward", "repeated ids")
        {
            Declare = owner =>
            {
                TokenEmbedding embedding = TokenEmbedding.Declare(owner.Set, "e", vocabulary: 5, width: 7);
                return (inputs, _) => embedding.Forward(inputs.Tape, inputs.Integers(3, 1, 3, 0));
            },
            Reference = (_, p, _) => [.. new[] { 3, 1, 3, 0 }.SelectMany(id => p[0].Skip(id * 7).Take(7))],
        };
        foreach ((int length, int inputs, int outputs, int width) in ((int, int, int, int)[])[(7, 3, 5, 3), (4, 2, 1, 4), (5, 1, 2, 1)])
        {
            yield return new OperationCase("Convolution.Forward", $"{outputs} windows of {width} over {length}", (3 * length, inputs))
            {
                Declare = owner =>
                {
                    Convolution convolution = Convolution.Declare(owner.Set, "c", inputs, outputs, width, length);
                    return (given, x) => convolution.Forward(given.Tape, x[0]);
                },
                Like = -1,
                Reference = (x, p, _) => Convolved(x[0], p[0], p[1], length, inputs, width),
            };
        }

        foreach ((int length, int width) in ((int, int)[])[(6, 2), (7, 2), (5, 3), (4, 1)])
        {
            yield return new OperationCase("MaxPool.Forward", $"{width} of {length}", (3 * length, 5))
            {
                Declare = _ => (inputs, x) => new MaxPool(length, width).Forward(inputs.Tape, x[0]),
                Like = -1,
                Reference = (x, _, _) => Pooled(x[0], length, width, channels: 5),
            };
        }

        yield return new OperationCase("FlattenChannels.Forward", "", (2 * 3, 4))
        {
            Declare = _ => (inputs, x) => new FlattenChannels(3).Forward(inputs.Tape, x[0]),
            Like = -1,
            Reference = (x, _, _) => [.. Enumerable.Range(0, 24).Select(i => x[0][(i / 12 * 12) + (i % 3 * 4) + (i % 12 / 3)])],
        };
        foreach (bool inPlace in (bool[])[false, true])
        {
            yield return new OperationCase(inPlace ? "BatchNorm.ForwardInPlace" : "BatchNorm.Forward", "", (9, 5))
            {
                Declare = owner =>
                {
                    BatchNorm norm = BatchNorm.Declare(owner.Set, "norm", 5, 1e-3f);
                    return (inputs, x) => inPlace ? norm.ForwardInPlace(inputs.Tape, x[0]) : norm.Forward(inputs.Tape, x[0]);
                },
                Reference = (x, p, _) => Normalised(x[0], p[0], p[1], 1e-3f),
                InPlace = inPlace ? 0 : -1,
                Draws = true,
            };
        }
    }

    private static double[] Convolved(double[] x, double[] weight, double[] bias, int length, int inputs, int width)
    {
        int batch = x.Length / length / inputs, positions = length - width + 1, outputs = bias.Length;
        var y = new double[batch * positions * outputs];
        for (int i = 0; i < y.Length; i++)
        {
            int o = i % outputs, row = i / outputs, start = (row / positions * length) + (row % positions);
            y[i] = bias[o];
            for (int c = 0; c < inputs; c++)
                for (int j = 0; j < width; j++) y[i] += weight[(((o * inputs) + c) * width) + j] * x[((start + j) * inputs) + c];
        }

        return y;
    }

    private static double[] Pooled(double[] x, int length, int width, int channels)
    {
        int batch = x.Length / length / channels, positions = length / width;
        return [.. Enumerable.Range(0, batch * positions * channels).Select(i =>
        {
            int row = i / channels, start = (row / positions * length) + (row % positions * width);
            return Enumerable.Range(start, width).Max(r => x[(r * channels) + (i % channels)]);
        })];
    }

    private static double[] Normalised(double[] x, double[] weight, double[] bias, double epsilon)
    {
        int channels = weight.Length;
        var y = new double[x.Length];
        for (int c = 0; c < channels; c++)
        {
            double[] column = [.. x.Where((_, i) => i % channels == c)];
            double mean = column.Average(), variance = column.Average(v => (v - mean) * (v - mean));
            for (int r = 0; r < column.Length; r++)
                y[(r * channels) + c] = ((column[r] - mean) / Math.Sqrt(variance + epsilon) * weight[c]) + bias[c];
        }

        return y;
    }
}

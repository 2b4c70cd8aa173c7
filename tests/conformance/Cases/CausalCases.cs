using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>
/// The long convolution over packed sequences and all its gradients, which are added where there is an odd number of tokens.
/// </summary>
internal sealed class LongConvolutionCase(int[] lengths, int channels, int positions)
    : OpCase($"long convolution {string.Join("+", lengths)} tokens, {channels} channels, {positions} positions")
{
    private readonly int _tokens = lengths.Sum();
    private double[][]? _inputs;

    private bool Accumulate => _tokens % 2 == 1;

    public override double Flops => 30.0 * _tokens * channels * Math.Log2(Math.Max(2, lengths.Max()));

    public override double Bytes => 4.0 * channels * ((2 * _tokens) + positions);

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        double[][] inputs = Inputs();
        Tensor x = Upload(backend, rent, inputs[0], _tokens, channels), dy = Upload(backend, rent, inputs[1], _tokens, channels),
            filter = Upload(backend, rent, inputs[3], positions, channels), skip = Upload(backend, rent, inputs[5], channels);
        Tensor y = rent(x.Shape, DType.F32), dx = rent(x.Shape, DType.F32), dfilter = rent(filter.Shape, DType.F32),
            dskip = rent(skip.Shape, DType.F32);
        float[][] before = [.. new[] { 2, 4, 6 }.Select(i => Array.ConvertAll(inputs[i], v => (float)v))];
        CuSeqlens borders = arena.RentCuSeqlens(lengths);
        return (() =>
        {
            backend.Upload<float>(before[0], dx);
            backend.Upload<float>(before[1], dfilter);
            backend.Upload<float>(before[2], dskip);
            backend.Run(new LongConvolutionForward(x, borders, filter, skip, y));
            backend.Run(new LongConvolutionBackward(x, dy, borders, filter, skip, Accumulate, dfilter, dskip, Accumulate, dx));
        }, [y, dx, dfilter, dskip]);
    }

    protected override double[][] Reference()
    {
        double[][] inputs = Inputs();
        double[] x = inputs[0], dy = inputs[1], filter = inputs[3], skip = inputs[5], y = new double[x.Length],
            dx = Accumulate ? [.. inputs[2]] : new double[x.Length], dfilter = Accumulate ? [.. inputs[4]] : new double[filter.Length],
            dskip = [.. inputs[6]];
        int start = 0;
        foreach (int length in lengths)
        {
            for (int t = start; t < start + length; t++)
            {
                for (int c = 0; c < channels; c++)
                {
                    int i = (t * channels) + c;
                    y[i] = skip[c] * x[i];
                    dx[i] += skip[c] * dy[i];
                    dskip[c] += dy[i] * x[i];
                    for (int tau = 0; tau <= t - start; tau++)
                    {
                        int source = ((t - tau) * channels) + c, k = (tau * channels) + c;
                        y[i] += filter[k] * x[source];
                        dx[source] += filter[k] * dy[i];
                        dfilter[k] += dy[i] * x[source];
                    }
                }
            }

            start += length;
        }

        return [y, dx, dfilter, dskip];
    }

    private double[][] Inputs() => _inputs ??=
    [
        Normal(_tokens * channels), Normal(_tokens * channels), Normal(_tokens * channels),
        Normal(positions * channels, 1 / Math.Sqrt(positions)), Normal(positions * channels), Normal(channels), Normal(channels),
    ];
}

/// <summary>The short convolution over packed sequences and its gradients.</summary>
internal sealed class ShortConvolutionCase(int[] lengths, int channels, int width)
    : OpCase($"short convolution {string.Join("+", lengths)} tokens, {channels} channels, {width} positions")
{
    private readonly int _tokens = lengths.Sum();
    private double[][]? _inputs;

    private bool Accumulate => _tokens % 2 == 1;

    public override double Bytes => 20.0 * channels * _tokens;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        double[][] inputs = Inputs();
        Tensor x = Upload(backend, rent, inputs[0], _tokens, channels), dy = Upload(backend, rent, inputs[1], _tokens, channels),
            weight = Upload(backend, rent, inputs[3], channels, 1, width), bias = Upload(backend, rent, inputs[5], channels);
        Tensor y = rent(x.Shape, DType.F32), dx = rent(x.Shape, DType.F32), dweight = rent(weight.Shape, DType.F32);
        float[] before = Array.ConvertAll(inputs[2], v => (float)v), weightBefore = Array.ConvertAll(inputs[4], v => (float)v);
        CuSeqlens borders = arena.RentCuSeqlens(lengths);
        return (() =>
        {
            backend.Upload<float>(before, dx);
            backend.Upload<float>(weightBefore, dweight);
            backend.Run(new ShortConvolutionForward(x, borders, weight, bias, y));
            backend.Run(new ShortConvolutionBackward(x, dy, borders, weight, dweight, Accumulate, dx));
        }, [y, dx, dweight]);
    }

    protected override double[][] Reference()
    {
        double[][] inputs = Inputs();
        double[] x = inputs[0], dy = inputs[1], weight = inputs[3], y = new double[x.Length],
            dx = Accumulate ? [.. inputs[2]] : new double[x.Length], dweight = [.. inputs[4]];
        int start = 0;
        foreach (int length in lengths)
        {
            for (int i = start * channels; i < (start + length) * channels; i++)
            {
                int c = i % channels;
                y[i] = inputs[5][c];
                for (int j = 0; j < width; j++)
                {
                    int source = i - ((width - 1 - j) * channels);
                    if (source < start * channels) continue;
                    y[i] += weight[(c * width) + j] * x[source];
                    dx[source] += weight[(c * width) + j] * dy[i];
                    dweight[(c * width) + j] += dy[i] * x[source];
                }
            }

            start += length;
        }

        return [y, dx, dweight];
    }

    private double[][] Inputs() => _inputs ??=
    [
        Normal(_tokens * channels), Normal(_tokens * channels), Normal(_tokens * channels), Normal(channels * width),
        Normal(channels * width), Normal(channels),
    ];
}

/// <summary>The sine with frequencies, the product of columns and what makes Hyena's filter, with their gradients.</summary>
internal sealed class FilterCase(int rows, int channels) : OpCase($"filter {rows}×{channels}")
{
    private const int Longest = 300;
    private double[][]? _inputs;

    public override double Bytes => 40.0 * rows * channels;

    // Of the sums over rows; an argument of 30 is known to 1e-6 in floats.
    public override double Tolerance => 1e-5;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        double[][] inputs = Inputs();
        Tensor x = Upload(backend, rent, inputs[0], rows, channels), dy = Upload(backend, rent, inputs[1], rows, channels),
            frequency = Upload(backend, rent, inputs[2], 1, channels), wide = Upload(backend, rent, inputs[3], rows, (2 * channels) + 1);
        Tensor sine = rent(x.Shape, DType.F32), dx = rent(x.Shape, DType.F32), dfrequency = rent(frequency.Shape, DType.F32);
        Tensor product = rent(x.Shape, DType.F32), decayed = rent(x.Shape, DType.F32), z = rent(new Shape(rows, 7), DType.F32);
        float[] zeros = new float[channels];
        return (() =>
        {
            backend.Upload<float>(zeros, dfrequency);
            backend.Run(new SineForward(x, frequency, sine));
            backend.Run(new SineBackward(x, dy, frequency, dfrequency, accumulate: false, dx));
            backend.Run(new MultiplyColumns(new(wide, 1), new(wide, channels + 1), channels, accumulate: false, new(product, 0)));
            backend.Run(new MultiplyColumns(new(x, 0), new(dy, 0), channels, accumulate: true, new(product, 0)));
            backend.Run(new ApplyFilterDecay(x, Longest, accumulate: false, decayed));
            backend.Run(new ApplyFilterDecay(dy, Longest, accumulate: true, decayed));
            backend.Run(new FilterPositions(Longest, z));
        }, [sine, dx, dfrequency, product, decayed, z]);
    }

    protected override double[][] Reference()
    {
        double[][] inputs = Inputs();
        double[] x = inputs[0], dy = inputs[1], a = inputs[2], wide = inputs[3], dfrequency = new double[channels];
        for (int i = 0; i < x.Length; i++) dfrequency[i % channels] += dy[i] * x[i] * Math.Cos(a[i % channels] * x[i]);
        return
        [
            [.. x.Select((v, i) => Math.Sin(a[i % channels] * v))],
            [.. x.Select((v, i) => dy[i] * a[i % channels] * Math.Cos(a[i % channels] * v))],
            dfrequency,
            [.. x.Select((v, i) =>
            {
                int row = i / channels * ((2 * channels) + 1), c = i % channels;
                return (wide[row + 1 + c] * wide[row + channels + 1 + c]) + (v * dy[i]);
            })],
            [.. x.Select((v, i) =>
            {
                double slow = -Math.Log(0.01) / 1.5, fast = -Math.Log(0.01) / 0.3;
                double delta = slow + (channels == 1 ? 0 : (fast - slow) * (i % channels) / (channels - 1));
                return (v + dy[i]) * (Math.Exp(-(i / channels) / (Longest - 1.0) * delta) + 0.05);
            })],
            [.. Enumerable.Range(0, rows * 7).Select(i =>
            {
                int position = i / 7, column = i % 7;
                double frequency = 1e-4 + ((column - 1) % 3 * (2 - 1e-4) / 2), angle = 2 * Math.PI * position / Longest * frequency;
                return column == 0 ? position / (Longest - 1.0) : column <= 3 ? Math.Cos(angle) : -Math.Sin(angle);
            })],
        ];
    }

    private double[][] Inputs() => _inputs ??=
        [Normal(rows * channels), Normal(rows * channels), Normal(channels, 5), Normal(rows * ((2 * channels) + 1))];
}

/// <summary>The sizes of causal convolutions.</summary>
internal static class CausalCases
{
    public static IEnumerable<OpCase> Small()
    {
        for (int n = 1; n <= 130; n++)
        {
            int channels = 1 + (n * 7 % 37);
            yield return new LongConvolutionCase(n % 3 == 0 ? [n, 0, 1, n] : n % 3 == 1 ? [n] : [3, n], channels, Math.Max(n, 3) + (n % 4));
            yield return new ShortConvolutionCase([n, 0, 2], channels, 1 + (n % 5));
            yield return new FilterCase(n, channels);
        }

        foreach (int length in (int[])[255, 256, 257, 320, 384, 385, 513, 700])
            yield return new LongConvolutionCase([length, 9], 5, length);
        yield return new ShortConvolutionCase([700], 19, 3);
        yield return new FilterCase(300, 20);
    }

    /// <summary>Few and small enough to be interpreted, around the blocks of the kernels.</summary>
    public static IEnumerable<OpCase> Gpu()
    {
        yield return new LongConvolutionCase([5, 0, 12], 3, 13);
        yield return new LongConvolutionCase([130], 2, 130);
        yield return new LongConvolutionCase([3, 4], 257, 4);
        yield return new ShortConvolutionCase([7, 0, 1, 300], 3, 3);
        yield return new ShortConvolutionCase([3], 258, 2);
        yield return new FilterCase(7, 5);
        yield return new FilterCase(270, 2);
    }
}

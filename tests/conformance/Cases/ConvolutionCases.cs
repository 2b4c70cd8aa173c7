using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>The windows of a convolution and their gradient, which is added where the length is odd.</summary>
internal sealed class UnfoldCase(int batch, int length, int channels, int width)
    : OpCase($"unfold {batch}×{length}×{channels}, windows of {width}")
{
    private readonly int _windows = length - width + 1;
    private (double[] X, double[] Dy, double[] Dx)? _inputs;

    public override double Bytes => 8.0 * batch * channels * (length + (_windows * width));

    public override double Tolerance => 1e-6;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] x, double[] dy, double[] dx) = Inputs();
        Tensor tx = Upload(backend, rent, x, batch * length, channels), tdy = Upload(backend, rent, dy, batch * _windows, channels * width);
        Tensor y = rent(tdy.Shape, DType.F32), tdx = rent(tx.Shape, DType.F32);
        float[] before = Array.ConvertAll(dx, v => (float)v);
        return (() =>
        {
            backend.Upload<float>(before, tdx);
            backend.Run(new Unfold(tx, length, width, y));
            backend.Run(new Fold(tdy, length, width, length % 2 == 1, tdx));
        }, [y, tdx]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] dy, double[] before) = Inputs();
        var y = new double[batch * _windows * channels * width];
        double[] dx = length % 2 == 1 ? [.. before] : new double[x.Length];
        for (int i = 0; i < y.Length; i++)
        {
            int j = i % width, c = i / width % channels, row = i / width / channels;
            int source = (((row / _windows * length) + (row % _windows) + j) * channels) + c;
            y[i] = x[source];
            dx[source] += dy[i];
        }

        return [y, dx];
    }

    private (double[] X, double[] Dy, double[] Dx) Inputs() => _inputs ??=
        (Normal(batch * length * channels), Normal(batch * _windows * channels * width), Normal(batch * length * channels));
}

/// <summary>The maximum over stretches and its gradient, with equal elements among them; added where the length is odd.</summary>
internal sealed class MaxPoolCase(int batch, int length, int channels, int width)
    : OpCase($"max pool {batch}×{length}×{channels}, stretches of {width}")
{
    private readonly int _positions = length / width;
    private (double[] X, double[] Dy, double[] Dx)? _inputs;

    public override double Bytes => 4.0 * batch * channels * (length + _positions);

    public override double Tolerance => 0;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] x, double[] dy, double[] dx) = Inputs();
        Tensor tx = Upload(backend, rent, x, batch * length, channels), tdy = Upload(backend, rent, dy, batch * _positions, channels);
        Tensor y = rent(tdy.Shape, DType.F32), tdx = rent(tx.Shape, DType.F32);
        float[] before = Array.ConvertAll(dx, v => (float)v);
        return (() =>
        {
            backend.Upload<float>(before, tdx);
            backend.Run(new MaxPoolForward(tx, length, width, y));
            backend.Run(new MaxPoolBackward(tx, tdy, length, width, length % 2 == 1, tdx));
        }, [y, tdx]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] dy, double[] before) = Inputs();
        double[] y = new double[batch * _positions * channels], dx = length % 2 == 1 ? [.. before] : new double[x.Length];
        for (int i = 0; i < y.Length; i++)
        {
            int c = i % channels, row = i / channels, first = (row / _positions * length) + (row % _positions * width), best = first;
            for (int r = first; r < first + width; r++) best = x[(r * channels) + c] > x[(best * channels) + c] ? r : best;
            y[i] = x[(best * channels) + c];
            dx[(best * channels) + c] = (float)(dx[(best * channels) + c] + dy[i]);
        }

        return [y, dx];
    }

    private (double[] X, double[] Dy, double[] Dx) Inputs() => _inputs ??=
        (Integers(batch * length * channels, 4), Normal(batch * _positions * channels), Normal(batch * length * channels));
}

/// <summary>Batch normalisation in both forms, its gradients, and the running statistics.</summary>
internal sealed class BatchNormCase(int rows, int channels, bool accumulate)
    : OpCase($"batch norm {rows}×{channels}{(accumulate ? ", added" : "")}")
{
    private const float Epsilon = 1e-5f, Momentum = 0.1f;
    private double[][]? _inputs;

    public override double Bytes => 36.0 * rows * channels;

    public override double Tolerance => 1e-5;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        double[][] inputs = Inputs();
        Tensor x = Upload(backend, rent, inputs[0], rows, channels), dy = Upload(backend, rent, inputs[1], rows, channels);
        Tensor[] columns = [.. inputs.Skip(3).Select(values => Upload(backend, rent, values, channels))];
        var norm = new Norm(columns[0], columns[1], Epsilon);
        Tensor y = rent(x.Shape, DType.F32), z = rent(x.Shape, DType.F32), dx = rent(x.Shape, DType.F32),
            statistics = rent(new Shape(3, channels), DType.F32);
        float[] before = Array.ConvertAll(inputs[2], v => (float)v);
        float[][] kept = [.. inputs.Skip(3).Select(values => Array.ConvertAll(values, v => (float)v))];
        return (() =>
        {
            backend.Upload<float>(before, dx);
            for (int i = 2; i < columns.Length; i++) backend.Upload<float>(kept[i], columns[i]);
            backend.Run(new BatchNormForward(x, norm, statistics, y));
            backend.Run(new BatchNormInference(x, norm, columns[2], columns[3], z));
            backend.Run(new BatchNormBackward(x, dy, norm.Weight, statistics, Epsilon, columns[4], columns[5], accumulate, dx));
            backend.Run(new RunningStatistics(statistics, Momentum, columns[2], columns[3]));
        }, [y, z, dx, columns[2], columns[3], columns[4], columns[5]]);
    }

    protected override double[][] Reference()
    {
        double[][] inputs = Inputs();
        double[] x = inputs[0], dy = inputs[1], y = new double[x.Length], z = new double[x.Length],
            dx = accumulate ? [.. inputs[2]] : new double[x.Length];
        double[] weight = inputs[3], bias = inputs[4], mean = [.. inputs[5]], variance = [.. inputs[6]], dweight = [.. inputs[7]],
            dbias = [.. inputs[8]];
        for (int c = 0; c < channels; c++)
        {
            int[] column = [.. Enumerable.Range(0, rows).Select(r => (r * channels) + c)];
            double batchMean = column.Average(i => x[i]), squares = column.Sum(i => Math.Pow(x[i] - batchMean, 2));
            double scale = 1 / Math.Sqrt((squares / rows) + Epsilon), running = 1 / Math.Sqrt(variance[c] + Epsilon);
            double sum = column.Sum(i => dy[i]), product = column.Sum(i => dy[i] * (x[i] - batchMean) * scale);
            foreach (int i in column)
            {
                double normal = (x[i] - batchMean) * scale;
                y[i] = (normal * weight[c]) + bias[c];
                z[i] = ((x[i] - mean[c]) * running * weight[c]) + bias[c];
                dx[i] += weight[c] * scale * (dy[i] - (sum / rows) - (normal * product / rows));
            }

            dweight[c] += product;
            dbias[c] += sum;
            mean[c] += Momentum * (batchMean - mean[c]);
            variance[c] += Momentum * ((squares / (rows - 1)) - variance[c]);
        }

        return [y, z, dx, mean, variance, dweight, dbias];
    }

    private double[][] Inputs() => _inputs ??=
    [
        Normal(rows * channels, 2), Normal(rows * channels), Normal(rows * channels), Normal(channels), Normal(channels), Normal(channels),
        Array.ConvertAll(Normal(channels), v => (double)(float)(0.5 + (v * v))), Normal(channels), Normal(channels),
    ];
}

/// <summary>Transposed matrices, added where there is an odd number of rows.</summary>
internal sealed class TransposeCase(int batch, int rows, int columns) : OpCase($"transpose {batch}×{rows}×{columns}")
{
    private (double[] X, double[] Y)? _inputs;

    public override double Bytes => 8.0 * batch * rows * columns;

    public override double Tolerance => 1e-7;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] x, double[] y) = Inputs();
        Tensor tx = Upload(backend, rent, x, batch * rows, columns), ty = rent(new Shape(batch, rows * columns), DType.F32);
        float[] before = Array.ConvertAll(y, v => (float)v);
        return (() =>
        {
            backend.Upload<float>(before, ty);
            backend.Run(new TransposeMatrices(tx, rows, columns, rows % 2 == 1, ty));
        }, [ty]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] before) = Inputs();
        return [[.. before.Select((v, i) =>
        {
            int matrix = i / (rows * columns), c = i / rows % columns, r = i % rows;
            return (rows % 2 == 1 ? v : 0) + x[(((matrix * rows) + r) * columns) + c];
        })]];
    }

    private (double[] X, double[] Y) Inputs() => _inputs ??= (Normal(batch * rows * columns), Normal(batch * rows * columns));
}

/// <summary>The sizes of convolutional networks.</summary>
internal static class ConvolutionCases
{
    /// <summary>Every length, in batches of several channels.</summary>
    public static IEnumerable<OpCase> Small()
    {
        for (int n = 1; n <= 70; n++)
        {
            int width = 1 + (n % Math.Min(n, 9));
            yield return new UnfoldCase(1 + (n % 3), n, 1 + (n * 5 % 23), width);
            yield return new MaxPoolCase(1 + (n % 4), n, 1 + (n * 7 % 19), 1 + (n % 4));
            yield return new BatchNormCase(1 + n, 1 + (n * 11 % 37), accumulate: n % 2 == 1);
            yield return new TransposeCase(1 + (n % 3), n, 1 + (n * 3 % 17));
        }
    }

    /// <summary>Few and small enough to be interpreted, around the blocks of the kernels.</summary>
    public static IEnumerable<OpCase> Gpu()
    {
        yield return new UnfoldCase(2, 9, 5, 8);
        yield return new UnfoldCase(1, 40, 3, 3);
        yield return new MaxPoolCase(3, 7, 11, 2);
        yield return new MaxPoolCase(1, 100, 4, 3);
        foreach (int rows in (int[])[2, 33, 300]) yield return new BatchNormCase(rows, 3, accumulate: rows == 33);
        yield return new BatchNormCase(5, 257, accumulate: false);
        yield return new TransposeCase(2, 7, 20);
        yield return new TransposeCase(1, 16, 17);
    }
}

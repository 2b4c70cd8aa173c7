using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Batch normalisation.</summary>
internal sealed class BatchNormCases : OperationSuite
{
    public override IEnumerable<OpCase> Sizes =>
        Enumerable.Range(1, 70).Select(n => new BatchNormCase(1 + n, 1 + (n * 11 % 37), accumulate: n % 2 == 1));

    public override IEnumerable<OpCase> GpuSizes =>
    [
        .. new[] { 2, 33, 300 }.Select(rows => new BatchNormCase(rows, 3, accumulate: rows == 33)),
        new BatchNormCase(5, 257, accumulate: false),
    ];

    public override IEnumerable<OperationCase> OnTape => BothPlaces(
        "BatchNorm", "", owner =>
        {
            BatchNorm norm = BatchNorm.Declare(owner.Set, "norm", 5, 1e-3f);
            return ((inputs, x) => norm.Forward(inputs.Tape, x[0]), (inputs, x) => norm.ForwardInPlace(inputs.Tape, x[0]));
        },
        (x, p, _) => Normalised(x[0], p[0], p[1], 1e-3f), rows: 9, width: 5).Select(c => c with { Draws = true });

    public override void Launch(KernelLaunches on)
    {
        const int Channels = 5;
        Tensor x = on.Floats(18, Channels), row = on.Floats(Channels), statistics = on.Floats(3, Channels);
        var norm = new Norm(row, row, 1e-5f);
        on.Run(new BatchNormForward(x, norm, statistics, x));
        on.Run(new BatchNormInference(x, norm, row, row, x));
        on.Run(new BatchNormBackward(x, x, row, statistics, 1e-5f, row, row, accumulate: false, x));
        on.Run(new RunningStatistics(statistics, 0.1f, row, row));
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

using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Autograd;

/// <summary>
/// Holds the gradients of an operation against central differences of its float64 reference. A new operation is checked by giving its
/// inputs, its reference and its forward method; see docs/adding-an-op.md.
/// </summary>
internal sealed class GradientCheck : IDisposable
{
    private const double Step = 1e-5;
    private const ulong Seed = 5;
    private const uint Pass = 3;
    private readonly Arena _activations, _gradients;
    private readonly List<(string Name, double[] Values, Func<float[]> Gradient)> _inputs = [];
    private uint _draws;

    public GradientCheck(Backend backend, bool recompute = false)
    {
        Backend = backend;
        (_activations, _gradients) = (new Arena(backend), new Arena(backend));
        Tape = Tape.ForTraining(_activations, _gradients, recompute);
        Tape.Reset(Seed, Pass);
        Parameters = new ParameterSet(backend);
    }

    public Backend Backend { get; }

    public Tape Tape { get; }

    public Arena Arena => _activations;

    public ParameterSet Parameters { get; }

    /// <summary>The random stream of a site.</summary>
    public Philox Random(int site) => new(Seed, Pass, (uint)site);

    /// <summary>An operand of normal deviates, whose gradient is checked.</summary>
    public (Variable Variable, double[] Values) Input(string name, int rows, int width, double deviation = 1)
    {
        double[] values = Normal(rows * width, deviation);
        Tensor tensor = Tape.Rent(rows, width);
        Backend.Upload<float>(Array.ConvertAll(values, v => (float)v), tensor);
        Variable variable = Tape.Track(tensor);
        _inputs.Add((name, values, () => Read(Tape.GradientOf(variable), values.Length)));
        return (variable, values);
    }

    /// <summary>Fills the declared parameters; their gradients are checked. Returns their values by order of declaration.</summary>
    public double[][] Fill()
    {
        var all = new List<double[]>();
        Parameters.FillFlat((parameter, _, destination) =>
        {
            double[] values = Normal(destination.Length, 0.5);
            for (int i = 0; i < values.Length; i++) destination[i] = (float)values[i];
            all.Add(values);
            if (parameter.IsFrozen) return;
            _inputs.Add((parameter.Name, values, () => Read(parameter.Gradient, values.Length)));
        });
        Parameters.AllocateGradients();
        return [.. all];
    }

    /// <summary>Integers as a tensor.</summary>
    public Tensor Integers(params int[] values)
    {
        Tensor tensor = _activations.Rent(new Shape(values.Length), DType.I32);
        Backend.Upload<int>(values, tensor);
        return tensor;
    }

    /// <summary>Constants as a tensor.</summary>
    public Tensor Numbers(ReadOnlySpan<int> extents, params float[] values)
    {
        Tensor tensor = _activations.Rent(new Shape(extents), DType.F32);
        Backend.Upload<float>(values, tensor);
        return tensor;
    }

    /// <summary>
    /// Compares y with the reference, runs backward from it with a random gradient, and compares that with central differences.
    /// </summary>
    public void Compare(Variable y, Func<double[]> reference, double tolerance = 2e-5)
    {
        double[] values = reference();
        float[] computed = Read(y.Data, values.Length);
        double scale = Math.Max(1, values.Max(Math.Abs));
        for (int i = 0; i < values.Length; i++)
            if (!(Math.Abs(values[i] - computed[i]) <= 5e-6 * scale))
                Assert.Fail($"element {i} of the result is {computed[i]:R}, expected {values[i]:R}");

        double[] weights = Normal((int)y.Data.Count, 1);
        Tensor dy = Tape.RentGradient(y.Data.Shape, DType.F32);
        Backend.Upload<float>(Array.ConvertAll(weights, v => (float)v), dy);
        Compare(() => Tape.Backward(y, dy), () => reference().Zip(weights, (v, w) => v * w).Sum(), tolerance);
    }

    /// <summary>Runs the given backward pass and compares with central differences of the loss.</summary>
    public void Compare(Action backward, Func<double> loss, double tolerance = 2e-5)
    {
        backward();
        foreach ((string name, double[] values, Func<float[]> gradient) in _inputs)
        {
            float[] actual = gradient();
            double[] expected = new double[values.Length];
            for (int i = 0; i < values.Length; i++) expected[i] = Difference(values, i, loss);
            double scale = Math.Max(1, expected.Max(Math.Abs));
            for (int i = 0; i < values.Length; i++)
                if (!(Math.Abs(expected[i] - actual[i]) <= tolerance * scale))
                    Assert.Fail($"gradient of {name}[{i}] is {actual[i]:R}, central difference {expected[i]:R}");
        }
    }

    public void Dispose()
    {
        Parameters.Dispose();
        _activations.Dispose();
        _gradients.Dispose();
        Backend.Dispose();
    }

    private static double Difference(double[] values, int i, Func<double> loss)
    {
        double kept = values[i];
        values[i] = kept + Step;
        double above = loss();
        values[i] = kept - Step;
        double below = loss();
        values[i] = kept;
        return (above - below) / (2 * Step);
    }

    private float[] Read(Tensor gradient, int count)
    {
        var values = new float[count];
        if (!gradient.IsAbsent) Backend.Download<float>(gradient, values);
        return values;
    }

    private double[] Normal(int count, double deviation)
    {
        var values = new float[count];
        new Philox(11, 0, _draws++).FillNormal(values, (float)deviation);
        return Array.ConvertAll(values, v => (double)v);
    }
}

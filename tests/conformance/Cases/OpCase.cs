using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Gives a case the tensors it wants: from an arena, or each in guarded memory.</summary>
public delegate Tensor Rent(Shape shape, DType dtype);

/// <summary>
/// One operation at one size: inputs, a run through a <see cref="Backend"/>, and the float64 reference in plain loops. The same object
/// serves the conformance tests of every backend and SIMD form, and the benchmark.
/// </summary>
public abstract class OpCase(string name)
{
    private readonly List<double[]> _inputs = [];
    private double[][]? _expected;

    /// <summary>Operation and size, for people.</summary>
    public string Name { get; } = name;

    /// <summary>Floating-point operations of one run.</summary>
    public virtual double Flops => 0;

    /// <summary>Bytes that one run must read and write at least.</summary>
    public virtual double Bytes => 0;

    /// <summary>The largest error allowed, relative to the largest magnitude of the reference (at least 1).</summary>
    public virtual double Tolerance => 3e-6;

    /// <summary>Uploads the inputs; the result runs the operation as often as called.</summary>
    public abstract (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent);

    /// <summary>The outputs in float64, computed once.</summary>
    public double[][] Expected => _expected ??= Reference();

    /// <summary>The outputs in float64, in plain loops.</summary>
    protected abstract double[][] Reference();

    public override string ToString() => Name;

    /// <summary>Normal deviates that are exact in float32, the same at every call.</summary>
    protected double[] Normal(int count, double deviation = 1)
    {
        var values = new float[count];
        new Philox(42, 0, (uint)_inputs.Count).FillNormal(values, (float)deviation);
        double[] input = Array.ConvertAll(values, v => (double)v);
        _inputs.Add(input);
        return input;
    }

    /// <summary>Uniform integers below a bound.</summary>
    protected double[] Integers(int count, int bound)
    {
        var random = new Philox(43, 0, (uint)_inputs.Count);
        var input = new double[count];
        for (int i = 0; i < count; i++) input[i] = random.Word((ulong)i) % (uint)bound;
        _inputs.Add(input);
        return input;
    }

    protected static Tensor Upload(Backend backend, Rent rent, double[] values, params ReadOnlySpan<int> extents)
    {
        Tensor tensor = rent(new Shape(extents), DType.F32);
        backend.Upload<float>(Array.ConvertAll(values, v => (float)v), tensor);
        return tensor;
    }

    protected static Tensor UploadIntegers(Backend backend, Rent rent, double[] values)
    {
        Tensor tensor = rent(new Shape(values.Length), DType.I32);
        backend.Upload<int>(Array.ConvertAll(values, v => (int)v), tensor);
        return tensor;
    }
}

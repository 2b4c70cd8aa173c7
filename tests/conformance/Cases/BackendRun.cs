using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>
/// One operation without a case of its own, the gradients above all, at one size: inputs that are the same on every backend, and results
/// that are compared between two. On the CPU the gradients are held against central differences of the float64 reference.
/// </summary>
internal sealed class BackendRun(string name, Func<BackendRun.Inputs, float[][]> run)
{
    /// <summary>Operation and size, for people.</summary>
    public string Name => name;

    /// <summary>Results of a backend.</summary>
    public float[][] On(Backend backend)
    {
        using var inputs = new Inputs(backend);
        return run(inputs);
    }

    /// <exception cref="CheckFailedException">Two backends differ by more than 5e-6 of the largest magnitude, at least 1.</exception>
    public void Compare(Backend expected, Backend actual)
    {
        float[][] e = On(expected), a = On(actual);
        for (int i = 0; i < e.Length; i++) Check.NearRelative(Array.ConvertAll(e[i], v => (double)v), a[i], 5e-6, $"{name}, output {i}");
    }

    public override string ToString() => name;

    /// <summary>Operands on a backend.</summary>
    internal sealed class Inputs(Backend backend) : IDisposable
    {
        private uint _draws;

        public Backend Backend => backend;

        public Arena Arena { get; } = new(backend);

        public Tensor Normal(params ReadOnlySpan<int> extents)
        {
            Tensor tensor = Arena.Rent(new Shape(extents), DType.F32);
            var values = new float[tensor.Count];
            new Philox(21, 0, _draws++).FillNormal(values, 1);
            // Exact in bf16, so that both forms of a kernel are given the same.
            for (int i = 0; i < values.Length; i++) values[i] = (float)(BFloat16)values[i];
            backend.Upload<float>(values, tensor);
            return tensor;
        }

        public Tensor Integers(params int[] values)
        {
            Tensor tensor = Arena.Rent(new Shape(values.Length), DType.I32);
            backend.Upload<int>(values, tensor);
            return tensor;
        }

        public Tensor Number(float value)
        {
            Tensor tensor = Arena.Rent(new Shape(1), DType.F32);
            backend.Upload<float>([value], tensor);
            return tensor;
        }

        public Tensor Numbers(AdamWStep step)
        {
            Tensor tensor = Arena.Rent(new Shape(AdamWStep.Count), DType.F32);
            backend.Upload<AdamWStep>([step], tensor);
            return tensor;
        }

        public Tensor Doubles(params double[] values)
        {
            Tensor tensor = Arena.Rent(new Shape(values.Length), DType.F64);
            backend.Upload<double>(values, tensor);
            return tensor;
        }

        public float[] ReadDoubles(Tensor tensor)
        {
            var values = new double[tensor.Count];
            backend.Download<double>(tensor, values);
            return Array.ConvertAll(values, v => (float)v);
        }

        public Tensor Empty(params ReadOnlySpan<int> extents) => Arena.Rent(new Shape(extents), DType.F32);

        public float[] Read(Tensor tensor)
        {
            var values = new float[tensor.Count];
            backend.Download<float>(tensor, values);
            return values;
        }

        public void Dispose() => Arena.Dispose();
    }
}

using Conformance.Cases;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

internal sealed partial class BFloat16Checks
{
    private TensorCoreProducts Products => new(device, ProductTable.Default);

    /// <summary>Shapes that end within a tile, on its border and past it.</summary>
    public static readonly (int Rows, int Columns, int Depth)[] OddShapes = [(1, 8, 8), (129, 136, 72), (70, 264, 328), (3, 128, 64)];

    /// <summary>A product on tensor cores with what is done to its sums, against the float64 reference.</summary>
    /// <param name="kernel">The product.</param>
    /// <param name="form">How it is computed.</param>
    /// <param name="shape">Rows, columns (of either part) and depth.</param>
    /// <param name="optional">Whether there are bias and residual, where they may be absent.</param>
    public void Product(ProductKernel kernel, ProductForm form, (int Rows, int Columns, int Depth) shape, bool optional)
    {
        (int rows, int columns, int depth) = shape;
        int outputs = kernel.Parts * columns;
        bool forward = kernel.Kind == ProductKind.Forward;
        double[] x = Normal(rows * depth, 1), w = Normal(outputs * depth, 1 / Math.Sqrt(depth)), b = optional && forward ? Normal(outputs, 1) : [];
        double[] residual = optional ? Normal(rows * columns, 1) : [];
        nint y = Allocate(2L * rows * columns);
        device.Enter();
        Products.Launch(kernel, form, new(
            Elements(x), Elements(w), Elements(b), Elements(residual), new(y, (long)rows * columns), rows, columns, depth));
        double[] sums = Reference.MatMul(x, forward ? w : Transposed(w, depth, outputs), rows, outputs, depth);
        for (int i = 0; i < sums.Length && b.Length > 0; i++) sums[i] += b[i % outputs];
        Near(Finished(kernel, sums, residual, columns), y);
    }

    /// <summary>Two forms of a product agree on a GPU to the rounding of results: what is checked before a form is timed.</summary>
    public void Agree(ProductKernel kernel, ProductForm form, (int Rows, int Columns, int Depth) shape)
    {
        (int rows, int columns, int depth) = shape;
        int outputs = kernel.Parts * columns;
        DeviceElements x = Elements(Normal(rows * depth, 1)), w = Elements(Normal(outputs * depth, 1 / Math.Sqrt(depth)));
        float[] expected = Run(ProductForm.Mma), actual = Run(form);
        for (int i = 0; i < expected.Length; i++)
            Check.Near(expected[i], actual[i], (2 * Rounding * Math.Abs(expected[i])) + 1e-4, $"{form.Name} beside {ProductForm.Mma.Name}, element {i}");

        float[] Run(ProductForm by)
        {
            nint y = Allocate(2L * rows * columns);
            device.Enter();
            Products.Launch(kernel, by, new(x, w, default, default, new(y, (long)rows * columns), rows, columns, depth));
            var bits = new BFloat16[rows * columns];
            device.Download(y, System.Runtime.InteropServices.MemoryMarshal.AsBytes(bits.AsSpan()));
            return Array.ConvertAll(bits, v => (float)v);
        }
    }

    private static double[] Finished(ProductKernel kernel, double[] sums, double[] residual, int columns)
    {
        int outputs = kernel.Parts * columns;
        return [.. Enumerable.Range(0, sums.Length / kernel.Parts).Select(i =>
        {
            double first = sums[(i / columns * outputs) + (i % columns)];
            if (kernel == ProductKernel.Gelu) first = Reference.Gelu(first);
            if (kernel.Parts == 2) first = Reference.Gelu(first) * sums[(i / columns * outputs) + columns + (i % columns)];
            return first + (residual.Length > 0 ? residual[i] : 0);
        })];
    }

    private DeviceElements Elements(double[] values) =>
        values.Length == 0 ? default : new(Upload(Array.ConvertAll(values, v => (BFloat16)(float)v)), values.Length);
}

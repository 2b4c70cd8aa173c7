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
    /// <param name="bias">Whether there is a bias, where the product may have one.</param>
    /// <param name="residual">Whether there is a residual.</param>
    public void Product(ProductKernel kernel, ProductForm form, (int Rows, int Columns, int Depth) shape, bool bias, bool residual)
    {
        (int rows, int columns, int depth) = shape;
        int outputs = kernel.Parts * columns;
        bool forward = kernel.Kind == ProductKind.Forward;
        double[] x = Normal(rows * depth, 1), w = Normal(outputs * depth, 1 / Math.Sqrt(depth));
        double[] b = bias && forward ? Normal(outputs, 1) : [];
        double[] added = residual ? Normal(rows * columns, 1) : [];
        Tensor y = _memory.Rent(DType.BF16, rows, columns);
        Products.Launch(kernel, form, new()
        {
            Left = Narrow(x),
            Right = Narrow(w),
            Bias = Narrow(b),
            Residual = Narrow(added),
            Y = y,
            Rows = rows,
            Columns = columns,
            Depth = depth,
        });
        double[] sums = Reference.MatMul(x, forward ? w : Transposed(w, depth, outputs), rows, outputs, depth);
        for (int i = 0; i < sums.Length && b.Length > 0; i++) sums[i] += b[i % outputs];
        Near(Finished(kernel, sums, added, columns), y);
    }

    /// <summary>Two forms of a product agree on a GPU to the rounding of results: what is checked before a form is timed.</summary>
    public void Agree(ProductKernel kernel, ProductForm form, (int Rows, int Columns, int Depth) shape)
    {
        (int rows, int columns, int depth) = shape;
        int outputs = kernel.Parts * columns;
        Tensor x = Narrow(Normal(rows * depth, 1)), w = Narrow(Normal(outputs * depth, 1 / Math.Sqrt(depth)));
        float[] expected = Run(ProductForm.Mma), actual = Run(form);
        for (int i = 0; i < expected.Length; i++)
            Check.Near(expected[i], actual[i], (2 * Rounding * Math.Abs(expected[i])) + 1e-4,
                $"{form.Name} beside {ProductForm.Mma.Name}, element {i}");

        float[] Run(ProductForm by)
        {
            Tensor y = _memory.Rent(DType.BF16, rows, columns);
            Products.Launch(kernel, by, new()
            {
                Left = x,
                Right = w,
                Bias = default,
                Residual = default,
                Y = y,
                Rows = rows,
                Columns = columns,
                Depth = depth,
            });
            return ReadNarrow(y);
        }
    }

    private static double[] Finished(ProductKernel kernel, double[] sums, double[] residual, int columns)
    {
        int outputs = kernel.Parts * columns;
        return [.. Enumerable.Range(0, sums.Length / kernel.Parts).Select(i =>
        {
            double first = sums[(i / columns * outputs) + (i % columns)];
            if (kernel == ProductKernel.Gelu || kernel == ProductKernel.Geglu) first = Reference.Gelu(first);
            if (kernel == ProductKernel.Swiglu) first = Reference.Activate(Engine.Kernels.Activation.Swiglu, first);
            if (kernel.Parts == 2) first *= sums[(i / columns * outputs) + columns + (i % columns)];
            return first + (residual.Length > 0 ? residual[i] : 0);
        })];
    }
}

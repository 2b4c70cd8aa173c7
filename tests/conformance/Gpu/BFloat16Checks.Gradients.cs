using Conformance.Cases;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

internal sealed partial class BFloat16Checks
{
    /// <summary>The gradient of a linear layer's input, dy · w; where <paramref name="add"/>, added to what is there.</summary>
    public void LinearInputGradient(int rows, int outputs, int inputs, bool add)
    {
        double[] dy = Normal(rows * outputs, 1), w = Normal(outputs * inputs, 1 / Math.Sqrt(outputs)), before = Normal(rows * inputs, 1);
        Tensor dx = Narrow(before);
        Products.Launch(ProductKernel.InputGradient, ProductForm.Mma, new()
        {
            Left = Narrow(dy),
            Right = Narrow(w),
            Bias = default,
            Residual = add ? dx : default,
            Y = dx,
            Rows = rows,
            Columns = inputs,
            Depth = outputs,
        });
        double[] expected = Reference.MatMul(dy, Transposed(w, outputs, inputs), rows, inputs, outputs);
        for (int i = 0; i < expected.Length && add; i++) expected[i] += before[i];
        Near(expected, dx);
    }

    /// <summary>
    /// The gradient of a linear layer's weights, dyᵀ · x, added to what is there: fp32 sums over shares of the rows, which a second kernel
    /// adds up; two runs agree bit by bit.
    /// </summary>
    /// <param name="rows">The rows of dy and x.</param>
    /// <param name="outputs">The columns of dy.</param>
    /// <param name="inputs">The columns of x.</param>
    /// <param name="share">The rows of a share.</param>
    /// <param name="form">How it is computed.</param>
    public void LinearWeightGradient(int rows, int outputs, int inputs, int share, ProductForm? form = null)
    {
        double[] dy = Normal(rows * outputs, 1), x = Normal(rows * inputs, 1), before = Normal(outputs * inputs, 1);
        float[] first = Run(), second = Run();
        double[] expected = Reference.MatMul(Transposed(dy, rows, outputs), Transposed(x, rows, inputs), outputs, inputs, rows);
        for (int i = 0; i < expected.Length; i++)
        {
            Check.Near(expected[i] + before[i], first[i], 2e-6 * rows, $"weight {i}");
            Check.That(first[i].Equals(second[i]), $"weight {i}: two runs differ");
        }

        float[] Run()
        {
            int shares = (rows + share - 1) / share;
            Tensor dw = Wide(Single(before)).Slice(0, new Shape(outputs, inputs));
            Tensor parts = shares > 1 ? _memory.Rent(DType.F32, shares, outputs, inputs) : default;
            Tensor ofRows = Narrow(x).Slice(0, new Shape(rows, inputs));
            Products.WeightGradient(form ?? ProductForm.Mma, Narrow(dy), ofRows, dw, parts, share);
            return _memory.Read<float>(dw);
        }
    }

    private static double[] Transposed(double[] x, int rows, int columns)
    {
        var t = new double[x.Length];
        for (int i = 0; i < x.Length; i++) t[(i % columns * rows) + (i / columns)] = x[i];
        return t;
    }
}

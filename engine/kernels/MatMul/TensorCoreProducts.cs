using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>Matrix products of bf16 operands on tensor cores, in the form that a table says.</summary>
/// <param name="device">The GPU.</param>
/// <param name="table">What was found to be the fastest.</param>
internal sealed class TensorCoreProducts(KernelLauncher device, ProductTable table)
{
    /// <summary>
    /// Multiprocessors that a gradient of weights is divided for: those of an H200; the same everywhere, so that sums are.
    /// </summary>
    private const int Multiprocessors = 132;

    private const int AddBlock = 1024, RowsPerTile = 128;

    /// <summary>The form for a shape: the table's, where this GPU can run it. Rows of 0 that fill the last tile change nothing.</summary>
    public ProductForm Choose(ProductKind kind, int rows, int columns, int depth) =>
        table.Choose(device.ComputeCapability, device.IsHopper, kind, Blocks(rows, RowsPerTile) * RowsPerTile, columns, depth);

    /// <summary>Launches a product in the form that the table says.</summary>
    /// <param name="kernel">The product.</param>
    /// <param name="o">
    /// Its operands: left is x or dy, [rows, depth]; right w, [columns, depth], twice as many rows where there are two parts, or of an
    /// input's gradient [depth, columns]; bias a row of w's outputs, or absent; y, and the residual unless it is absent, [rows, columns].
    /// Depth is a multiple of eight.
    /// </param>
    public void Launch(ProductKernel kernel, in LinearKernelArguments o)
    {
        (int outputs, int inputs) = kernel.Kind == ProductKind.Forward ? (kernel.Parts * o.Columns, o.Depth) : (o.Depth, o.Columns);
        Launch(kernel, Choose(kernel.Kind, o.Rows, outputs, inputs), o);
    }

    /// <summary>Launches a product in a form.</summary>
    public void Launch(ProductKernel kernel, ProductForm form, in LinearKernelArguments o)
    {
        int gridX = Blocks(o.Columns, form.Columns / kernel.Parts), gridY = Blocks(o.Rows, form.Rows);
        if (!form.ForHopper)
        {
            device.Launch(kernel.For(form), o, gridX, gridY);
            return;
        }

        int outputs = kernel.Parts * o.Columns;
        device.Launch(
            kernel.ForHopper(form),
            new()
            {
                LeftMap = new(o.Left, o.Rows, o.Depth),
                RightMap = kernel.Kind == ProductKind.Forward ? new(o.Right, outputs, o.Depth) : new(o.Right, o.Depth, outputs),
                Bias = o.Bias,
                Residual = o.Residual,
                Y = o.Y,
                Rows = o.Rows,
                Columns = o.Columns,
                Depth = o.Depth,
            },
            gridX, gridY);
    }

    /// <summary>
    /// The shares of the rows, each summed by blocks of its own, so that the blocks fill the GPU once. They are made of whole tiles of 128
    /// rows: rows of 0 that fill the last one change no sum.
    /// </summary>
    /// <param name="form">The form.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="outputs">The layer's outputs.</param>
    /// <param name="inputs">The layer's inputs.</param>
    /// <returns>The rows of a share, and how many there are.</returns>
    public static (int Share, int Shares) Divide(ProductForm form, int rows, int outputs, int inputs)
    {
        int tiles = Blocks(outputs, form.Rows) * Blocks(inputs, form.Columns);
        int wanted = Math.Max(1, Multiprocessors * form.BlocksPerMultiprocessor / tiles),
            share = Blocks(Blocks(rows, RowsPerTile), wanted) * RowsPerTile;
        return (share, Blocks(rows, share));
    }

    /// <summary>The gradient of weights, dw += dyᵀ · x, in fp32.</summary>
    /// <param name="form">The form.</param>
    /// <param name="dy">[rows, outputs].</param>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="dw">[outputs, inputs].</param>
    /// <param name="parts">[shares, outputs, inputs] to write sums of shares to; not used for one share.</param>
    /// <param name="share">The rows of a share.</param>
    public void WeightGradient(ProductForm form, Tensor dy, Tensor x, Tensor dw, Tensor parts, int share)
    {
        int rows = x.Shape[0], outputs = dw.Shape[0], inputs = dw.Shape[1], shares = Blocks(rows, share);
        int gridX = Blocks(inputs, form.Columns), gridY = Blocks(outputs, form.Rows);
        Tensor sums = shares > 1 ? parts : dw;
        if (form.ForHopper)
            device.Launch(
                (form == ProductForm.Wgmma128
                    ? GpuKernels.LinearWeightGradientSplitWgmma128 : GpuKernels.LinearWeightGradientSplitWgmma256).For(DType.BF16),
                new()
                {
                    LeftMap = new(dy, rows, outputs),
                    RightMap = new(x, rows, inputs),
                    Sums = sums,
                    Rows = outputs,
                    Columns = inputs,
                    Depth = rows,
                    Share = share,
                },
                gridX, gridY, shares);
        else
            device.Launch(
                (form == ProductForm.Mma ? GpuKernels.LinearWeightGradientSplit : GpuKernels.LinearWeightGradientSplit64).For(DType.BF16),
                new() { Left = dy, Right = x, Sums = sums, Rows = outputs, Columns = inputs, Depth = rows, Share = share },
                gridX, gridY, shares);
        if (shares > 1)
            device.Launch(
                GpuKernels.SplitSum, new() { Parts = parts, Y = dw, Count = dw.Count, Shares = shares },
                (dw.Count + AddBlock - 1) / AddBlock);
    }

    private static int Blocks(int count, int perBlock) => (count + perBlock - 1) / perBlock;
}

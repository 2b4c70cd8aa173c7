namespace Engine.Kernels.Gpu;

/// <summary>Elements in the memory of a GPU.</summary>
internal readonly record struct DeviceElements(nint Address, long Count);

/// <summary>The operands of a product on tensor cores; what is absent is empty.</summary>
/// <param name="Left">x, or dy: [rows, depth].</param>
/// <param name="Right">w: [columns, depth], twice as many rows where there are two parts; of an input's gradient [depth, columns].</param>
/// <param name="Bias">A row of w's outputs.</param>
/// <param name="Residual">What is added.</param>
/// <param name="Y">The result: [rows, columns].</param>
/// <param name="Rows">The rows.</param>
/// <param name="Columns">The columns, of either part.</param>
/// <param name="Depth">The extent over which products are summed, a multiple of eight.</param>
internal readonly record struct ProductOperands(
    DeviceElements Left, DeviceElements Right, DeviceElements Bias, DeviceElements Residual, DeviceElements Y, int Rows, int Columns, int Depth);

/// <summary>Matrix products of bf16 operands on tensor cores, in the form that a table says.</summary>
/// <param name="device">The GPU.</param>
/// <param name="table">What was found to be the fastest.</param>
internal sealed class TensorCoreProducts(KernelLauncher device, ProductTable table)
{
    /// <summary>Multiprocessors that a gradient of weights is divided for: those of an H200; the same everywhere, so that sums are.</summary>
    private const int Multiprocessors = 132;

    private const int AddBlock = 1024, RowsPerTile = 128;

    /// <summary>The form for a shape: the table's, where this GPU can run it. Rows of 0 that fill the last tile change nothing.</summary>
    public ProductForm Choose(ProductKind kind, int rows, int columns, int depth) =>
        table.Choose(device.ComputeCapability, device.IsHopper, kind, Blocks(rows, RowsPerTile) * RowsPerTile, columns, depth);

    /// <summary>Launches a product in the form that the table says.</summary>
    public void Launch(ProductKernel kernel, in ProductOperands o)
    {
        (int outputs, int inputs) = kernel.Kind == ProductKind.Forward ? (kernel.Parts * o.Columns, o.Depth) : (o.Depth, o.Columns);
        Launch(kernel, Choose(kernel.Kind, o.Rows, outputs, inputs), o);
    }

    /// <summary>Launches a product in a form.</summary>
    public void Launch(ProductKernel kernel, ProductForm form, in ProductOperands o)
    {
        KernelArguments a = device.Begin(kernel.Entry(form));
        int outputs = kernel.Parts * o.Columns;
        Factor(a, form, o.Left, o.Rows, o.Depth);
        if (kernel.Kind == ProductKind.Forward) Factor(a, form, o.Right, outputs, o.Depth);
        else Factor(a, form, o.Right, o.Depth, outputs);
        View(a, o.Bias);
        View(a, o.Residual);
        View(a, o.Y);
        a.I32(o.Rows);
        a.I32(o.Columns);
        a.I32(o.Depth);
        device.Launch(Blocks(o.Columns, form.Columns / kernel.Parts), Blocks(o.Rows, form.Rows));
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
        int wanted = Math.Max(1, Multiprocessors * form.BlocksPerMultiprocessor / tiles), share = Blocks(Blocks(rows, RowsPerTile), wanted) * RowsPerTile;
        return (share, Blocks(rows, share));
    }

    /// <summary>The gradient of weights, dw += dyᵀ · x, in fp32.</summary>
    /// <param name="form">The form.</param>
    /// <param name="dy">[rows, outputs].</param>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="dw">[outputs, inputs].</param>
    /// <param name="parts">[shares, outputs, inputs] to write sums of shares to; not used for one share.</param>
    /// <param name="share">The rows of a share.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="outputs">The layer's outputs.</param>
    /// <param name="inputs">The layer's inputs.</param>
    public void WeightGradient(ProductForm form, DeviceElements dy, DeviceElements x, DeviceElements dw, DeviceElements parts, int share, int rows, int outputs, int inputs)
    {
        int shares = Blocks(rows, share);
        KernelArguments a = device.Begin(ProductKernel.WeightGradient.Entry(form));
        Factor(a, form, dy, rows, outputs);
        Factor(a, form, x, rows, inputs);
        View(a, shares > 1 ? parts : dw);
        a.I32(outputs);
        a.I32(inputs);
        a.I32(rows);
        a.I32(share);
        device.Launch(Blocks(inputs, form.Columns), Blocks(outputs, form.Rows), shares);
        if (shares == 1) return;
        a = device.Begin("split_sum_f32");
        View(a, parts);
        View(a, dw);
        a.I64(dw.Count);
        a.I32(shares);
        device.Launch((dw.Count + AddBlock - 1) / AddBlock);
    }

    private void Factor(KernelArguments a, ProductForm form, DeviceElements matrix, int rows, int columns)
    {
        if (form.ForHopper) device.EncodeTensorMap(matrix.Address, rows, columns, a.TensorMap());
        else View(a, matrix);
    }

    private static void View(KernelArguments a, DeviceElements elements) => a.View(elements.Address, elements.Count);

    private static int Blocks(int count, int perBlock) => (count + perBlock - 1) / perBlock;
}

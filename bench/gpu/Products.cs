using Conformance.Gpu;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace GpuBench;

/// <summary>
/// Matrix products on tensor cores: checks each form, finds the fastest for each shape (the table that the backend chooses by), and
/// measures them beside the fp32 kernel. A form that was not checked here, or failed, is neither timed nor chosen.
/// </summary>
/// <param name="Layers">Outputs and inputs of the layers.</param>
/// <param name="Rows">Rows of the ladder.</param>
/// <param name="TunedRows">Rows that are tuned for.</param>
/// <param name="CheckedRows">Rows at which forms are compared in the layers' shapes.</param>
/// <param name="Calls">Calls that are timed together.</param>
internal sealed record Products((int Outputs, int Inputs)[] Layers, int[] Rows, int[] TunedRows, int CheckedRows, int Calls = 10)
{
    public const string Forms = "forms", Tune = "tune", Ladder = "ladder", Tiled = "tiled f32", ByTable = "table";

    /// <summary>The four products of a layer of the 117M model.</summary>
    public static Products Full { get; } = new(
        [(2304, 768), (768, 768), (6144, 768), (768, 3072)], [8192, 16384, 32768, 65536], [128, 512, 2048, 8192, 65536], 1000);

    /// <summary>One check a form: every product against float64, and against <c>mma.sync</c> at the shapes of a model.</summary>
    public IEnumerable<WorkItem> Checks() => ProductForm.All.Select(form => new WorkItem(Forms, form.Name, open =>
    {
        using GpuDevice device = Open(open, form);
        foreach (ProductKernel kernel in ProductKernel.All)
            foreach ((int, int, int) shape in BFloat16Checks.OddShapes)
                Run(device, c => c.Product(kernel, form, shape, bias: shape.Item1 > 1, residual: shape.Item1 > 1));
        foreach ((int rows, int outputs, int inputs, int share) in ((int, int, int, int)[])[(1, 8, 8, 64), (129, 136, 72, 192),
            (200, 264, 136, 64)])
            Run(device, c => c.LinearWeightGradient(rows, outputs, inputs, share, form));
        foreach ((int outputs, int inputs) in Layers) Run(device, c => c.Agree(ProductKernel.Linear, form, (CheckedRows, outputs, inputs)));
        return null;
    }));

    /// <summary>One item a shape, whose result is the fastest form and what all of them reached.</summary>
    public IEnumerable<WorkItem> Tuning(Journal journal)
    {
        foreach (ProductKind kind in Enum.GetValues<ProductKind>())
            foreach ((int outputs, int inputs) in Layers)
                foreach (int rows in TunedRows)
                    yield return new(Tune, $"{kind} {rows} {outputs} {inputs}", open =>
                    {
                        using GpuDevice device = open();
                        var figures = new List<(ProductForm Form, double Speed)>();
                        foreach (ProductForm form in Passed(journal))
                        {
                            using var o = new Operands(device, Calls);
                            figures.Add((form, Speed(o, kind, form, rows, outputs, inputs)));
                        }

                        if (figures.Count == 0) throw new FileNotFoundException("no form has passed its check here");
                        string all = string.Join(", ", figures.Select(f => FormattableString.Invariant($"{f.Form.Name} {f.Speed:F1}")));
                        ProductForm fastest = figures.MaxBy(f => f.Speed).Form;
                        return $"{ProductTable.Line(device.ComputeCapability, kind, rows, outputs, inputs, fastest)} # {all} TFLOP/s";
                    });
    }

    /// <summary>What tuning found, as the lines of a table.</summary>
    public static IEnumerable<string> Table(Journal journal) =>
        journal.Results.Where(l => l.Part == Tune && l.Result == Journal.Figure).Select(l => l.Detail);

    /// <summary>The rungs at every shape.</summary>
    public IEnumerable<WorkItem> Rungs(Journal journal)
    {
        foreach ((int outputs, int inputs) in Layers)
            foreach (int rows in Rows)
            {
                string shape = $"{rows}×{outputs}×{inputs}";
                yield return Item($"{Tiled} {shape}", o => Tiles(o, rows, outputs, inputs));
                foreach (ProductForm form in ProductForm.All)
                    yield return Item($"{form.Name} {shape}", o => Passed(journal).Contains(form)
                        ? Speed(o, ProductKind.Forward, form, rows, outputs, inputs)
                        : throw new FileNotFoundException($"{form.Name} has not passed its check here"));
                foreach (ProductKind kind in Enum.GetValues<ProductKind>())
                    yield return Item($"{ByTable} {kind} {shape}", o =>
                    {
                        ProductForm form = ProductTable.Read(Table(journal), "the journal")
                            .Choose(o.Device.ComputeCapability, o.Device.IsHopper, kind, rows, outputs, inputs);
                        return Speed(o, kind, form, rows, outputs, inputs);
                    });
            }
    }

    private WorkItem Item(string name, Func<Operands, double> measure) => new(Ladder, name, open =>
    {
        using GpuDevice device = open();
        using var o = new Operands(device, Calls);
        return FormattableString.Invariant($"{measure(o):F2}");
    });

    private static IEnumerable<ProductForm> Passed(Journal journal) =>
        ProductForm.All.Where(f => journal.Find(Forms, f.Name)?.Result == Journal.Passed);

    private static GpuDevice Open(Func<GpuDevice> open, ProductForm form)
    {
        GpuDevice device = open();
        if (!form.ForHopper || device.IsHopper) return device;
        device.Dispose();
        throw new FileNotFoundException("it is for compute capability 9.0 and a driver for CUDA 12.0 or newer");
    }

    private static void Run(GpuDevice device, Action<BFloat16Checks> check)
    {
        using var checks = new BFloat16Checks(device);
        check(checks);
    }

    /// <summary>TFLOP/s of a layer's product.</summary>
    private static double Speed(Operands o, ProductKind kind, ProductForm form, int rows, int outputs, int inputs)
    {
        var products = new TensorCoreProducts(o.Device, ProductTable.Default);
        Tensor x = o.Elements(true, rows, inputs), w = o.Elements(true, outputs, inputs), y = o.Elements(true, rows, outputs);
        Action launch;
        if (kind == ProductKind.WeightGradient)
        {
            (int share, int shares) = TensorCoreProducts.Divide(form, rows, outputs, inputs);
            Tensor dw = o.Floats(outputs, inputs), parts = shares > 1 ? o.Floats(shares, outputs, inputs) : default;
            launch = () => products.WeightGradient(form, y, x, dw, parts, share);
        }
        else
        {
            bool forward = kind == ProductKind.Forward;
            LinearKernelArguments operands = forward ? Product(x, w, y, inputs) : Product(y, w, x, outputs);
            launch = () => products.Launch(forward ? ProductKernel.Linear : ProductKernel.InputGradient, form, operands);
        }

        return 2.0 * rows * outputs * inputs / o.Time(launch) / 1e9;
    }

    private static double Tiles(Operands o, int rows, int columns, int depth)
    {
        const int Tile = 128;
        LinearKernelArguments operands = Product(o.Floats(rows, depth), o.Floats(columns, depth), o.Floats(rows, columns), depth);
        double ms = o.Time(() => o.Device.Launch(
            GpuKernels.Linear.For(DType.F32), operands, (columns + Tile - 1) / Tile, (rows + Tile - 1) / Tile));
        return 2.0 * rows * columns * depth / ms / 1e9;
    }

    private static LinearKernelArguments Product(Tensor left, Tensor right, Tensor y, int depth) => new()
    {
        Left = left,
        Right = right,
        Bias = default,
        Residual = default,
        Y = y,
        Rows = y.Shape[0],
        Columns = y.Shape[1],
        Depth = depth,
    };
}

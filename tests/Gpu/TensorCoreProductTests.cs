using Conformance.Gpu;
using Conformance.Ptx;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Ptx;

namespace Tests.Gpu;

/// <summary>Matrix products on tensor cores in every form, in the interpreter.</summary>
[Trait("Category", "Slow")]
public sealed class TensorCoreProductTests : IDisposable
{
    private readonly InterpretedDevice _device = new();

    public void Dispose() => _device.Dispose();

    public static TheoryData<string, string> Forms() => Of(ProductKernel.All);

    public static TheoryData<string, string> FormsOfTiles() => Of(ProductKernel.All.Where(kernel => kernel != ProductKernel.Swiglu));

    private static TheoryData<string, string> Of(IEnumerable<ProductKernel> kernels)
    {
        var data = new TheoryData<string, string>();
        foreach (ProductKernel kernel in kernels)
            foreach (ProductForm form in ProductForm.All) data.Add(kernel.Name, form.Name);
        return data;
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Every_product_in_every_form_equals_the_float64_reference_in_odd_shapes(string kernel, string form)
    {
        // SwiGLU has the tiles of GEGLU, and another function.
        foreach ((int, int, int) shape in kernel == ProductKernel.Swiglu.Name ? BFloat16Checks.OddShapes[1..2] : BFloat16Checks.OddShapes)
            Run(checks => checks.Product(
                ProductKernel.All.Single(k => k.Name == kernel), Form(form), shape, bias: shape.Item1 > 1, residual: shape.Item1 > 1));
    }

    [Theory]
    [InlineData("mma-128")]
    [InlineData("mma-64")]
    [InlineData("wgmma-128")]
    [InlineData("wgmma-256")]
    public void The_gradient_of_weights_in_every_form(string form)
    {
        foreach ((int rows, int outputs, int inputs, int share) in ((int, int, int, int)[])[(1, 8, 8, 64), (129, 136, 72, 192),
            (129, 72, 264, 64), (31, 128, 256, 64)])
            Run(checks => checks.LinearWeightGradient(rows, outputs, inputs, share, Form(form)));
    }

    [Theory]
    [MemberData(nameof(FormsOfTiles))]
    public void The_products_meet_no_bank_conflicts_and_read_whole_sectors(string kernel, string form)
    {
        ProductKernel product = ProductKernel.All.Single(k => k.Name == kernel);
        Run(checks => checks.Product(product, Form(form), (128, 256 / product.Parts, 256), bias: false, residual: false));
        NoConflicts(_device.Reports[^1].Report, Form(form));
    }

    [Theory]
    [InlineData("mma-128")]
    [InlineData("mma-64")]
    [InlineData("wgmma-128")]
    [InlineData("wgmma-256")]
    public void The_gradient_of_weights_meets_no_bank_conflicts(string form)
    {
        Run(checks => checks.LinearWeightGradient(256, 128, 256, 256, Form(form)));
        NoConflicts(_device.Reports[^1].Report, Form(form));
    }

    [Fact]
    public void Forms_agree_with_each_other()
    {
        foreach (ProductForm form in ProductForm.All) Run(checks => checks.Agree(ProductKernel.Geglu, form, (66, 72, 136)));
    }

    [Fact]
    public void The_backend_computes_by_the_form_that_its_table_says()
    {
        ProductTable table = ProductTable.Read(
            ["9.0 forward 128 24 40 wgmma-128", "9.0 input-gradient 128 24 40 wgmma-256", "9.0 weight-gradient 128 24 40 wgmma-128"], "x");
        var tuned = new InterpretedDevice();
        float[] expected = Products(_device, ProductTable.Default), actual = Products(tuned, table);
        Assert.Equal(
            [
                "linear_wgmma_128_bf16", "linear_geglu_wgmma_128_bf16", "linear_input_gradient_wgmma_256_bf16",
                "linear_weight_gradient_split_wgmma_128_bf16",
            ],
            tuned.Reports.Select(r => r.Entry).Where(e => e.Contains("linear", StringComparison.Ordinal)));
        Assert.DoesNotContain(_device.Reports, r => r.Entry.Contains("wgmma", StringComparison.Ordinal));
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 0.01f * (1 + Math.Abs(expected[i])));
    }

    /// <summary>What a backend makes of the same numbers: layer, gated layer, gradients of input and weights.</summary>
    private static float[] Products(InterpretedDevice device, ProductTable table)
    {
        const int Rows = 9, Outputs = 24, Inputs = 40;
        // The backend is not closed: the device serves on.
        var backend = new CudaBackend(device, DType.BF16, table);
        var arena = new Arena(backend);
        Tensor x = Random(Rows, Inputs), w = Random(Outputs, Inputs), dy = Random(Rows, Outputs);
        Tensor y = arena.Rent(new Shape(Rows, Outputs), DType.BF16), u = arena.Rent(new Shape(Rows, Outputs / 2), DType.BF16);
        Tensor dx = arena.Rent(new Shape(Rows, Inputs), DType.BF16), dw = arena.Rent(new Shape(Outputs, Inputs), DType.F32);
        backend.Clear(dw);
        backend.Run(new LinearForward(x, new Weight(w), default, Activation.None, default, y));
        backend.Run(new LinearForward(x, new Weight(w), default, Activation.Geglu, default, u));
        backend.Run(new LinearInputBackward(dy, w, accumulate: false, dx));
        backend.Run(new LinearWeightBackward(dy, x, dw));
        return [.. Read(y), .. Read(u), .. Read(dx), .. Read(dw)];

        Tensor Random(int rows, int columns)
        {
            Tensor values = arena.Rent(new Shape(rows, columns), DType.F32), rounded = arena.Rent(values.Shape, DType.BF16);
            var random = new float[rows * columns];
            new Philox(3, 0, (uint)(rows + columns)).FillNormal(random, 1);
            backend.Upload<float>(random, values);
            backend.Run(new Cast(values, rounded));
            return rounded;
        }

        float[] Read(Tensor tensor)
        {
            var values = new float[tensor.Count];
            if (tensor.DType == DType.F32)
            {
                backend.Download<float>(tensor, values);
                return values;
            }

            var bits = new BFloat16[tensor.Count];
            backend.Download<BFloat16>(tensor, bits);
            return Array.ConvertAll(bits, v => (float)v);
        }
    }

    private static void NoConflicts(LaunchReport report, ProductForm form)
    {
        Assert.True(report.Shared.Count >= 4);
        Assert.True(report.Count(form.ForHopper ? "wgmma" : "mma") > 0);
        Assert.All(report.Shared, site => Assert.True(site.Degree == 1, site.ToString()));
        Assert.Equal(report.IdealSectors, report.Sectors);
    }

    private static ProductForm Form(string name) => ProductForm.All.Single(f => f.Name == name);

    private void Run(Action<BFloat16Checks> check)
    {
        using var checks = new BFloat16Checks(_device);
        check(checks);
    }
}

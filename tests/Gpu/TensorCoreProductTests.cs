using Engine.Runtime.Cuda;
using Tests.Ptx;

namespace Tests.Gpu;

/// <summary>Matrix products on tensor cores in every form, in the interpreter.</summary>
public sealed class TensorCoreProductTests : IDisposable
{
    private readonly InterpretedDevice _device = new();

    public void Dispose() => _device.Dispose();

    public static TheoryData<string, string> Forms()
    {
        var data = new TheoryData<string, string>();
        foreach (ProductKernel kernel in ProductKernel.All)
            foreach (ProductForm form in ProductForm.All) data.Add(kernel.Name, form.Name);
        return data;
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Every_product_in_every_form_equals_the_float64_reference_in_odd_shapes(string kernel, string form)
    {
        foreach ((int, int, int) shape in BFloat16Checks.OddShapes)
            Run(checks => checks.Product(ProductKernel.All.Single(k => k.Name == kernel), Form(form), shape, optional: shape.Item1 > 1));
    }

    [Theory]
    [InlineData("mma-128")]
    [InlineData("mma-64")]
    [InlineData("wgmma-128")]
    [InlineData("wgmma-256")]
    public void The_gradient_of_weights_in_every_form(string form)
    {
        foreach ((int rows, int outputs, int inputs, int share) in ((int, int, int, int)[])[(1, 8, 8, 64), (129, 136, 72, 192), (129, 72, 264, 64), (31, 128, 256, 64)])
            Run(checks => checks.LinearWeightGradient(rows, outputs, inputs, share, Form(form)));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void The_products_meet_no_bank_conflicts_and_read_whole_sectors(string kernel, string form)
    {
        ProductKernel product = ProductKernel.All.Single(k => k.Name == kernel);
        Run(checks => checks.Product(product, Form(form), (128, 256 / product.Parts, 256), optional: false));
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

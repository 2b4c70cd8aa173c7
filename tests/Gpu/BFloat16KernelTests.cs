using Conformance.Gpu;
using Conformance.Ptx;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Tests.Ptx;

namespace Tests.Gpu;

/// <summary>The kernels of <see cref="BFloat16Checks"/> in the interpreter.</summary>
public sealed class BFloat16KernelTests : IDisposable
{
    private readonly InterpretedDevice _device = new();

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData("linear", 1, 2, 8, false, false)]
    [InlineData("linear", 129, 136, 40, true, true)]
    [InlineData("linear", 70, 200, 264, true, false)]
    [InlineData("linear", 5, 131, 24, true, true)]
    [InlineData("linear_gelu", 127, 128, 64, true, false)]
    [InlineData("linear_geglu", 130, 72, 96, false, true)]
    [InlineData("linear_geglu", 3, 65, 128, true, false)]
    public void Linear_layers_on_tensor_cores(string product, int rows, int columns, int depth, bool bias, bool residual) =>
        Run(checks => checks.Product(
            ProductKernel.All.Single(k => k.Name == product), ProductForm.Mma, (rows, columns, depth), bias, residual));

    [Theory]
    [InlineData("linear")]
    [InlineData("linear_geglu")]
    public void The_tensor_core_product_meets_no_bank_conflicts(string product)
    {
        Linear_layers_on_tensor_cores(product, 128, 128, 256, bias: false, residual: false);
        List<AccessSite> sites = _device.Reports[^1].Report.Shared;
        Assert.True(sites.Count >= 32);
        Assert.All(sites, site => Assert.True(site.Degree == 1, site.ToString()));
    }

    [Theory]
    [InlineData(1, 8, 8, false)]
    [InlineData(129, 136, 72, true)]
    [InlineData(127, 40, 264, false)]
    [InlineData(5, 24, 128, true)]
    public void The_gradient_of_a_linear_layers_input_on_tensor_cores(int rows, int outputs, int inputs, bool add) =>
        Run(checks => checks.LinearInputGradient(rows, outputs, inputs, add));

    [Theory]
    [InlineData(1, 8, 8, 32)]
    [InlineData(129, 136, 72, 160)]
    [InlineData(129, 72, 136, 32)]
    [InlineData(250, 128, 264, 96)]
    [InlineData(31, 24, 128, 32)]
    public void The_gradient_of_a_linear_layers_weights_on_tensor_cores(int rows, int outputs, int inputs, int share) =>
        Run(checks => checks.LinearWeightGradient(rows, outputs, inputs, share));

    [Fact]
    public void The_gradients_of_the_tensor_core_product_meet_no_bank_conflicts_and_read_whole_sectors()
    {
        Run(checks => checks.LinearInputGradient(128, 256, 128, add: false));
        NoConflicts(_device.Reports[^1].Report);
        Run(checks => checks.LinearWeightGradient(256, 128, 128, 128));
        NoConflicts(_device.Reports[^2].Report);
    }

    private static void NoConflicts(LaunchReport report)
    {
        Assert.True(report.Shared.Count >= 32);
        Assert.All(report.Shared, site => Assert.True(site.Degree == 1, site.ToString()));
        Assert.Equal(report.IdealSectors, report.Sectors);
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(9, 768)]
    [InlineData(3, 1024)]
    [InlineData(2, 1048)]
    public void Layer_normalisation(int rows, int width) => Run(checks => checks.LayerNorm(rows, width));

    [Theory]
    [InlineData(true, 1)]
    [InlineData(true, 2055)]
    [InlineData(false, 263)]
    public void Activations(bool gelu, int count) => Run(checks => checks.Activation(gelu, count));

    [Theory]
    [InlineData(Activation.Geglu, 2, 8)]
    [InlineData(Activation.Geglu, 5, 264)]
    [InlineData(Activation.Swiglu, 5, 264)]
    public void Gated_units_and_their_gradients(Activation activation, int rows, int width) =>
        Run(checks => checks.GatedUnit(activation, rows, width));

    [Fact]
    public void Casts_round_to_nearest_even_as_on_the_CPU() => Run(checks => checks.Cast());

    [Fact]
    public void Casts_from_bf16_are_exact() => Run(checks => checks.CastBack());

    [Fact]
    public void The_norm_of_the_gradients_on_the_GPU() => Run(checks => checks.GradientNorm());

    [Fact]
    public void An_optimizer_step_writes_its_rounded_copy() => Run(checks => checks.AdamW());

    private void Run(Action<BFloat16Checks> check)
    {
        using var checks = new BFloat16Checks(_device);
        check(checks);
    }
}

using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Tests.Gpu;

public sealed class ProductTableTests
{
    private static readonly Version Hopper = new(9, 0), Ampere = new(8, 0);

    private static readonly ProductTable Table = ProductTable.Read(
        [
            "# written by hand", "", "9.0 forward 8192 2304 768 wgmma-256 # wide", "9.0 forward 128 2304 768 mma-128",
            "9.0 forward 8192 768 3072 wgmma-128",
            "8.0 forward 8192 2304 768 mma-128", "9.0 weight-gradient 8192 2304 768 wgmma-128",
        ], "x");

    [Theory]
    [InlineData(8192, 2304, 768, "wgmma-256")]
    [InlineData(65536, 2304, 768, "wgmma-256")]
    [InlineData(256, 2304, 768, "mma-128")]
    [InlineData(128, 768, 3072, "wgmma-128")]
    [InlineData(4096, 2048, 1024, "wgmma-256")]
    public void The_form_is_that_of_the_nearest_shape_columns_and_depth_before_rows(int rows, int columns, int depth, string form) =>
        Assert.Equal(form, Table.Choose(Hopper, true, ProductKind.Forward, rows, columns, depth).Name);

    [Fact]
    public void Each_product_and_architecture_has_its_own_entries_and_without_any_mma_is_used()
    {
        Assert.Equal(ProductForm.Wgmma128, Table.Choose(Hopper, true, ProductKind.WeightGradient, 8192, 2304, 768));
        Assert.Equal(ProductForm.Mma, Table.Choose(Hopper, true, ProductKind.InputGradient, 8192, 2304, 768));
        Assert.Equal(ProductForm.Mma, Table.Choose(Ampere, false, ProductKind.Forward, 8192, 768, 3072));
        Assert.Equal(ProductForm.Mma, Table.Choose(new(10, 0), false, ProductKind.Forward, 8192, 2304, 768));
    }

    [Fact]
    public void A_form_that_the_driver_cannot_load_is_not_chosen() =>
        Assert.Equal(ProductForm.Mma, Table.Choose(Hopper, false, ProductKind.Forward, 8192, 768, 3072));

    [Theory]
    [InlineData("9.0 forward 8192 2304 768")]
    [InlineData("9.0 forward 8192 2304 768 wgmma-512")]
    [InlineData("9.0 backward 8192 2304 768 mma-128")]
    [InlineData("9.0 forward 0 2304 768 mma-128")]
    [InlineData("hopper forward 8192 2304 768 mma-128")]
    [InlineData("9.0 forward 8192 2304 99999999999 mma-128")]
    public void A_line_that_is_none_is_named(string line)
    {
        var fault = Assert.Throws<InvalidDataException>(() => ProductTable.Read(["# a", line], "some.txt"));
        Assert.StartsWith("some.txt, line 2:", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_that_is_written_is_read_again()
    {
        string line = ProductTable.Line(Hopper, ProductKind.InputGradient, 96, 768, 3072, ProductForm.Wgmma256);
        Assert.Equal(ProductForm.Wgmma256, ProductTable.Read([line], "x").Choose(Hopper, true, ProductKind.InputGradient, 96, 768, 3072));
    }

    [Fact]
    public void The_table_of_the_assembly_can_be_read() => Assert.NotNull(ProductTable.Default);
}

using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Tests.Gpu;

/// <summary>What is compiled ahead is what operations launch: nothing lies there unused, and nothing is launched that is not there.</summary>
public sealed class LaunchTests
{
    [Fact]
    public void Every_kernel_that_is_compiled_ahead_is_launched_and_every_launch_has_its_kernel()
    {
        var launched = new SortedSet<string>(StringComparer.Ordinal);
        foreach (DType type in (DType[])[DType.F32, DType.BF16])
            foreach (ProductForm form in ProductForm.All) Run(type, form, launched);
        Assert.Equal([], KernelManifest.Compiled.Keys.Except(launched).Order(StringComparer.Ordinal));
        Assert.Equal([], launched.Except(KernelManifest.Compiled.Keys));
    }

    [Fact]
    public void No_operation_is_left_out_of_those_that_are_launched()
    {
        var known = new HashSet<string>(Run(DType.F32, ProductForm.Mma, []).Select(Name));
        foreach (Type type in typeof(IOperation).Assembly.GetTypes())
            if (type.IsValueType && type.IsAssignableTo(typeof(IOperation))) Assert.Contains(Name(type), known);

        static string Name(Type type) => type.Name.Split('`')[0];
    }

    /// <summary>Runs every operation in a type, products in a form.</summary>
    /// <returns>The operations.</returns>
    private static HashSet<Type> Run(DType type, ProductForm form, SortedSet<string> launched)
    {
        // With one entry for each product a table gives all of them that form.
        string[] lines = [.. Enum.GetValues<ProductKind>().Select(kind => ProductTable.Line(new(9, 0), kind, 128, 64, 64, form))];
        using var backend = new CudaBackend(new LaunchList(launched), type, ProductTable.Read(lines, "table"));
        using var operations = new LaunchedOperations(backend, type);
        operations.Run();
        return operations.Seen;
    }
}

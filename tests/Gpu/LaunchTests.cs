using System.Reflection;
using System.Runtime.CompilerServices;
using Conformance.Cases;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Tests.Gpu;

/// <summary>
/// What is compiled ahead is what operations launch: nothing lies there unused, and nothing is launched that is not there.
/// </summary>
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

    [Fact]
    public void The_arguments_of_each_kernel_are_its_parameters_by_name_type_and_order_and_none_can_be_left_out()
    {
        var seen = new SortedSet<string>(StringComparer.Ordinal);
        Type[] classes = [typeof(GpuKernels), typeof(GpuKernels<Alibi>), typeof(GpuKernels<NoModification>)];
        FieldInfo[] fields = [.. classes.SelectMany(type => type.GetFields())];
        foreach (FieldInfo field in fields)
        {
            PropertyInfo[] members = field.FieldType.GetGenericArguments()[0].GetProperties();
            Assert.All(members, member => Assert.True(member.IsDefined(typeof(RequiredMemberAttribute)), $"{field.Name}: {member.Name}"));
            foreach (CompiledKernel kernel in Forms(field.GetValue(null)!))
            {
                Assert.Equal(
                    kernel.Parameters.Select(p => $"{TypeOf(p.Kind, p.Element).Name} {char.ToUpperInvariant(p.Name[0])}{p.Name[1..]}"),
                    members.Select(member => $"{member.PropertyType.Name} {member.Name}"));
                seen.Add(kernel.Entry);
            }
        }

        Assert.Equal(KernelManifest.Compiled.Keys.Order(StringComparer.Ordinal), seen);
    }

    /// <summary>A kernel, or those of a family that there are.</summary>
    private static IEnumerable<CompiledKernel> Forms(object kernel)
    {
        MethodInfo? choose = kernel.GetType().GetMethod("For");
        object[] forms = choose is null ? [kernel]
            : [.. new[] { (DType.F32, 8), (DType.F32, 7), (DType.BF16, 8) }.Select(o => choose.Invoke(kernel, [o.Item1, o.Item2])!)];
        foreach (object form in forms)
        {
            var entry = (string)form.GetType().GetProperty("Entry", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(form)!;
            if (KernelManifest.Compiled.TryGetValue(entry, out CompiledKernel? compiled)) yield return compiled;
        }
    }

    private static Type TypeOf(KernelParameterKind kind, string? element) => kind switch
    {
        KernelParameterKind.View => element is nameof(Alibi) or nameof(NoModification) ? typeof(HeadParameters) : typeof(Tensor),
        KernelParameterKind.I32 => typeof(int),
        KernelParameterKind.U32 => typeof(uint),
        KernelParameterKind.I64 => typeof(long),
        KernelParameterKind.F32 => typeof(float),
        _ => typeof(MappedMatrix),
    };

    /// <summary>Runs every operation in a type, products in a form.</summary>
    /// <returns>The operations.</returns>
    private static HashSet<Type> Run(DType type, ProductForm form, SortedSet<string> launched)
    {
        // With one entry for each product a table gives all of them that form.
        string[] lines = [.. Enum.GetValues<ProductKind>().Select(kind => ProductTable.Line(new(9, 0), kind, 128, 64, 64, form))];
        using var backend = new CudaBackend(new LaunchList(launched), type, ProductTable.Read(lines, "table"));
        using var launches = new KernelLaunches(backend, type);
        foreach (OperationSuite suite in OperationSuite.All) suite.Launch(launches);
        return launches.Seen;
    }
}

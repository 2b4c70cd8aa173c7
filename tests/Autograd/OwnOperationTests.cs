using Conformance.Gpu;
using Engine.Kernels;
using Engine.Runtime;
using OwnOperation;
using Tests.Gpu;

namespace Tests.Autograd;

/// <summary>The operation that docs/adding-an-op.md adds, in an assembly that sees the public API alone.</summary>
public sealed class OwnOperationTests
{
    public static TheoryData<string> Forms => Tests.Kernels.Backends.Names();

    [Theory]
    [MemberData(nameof(Forms))]
    public void An_operation_of_another_assembly_runs_in_every_form_and_has_the_gradient_of_its_definition(string form)
    {
        foreach (int width in (int[])[1, 7, 16, 33])
        {
            using var check = new GradientCheck(Tests.Kernels.Backends.Create(form, threads: 2));
            (Engine.Autograd.Variable x, double[] xs) = check.Input("x", rows: 3, width);
            check.Compare(Silu.Instance.Forward(check.Tape, x), () => [.. xs.Select(v => v / (1 + Math.Exp(-v)))]);
        }
    }

    [Fact]
    public void Its_operands_are_checked_and_a_form_that_it_lacks_is_named()
    {
        using Backend cpu = CpuBackend.Create(1), gpu = new Engine.Runtime.Cuda.CudaBackend(new InterpretedDevice());
        using Arena arena = new(cpu), onGpu = new(gpu);
        Tensor x = arena.Rent(
            new Shape(2, 3), DType.F32), y = arena.Rent(new Shape(3, 2), DType.F32), z = onGpu.Rent(new Shape(4), DType.F32);
        Assert.Contains("y is F32 [3, 2], expected F32 [2, 3]", Assert.Throws<ArgumentException>(() => cpu.Run(new SiluForward(x, y))).Message, StringComparison.Ordinal);
        Assert.Contains("SiluForward has no form for a GPU", Assert.Throws<NotSupportedException>(() => gpu.Run(new SiluForward(z, z))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void It_is_timed_like_any_other()
    {
        using Backend backend = CpuBackend.Create(1);
        using Arena arena = new(backend);
        Tensor x = arena.Rent(new Shape(2, 3), DType.F32);
        backend.Clear(x);
        backend.Profile = new Profile();
        backend.Run(new SiluForward(x, x));
        OperationTime time = Assert.Single(backend.Profile.Operations);
        Assert.Equal(("silu", new Shape(2, 3), 1, 24.0, 48.0), (time.Name, time.Shape, time.Calls, time.Flops, time.Bytes));
    }

    [Fact]
    public void The_page_shows_the_files_as_they_are()
    {
        string root = SharedData.Checkout, page = File.ReadAllText(Path.Combine(root, "docs", "adding-an-op.md"));
        foreach (string file in (string[])["Silu.cs", "Silu.Cpu.cs", "Silu.Autograd.cs"])
            Assert.Contains(
                File.ReadAllText(Path.Combine(root, "docs", "samples", "OwnOperation", file)).TrimEnd(), page, StringComparison.Ordinal);
    }
}

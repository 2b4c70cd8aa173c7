using Conformance.Gpu;
using Engine.KernelCompiler;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using ILGPU;
using OwnOperation;
using Tests.Weights;

namespace Tests.Autograd;

/// <summary>The operation that docs/adding-an-op.md adds, in an assembly that sees the public API alone.</summary>
public sealed class OwnOperationTests
{
    public static TheoryData<string> Forms => Tests.Kernels.Backends.NamesWithGpu();

    [Theory]
    [MemberData(nameof(Forms))]
    public void An_operation_of_another_assembly_runs_in_every_form_and_has_the_gradient_of_its_definition(string form)
    {
        foreach (int width in (int[])[1, 7, 16, 33, 100])
        {
            using var check = new GradientCheck(Tests.Kernels.Backends.Create(form, threads: 2));
            (Engine.Autograd.Variable x, double[] xs) = check.Input("x", rows: 3, width);
            check.Compare(Silu.Instance.Forward(check.Tape, x), () => [.. xs.Select(v => v / (1 + Math.Exp(-v)))]);
        }
    }

    [Fact]
    public void Its_operands_are_checked_and_a_form_that_it_lacks_is_named()
    {
        using Backend cpu = CpuBackend.Create(1), gpu = new CudaBackend(new InterpretedDevice());
        using Arena arena = new(cpu);
        Tensor x = arena.Rent(new Shape(2, 3), DType.F32), y = arena.Rent(new Shape(3, 2), DType.F32);
        string message = Assert.Throws<ArgumentException>(() => cpu.Run(new SiluForward(x, y))).Message;
        Assert.Contains("y is F32 [3, 2], expected F32 [2, 3]", message, StringComparison.Ordinal);
        message = Assert.Throws<NotSupportedException>(() => gpu.Run(default(OnCpuAlone))).Message;
        Assert.Contains("OnCpuAlone has no form for a GPU", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Its_kernel_is_compiled_once_and_kept_on_disk()
    {
        using var folder = new TempFolder();
        foreach (int expected in (int[])[1, 0])
        {
            var compiler = new IlgpuKernelCompiler(folder["cache"]);
            using Backend gpu = OnDriver(compiler);
            using Arena arena = new(gpu);
            Tensor x = arena.Rent(new Shape(2, 3), DType.F32);
            gpu.Clear(x);
            for (int run = 0; run < 2; run++) gpu.Run(new SiluForward(x, x));
            Assert.Equal(expected, compiler.Compilations);
        }
    }

    [Fact]
    public void Without_a_compiler_a_sentence_says_what_is_missing()
    {
        using Backend gpu = OnDriver(null);
        using Arena arena = new(gpu);
        Tensor x = arena.Rent(new Shape(2, 3), DType.F32);
        string message = Assert.Throws<NotSupportedException>(() => gpu.Run(new SiluForward(x, x))).Message;
        Assert.StartsWith("the kernel SiluKernel.Run is not among the kernels", message, StringComparison.Ordinal);
        Assert.Contains("CudaDevices.Open(compiler: new IlgpuKernelCompiler())", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Arguments_in_another_order_than_the_kernels_parameters_are_refused_by_name()
    {
        using Backend gpu = new CudaBackend(new InterpretedDevice());
        using Arena arena = new(gpu);
        Tensor x = arena.Rent(new Shape(4), DType.F32), y = arena.Rent(new Shape(4), DType.F32);
        gpu.Clear(x);
        string message = Assert.Throws<InvalidOperationException>(() => gpu.Run(new Copy(x, y, swapped: true))).Message;
        Assert.EndsWith("argument 0 is Y (View), the kernel's parameter x (View)", message, StringComparison.Ordinal);
        gpu.Run(new Copy(x, y, swapped: false));
    }

    [Fact]
    public void A_kernel_is_a_static_method_and_a_block_whole_warps()
    {
        Action<ArrayView<float>> instance = new List<ArrayView<float>>().Add;
        string message = Assert.Throws<ArgumentException>(() => new GpuKernel<CopyArguments>(instance, 32)).Message;
        Assert.Contains("Add is none", message, StringComparison.Ordinal);
        foreach (int threads in (int[])[0, 31, 48, 1056])
        {
            message = Assert.Throws<ArgumentException>(() => new GpuKernel<CopyArguments>(CopyElements, threads)).Message;
            Assert.Contains($"not {threads}", message, StringComparison.Ordinal);
        }
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
    public void The_page_shows_the_files_as_they_are_and_there_are_five()
    {
        string root = SharedData.Checkout, page = File.ReadAllText(Path.Combine(root, "docs", "adding-an-op.md"));
        string[] shown = ["Silu.Autograd.cs", "Silu.Cpu.cs", "Silu.Gpu.cs", "Silu.cs"], all = Directory.GetFiles(
            Path.Combine(root, "docs", "samples", "OwnOperation"), "*.cs");
        foreach (string file in shown)
            Assert.Contains(
                File.ReadAllText(Path.Combine(root, "docs", "samples", "OwnOperation", file)).TrimEnd(), page, StringComparison.Ordinal);
        Assert.Equal(["Program.cs", .. shown], all.Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal));
    }

    private static Backend OnDriver(GpuKernelCompiler? compiler) =>
        CudaDevices.TryOpen(new FakeDriver(), 0, out Backend? backend, out string? obstacle, compiler: compiler)
            ? backend : throw new InvalidOperationException(obstacle);

    private static void CopyElements(ArrayView<float> x, ArrayView<float> y, int count)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < count) y[i] = x[i];
    }

    private readonly struct OnCpuAlone : IOperation
    {
        static string IOperation.Name => "alone";

        OperationCost IOperation.Cost => default;

        void IOperation.Check(OperandCheck operands)
        {
        }

        void IOperation.RunOnCpu<T>(CpuLauncher cpu)
        {
        }
    }

    /// <summary>An operation whose arguments are written in the wrong order, or in the right one.</summary>
    private readonly struct Copy(Tensor x, Tensor y, bool swapped) : IOperation
    {
        private static readonly GpuKernel<CopyArguments> Kernel = new(CopyElements, 32);

        static string IOperation.Name => "copy";

        OperationCost IOperation.Cost => default;

        void IOperation.Check(OperandCheck operands) => operands.Expect(y, x.DType, x.Shape);

        void IOperation.RunOnCpu<T>(CpuLauncher cpu) => throw new NotSupportedException();

        void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(Kernel, new() { X = x, Y = y, Swapped = swapped }, 1);
    }

    private readonly struct CopyArguments : IKernelArguments
    {
        public required Tensor X { get; init; }

        public required Tensor Y { get; init; }

        public required bool Swapped { get; init; }

        public void Write(KernelArguments arguments)
        {
            if (Swapped) arguments.Add(Y);
            arguments.Add(X);
            if (!Swapped) arguments.Add(Y);
            arguments.Add((int)X.Count, "count");
        }
    }
}

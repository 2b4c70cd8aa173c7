using Conformance.Cases;
using Conformance.Gpu;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Tests.Gpu;

[Trait("Category", "Slow")]
public sealed class InterpretedKernelTests
{
    public static TheoryData<string> Names()
    {
        var data = new TheoryData<string>();
        foreach (string name in OperationSuite.AllGpuSizes.Select(c => c.Name).Distinct()) data.Add(name);
        return data;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_kernel_equals_the_float64_reference_in_the_interpreter(string name)
    {
        using Backend backend = new CudaBackend(new InterpretedDevice());
        foreach (OpCase op in OperationSuite.AllGpuSizes.Where(c => c.Name == name)) OpCheck.Run(op, backend);
    }

    [Fact]
    public void Tanh_of_what_is_no_number_is_none_on_a_GPU_too()
    {
        float[] x = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 0], y = new float[x.Length];
        using Backend backend = new CudaBackend(new InterpretedDevice());
        using var arena = new Arena(backend);
        Tensor tensor = arena.Rent(new Shape(x.Length), DType.F32);
        backend.Upload<float>(x, tensor);
        backend.Run(new TanhForward(tensor, tensor));
        backend.Download<float>(tensor, y);
        Assert.Equal([float.NaN, 1, -1, 0], y);
    }

    public static TheoryData<string> Runs()
    {
        var data = new TheoryData<string>();
        foreach (BackendRun run in OperationSuite.AllRuns) data.Add(run.Name);
        return data;
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public void Every_gradient_in_the_interpreter_equals_that_of_the_CPU(string name)
    {
        using Backend cpu = CpuBackend.Create(1), gpu = new CudaBackend(new InterpretedDevice());
        OperationSuite.AllRuns.First(run => run.Name == name).Compare(cpu, gpu);
    }

    [Fact]
    public void Every_kernel_in_bf16_equals_its_fp32_form_up_to_the_rounding_of_results()
    {
        LongTests.SkipUnlessAsked();
        var twin = new BFloat16Twin(new InterpretedDevice());
        string[] ofTables =
        [
            twin.Library.Find(GpuKernels<RelativeBias>.AttentionTableGradient.For(DType.BF16)).Entry,
            twin.Library.Find(GpuKernels<RelativeBias>.AttentionTableGradientDropout.For(DType.BF16)).Entry,
        ];
        using Backend backend = new CudaBackend(twin);
        foreach (BackendRun run in OperationSuite.AllRuns) run.On(backend);
        foreach (OpCase op in OperationSuite.AllNarrowSizes)
        {
            using var arena = new Arena(backend);
            op.Prepare(backend, arena, arena.Rent).Run();
        }

        string[] expected = [.. KernelManifest.Compiled.Keys.Where(name => name.EndsWith("_bf16", StringComparison.Ordinal)
            && KernelManifest.Compiled.ContainsKey(name[..^5] + "_f32") && !BFloat16Twin.NotCompared.Contains(name)), .. ofTables];
        Assert.Equal(expected.Order(StringComparer.Ordinal), twin.Compared);
    }
}

using BenchmarkDotNet.Attributes;
using Conformance.Cases;
using Engine.Runtime;

namespace Bench.Kernels;

/// <summary>The operations of the 117M model at 8 × 128 tokens, on all cores.</summary>
[MemoryDiagnoser]
public class KernelBenchmarks
{
    private Backend _backend = null!;
    private Arena _arena = null!;
    private Action _run = null!;

    [ParamsSource(nameof(Ops))]
    public OpCase Op { get; set; } = null!;

    public static IEnumerable<OpCase> Ops() => OpCases.Model(8, 128);

    [GlobalSetup]
    public void Setup()
    {
        _backend = CpuBackend.Create();
        _arena = new Arena(_backend);
        (_run, _) = Op.Prepare(_backend, _arena, _arena.Rent);
    }

    [Benchmark]
    public void Run() => _run();

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _backend.Dispose();
    }
}

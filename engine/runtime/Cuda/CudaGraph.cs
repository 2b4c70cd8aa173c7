using Engine.Kernels.Gpu;

namespace Engine.Runtime.Cuda;

/// <summary>
/// Launches captured once and replayed with one call, with the same arguments: a whole step costs one call. What changes between
/// runs lies in device memory.
/// </summary>
internal sealed class CudaGraph : CapturedGraph
{
    private readonly ICudaDriver _driver;
    private readonly CudaContext _context;
    private readonly IReadOnlyList<CompiledKernel> _kernels;
    private nint _executable;

    internal CudaGraph(ICudaDriver driver, CudaContext context, nint graph, IReadOnlyList<CompiledKernel> kernels)
    {
        (_driver, _context, _kernels) = (driver, context, kernels);
        CudaResult result = _driver.GraphInstantiate(out _executable, graph, 0);
        _ = _driver.GraphDestroy(graph);
        driver.Check(result, "cuGraphInstantiate");
    }

    /// <summary>Runs the launches again, in their order on the context's stream.</summary>
    public void Replay()
    {
        ObjectDisposedException.ThrowIf(_executable == 0, this);
        _context.Enter();
        foreach (CompiledKernel kernel in _kernels) _context.Note(kernel);
        _context.CheckWork(_driver.GraphLaunch(_executable, _context.Stream), "cuGraphLaunch");
    }

    public override void Dispose()
    {
        nint executable = Interlocked.Exchange(ref _executable, 0);
        if (executable != 0) _ = _driver.GraphExecutableDestroy(executable);
    }
}

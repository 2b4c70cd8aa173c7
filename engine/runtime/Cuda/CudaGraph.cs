namespace Engine.Runtime.Cuda;

/// <summary>
/// Launches that were recorded once and run again as one, with the same arguments: a whole step costs one call. What changes between
/// runs lies in device memory.
/// </summary>
internal sealed class CudaGraph : IDisposable
{
    private readonly ICudaDriver _driver;
    private readonly CudaContext _context;
    private nint _executable;

    internal CudaGraph(ICudaDriver driver, CudaContext context, nint graph)
    {
        (_driver, _context) = (driver, context);
        CudaResult result = _driver.GraphInstantiate(out _executable, graph, 0);
        _ = _driver.GraphDestroy(graph);
        driver.Check(result, "cuGraphInstantiate");
    }

    /// <summary>Runs the launches again, in their order on the context's stream.</summary>
    public void Replay()
    {
        ObjectDisposedException.ThrowIf(_executable == 0, this);
        _context.Enter();
        _context.CheckWork(_driver.GraphLaunch(_executable, _context.Stream), "cuGraphLaunch");
    }

    public void Dispose()
    {
        nint executable = Interlocked.Exchange(ref _executable, 0);
        if (executable != 0) _ = _driver.GraphExecutableDestroy(executable);
    }
}

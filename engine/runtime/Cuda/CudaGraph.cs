namespace Engine.Runtime.Cuda;

/// <summary>
/// Launches that were recorded once and run again as one, with the same arguments: a whole step costs one call. What changes between
/// runs lies in device memory.
/// </summary>
internal sealed class CudaGraph : IDisposable
{
    private readonly CudaContext _context;
    private nint _executable;

    internal CudaGraph(CudaContext context, nint graph)
    {
        _context = context;
        CudaResult result = CudaDriver.GraphInstantiate(out _executable, graph, 0);
        _ = CudaDriver.GraphDestroy(graph);
        CudaContext.Check(result, "cuGraphInstantiate");
    }

    /// <summary>Runs the launches again, in their order on the context's stream.</summary>
    public void Replay()
    {
        ObjectDisposedException.ThrowIf(_executable == 0, this);
        _context.Enter();
        _context.CheckWork(CudaDriver.GraphLaunch(_executable, _context.Stream), "cuGraphLaunch");
    }

    public void Dispose()
    {
        nint executable = Interlocked.Exchange(ref _executable, 0);
        if (executable != 0) _ = CudaDriver.GraphExecutableDestroy(executable);
    }
}

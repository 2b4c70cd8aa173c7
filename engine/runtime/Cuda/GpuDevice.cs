using Engine.Kernels.Gpu;

namespace Engine.Runtime.Cuda;

/// <summary>
/// What a <see cref="CudaBackend"/> needs of a GPU: memory, copies and launches, in order. The driver's is <see cref="CudaContext"/>;
/// another one runs the same launches where there is no GPU. One thread at a time.
/// </summary>
/// <param name="library">The kernels; without one, those that were compiled ahead.</param>
internal abstract unsafe class GpuDevice(KernelLibrary? library = null) : KernelLauncher(library)
{
    /// <summary>Makes the device this thread's.</summary>
    public abstract void Enter();

    /// <summary>The queue of its work, for libraries that add to it; 0 where there is none.</summary>
    public virtual nint Stream => 0;

    /// <summary>Memory aligned to 64 bytes.</summary>
    /// <exception cref="DeviceMemoryException">There is none.</exception>
    public abstract nint Allocate(long bytes);

    public abstract void Free(nint address);

    public abstract void Download(nint source, Span<byte> destination);

    /// <summary>Whether launches can be captured as a graph.</summary>
    public abstract bool CapturesGraphs { get; }

    /// <summary>Captures what the action launches as a graph, without running it.</summary>
    public abstract CudaGraph Capture(Action step);

    /// <summary>Milliseconds that the GPU spends on what the action launches.</summary>
    public abstract double Time(Action work);
}

using Engine.Kernels.Gpu;

namespace Engine.Runtime.Cuda;

/// <summary>
/// What a <see cref="CudaBackend"/> needs of a GPU: memory, copies and launches, in order. The driver's is <see cref="CudaContext"/>;
/// another one runs the same launches where there is no GPU. One thread at a time.
/// </summary>
internal abstract unsafe class GpuDevice : IDisposable
{
    private readonly KernelArguments _arguments = new();
    private readonly Dictionary<string, (CompiledKernel Kernel, byte[] Text)> _own = [];

    /// <summary>The GPU, for people.</summary>
    public abstract string Description { get; }

    /// <summary>The most shared memory that a block can have: 99 KiB on compute capability 8.6 and 8.9, 163 on 8.0, 227 on 9.0.</summary>
    public abstract int MaxSharedBytes { get; }

    /// <summary>Makes the device this thread's.</summary>
    public abstract void Enter();

    /// <summary>Memory aligned to 64 bytes.</summary>
    /// <exception cref="DeviceMemoryException">There is none.</exception>
    public abstract nint Allocate(long bytes);

    public abstract void Free(nint address);

    public abstract void Upload(ReadOnlySpan<byte> source, nint destination);

    public abstract void Download(nint source, Span<byte> destination);

    public abstract void Copy(nint source, nint destination, long bytes);

    /// <summary>Sets bytes to 0.</summary>
    public abstract void Clear(nint destination, long bytes);

    /// <summary>Whether launches can be recorded.</summary>
    public abstract bool Records { get; }

    /// <summary>Records what the action launches, without running it.</summary>
    public abstract CudaGraph Record(Action step);

    /// <summary>Milliseconds that the GPU spends on what the action launches.</summary>
    public abstract double Time(Action work);

    /// <summary>Starts the arguments of a launch; <see cref="Launch(long, int, int, int)"/> ends them.</summary>
    /// <exception cref="NotSupportedException">No such kernel was compiled.</exception>
    public KernelArguments Begin(string entry)
    {
        CompiledKernel? kernel = _own.TryGetValue(entry, out (CompiledKernel Kernel, byte[] Text) own) ? own.Kernel : KernelManifest.Compiled.GetValueOrDefault(entry);
        _arguments.Begin(kernel ?? throw new NotSupportedException($"no GPU kernel «{entry}» was compiled; docs/gpu.md says how one is added"));
        return _arguments;
    }

    /// <summary>Adds a kernel that was compiled in this process.</summary>
    /// <param name="kernel">What it is; its name is not that of another one.</param>
    /// <param name="text">Its text: ASCII, closed by a zero.</param>
    /// <exception cref="ArgumentException">There is a kernel of this name.</exception>
    public void Add(CompiledKernel kernel, byte[] text)
    {
        if (KernelManifest.Compiled.ContainsKey(kernel.Entry) || !_own.TryAdd(kernel.Entry, (kernel, text)))
            throw new ArgumentException($"there is a GPU kernel «{kernel.Entry}» already; give the struct another name");
    }

    /// <summary>Launches the kernel whose arguments were begun.</summary>
    /// <param name="gridX">Blocks; a launch without blocks does nothing.</param>
    /// <param name="gridY">Blocks in the second dimension.</param>
    /// <param name="gridZ">Blocks in the third dimension.</param>
    /// <param name="dynamicShared">Bytes of shared memory beside those the kernel declares; −1 for what its manifest says.</param>
    public void Launch(long gridX, int gridY = 1, int gridZ = 1, int dynamicShared = -1)
    {
        CompiledKernel kernel = _arguments.End();
        if (gridX == 0 || gridY == 0 || gridZ == 0) return;
        if (gridX > int.MaxValue || gridY > 65535 || gridZ > 65535)
            throw new ArgumentException($"{kernel.Entry}: a grid of {gridX} × {gridY} × {gridZ} blocks is too large; a smaller batch needs fewer");
        if (dynamicShared < 0) dynamicShared = kernel.DynamicShared;
        if (kernel.StaticShared + dynamicShared > MaxSharedBytes)
            throw new NotSupportedException($"{kernel.Entry} needs {kernel.StaticShared + dynamicShared} bytes of shared memory a block at this size, the GPU " +
                $"({Description}) has {MaxSharedBytes}; run it on another GPU or on the CPU (--device cpu)");
        Launch(kernel, _arguments, (int)gridX, gridY, gridZ, dynamicShared);
    }

    /// <summary>The text of a kernel: ASCII, closed by a zero.</summary>
    protected byte[] Text(CompiledKernel kernel) => _own.TryGetValue(kernel.Entry, out (CompiledKernel Kernel, byte[] Text) own) ? own.Text : KernelManifest.Text(kernel);

    public virtual void Dispose() => _arguments.Dispose();

    protected abstract void Launch(CompiledKernel kernel, KernelArguments arguments, int gridX, int gridY, int gridZ, int dynamicShared);
}

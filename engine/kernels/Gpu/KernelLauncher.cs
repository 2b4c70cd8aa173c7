namespace Engine.Kernels.Gpu;

/// <summary>What launches of kernels need of a GPU. One thread at a time.</summary>
internal abstract unsafe class KernelLauncher : IDisposable
{
    private readonly KernelArguments _arguments = new();
    private readonly Dictionary<string, (CompiledKernel Kernel, byte[] Text)> _own = [];

    /// <summary>The GPU, for people.</summary>
    public abstract string Description { get; }

    /// <summary>The most shared memory that a block can have: 99 KiB on compute capability 8.6 and 8.9, 163 on 8.0, 227 on 9.0.</summary>
    public abstract int MaxSharedBytes { get; }

    /// <summary>The version of its architecture, <c>9.0</c> for Hopper.</summary>
    public abstract Version ComputeCapability { get; }

    /// <summary>Whether it runs the kernels for compute capability 9.0 alone: <c>wgmma</c>, and copies by tensor maps.</summary>
    public abstract bool IsHopper { get; }

    /// <summary>
    /// What the copy engine needs to know of a matrix of bf16 elements, [rows, columns], columns being a multiple of eight: boxes of
    /// 64 × 64 elements, whose 16-byte pieces are exchanged within 128 bytes.
    /// </summary>
    /// <param name="matrix">Its address, a multiple of 16.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="columns">Its columns.</param>
    /// <param name="map">The 128 bytes to fill, at a multiple of 64.</param>
    public abstract void EncodeTensorMap(nint matrix, long rows, long columns, Span<byte> map);

    public abstract void Upload(ReadOnlySpan<byte> source, nint destination);

    public abstract void Copy(nint source, nint destination, long bytes);

    /// <summary>Sets bytes to 0.</summary>
    public abstract void Clear(nint destination, long bytes);

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
                $"({Description}) has {MaxSharedBytes}; run it on another GPU or on the CPU");
        Launch(kernel, _arguments, (int)gridX, gridY, gridZ, dynamicShared);
    }

    /// <summary>The text of a kernel: ASCII, closed by a zero.</summary>
    protected byte[] Text(CompiledKernel kernel) => _own.TryGetValue(kernel.Entry, out (CompiledKernel Kernel, byte[] Text) own) ? own.Text : KernelManifest.Text(kernel);

    public virtual void Dispose() => _arguments.Dispose();

    protected abstract void Launch(CompiledKernel kernel, KernelArguments arguments, int gridX, int gridY, int gridZ, int dynamicShared);
}

namespace Engine.Kernels.Gpu;

/// <summary>What launches of kernels need of a GPU. One thread at a time.</summary>
internal abstract unsafe class KernelLauncher : IDisposable
{
    private readonly KernelArguments _arguments;

    /// <param name="library">The kernels; without one, those that were compiled ahead.</param>
    protected KernelLauncher(KernelLibrary? library = null) => (_arguments, Library) = (new(this), library ?? new());

    /// <summary>The kernels.</summary>
    public KernelLibrary Library { get; }

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

    /// <summary>Launches a kernel.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="gridX">Blocks; a launch without blocks does nothing.</param>
    /// <param name="gridY">Blocks in the second dimension.</param>
    /// <param name="gridZ">Blocks in the third dimension.</param>
    /// <param name="dynamicShared">Bytes of shared memory beside those the kernel declares; −1 for what its manifest says.</param>
    /// <exception cref="NotSupportedException">It was not compiled and cannot be, or needs more shared memory than the GPU has.</exception>
    public void Launch<TArguments>(
        GpuKernel<TArguments> kernel, in TArguments arguments, long gridX, int gridY = 1, int gridZ = 1, int dynamicShared = -1)
        where TArguments : struct, IKernelArguments
        => Launch(Library.Find(kernel), arguments, gridX, gridY, gridZ, dynamicShared);

    /// <summary>Launches a compiled kernel.</summary>
    /// <inheritdoc cref="Launch{TArguments}(GpuKernel{TArguments}, in TArguments, long, int, int, int)"/>
    public void Launch<TArguments>(
        CompiledKernel kernel, in TArguments arguments, long gridX, int gridY, int gridZ, int dynamicShared)
        where TArguments : struct, IKernelArguments
    {
        _arguments.Begin(kernel);
        arguments.Write(_arguments);
        _arguments.End();
        if (gridX == 0 || gridY == 0 || gridZ == 0) return;
        if (gridX > int.MaxValue || gridY > 65535 || gridZ > 65535)
            throw new ArgumentException(
                $"{kernel.Entry}: a grid of {gridX} × {gridY} × {gridZ} blocks is too large; a smaller batch needs fewer");
        if (dynamicShared < 0) dynamicShared = kernel.DynamicShared;
        if (kernel.StaticShared + dynamicShared > MaxSharedBytes)
            throw new NotSupportedException(
                $"{kernel.Entry} needs {kernel.StaticShared + dynamicShared} bytes of shared memory a block at this size, the GPU " +
                $"({Description}) has {MaxSharedBytes}; run it on another GPU or on the CPU");
        Launch(kernel, _arguments, (int)gridX, gridY, gridZ, dynamicShared);
    }

    public virtual void Dispose() => _arguments.Free();

    protected abstract void Launch(CompiledKernel kernel, KernelArguments arguments, int gridX, int gridY, int gridZ, int dynamicShared);
}

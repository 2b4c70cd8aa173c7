namespace Engine.Kernels.Gpu;

/// <summary>The kernels that a GPU has: those that were compiled ahead, and those that are compiled when they are first launched.</summary>
/// <param name="compiler">Compiles the latter; without one there are none.</param>
internal sealed class KernelLibrary(GpuKernelCompiler? compiler = null)
{
    private readonly Dictionary<string, (CompiledKernel Kernel, byte[] Text)> _own = [];

    /// <summary>A kernel that there is already; else null.</summary>
    public CompiledKernel? Find(string entry) =>
        _own.TryGetValue(
            entry, out (CompiledKernel Kernel, byte[] Text) own) ? own.Kernel : KernelManifest.Compiled.GetValueOrDefault(entry);

    /// <summary>A kernel, which is compiled if need be.</summary>
    /// <exception cref="NotSupportedException">See <see cref="GpuKernel{TArguments}.Compile"/>.</exception>
    public CompiledKernel Find<TArguments>(GpuKernel<TArguments> kernel)
        where TArguments : struct, IKernelArguments
    {
        if (Find(kernel.Entry) is { } known) return known;
        (CompiledKernel compiled, byte[] text) = kernel.Compile(compiler);
        _own.Add(kernel.Entry, (compiled, text));
        return compiled;
    }

    /// <summary>A kernel of attention with a score modification, which is compiled if need be.</summary>
    /// <typeparam name="TMod">The modification.</typeparam>
    /// <param name="entry">The kernel.</param>
    /// <exception cref="NotSupportedException">It was not compiled ahead, and there is no compiler, or the compiler refuses it.</exception>
    public CompiledKernel Find<TMod>(string entry)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        if (Find(entry) is { } kernel) return kernel;
        if (compiler is null)
            throw new NotSupportedException(
                $"attention with {typeof(TMod).Name} is not among the kernels that were compiled ahead for GPUs («{entry}»): give the backend a compiler, " +
                "CudaDevices.Open(compiler: new IlgpuKernelCompiler()) of Engine.KernelCompiler, or use the CPU");
        (CompiledKernel compiled, byte[] text) = compiler.Compile<TMod>(entry);
        _own.Add(entry, (compiled, text));
        return compiled;
    }

    /// <summary>The text of a kernel: ASCII, closed by a zero.</summary>
    public byte[] Text(CompiledKernel kernel) =>
        _own.TryGetValue(kernel.Entry, out (CompiledKernel Kernel, byte[] Text) own) ? [.. own.Text, 0] : KernelManifest.Text(kernel);
}

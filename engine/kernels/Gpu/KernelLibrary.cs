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

    /// <summary>The text of a kernel: ASCII, closed by a zero.</summary>
    public byte[] Text(CompiledKernel kernel) =>
        _own.TryGetValue(kernel.Entry, out (CompiledKernel Kernel, byte[] Text) own) ? [.. own.Text, 0] : KernelManifest.Text(kernel);
}

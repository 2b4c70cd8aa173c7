using System.Reflection;
using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>
/// Compiles GPU kernels while a program runs: those of operations of one's own, and those of score modifications that were not compiled
/// ahead. The engine needs none for the models it knows; the one there is lies in the assembly <c>Engine.KernelCompiler</c>, with the
/// compiler ILGPU.
/// </summary>
public abstract class GpuKernelCompiler
{
    /// <summary>Only this engine's own assemblies derive from it.</summary>
    private protected GpuKernelCompiler()
    {
    }

    /// <summary>Compiles a kernel of one's own.</summary>
    /// <param name="entry">The name that it gets.</param>
    /// <param name="kernel">The static method.</param>
    /// <param name="threads">The threads of a block.</param>
    /// <returns>What it is, and its text in ASCII.</returns>
    /// <exception cref="NotSupportedException">The compiler refuses it; the message says why.</exception>
    internal abstract (CompiledKernel Kernel, byte[] Text) Compile(string entry, MethodInfo kernel, int threads);

    /// <summary>Compiles a kernel of attention with a score modification.</summary>
    /// <typeparam name="TMod">The modification.</typeparam>
    /// <param name="entry">The kernel.</param>
    /// <returns>What it is, and its text in ASCII.</returns>
    /// <exception cref="NotSupportedException">The compiler refuses the modification; the message says why.</exception>
    internal abstract (CompiledKernel Kernel, byte[] Text) Compile<TMod>(string entry)
        where TMod : unmanaged, IScoreModification<TMod>;
}

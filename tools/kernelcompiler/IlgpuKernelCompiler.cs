using System.Reflection;
using System.Text;
using Engine.Kernels;
using Engine.Kernels.Gpu;

namespace Engine.KernelCompiler;

/// <summary>
/// Compiles kernels of one's own, and attention with score modifications of one's own and with those of the engine that were not compiled
/// ahead, when a backend first launches them: a second or two a kernel. What was compiled is kept on disk, so the next process does not
/// compile it again.
/// </summary>
public sealed class IlgpuKernelCompiler : GpuKernelCompiler
{
    private readonly KernelCache _cache;

    /// <param name="cacheFolder">
    /// Where compiled kernels are kept; unless given, <c>dnabert2/kernels</c> in the user's local application data. It may be deleted at
    /// any time, and shared by processes.
    /// </param>
    public IlgpuKernelCompiler(string? cacheFolder = null) => _cache = new KernelCache(cacheFolder ?? KernelCache.DefaultFolder);

    /// <summary>Kernels that were compiled, and not found in the cache.</summary>
    internal int Compilations { get; private set; }

    internal override (CompiledKernel Kernel, byte[] Text) Compile(string entry, MethodInfo kernel, int threads) => FindOrCompile(
        entry, [kernel.DeclaringType!, .. kernel.GetGenericArguments()], () => new(entry, entry, kernel, threads, 0, 1, KernelTarget.Any));

    internal override (CompiledKernel Kernel, byte[] Text) Compile<TMod>(string entry) => FindOrCompile(entry, [typeof(TMod)], () =>
    {
        var list = new KernelList();
        ScoreModificationKernels.Add<TMod>(list);
        return list.Kernels.FirstOrDefault(kernel => kernel.Entry == entry)
            ?? throw new NotSupportedException($"attention has no kernel '{entry}' with {typeof(TMod).Name}");
    });

    private (CompiledKernel Kernel, byte[] Text) FindOrCompile(string entry, Type[] types, Func<KernelSource> source)
    {
        string key = KernelCache.Key(entry, types);
        if (_cache.Find(entry, key) is { } known) return known;
        (CompiledKernel kernel, string text) = Compiler.Compile(source());
        Compilations++;
        _cache.Add(key, kernel, text);
        return (kernel, Encoding.ASCII.GetBytes(text));
    }
}

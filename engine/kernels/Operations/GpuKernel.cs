using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>
/// The arguments of a GPU kernel. Those of the engine's kernels are generated from the kernels' parameters, one required member a
/// parameter, so that none is left out or given in another one's place. A kernel of one's own comes with a struct of one's own.
/// </summary>
public interface IKernelArguments
{
    /// <summary>Writes the arguments in the order of the kernel's parameters.</summary>
    /// <param name="arguments">Where they are written.</param>
    void Write(KernelArguments arguments);
}

/// <summary>A GPU kernel, with the type of its arguments; <see cref="GpuLauncher"/> launches it.</summary>
/// <typeparam name="TArguments">The arguments.</typeparam>
public sealed class GpuKernel<TArguments>
    where TArguments : struct, IKernelArguments
{
    private readonly string? _description;
    private readonly Func<GpuKernelCompiler, string, (CompiledKernel Kernel, byte[] Text)>? _compile;

    /// <summary>
    /// A kernel of one's own. It is compiled when a backend first launches it, by the compiler that the backend was given
    /// (<c>CudaDevices.Open(compiler: new IlgpuKernelCompiler())</c>), which keeps it on disk.
    /// </summary>
    /// <param name="kernel">
    /// A static method in the language of ILGPU. Its parameters are views of elements (<c>ArrayView&lt;float&gt;</c>, of <c>ushort</c> for
    /// BF16, <c>double</c>, <c>int</c>, <c>uint</c>, <c>byte</c>) and numbers (<c>int</c>, <c>uint</c>, <c>long</c>, <c>float</c>).
    /// </param>
    /// <param name="threads">The threads of a block: a multiple of 32, at most 1024.</param>
    /// <exception cref="ArgumentException">The method is not static, or a block has no such number of threads.</exception>
    public GpuKernel(Delegate kernel, int threads)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        if (!kernel.Method.IsStatic)
            throw new ArgumentException($"a kernel is a static method; {kernel.Method.Name} is none", nameof(kernel));
        if (threads is < 32 or > 1024 || threads % 32 != 0)
            throw new ArgumentException($"a block has a multiple of 32 threads, at most 1024, not {threads}", nameof(threads));
        MethodInfo method = kernel.Method;
        Entry = EntryOf(method, threads);
        _description = $"the kernel {method.DeclaringType?.Name}.{method.Name}";
        _compile = (compiler, entry) => compiler.Compile(entry, method, threads);
    }

    /// <summary>A kernel that was compiled ahead.</summary>
    internal GpuKernel(string entry) => Entry = entry;

    private GpuKernel(
        string entry, string description, Func<GpuKernelCompiler, string, (CompiledKernel Kernel, byte[] Text)> compile) =>
        (Entry, _description, _compile) = (entry, description, compile);

    /// <summary>A kernel of attention with a score modification.</summary>
    internal static GpuKernel<TArguments> Of<TMod>(string entry)
        where TMod : unmanaged, IScoreModification<TMod>
        => new(entry, $"attention with {typeof(TMod).Name}", static (compiler, entry) => compiler.Compile<TMod>(entry));

    /// <summary>The name under which it is compiled.</summary>
    internal string Entry { get; }

    /// <summary>Compiles it.</summary>
    /// <exception cref="NotSupportedException">It cannot be compiled; the message says why.</exception>
    internal (CompiledKernel Kernel, byte[] Text) Compile(GpuKernelCompiler? compiler)
    {
        if (_compile is null)
            throw new NotSupportedException($"no GPU kernel '{Entry}' was compiled; docs/gpu-kernels.md says how one is added");
        if (compiler is null)
            throw new NotSupportedException(
                $"{_description} is not among the kernels that were compiled ahead for GPUs ('{Entry}'): give the backend a compiler, " +
                "CudaDevices.Open(compiler: new IlgpuKernelCompiler()) of Engine.KernelCompiler, or use the CPU");
        return _compile(compiler, Entry);
    }

    /// <summary>The method's name, and a hash of all that it could be confused with.</summary>
    private static string EntryOf(MethodInfo method, int threads)
    {
        string identity = $"{method.DeclaringType!.AssemblyQualifiedName} {method} {threads}";
        var name = new StringBuilder("own_");
        foreach (char c in method.Name) name.Append(char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '_');
        return name.Append('_').Append(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity)), 0, 8)).ToString();
    }
}

/// <summary>A kernel in its element types.</summary>
/// <typeparam name="TArguments">The arguments of all of them.</typeparam>
/// <param name="f32">In fp32, with rows that are read 16 bytes at a time.</param>
/// <param name="anyF32">In fp32, with rows of any width.</param>
/// <param name="bf16">In bf16.</param>
internal sealed class GpuKernelFamily<TArguments>(GpuKernel<TArguments> f32, GpuKernel<TArguments> anyF32, GpuKernel<TArguments> bf16)
    where TArguments : struct, IKernelArguments
{
    /// <summary>Kernels that were compiled ahead.</summary>
    /// <param name="name">What their names begin with.</param>
    public GpuKernelFamily(string name)
        : this(new(name + "_f32"), new(name + "_any_f32"), new(name + "_bf16"))
    {
    }

    /// <summary>Kernels of attention with a score modification.</summary>
    /// <param name="name">What their names begin with; the modification's stands for <c>{0}</c>.</param>
    public static GpuKernelFamily<TArguments> Of<TMod>(string name)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        string of = name.Replace("{0}", ScoreModificationName<TMod>.Value, StringComparison.Ordinal);
        return new(
            GpuKernel<TArguments>.Of<TMod>(of + "_f32"), GpuKernel<TArguments>.Of<TMod>(of + "_any_f32"),
            GpuKernel<TArguments>.Of<TMod>(of + "_bf16"));
    }

    /// <summary>The kernel for operands of a type.</summary>
    /// <param name="dtype">The type.</param>
    /// <param name="width">The width of their rows: a multiple of eight is read 16 bytes at a time.</param>
    /// <exception cref="NotSupportedException">There is no such kernel; the message says what helps.</exception>
    public GpuKernel<TArguments> For(DType dtype, int width = 8) => dtype switch
    {
        DType.F32 => width % 8 == 0 ? f32 : anyF32,
        DType.BF16 when width % 8 == 0 => bf16,
        DType.BF16 => throw new NotSupportedException(
            "rows of this width: in bf16 the GPU wants a multiple of eight (widths and head sizes); use DType.F32"),
        _ => throw new NotSupportedException($"there are no GPU kernels for {dtype}"),
    };
}

/// <summary>A matrix of bf16 elements that the copy engine reads.</summary>
/// <param name="Elements">Its elements; they begin at a multiple of 16 bytes.</param>
/// <param name="Rows">Its rows.</param>
/// <param name="Columns">Its columns, a multiple of eight.</param>
internal readonly record struct MappedMatrix(Tensor Elements, int Rows, int Columns);

/// <summary>The parameters of a score modification for each head.</summary>
/// <param name="Values">The structs as bytes, U8.</param>
/// <param name="Heads">How many there are.</param>
internal readonly record struct HeadParameters(Tensor Values, int Heads);

using System.Collections.Concurrent;
using System.Reflection;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace Engine.KernelCompiler;

/// <summary>Compiles kernels to PTX through ILGPU, without a GPU or a driver.</summary>
internal static class Compiler
{
    // The oldest target with bf16 tensor cores and asynchronous copies, and the oldest PTX that knows all instructions used.
    private static readonly CudaArchitecture Target = CudaArchitecture.SM_80;
    private static readonly CudaInstructionSet Language = CudaInstructionSet.ISA_74;

    /// <summary>What compiled kernels depend on: this assembly, which holds their sources and this compiler, and ILGPU.</summary>
    public static string Identity => $"{typeof(Compiler).Module.ModuleVersionId:N}-{typeof(Context).Module.ModuleVersionId:N}";

    /// <summary>Compiles kernels, in parallel; the result does not depend on the order.</summary>
    public static IReadOnlyList<(CompiledKernel Kernel, string Text)> Compile(KernelList list)
    {
        IReadOnlyList<KernelSource> sources = list.Kernels;
        var compiled = new (CompiledKernel Kernel, string Text)[sources.Count];
        // A compilation holds hundreds of megabytes: the pool, which adds threads while others are at work, must not start more than there
        // are cores.
        var bound = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount };
        // One by one: kernels of attention, the first ones, take a hundred times what the last ones do.
        var each = Partitioner.Create(Enumerable.Range(0, sources.Count), EnumerablePartitionerOptions.NoBuffering);
        Parallel.ForEach(each, bound, i => compiled[i] = Compile(sources[i]));
        Array.Sort(compiled, (a, b) => string.CompareOrdinal(a.Kernel.Entry, b.Kernel.Entry));
        return compiled;
    }

    /// <summary>Compiles a kernel.</summary>
    /// <exception cref="NotSupportedException">ILGPU refuses it.</exception>
    public static (CompiledKernel Kernel, string Text) Compile(KernelSource source)
    {
        // A context of its own: a compilation that fails leaves its context unusable.
        using Context context = Context.Create(builder => builder.Optimize(OptimizationLevel.O2).Inlining(InliningMode.Aggressive));
        PtxInstructions.Register(context);
        Passes.FoldFirst(context);
        using var backend = new PTXBackend(context, new CudaCapabilityContext(Target), Target, Language, null);
        string assembly;
        try
        {
            assembly = ((PTXCompiledKernel)backend.Compile(
                EntryPointDescription.FromExplicitlyGroupedKernel(source.Method),
                new KernelSpecialization(source.Threads, source.BlocksPerMultiprocessor))).PTXAssembly;
        }
        catch (InternalCompilerException fault)
        {
            throw new NotSupportedException($"{source.Entry}: {fault.Message} {fault.InnerException?.Message}", fault);
        }

        ParameterInfo[] parameters = source.Method.GetParameters();
        string text = PtxText.Clean(assembly, source.Entry, [.. parameters.Select(p => p.Name!)]);
        if (source.Target == KernelTarget.Hopper) text = PtxText.ForHopper(text);
        PtxHeader header = PtxText.ReadHeader(text);
        return (new CompiledKernel(source.Entry, source.Threads, header.StaticShared, source.DynamicShared,
            Describe(source.Entry, parameters, header), source.Target), text);
    }

    private static List<KernelParameter> Describe(string entry, ParameterInfo[] parameters, PtxHeader header)
    {
        var list = new List<KernelParameter>();
        for (int i = 0; i < parameters.Length; i++)
        {
            Type type = parameters[i].ParameterType;
            bool view = type.IsGenericType && type.GetGenericTypeDefinition() == typeof(ArrayView<>);
            KernelParameterKind kind = view ? KernelParameterKind.View
                : type == typeof(int) ? KernelParameterKind.I32
                : type == typeof(uint) ? KernelParameterKind.U32
                : type == typeof(long) ? KernelParameterKind.I64
                : type == typeof(float) ? KernelParameterKind.F32
                : type == typeof(TensorMap) ? KernelParameterKind.TensorMap
                : throw new NotSupportedException($"{entry}: a parameter of type {type} cannot be launched");
            var parameter = new KernelParameter(
                parameters[i].Name!, kind, view ? ElementName(type.GenericTypeArguments[0], entry) : null, header.Parameters[i].Offset);
            if (parameter.Size != header.Parameters[i].Size)
                throw new NotSupportedException(
                    $"{entry}: parameter {parameter.Name} takes {header.Parameters[i].Size} bytes, expected {parameter.Size}");
            list.Add(parameter);
        }

        return list;
    }

    private static string ElementName(Type type, string entry) =>
        type == typeof(float) ? "f32" : type == typeof(ushort) ? entry.EndsWith("_f16", StringComparison.Ordinal) ? "f16" : "bf16"
        : type == typeof(int) ? "i32"
        : type == typeof(uint) ? "u32"
        : type == typeof(byte) ? "u8"
        : type == typeof(double) ? "f64"
        : type.Name;
}

using System.Reflection;

namespace Engine.Kernels.Gpu;

/// <summary>A kernel to compile: one method, closed over its type parameters.</summary>
/// <param name="Family">The name that it shares with its forms in other element types; the entry, where there are none.</param>
/// <param name="Entry">The name under which it is launched.</param>
/// <param name="Method">The static method.</param>
/// <param name="Threads">The threads of a block.</param>
/// <param name="DynamicShared">Bytes of shared memory that the launch provides, beside those the kernel declares.</param>
/// <param name="BlocksPerMultiprocessor">Blocks that are to fit a multiprocessor at a time; it bounds the registers.</param>
/// <param name="Target">What GPUs it is for.</param>
internal sealed record KernelSource(
    string Family, string Entry, MethodInfo Method, int Threads, int DynamicShared, int BlocksPerMultiprocessor, KernelTarget Target);

/// <summary>Kernels to compile.</summary>
internal sealed class KernelList
{
    private readonly List<KernelSource> _kernels = [];

    public IReadOnlyList<KernelSource> Kernels => _kernels;

    /// <summary>Adds a kernel that has one form.</summary>
    public void Add(string entry, Delegate kernel, int threads, int dynamicShared = 0, int blocksPerMultiprocessor = 1) =>
        _kernels.Add(new(entry, entry, kernel.Method, threads, dynamicShared, blocksPerMultiprocessor, KernelTarget.Any));

    /// <summary>
    /// Adds the forms of a kernel in its element types: entries with the ends <c>_f32</c>, <c>_any_f32</c> and <c>_bf16</c>.
    /// </summary>
    /// <param name="family">The name of all of them.</param>
    /// <param name="threads">The threads of a block.</param>
    /// <param name="f32">In fp32, with rows that are read 16 bytes at a time; or null.</param>
    /// <param name="anyF32">In fp32, with rows of any width; or null.</param>
    /// <param name="bf16">In bf16; or null.</param>
    /// <param name="dynamicShared">Bytes of shared memory that the launch provides, beside those the kernel declares.</param>
    /// <param name="blocksPerMultiprocessor">Blocks that are to fit a multiprocessor at a time.</param>
    /// <param name="target">What GPUs they are for.</param>
    public void AddFamily(
        string family, int threads, Delegate? f32 = null, Delegate? anyF32 = null, Delegate? bf16 = null, int dynamicShared = 0,
        int blocksPerMultiprocessor = 1, KernelTarget target = KernelTarget.Any) =>
        AddForms(family, family, threads, f32, anyF32, bf16, dynamicShared, blocksPerMultiprocessor, target);

    /// <summary>
    /// Adds the forms of a kernel of attention with a score modification, whose name stands in their names for <c>{0}</c>.
    /// </summary>
    /// <inheritdoc cref="AddFamily(string, int, Delegate?, Delegate?, Delegate?, int, int, KernelTarget)"/>
    public void AddFamily<TMod>(
        string family, int threads, Delegate? f32 = null, Delegate? anyF32 = null, Delegate? bf16 = null, int dynamicShared = 0,
        int blocksPerMultiprocessor = 1)
        where TMod : unmanaged, IScoreModification<TMod>
        => AddForms(
            family, family.Replace("{0}", ScoreModificationName<TMod>.Value, StringComparison.Ordinal), threads, f32, anyF32, bf16,
            dynamicShared, blocksPerMultiprocessor, KernelTarget.Any);

    private void AddForms(
        string family, string name, int threads, Delegate? f32, Delegate? anyF32, Delegate? bf16, int dynamicShared,
        int blocksPerMultiprocessor, KernelTarget target)
    {
        Add("_f32", f32);
        Add("_any_f32", anyF32);
        Add("_bf16", bf16);

        void Add(string type, Delegate? kernel)
        {
            if (kernel is not null)
                _kernels.Add(new(family, name + type, kernel.Method, threads, dynamicShared, blocksPerMultiprocessor, target));
        }
    }

    /// <summary>
    /// All that are compiled ahead: every kernel in every element type, found by the method <c>Register</c> of its class, and attention
    /// with the score modifications of the models that the engine knows. Others are compiled by the program that uses them.
    /// </summary>
    public static KernelList All()
    {
        var list = new KernelList();
        ScoreModificationKernels.Add<Alibi>(list);
        ScoreModificationKernels.Add<NoModification>(list);
        foreach (Type type in typeof(KernelList).Assembly.GetTypes().OrderBy(type => type.Name, StringComparer.Ordinal))
            type.GetMethod("Register", [typeof(KernelList)])?.Invoke(null, [list]);
        return list;
    }
}

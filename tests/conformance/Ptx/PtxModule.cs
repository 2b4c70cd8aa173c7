using System.Collections.Concurrent;

namespace Conformance.Ptx;

/// <summary>A parsed PTX text. Kernels are linked (calls inlined, instructions decoded) when asked for.</summary>
internal sealed class PtxModule
{
    private static readonly ConcurrentDictionary<string, Lazy<PtxKernel>> Shared = new();
    private readonly Dictionary<string, PtxFunction> _functions;
    private readonly Dictionary<string, PtxKernel> _kernels = [];

    private PtxModule(PtxParser parser, string text)
    {
        _functions = parser.Functions;
        Version = parser.Version;
        Target = parser.Target;
        Variables = parser.Variables;
        Text = text;
    }

    public string Version { get; }
    public string Target { get; }
    /// <summary>The variables of module scope.</summary>
    internal List<PtxVariable> Variables { get; }
    internal string Text { get; }
    internal IReadOnlyDictionary<string, PtxFunction> Functions => _functions;

    public IEnumerable<string> KernelNames => _functions.Values.Where(f => f.IsEntry).Select(f => f.Name);

    /// <summary>The kernel of a text that has one, parsed and decoded once for all who run it: running changes nothing in it.</summary>
    public static PtxKernel OnlyKernel(string text) => Shared.GetOrAdd(text, static t => new Lazy<PtxKernel>(() =>
    {
        PtxModule module = Parse(t);
        return module.Kernel(module.KernelNames.Single());
    })).Value;

    /// <exception cref="PtxParseException">The text is not PTX, or uses what this interpreter does not know.</exception>
    public static PtxModule Parse(string text) => new(new PtxParser(text), text);

    /// <summary>The kernel of that name, decoded.</summary>
    public PtxKernel Kernel(string name)
    {
        if (_kernels.TryGetValue(name, out PtxKernel? kernel)) return kernel;
        if (!_functions.TryGetValue(name, out PtxFunction? function) || !function.IsEntry)
            throw new ArgumentException($"the module has no kernel '{name}'; it has: {string.Join(", ", KernelNames)}", nameof(name));
        return _kernels[name] = new PtxLinker(this, function).Link();
    }

    /// <summary>The generic address of a global or constant variable of module scope.</summary>
    internal static ulong Address(int index) => ((AddressSpace.ModuleWindow + (ulong)index) << 32) + AddressSpace.BufferOffset;
}

/// <summary>A kernel ready to run.</summary>
internal sealed class PtxKernel
{
    public required string Name { get; init; }
    /// <summary>The variables of module scope.</summary>
    public required List<PtxVariable> Variables { get; init; }
    public required string Text { get; init; }
    /// <summary>The entry's declaration, without its body.</summary>
    public required PtxFunction Function { get; init; }
    public required Instruction[] Code { get; init; }
    /// <summary>Registers in units of 32 lanes; constants and special registers are among them.</summary>
    public required int RegisterSlots { get; init; }
    public required int PredicateSlots { get; init; }
    /// <summary>Registers that may be read before they are written.</summary>
    public required int[] Unwritten { get; init; }
    public required List<(int Slot, ulong Value)> Constants { get; init; }
    public required List<(int Slot, string Name)> Specials { get; init; }
    public required MemoryLayout Shared { get; init; }
    public required MemoryLayout Local { get; init; }
    /// <summary>Where dynamic shared memory begins.</summary>
    public required int DynamicSharedStart { get; init; }
    /// <summary>Offsets of the entry's parameters in the parameter block.</summary>
    public required int[] ParameterOffsets { get; init; }
    public required int ParameterBytes { get; init; }
    /// <summary>log2 of the narrowest shared access: the grain of race checking, exact because accesses are aligned.</summary>
    public required int SharedGrain { get; init; }
    /// <summary>log2 of the narrowest global access.</summary>
    public required int GlobalGrain { get; init; }

    /// <summary>Bytes of statically declared shared memory.</summary>
    public int StaticSharedBytes => Shared.PackedBytes;

    public string Source(int line) => Text.Split('\n').ElementAtOrDefault(line - 1)?.Trim() ?? "";
}

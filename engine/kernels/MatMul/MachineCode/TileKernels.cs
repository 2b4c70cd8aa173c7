using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Iced.Intel;

namespace Engine.Kernels;

/// <summary>The tile kernels in machine code, for every number of rows.</summary>
internal sealed unsafe class TileKernels : IDisposable
{
    // With 512 bits, 9 × 48 leaves five registers of 32 for the factors. GEGLU pairs two halves of a weight, and attention two registers
    // of queries, so they take 12 × 32.
    private const int TripledRows = 9, Tripled = 3, PairedRows = 12, NarrowRows = 6, Paired = 2;
    private readonly ExecutableMemory _memory;
    private readonly nint* _entries, _rounded;
    private readonly bool _avx512;
    private readonly Precision _precision;
    private readonly int _elements;

    private TileKernels(ExecutableMemory memory, nint* entries, nint* rounded, bool avx512, Precision precision, int elements)
    {
        _entries = entries;
        _rounded = rounded;
        (_memory, _avx512, _precision, _elements) = (memory, avx512, precision, elements);
    }

    // Entries: float tiles by rows, then by columns, of as many rows as a pair of registers allows; then the tiles of products, then
    // bfloat16 tiles of attention by rows and by columns.
    private int Most => _avx512 ? PairedRows : NarrowRows;

    /// <summary>The tile of products between activations: in floats, or in bfloat16 where this machine has its instructions.</summary>
    /// <param name="rounded">Whether the precision of the kernels may be used, rather than floats. Integers are for weights alone.</param>
    public MatMulTile ForAttention(bool rounded) => rounded && _rounded != null
        ? new(PairedRows, Paired, 16, Precision.BF16, 2, _rounded, _rounded + PairedRows)
        : new(Most, Paired, _avx512 ? 16 : 8, Precision.F32, 1, _entries, _entries + Most);

    /// <summary>
    /// The kernels, or null if this machine lacks even the instructions for floats or allows no executable memory. The switches of .NET
    /// that turn instructions off count.
    /// </summary>
    /// <param name="precision">What the factors are rounded to; without instructions for it, the kernels are those for floats.</param>
    /// <param name="avx512">Whether registers have 512 bits, not 256.</param>
    public static TileKernels? TryCreate(Precision precision, bool avx512)
    {
        if (!IsSupported(Precision.F32, avx512)) return null;
        Precision instructions = IsSupported(precision, avx512) ? precision : Precision.F32;
        var code = new Assembler(64);
        var labels = new List<Label>();
        int most = avx512 ? PairedRows : NarrowRows;
        Append(code, labels, most, Paired, avx512, Precision.F32, byColumns: false);
        Append(code, labels, most, Paired, avx512, Precision.F32, byColumns: true);
        if (avx512) Append(code, labels, TripledRows, Tripled, avx512, instructions, byColumns: false);
        if (avx512) Append(code, labels, PairedRows, Paired, avx512, instructions, byColumns: false);
        int rounded = precision != Precision.F32 && IsSupported(Precision.BF16, avx512) ? labels.Count : -1;
        if (rounded >= 0) Append(code, labels, PairedRows, Paired, avx512, Precision.BF16, byColumns: false);
        if (rounded >= 0) Append(code, labels, PairedRows, Paired, avx512, Precision.BF16, byColumns: true);

        using var bytes = new MemoryStream();
        AssemblerResult result = code.Assemble(new StreamCodeWriter(bytes), 0, BlockEncoderOptions.ReturnNewInstructionOffsets);
        if (ExecutableMemory.TryCreate(bytes.GetBuffer().AsSpan(0, (int)bytes.Length)) is not { } memory) return null;
        var entries = (nint*)NativeMemory.Alloc((nuint)labels.Count, (nuint)sizeof(nint));
        for (int i = 0; i < labels.Count; i++) entries[i] = memory.Address + (nint)result.GetLabelRIP(labels[i]);
        nint* roundedEntries = rounded < 0 ? null : entries + rounded;
        return new TileKernels(
            memory, entries, roundedEntries, avx512, precision, instructions switch { Precision.BF16 => 2, Precision.I8 => 4, _ => 1 });
    }

    /// <summary>The tile of products with a weight.</summary>
    /// <param name="activation">What follows.</param>
    /// <param name="columns">Columns of the product: the wider tile is not worth it where more of its last panel is empty.</param>
    public MatMulTile For(Activation activation, int columns)
    {
        if (!_avx512) return new MatMulTile(NarrowRows, Paired, 8, _precision, _elements, _entries);
        nint* products = _entries + (2 * PairedRows);
        bool paired = activation.IsGated() || 50L * Empty(columns, 16 * Tripled) > columns + (50L * Empty(columns, 16 * Paired));
        return paired
            ? new MatMulTile(PairedRows, Paired, 16, _precision, _elements, products + TripledRows)
            : new MatMulTile(TripledRows, Tripled, 16, _precision, _elements, products);
    }

    private static int Empty(int columns, int width) => ((columns + width - 1) / width * width) - columns;

    public void Dispose()
    {
        NativeMemory.Free(_entries);
        _memory.Dispose();
    }

    private static void Append(
        Assembler code, List<Label> labels, int most, int registers, bool avx512, Precision precision, bool byColumns)
    {
        for (int rows = 1; rows <= most; rows++)
        {
            Label label = code.CreateLabel();
            code.Label(ref label);
            TileAssembler.Write(code, rows, registers, avx512, precision, byColumns);
            labels.Add(label);
        }
    }

    private static bool IsSupported(Precision precision, bool avx512)
    {
        if (!X86Base.X64.IsSupported || !Fma.X64.IsSupported) return false;
        if (!avx512) return precision == Precision.F32 && Vector256.IsHardwareAccelerated;
        if (!Avx512.IsUsable) return false;
        // CPUID leaf 7: AVX512_VNNI is bit 11 of ECX, AVX512_BF16 bit 5 of EAX in subleaf 1.
        return precision switch
        {
            Precision.BF16 => (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0,
            Precision.I8 => (X86Base.CpuId(7, 0).Ecx & (1 << 11)) != 0,
            _ => true,
        };
    }
}

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Conformance.Gpu;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Gpu;

namespace Tests.Kernels;

/// <summary>The CPU backend in each form that this machine, under the present switches, runs; and the GPU's, interpreted.</summary>
internal static class Backends
{
    private const string MachineCode = ", machine code", Gpu = "gpu";

    // The runtime's own switches, which .ci/run sets to run the kernels in a narrower form.
    private static readonly bool IsNarrowed = new[] { "DOTNET_EnableAVX512", "DOTNET_EnableAVX2", "DOTNET_EnableHWIntrinsic" }
        .Any(name => Environment.GetEnvironmentVariable(name) == "0");

    /// <summary>The forms of the CPU; where the process is narrowed, the widest ones, since the others run in every process.</summary>
    public static TheoryData<string> Names() => [.. CpuForms().Select(form => Row(new TheoryDataRow<string>(form), form))];

    /// <summary>
    /// The forms of the CPU, and that of 512 bits in two halves, as a program has it that was compiled ahead of time for AVX2 (but for its
    /// machine code).
    /// </summary>
    public static TheoryData<string> NamesWithHalves()
    {
        TheoryData<string> names = Names();
        if (Vector256.IsHardwareAccelerated && !Vector512.IsHardwareAccelerated)
            names.Add(new TheoryDataRow<string>("512").WithTrait("Category", "Slow"));
        return names;
    }

    /// <summary>The forms of the CPU, and the GPU's kernels in the PTX interpreter.</summary>
    public static TheoryData<string> NamesWithGpu() =>
        [.. FormsWithGpu().Select(form => Row(new TheoryDataRow<string>(form), form))];

    /// <summary>The names of <see cref="NamesWithGpu"/>.</summary>
    public static IEnumerable<string> FormsWithGpu() => CpuForms().Append(Gpu);

    private static List<string> CpuForms()
    {
        var names = new List<string> { "scalar" };
        if (Vector128.IsHardwareAccelerated) Add("128");
        foreach ((bool accelerated, string name) in new[] { (Vector256.IsHardwareAccelerated, "256"),
            (Vector512.IsHardwareAccelerated, "512") })
        {
            if (!accelerated) continue;
            Add(name);
            if (X86Base.X64.IsSupported) names.Add(name + MachineCode);
        }

        return names;

        void Add(string wider)
        {
            if (IsNarrowed) names.Clear();
            names.Add(wider);
        }
    }

    /// <summary>Marks a row of a theory as slow if its form is the interpreter's, or one of the CPU that is not the widest.</summary>
    public static TRow Row<TRow>(TRow row, string form) where TRow : TheoryDataRowBase =>
        form == Gpu || CpuForms().SkipLast(1).Contains(form) ? row.WithTrait("Category", "Slow") : row;

    /// <summary>Skips the running test in the interpreter unless long ones are asked for.</summary>
    public static void SkipInterpreterUnlessAsked(string form)
    {
        if (form == Gpu) LongTests.SkipUnlessAsked();
    }

    /// <summary>Numbers of threads at which bits are compared; on a GPU, which does not depend on them, two runs.</summary>
    public static int[] Threads(string form) => form == Gpu ? [1, 1] : [1, 2, 5, 1];

    public static Backend Create(string name, int threads, Precision precision = Precision.F32)
    {
        if (name == Gpu) return new CudaBackend(new InterpretedDevice());
        TileKernels? kernels = null;
        if (name.EndsWith(MachineCode, StringComparison.Ordinal))
        {
            name = name[..^MachineCode.Length];
            kernels = TileKernels.TryCreate(precision, name == "512");
            Assert.NotNull(kernels);
        }

        return name switch
        {
            "512" => new GuardedBackend<Simd512>(threads, precision, kernels),
            "256" => new GuardedBackend<Simd256>(threads, precision, kernels),
            "128" => new GuardedBackend<Simd128>(threads, precision, kernels),
            _ => new GuardedBackend<SimdScalar>(threads, precision, kernels),
        };
    }
}

/// <summary>
/// A backend whose every storage ends at a page that must not be touched, so that reading or writing past a tensor ends the process.
/// On systems other than Linux, memory is ordinary.
/// </summary>
internal sealed partial class GuardedBackend<T>(int threads, Precision precision, TileKernels? kernels)
    : CpuBackend<T>("guarded", threads, precision, kernels)
    where T : unmanaged, ISimd<T>
{
    private const int Page = 4096;
    private readonly Dictionary<nint, (nint Start, nint Length)> _mappings = [];

    private protected override nint AllocateMemory(long bytes, bool ordinaryPages)
    {
        if (!OperatingSystem.IsLinux()) return base.AllocateMemory(bytes, ordinaryPages);
        nint length = (nint)((bytes + Page - 1) / Page * Page);
        nint start = Libc.mmap(0, length + Page, Libc.ReadWrite, Libc.PrivateAnonymous, -1, 0);
        if (start == -1 || Libc.mprotect(start + length, Page, 0) != 0) throw new InsufficientMemoryException("mmap failed");
        nint address = start + length - (nint)bytes;
        lock (_mappings) _mappings.Add(address, (start, length + Page));
        return address;
    }

    private protected override void FreeMemory(nint address)
    {
        (nint Start, nint Length) mapping;
        lock (_mappings)
        {
            if (!_mappings.Remove(address, out mapping))
            {
                base.FreeMemory(address);
                return;
            }
        }

        _ = Libc.munmap(mapping.Start, mapping.Length);
    }
}

internal static partial class Libc
{
    public const int ReadWrite = 3;
    public const int PrivateAnonymous = 0x22;

    [LibraryImport("libc")]
    public static partial nint mmap(nint address, nint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc")]
    public static partial int mprotect(nint address, nint length, int protection);

    [LibraryImport("libc")]
    public static partial int munmap(nint address, nint length);
}

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Engine.Kernels;

namespace Engine.Runtime;

/// <summary>The CPU backend.</summary>
public static class CpuBackend
{
    /// <summary>
    /// A backend on the processor's cores, in the widest SIMD form the machine has. <c>DOTNET_EnableAVX512=0</c>,
    /// <c>DOTNET_EnableAVX2=0</c> and <c>DOTNET_EnableHWIntrinsic=0</c> force the narrower ones.
    /// </summary>
    /// <param name="threads">The number of threads, to 1,024; 0 for one a core.</param>
    /// <param name="precision">What the factors of matrix products are rounded to.</param>
    public static Backend Create(int threads = 0, Precision precision = Precision.F32)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, 1024);
        if (threads == 0) threads = Environment.ProcessorCount;
        // Compiled ahead of time for AVX2, registers of 512 bits are two halves outside the products: the same bits, a little slower.
        if (Avx512.IsUsable)
            return new CpuBackend<Simd512>("AVX-512", threads, precision, TileKernels.TryCreate(precision, avx512: true));
        if (Vector256.IsHardwareAccelerated)
            return new CpuBackend<Simd256>("AVX2", threads, precision, TileKernels.TryCreate(precision, avx512: false));
        if (Vector128.IsHardwareAccelerated) return new CpuBackend<Simd128>("128-bit SIMD", threads, precision, null);
        return new CpuBackend<SimdScalar>("no SIMD", threads, precision, null);
    }

    /// <summary>
    /// The wider SIMD form that the processor has and <see cref="Create"/> does not use, "AVX-512" or "AVX2"; null where it uses the
    /// widest. .NET's own switches turn them off, and a program that was compiled ahead of time for less than AVX2 does not use it.
    /// </summary>
    public static string? UnusedSimd()
    {
        if (!X86Base.IsSupported || Avx512.IsUsable || X86Base.CpuId(0, 0).Eax < 7) return null;
        if (Avx512.IsInProcessor) return "AVX-512";
        const int avx2 = 1 << 5;
        return (X86Base.CpuId(7, 0).Ebx & avx2) != 0 && !Vector256.IsHardwareAccelerated ? "AVX2" : null;
    }
}

/// <summary>The CPU backend in one SIMD form.</summary>
internal unsafe class CpuBackend<T> : Backend, IScratch
    where T : unmanaged, ISimd<T>
{
    private readonly Lock _operation = new();
    private readonly WorkerPool _pool;
    private readonly CpuLauncher _launcher;
    private Arena? _scratch;

    /// <param name="simd">Its name.</param>
    /// <param name="threads">The number of threads.</param>
    /// <param name="precision">What the factors of matrix products are rounded to.</param>
    /// <param name="kernels">Tiles in machine code, or null: the compiled ones. The backend owns them.</param>
    public CpuBackend(string simd, int threads, Precision precision, TileKernels? kernels)
    {
        Description =
            $"CPU, {simd}, {threads} thread{(threads == 1 ? "" : "s")}{(precision == Precision.F32 ? "" : $", {precision} products")}";
        Arithmetic = $"CPU, {simd}, {precision} products, {(kernels is null ? "compiled" : "assembled")} tiles";
        _pool = new WorkerPool(threads);
        _launcher = new CpuLauncher(_pool, this, precision, kernels);
    }

    public override string Description { get; }

    internal override string Arithmetic { get; }

    public override Precision Precision => _launcher.Precision;

    internal override bool IsHost => true;

    public override double MeasurePeak() => MachinePeak.Gflops(_pool.Workers, Precision);

    Tensor IScratch.Rent(Shape shape, DType dtype) => (_scratch ??= new Arena(this)).Rent(shape, dtype);

    public override void Clear(Tensor y) => NativeMemory.Clear(y.Address, (nuint)y.Bytes);

    private protected override void RunCore<TOperation>(in TOperation operation)
    {
        lock (_operation)
        {
            try
            {
                _launcher.Stop = WorkOfThread is { } work ? work.Stop : null;
                operation.RunOnCpu<T>(_launcher);
            }
            finally
            {
                _launcher.Stop = null;
                _scratch?.Reset();
            }
        }
    }

    private protected override nint AllocateMemory(long bytes, bool ordinaryPages)
    {
        try
        {
            bool large = (nuint)bytes >= HugePages.Size && !ordinaryPages;
            void* address = NativeMemory.AlignedAlloc((nuint)bytes, large ? HugePages.Size : 64);
            if (large) HugePages.Advise(address, (nuint)bytes);
            return (nint)address;
        }
        catch (OutOfMemoryException)
        {
            throw new InsufficientMemoryException($"no memory for a tensor of {bytes / 1048576.0:N0} MiB; a smaller batch needs less");
        }
    }

    private protected override void FreeMemory(nint address) => NativeMemory.AlignedFree((void*)address);

    private protected override void CopyIn(ReadOnlySpan<byte> source, Tensor destination) =>
        source.CopyTo(new Span<byte>(destination.Address, source.Length));

    private protected override void CopyOut(Tensor source, Span<byte> destination) =>
        new ReadOnlySpan<byte>(source.Address, destination.Length).CopyTo(destination);

    private protected override void CopyCore(Tensor source, Tensor destination)
    {
        lock (_operation) _pool.Run(new CopyJob((byte*)source.Address, (byte*)destination.Address, source.Bytes));
    }

    private protected override void ReleaseScratch()
    {
        _scratch?.Dispose();
        _scratch = null;
    }

    private protected override void Close()
    {
        _pool.Dispose();
        _launcher.Tiles?.Dispose();
    }

    private protected override Weight PackCore(in Weight weight, Activation activation, Arena arena)
    {
        lock (_operation) return CpuProduct.Pack<T>(_launcher, weight, activation, arena);
    }
}

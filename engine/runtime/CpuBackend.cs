using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
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
        if (Vector512.IsHardwareAccelerated)
            return new CpuBackend<Simd512>("AVX-512", threads, precision, TileKernels.TryCreate(precision, wide: true));
        if (Vector256.IsHardwareAccelerated)
            return new CpuBackend<Simd256>("AVX2", threads, precision, TileKernels.TryCreate(precision, wide: false));
        if (Vector128.IsHardwareAccelerated) return new CpuBackend<Simd128>("128-bit SIMD", threads, precision, null);
        return new CpuBackend<SimdScalar>("no SIMD", threads, precision, null);
    }
}

/// <summary>The CPU backend in one SIMD form.</summary>
/// <param name="simd">Its name.</param>
/// <param name="threads">The number of threads.</param>
/// <param name="precision">What the factors of matrix products are rounded to.</param>
/// <param name="kernels">Tiles in machine code, or null: the compiled ones. The backend owns them.</param>
internal unsafe partial class CpuBackend<T>(string simd, int threads, Precision precision, TileKernels? kernels) : Backend
    where T : unmanaged, ISimd<T>
{
    private readonly Lock _operation = new();
    private readonly WorkerPool _pool = new(threads);
    private Arena? _scratch;

    public override string Description { get; } =
        $"CPU, {simd}, {threads} thread{(threads == 1 ? "" : "s")}{(precision == Precision.F32 ? "" : $", {precision} products")}";

    public override Precision Precision => precision;

    internal override bool IsHost => true;

    public override double MeasurePeak() => MachinePeak.Gflops(threads, precision);

    private Arena Scratch => _scratch ??= new Arena(this);

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

    private protected override void CopyCore(Tensor source, Tensor destination) =>
        Run(new CopyJob((byte*)source.Address, (byte*)destination.Address, source.Bytes));

    private protected override void ReleaseScratch()
    {
        _scratch?.Dispose();
        _scratch = null;
    }

    private protected override void Close()
    {
        _pool.Dispose();
        kernels?.Dispose();
    }

    private protected override Weight PackCore(in Weight weight, Activation activation, Arena arena)
    {
        lock (_operation) return PackInto(weight, activation, arena);
    }

    private Weight PackInto(in Weight weight, Activation activation, Arena arena)
    {
        int outputs = weight.Outputs, inputs = weight.Inputs;
        if (activation == Activation.Geglu && outputs % 2 != 0) throw new ArgumentException($"GEGLU halves the outputs, which are {outputs}");
        MatMulTile tile = TileFor(activation, outputs);
        Tensor data = arena.Rent(FlatShape(MatMulRight.Length(tile, outputs, inputs, activation)), DType.F32);
        MatMulRight right = MatMulRight.At((uint*)data.Address, tile, outputs, inputs, activation);
        _pool.Run(new PackWeightJob(F32(weight.Data), outputs, inputs, activation, tile, right));
        return new Weight(data, outputs, inputs, activation);
    }

    private MatMulTile TileFor(Activation activation, int columns) =>
        kernels?.For(activation, columns) ?? new MatMulTile(T.TileRows, 2, T.Lanes, precision, 1);

    private void Run<TJob>(in TJob job)
        where TJob : unmanaged, IJob
    {
        lock (_operation) _pool.Run(job);
    }

    private float* Rent(long count) => F32(Scratch.Rent(FlatShape(count), DType.F32));

    // More than 2³¹ elements do not fit one extent.
    private static Shape FlatShape(long count) => new(checked((int)((count + 63) / 64)), 64);

    private static float* F32(Tensor tensor) => (float*)tensor.Address;

    private static int* I32(Tensor tensor) => (int*)tensor.Address;

    private static void CheckRange(Tensor values, int end, string what, int lowest = 0)
    {
        ReadOnlySpan<int> span = values.Span<int>();
        for (int i = 0; i < span.Length; i++)
            if (span[i] >= end || span[i] < lowest) throw new ArgumentException($"{what} {span[i]} at {i} is not below {end}");
    }
}

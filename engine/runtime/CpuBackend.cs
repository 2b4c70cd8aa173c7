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
    /// <param name="threads">The number of threads; 0 for one a core.</param>
    public static Backend Create(int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        if (threads == 0) threads = Environment.ProcessorCount;
        if (Vector512.IsHardwareAccelerated) return new CpuBackend<Simd512, Vector512<float>>("AVX-512", threads);
        if (Vector256.IsHardwareAccelerated) return new CpuBackend<Simd256, Vector256<float>>("AVX2", threads);
        if (Vector128.IsHardwareAccelerated) return new CpuBackend<Simd128, Vector128<float>>("128-bit SIMD", threads);
        return new CpuBackend<SimdScalar, float>("no SIMD", threads);
    }
}

/// <summary>The CPU backend in one SIMD form.</summary>
internal unsafe class CpuBackend<TS, TV>(string simd, int threads) : Backend
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    private readonly Lock _operation = new();
    private readonly WorkerPool _pool = new(threads);
    private Arena? _scratch;

    public override string Description { get; } = $"CPU, {simd}, {threads} thread{(threads == 1 ? "" : "s")}";

    private Arena Scratch => _scratch ??= new Arena(this);

    private protected override nint AllocateMemory(long bytes)
    {
        try
        {
            return (nint)NativeMemory.AlignedAlloc((nuint)bytes, 64);
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
        Buffer.MemoryCopy(source.Address, destination.Address, destination.Bytes, source.Bytes);

    private protected override void ReleaseScratch()
    {
        _scratch?.Dispose();
        _scratch = null;
    }

    private protected override void Close() => _pool.Dispose();

    private protected override Weight PackCore(in Weight weight, Activation activation, Arena arena)
    {
        lock (_operation) return PackInto(weight, activation, arena);
    }

    private protected override void EmbedCore(Tensor ids, Tensor typeIds, Tensor word, Tensor type, in Norm norm, Tensor y)
    {
        CheckRange(ids, word.Shape[0], "token id");
        if (!typeIds.IsAbsent) CheckRange(typeIds, type.Shape[0], "token type");
        Run(new EmbeddingJob<TS, TV>((int*)ids.Address, (int*)typeIds.Address, F32(word), F32(type), F32(norm.Weight), F32(norm.Bias),
            norm.Epsilon, F32(y), y.Shape[0], y.Shape[1]));
    }

    private protected override void LinearCore(Tensor x, in Weight weight, Tensor bias, Activation activation, Tensor residual, Tensor y)
    {
        lock (_operation)
        {
            Weight packed = weight.IsPacked ? weight : PackInto(weight, activation, Scratch);
            int rows = x.Shape[0];
            var arguments = new MatMulArguments
            {
                Rows = rows, Columns = weight.Outputs, Depth = weight.Inputs,
                Left = F32(x), LeadingLeft = weight.Inputs, PackedLeft = Rent(MatMul.PackedLength(rows, weight.Inputs, TS.TileRows)),
                PackedRight = F32(packed.Data), Bias = F32(bias), Residual = F32(residual),
                Result = F32(y), LeadingResult = y.Shape[1], Activation = activation,
            };
            long tiles = MatMulJob<TS, TV>.TilesPerWorker(weight.Inputs);
            _pool.Run(new PackLeftJob<TS, TV>(arguments));
            _pool.Run(new MatMulJob<TS, TV>(arguments, Rent(tiles * _pool.Workers), tiles));
            Scratch.Reset();
        }
    }

    private protected override void AttentionCore<TMod>(Tensor qkv, in CuSeqlens cuSeqlens, int heads, in TMod mod, Tensor logSumExp, Tensor y)
    {
        lock (_operation)
        {
            int headSize = y.Shape[1] / heads;
            long packed = AttentionPacking<TS, TV>.Length(cuSeqlens.Tokens, cuSeqlens.Sequences, heads, headSize);
            var arguments = new AttentionArguments
            {
                Qkv = F32(qkv), CuSeqlens = (int*)cuSeqlens.Borders.Address, Sequences = cuSeqlens.Sequences,
                Heads = heads, HeadSize = headSize, Result = F32(y), LogSumExp = F32(logSumExp), Packed = Rent(2 * packed),
            };
            float* scratch = Rent(AttentionJob<TS, TV, TMod>.ScratchPerWorker(headSize) * _pool.Workers);
            _pool.Run(new PackKeysValuesJob<TS, TV>(arguments));
            _pool.Run(new AttentionJob<TS, TV, TMod>(arguments, mod, scratch));
            Scratch.Reset();
        }
    }

    private protected override void LayerNormCore(Tensor x, Tensor residual, in Norm norm, Tensor y) =>
        Run(new LayerNormJob<TS, TV>(F32(x), F32(residual), F32(norm.Weight), F32(norm.Bias), norm.Epsilon, F32(y), x.Shape[0], x.Shape[1]));

    private protected override void PoolCore(Tensor x, in CuSeqlens cuSeqlens, Pooling pooling, Tensor y) =>
        Run(new PoolingJob<TS, TV>(F32(x), (int*)cuSeqlens.Borders.Address, cuSeqlens.Sequences, y.Shape[1], pooling, F32(y)));

    private protected override void PadCore(Tensor x, in CuSeqlens cuSeqlens, Tensor y) =>
        Run(new PadJob(F32(x), (int*)cuSeqlens.Borders.Address, cuSeqlens.Sequences, cuSeqlens.Longest, y.Shape[2], F32(y)));

    private protected override void TanhCore(Tensor x, Tensor y) => Run(new MapJob<TS, TV, TanhFunction>(F32(x), F32(y), checked((int)x.Count)));

    private protected override void CrossEntropyCore(Tensor logits, Tensor labels, Tensor losses)
    {
        CheckRange(labels, logits.Shape[1], "label", lowest: int.MinValue);
        Run(new CrossEntropyJob<TS, TV>(F32(logits), (int*)labels.Address, F32(losses), logits.Shape[0], logits.Shape[1]));
    }

    private Weight PackInto(in Weight weight, Activation activation, Arena arena)
    {
        int outputs = weight.Outputs, inputs = weight.Inputs;
        bool geglu = activation == Activation.Geglu;
        if (geglu && outputs % 2 != 0) throw new ArgumentException($"GEGLU halves the outputs, which are {outputs}");
        long length = geglu ? 2 * MatMul.PackedLength(outputs / 2, inputs, TS.Lanes) : MatMul.PackedLength(outputs, inputs, 2 * TS.Lanes);
        Tensor data = arena.Rent(FlatShape(length), DType.F32);
        _pool.Run(new PackWeightJob<TS, TV>(F32(weight.Data), outputs, inputs, activation, F32(data)));
        return new Weight(data, outputs, inputs, activation);
    }

    private void Run<TJob>(in TJob job)
        where TJob : unmanaged, IJob
    {
        lock (_operation) _pool.Run(job);
    }

    private float* Rent(long count) => F32(Scratch.Rent(FlatShape(count), DType.F32));

    // More than 2³¹ elements do not fit one extent.
    private static Shape FlatShape(long count) => new(checked((int)((count + 63) / 64)), 64);

    private static float* F32(Tensor tensor) => (float*)tensor.Address;

    private static void CheckRange(Tensor values, int end, string what, int lowest = 0)
    {
        ReadOnlySpan<int> span = values.Span<int>();
        for (int i = 0; i < span.Length; i++)
            if (span[i] >= end || span[i] < lowest) throw new ArgumentException($"{what} {span[i]} at {i} is not below {end}");
    }
}

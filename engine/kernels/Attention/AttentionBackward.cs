using System.Runtime.InteropServices;
using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>The gradient of <see cref="AttentionForward{TMod}"/>; scores are recomputed tile by tile.</summary>
/// <typeparam name="TMod">The score modification.</typeparam>
/// <param name="qkv">Queries, keys and values, of the forward pass.</param>
/// <param name="sequences">The borders of the sequences.</param>
/// <param name="heads">The number of heads.</param>
/// <param name="mod">The score modification.</param>
/// <param name="logSumExp">[heads, tokens], of the forward pass.</param>
/// <param name="y">[tokens, hidden], of the forward pass.</param>
/// <param name="dy">[tokens, hidden].</param>
/// <param name="dqkv">The gradients of queries, keys and values, in one tensor or one each as they are; overwritten.</param>
/// <param name="dropout">That of the forward pass.</param>
/// <param name="tables">
/// Where the gradients of the modification's tables are added. Each is a sum in one order, whatever the threads: two runs are bit-equal.
/// </param>
/// <param name="sinks">[heads], those of the forward pass, or absent.</param>
/// <param name="dsinks">[heads], to which their gradient is added, or absent.</param>
public readonly struct AttentionBackward<TMod>(
    QueryKeyValue qkv, AttentionSequences sequences, AttentionHeads heads, TMod mod, Tensor logSumExp, Tensor y, Tensor dy,
    QueryKeyValue dqkv, AttentionDropout dropout = default, TableGradients tables = default, Tensor sinks = default,
    Tensor dsinks = default) : IOperation
    where TMod : unmanaged, IScoreModification<TMod>
{
    static string IOperation.Name => "attention, gradient";

    OperationCost IOperation.Cost => new(y.Shape, 8.0 * y.Shape[1] * sequences.Pairs, 32.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        DType dtype = operands.TypeOf(qkv.First);
        int headSize = heads.SizeIn(y.Shape[1]);
        qkv.Check(operands, dtype, sequences, heads, headSize, gradients: false);
        if (dqkv.IsPacked != qkv.IsPacked)
            throw new ArgumentException("the gradients of queries, keys and values are in one tensor where those are, else in one each");
        dqkv.Check(operands, dtype, sequences, heads, headSize, gradients: true);
        operands.Expect(logSumExp, DType.F32, new Shape(heads.Queries, sequences.Queries.Tokens), "log-sum-exp");
        operands.Expect(y, dtype, new Shape(sequences.Queries.Tokens, y.Shape[1]));
        operands.Expect(dy, dtype, y.Shape);
        dropout.Check(heads.Queries, sequences);
        tables.Check(operands, mod);
        operands.ExpectIfPresent(sinks, DType.F32, new Shape(heads.Queries));
        if (dsinks.IsAbsent) return;
        operands.Expect(sinks, DType.F32, new Shape(heads.Queries));
        operands.Expect(dsinks, DType.F32, sinks.Shape);
    }

    unsafe void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        int headSize = y.Shape[1] / heads.Queries;
        var arguments = new AttentionGradientArguments
        {
            Forward = AttentionArguments.Of(
                qkv, sequences, heads, logSumExp, y, sinks, dropout, CpuProduct.AttentionTile<T>(cpu, rounded: false)),
            ResultGradient = dy.Pointer<float>(),
            QueryGradient = dqkv.Pointer(QkvPart.Queries, heads, headSize),
            KeyGradient = dqkv.Pointer(QkvPart.Keys, heads, headSize),
            ValueGradient = dqkv.Pointer(QkvPart.Values, heads, headSize),
            LongestKeys = sequences.Keys.Longest,
        };
        for (int table = 0; table < TMod.Tables; table++) arguments.Tables[table] = SumsOf(cpu, table);
        long scratch = AttentionGradientJob<T, TMod>.ScratchPerWorker(arguments);
        cpu.Run(new AttentionGradientJob<T, TMod>(arguments, mod, cpu.Rent(scratch * cpu.Workers)));
        for (int table = 0; table < TMod.Tables; table++)
            if (!tables[table].IsAbsent)
                cpu.Run(new TableGradientJob<T, TMod>(arguments, mod, table, tables[table].Pointer<float>()));
        if (!dsinks.IsAbsent) cpu.Run(new SinkGradientJob<T>(arguments, dsinks.Pointer<float>()));
    }

    /// <summary>Zeros for the sums of each sequence and head, [sequences, heads, entries].</summary>
    /// <returns>Their address, or 0 where no gradient is wanted.</returns>
    private unsafe long SumsOf(CpuLauncher cpu, int table)
    {
        if (tables[table].IsAbsent) return 0;
        long count = (long)sequences.Count * heads.Queries * tables[table].Shape[1];
        float* sums = cpu.Rent(count);
        NativeMemory.Clear(sums, (nuint)count * sizeof(float));
        return (long)sums;
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int headSize = AttentionLaunch.HeadSize(y, heads), tokens = sequences.Queries.Tokens;
        if (y.DType == DType.BF16) ExpectMultipleOfEight(headSize);
        HeadParameters mods = gpu.Heads(mod, heads.Queries);
        Tensor delta = gpu.Rent(logSumExp.Shape, DType.F32);
        gpu.Launch(
            GpuKernels.AttentionDelta.For(y.DType, 2 * headSize), new()
            {
                Y = y,
                Dy = dy,
                Delta = delta,
                Tokens = tokens,
                HeadSize = headSize,
            },
            Blocks(tokens, WarpsPerBlock), heads.Queries);
        KeysValues(gpu, mods, delta, headSize);
        Queries(gpu, mods, delta, headSize);
        for (int table = 0; table < TMod.Tables; table++)
            if (!tables[table].IsAbsent) Table(gpu, mods, delta, table, headSize);
        if (!dsinks.IsAbsent)
            gpu.Launch(
                GpuKernels.AttentionSinksGradient,
                new() { Sinks = sinks, LogSumExp = logSumExp, Delta = delta, Dsinks = dsinks, Tokens = tokens }, heads.Queries);
    }

    /// <summary>The gradients of keys and values: blocks of a tile of keys of a head of keys.</summary>
    private void KeysValues(GpuLauncher gpu, HeadParameters mods, Tensor delta, int headSize)
    {
        Tensor queries = qkv.Part(QkvPart.Queries, heads, headSize), keys = qkv.Part(QkvPart.Keys, heads, headSize);
        Tensor values = qkv.Part(QkvPart.Values, heads, headSize);
        float scale = (float)(1 / Math.Sqrt(headSize));
        int shared = y.DType == DType.BF16 ? -1 : AttentionLaunch.Shared(4, headSize);
        long tiles = Blocks(sequences.Keys.Longest, AttentionLaunch.Tile);
        var mask = new AttentionMask(default, dropout.Probability);
        gpu.Launch(
            AttentionChoice<TMod>.KeysValues(y.DType, headSize, dropout.IsActive),
            new()
            {
                Queries = queries,
                Keys = keys,
                Values = values,
                CuSeqlens = sequences.Queries.Borders,
                KeyCuSeqlens = sequences.Keys.Borders,
                Mods = mods,
                LogSumExp = logSumExp,
                Delta = delta,
                Dy = dy,
                DKeys = dqkv.Part(QkvPart.Keys, heads, headSize),
                DValues = dqkv.Part(QkvPart.Values, heads, headSize),
                HeadSize = headSize,
                Tokens = sequences.Queries.Tokens,
                QueryStride = qkv.QueryStride,
                KeyStride = qkv.KeyStride,
                Group = heads.Group,
                Scale = scale,
                RandomState = dropout.RandomState,
                Threshold = mask.Threshold,
                KeptScale = mask.Scale,
                Site = (uint)dropout.Site,
            },
            tiles, heads.Keys, sequences.Count, shared);
    }

    /// <summary>The gradient of queries: blocks of a tile of queries of a head.</summary>
    private void Queries(GpuLauncher gpu, HeadParameters mods, Tensor delta, int headSize)
    {
        Tensor queries = qkv.Part(QkvPart.Queries, heads, headSize), keys = qkv.Part(QkvPart.Keys, heads, headSize);
        Tensor values = qkv.Part(QkvPart.Values, heads, headSize);
        float scale = (float)(1 / Math.Sqrt(headSize));
        int shared = y.DType == DType.BF16 ? -1 : AttentionLaunch.Shared(4, headSize);
        long tiles = Blocks(sequences.Queries.Longest, AttentionLaunch.Tile);
        var mask = new AttentionMask(default, dropout.Probability);
        gpu.Launch(
            AttentionChoice<TMod>.Queries(y.DType, headSize, dropout.IsActive),
            new()
            {
                Queries = queries,
                Keys = keys,
                Values = values,
                CuSeqlens = sequences.Queries.Borders,
                KeyCuSeqlens = sequences.Keys.Borders,
                Mods = mods,
                LogSumExp = logSumExp,
                Delta = delta,
                Dy = dy,
                DQueries = dqkv.Part(QkvPart.Queries, heads, headSize),
                HeadSize = headSize,
                Tokens = sequences.Queries.Tokens,
                QueryStride = qkv.QueryStride,
                KeyStride = qkv.KeyStride,
                Group = heads.Group,
                Scale = scale,
                RandomState = dropout.RandomState,
                Threshold = mask.Threshold,
                KeptScale = mask.Scale,
                Site = (uint)dropout.Site,
            },
            tiles, heads.Queries, sequences.Count, shared);
    }

    /// <summary>Adds the gradient of a table: the sums of each block of queries, then the sum of those.</summary>
    private void Table(GpuLauncher gpu, HeadParameters mods, Tensor delta, int table, int headSize)
    {
        int tiles = (int)Blocks(sequences.Queries.Longest, AttentionLaunch.Tile);
        BiasTable whole = TMod.Table(mod, table);
        if (tiles * sequences.Count == 0) return;
        Tensor sums = gpu.Rent(new Shape(tiles * sequences.Count, heads.Queries, whole.Entries), DType.F32);
        Sums(gpu, mods, delta, table, headSize, sums);
        gpu.Launch(
            GpuKernels<TMod>.AttentionTableTotal.For(DType.F32),
            new()
            {
                Sums = sums,
                Mods = mods,
                Gradient = tables[table],
                Address = whole.Address,
                Table = table,
                Tiles = tiles,
                Sequences = sequences.Count,
                Entries = whole.Entries,
            },
            Blocks(whole.Entries, Chunk), whole.Rows);
    }

    private void Sums(GpuLauncher gpu, HeadParameters mods, Tensor delta, int table, int headSize, Tensor sums)
    {
        Tensor queries = qkv.Part(QkvPart.Queries, heads, headSize), keys = qkv.Part(QkvPart.Keys, heads, headSize);
        Tensor values = qkv.Part(QkvPart.Values, heads, headSize);
        BiasTable whole = TMod.Table(mod, table);
        float scale = (float)(1 / Math.Sqrt(headSize));
        long tiles = Blocks(sequences.Queries.Longest, AttentionLaunch.Tile);
        // The entries of a tile take the place of its keys and values, which are as large from a head size of 32 on.
        int shared = AttentionLaunch.Shared(4, Math.Max(headSize, 32));
        var mask = new AttentionMask(default, dropout.Probability);
        gpu.Launch(
            (dropout.IsActive ? GpuKernels<TMod>.AttentionTableGradientDropout : GpuKernels<TMod>.AttentionTableGradient).For(
                y.DType, 2 * headSize),
            new()
            {
                Queries = queries,
                Keys = keys,
                Values = values,
                CuSeqlens = sequences.Queries.Borders,
                KeyCuSeqlens = sequences.Keys.Borders,
                Mods = mods,
                LogSumExp = logSumExp,
                Delta = delta,
                Dy = dy,
                Sums = sums,
                Table = table,
                Entries = whole.Entries,
                HeadSize = headSize,
                Tokens = sequences.Queries.Tokens,
                QueryStride = qkv.QueryStride,
                KeyStride = qkv.KeyStride,
                Group = heads.Group,
                Scale = scale,
                RandomState = dropout.RandomState,
                Threshold = mask.Threshold,
                KeptScale = mask.Scale,
                Site = (uint)dropout.Site,
            },
            tiles, heads.Queries, sequences.Count, shared);
    }
}

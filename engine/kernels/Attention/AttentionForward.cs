using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>Attention over packed sequences, <c>softmax(mod(Q Kᵀ / sqrt(head size))) V</c>.</summary>
/// <typeparam name="TMod">The score modification.</typeparam>
/// <param name="qkv">Queries, keys and values: one tensor [tokens, (heads + 2 · key heads) · head size], or one each.</param>
/// <param name="sequences">The borders of the sequences: one for all, or one for queries and one for keys and values.</param>
/// <param name="heads">The number of heads, a divisor of hidden; or also that of keys and values, a divisor of the heads.</param>
/// <param name="mod">The parameters of the score modification.</param>
/// <param name="logSumExp">[heads, tokens] for the backward pass, or absent.</param>
/// <param name="y">[tokens, hidden].</param>
/// <param name="dropout">What is dropped of the probabilities; nothing unless given.</param>
/// <param name="sinks">
/// F32 [heads]: a score of each head that every query sees beside its keys, with a value of 0 (attention sinks, arXiv 2309.17453, in the
/// learned form of gpt-oss); or absent. It is in the log-sum-exp.
/// </param>
public readonly struct AttentionForward<TMod>(
    QueryKeyValue qkv, AttentionSequences sequences, AttentionHeads heads, TMod mod, Tensor logSumExp, Tensor y,
    AttentionDropout dropout = default, Tensor sinks = default) : IOperation
    where TMod : unmanaged, IScoreModification<TMod>
{
    static string IOperation.Name => "attention";

    OperationCost IOperation.Cost => new(y.Shape, 4.0 * y.Shape[1] * sequences.Pairs, 16.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        DType dtype = operands.TypeOf(qkv.First);
        int headSize = heads.SizeIn(y.Shape[1]);
        qkv.Check(operands, dtype, sequences, heads, headSize, gradients: false);
        operands.Expect(y, dtype, new Shape(sequences.Queries.Tokens, y.Shape[1]));
        operands.ExpectIfPresent(logSumExp, DType.F32, new Shape(heads.Queries, sequences.Queries.Tokens), "log-sum-exp");
        operands.ExpectIfPresent(sinks, DType.F32, new Shape(heads.Queries));
        dropout.Check(heads.Queries, sequences);
        // Parameters that do not fit are refused here rather than on a worker.
        TMod.ForHead(mod, 0, heads.Queries);
    }

    unsafe void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        // The backward pass, which the log-sum-exp is for, computes the scores again in floats.
        AttentionArguments arguments = AttentionArguments.Of(
            qkv, sequences, heads, logSumExp, y, sinks, dropout, CpuProduct.AttentionTile<T>(cpu, rounded: logSumExp.IsAbsent));
        arguments.Stop = cpu.Stop;
        float* scratch = cpu.Rent(AttentionJob<T, TMod>.ScratchPerWorker(arguments) * cpu.Workers);
        cpu.Run(new AttentionJob<T, TMod>(arguments, mod, scratch));
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int headSize = AttentionLaunch.HeadSize(y, heads);
        bool tensorCores = y.DType == DType.BF16;
        if (tensorCores) ExpectMultipleOfEight(headSize);
        HeadParameters mods = gpu.Heads(mod, heads.Queries);
        Tensor queries = qkv.Part(QkvPart.Queries, heads, headSize), keys = qkv.Part(QkvPart.Keys, heads, headSize);
        Tensor values = qkv.Part(QkvPart.Values, heads, headSize);
        float scale = (float)(1 / Math.Sqrt(headSize));
        int tile = tensorCores && !dropout.IsActive && headSize <= 64 ? 2 * AttentionLaunch.Tile : AttentionLaunch.Tile;
        long blocks = Blocks(sequences.Queries.Longest, tile);
        int shared = tensorCores ? -1 : AttentionLaunch.Shared(3, headSize);
        var mask = new AttentionMask(default, dropout.Probability);
        gpu.Launch(
            AttentionChoice<TMod>.Forward(y.DType, headSize, dropout.IsActive),
            new()
            {
                Queries = queries,
                Keys = keys,
                Values = values,
                CuSeqlens = sequences.Queries.Borders,
                KeyCuSeqlens = sequences.Keys.Borders,
                Mods = mods,
                Sinks = sinks,
                LogSumExp = logSumExp,
                Y = y,
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
            blocks, heads.Queries, sequences.Count, shared);
    }
}

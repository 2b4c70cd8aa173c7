using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>Attention over packed sequences, <c>softmax(mod(Q Kᵀ / sqrt(head size))) V</c>.</summary>
/// <typeparam name="TMod">The score modification.</typeparam>
/// <param name="qkv">[tokens, 3 · hidden], laid out (three, head, head size).</param>
/// <param name="cuSeqlens">The borders of the sequences.</param>
/// <param name="heads">The number of heads, a divisor of hidden.</param>
/// <param name="mod">The parameters of the score modification.</param>
/// <param name="logSumExp">[heads, tokens] for the backward pass, or absent.</param>
/// <param name="y">[tokens, hidden].</param>
/// <param name="dropout">What is dropped of the probabilities; nothing unless given.</param>
public readonly struct AttentionForward<TMod>(
    Tensor qkv, CuSeqlens cuSeqlens, int heads, TMod mod, Tensor logSumExp, Tensor y, AttentionDropout dropout = default) : IOperation
    where TMod : unmanaged, IScoreModification<TMod>
{
    static string IOperation.Name => "attention";

    OperationCost IOperation.Cost => new(y.Shape, 4.0 * y.Shape[1] * cuSeqlens.SquaredLengths, 16.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        int tokens = cuSeqlens.Tokens, hidden = y.Shape[1];
        if (heads < 1 || hidden % heads != 0) throw new ArgumentException($"{heads} heads do not divide a width of {hidden}");
        operands.Expect(qkv, operands.TypeOf(qkv), new Shape(tokens, 3 * hidden));
        operands.Expect(y, qkv.DType, new Shape(tokens, hidden));
        operands.ExpectIfPresent(logSumExp, DType.F32, new Shape(heads, tokens), "log-sum-exp");
        dropout.Check(heads, cuSeqlens);
        // Parameters that do not fit are refused here rather than on a worker.
        TMod.ForHead(mod, 0, heads);
    }

    unsafe void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        // The backward pass, which the log-sum-exp is for, computes the scores again in floats.
        AttentionArguments arguments = AttentionArguments.Of(
            qkv, cuSeqlens, heads, logSumExp, y, dropout, CpuProduct.AttentionTile<T>(cpu, rounded: logSumExp.IsAbsent));
        float* scratch = cpu.Rent(AttentionJob<T, TMod>.ScratchPerWorker(arguments) * cpu.Workers);
        cpu.Run(new AttentionJob<T, TMod>(arguments, mod, scratch));
    }

    unsafe void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int headSize = AttentionLaunch.HeadSize(y, heads);
        bool tensorCores = qkv.DType == DType.BF16;
        if (tensorCores) ExpectMultipleOfEight(headSize);
        HeadParameters mods = gpu.Heads(mod, heads);
        float scale = (float)(1 / Math.Sqrt(headSize));
        int tile = tensorCores && !dropout.IsActive && headSize <= 64 ? 2 * AttentionLaunch.Tile : AttentionLaunch.Tile;
        long blocks = Blocks(cuSeqlens.Longest, tile);
        int shared = tensorCores ? -1 : AttentionLaunch.Shared(3, headSize);
        if (!dropout.IsActive)
        {
            gpu.Launch(
                AttentionChoice<TMod>.Forward(qkv.DType, headSize),
                new()
                {
                    Qkv = qkv,
                    CuSeqlens = cuSeqlens.Borders,
                    Mods = mods,
                    LogSumExp = logSumExp,
                    Y = y,
                    HeadSize = headSize,
                    Tokens = cuSeqlens.Tokens,
                    Scale = scale,
                },
                blocks, heads, cuSeqlens.Sequences, shared);
            return;
        }

        var mask = new AttentionMask(default, dropout.Probability);
        gpu.Launch(
            AttentionChoice<TMod>.ForwardDropout(qkv.DType, headSize),
            new()
            {
                Qkv = qkv,
                CuSeqlens = cuSeqlens.Borders,
                Mods = mods,
                LogSumExp = logSumExp,
                Y = y,
                HeadSize = headSize,
                Tokens = cuSeqlens.Tokens,
                Scale = scale,
                Stream = dropout.Stream,
                Threshold = mask.Threshold,
                KeptScale = mask.Scale,
                Site = (uint)dropout.Site,
            },
            blocks, heads, cuSeqlens.Sequences, shared);
    }
}

using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>The gradient of <see cref="AttentionForward{TMod}"/>; scores are recomputed tile by tile.</summary>
/// <typeparam name="TMod">The score modification.</typeparam>
/// <param name="qkv">[tokens, 3 · hidden].</param>
/// <param name="cuSeqlens">The borders of the sequences.</param>
/// <param name="heads">The number of heads.</param>
/// <param name="mod">The score modification.</param>
/// <param name="logSumExp">[heads, tokens], of the forward pass.</param>
/// <param name="y">[tokens, hidden], of the forward pass.</param>
/// <param name="dy">[tokens, hidden].</param>
/// <param name="dqkv">[tokens, 3 · hidden]; overwritten.</param>
/// <param name="dropout">That of the forward pass.</param>
/// <param name="dtable">
/// [heads, 2 · R + 1], to which the gradient of the table of a <see cref="RelativeBias"/> is added; or absent. Of another modification, or
/// in another shape, it is refused.
/// </param>
public readonly struct AttentionBackward<TMod>(
    Tensor qkv, CuSeqlens cuSeqlens, int heads, TMod mod, Tensor logSumExp, Tensor y, Tensor dy, Tensor dqkv,
    AttentionDropout dropout = default, Tensor dtable = default) : IOperation
    where TMod : unmanaged, IScoreModification<TMod>
{
    static string IOperation.Name => "attention, gradient";

    OperationCost IOperation.Cost => new(y.Shape, 8.0 * y.Shape[1] * cuSeqlens.SquaredLengths, 32.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        int tokens = cuSeqlens.Tokens, hidden = y.Shape[1];
        operands.Expect(qkv, operands.TypeOf(qkv), new Shape(tokens, 3 * hidden));
        operands.Expect(logSumExp, DType.F32, new Shape(heads, tokens), "log-sum-exp");
        operands.Expect(y, qkv.DType, new Shape(tokens, hidden));
        operands.Expect(dy, qkv.DType, y.Shape);
        operands.Expect(dqkv, qkv.DType, qkv.Shape);
        dropout.Check(heads, cuSeqlens);
        if (dtable.IsAbsent) return;
        if (mod is not RelativeBias bias)
            throw new ArgumentException($"{typeof(TMod).Name} has no table whose gradient could be computed; RelativeBias has");
        operands.Expect(dtable, DType.F32, new Shape(heads, (2 * bias.Radius) + 1), "the table's gradient");
    }

    unsafe void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        var arguments = new AttentionGradientArguments
        {
            Forward = AttentionArguments.Of(qkv, cuSeqlens, heads, logSumExp, y, dropout, CpuProduct.AttentionTile<T>(cpu, rounded: false)),
            ResultGradient = dy.Pointer<float>(),
            QkvGradient = dqkv.Pointer<float>(),
            Longest = cuSeqlens.Longest,
        };
        Tensor sums = dtable.IsAbsent ? default : cpu.Rent(new Shape(cuSeqlens.Sequences, (int)dtable.Count), DType.F32);
        if (!sums.IsAbsent)
        {
            // Empty sequences leave theirs as they are.
            sums.Span<float>().Clear();
            arguments.BiasGradients = sums.Pointer<float>();
            arguments.BiasRadius = dtable.Shape[1] / 2;
        }

        long scratch = AttentionGradientJob<T, TMod>.ScratchPerWorker(arguments);
        cpu.Run(new AttentionGradientJob<T, TMod>(arguments, mod, cpu.Rent(scratch * cpu.Workers)));
        if (!sums.IsAbsent) cpu.Run(new SumRowsJob<T>(sums.Pointer<float>(), dtable.Pointer<float>(), sums.Shape[0], sums.Shape[1]));
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        if (!dtable.IsAbsent && dropout.IsActive)
            throw new NotSupportedException("on the GPU the table of relative biases has no gradient with dropout of the probabilities; leave one out, or use the CPU");
        int headSize = AttentionLaunch.HeadSize(y, heads), tokens = cuSeqlens.Tokens;
        if (qkv.DType == DType.BF16) ExpectMultipleOfEight(headSize);
        HeadParameters mods = gpu.Heads(mod, heads);
        Tensor delta = gpu.Rent(logSumExp.Shape, DType.F32);
        gpu.Launch(
            GpuKernels.AttentionDelta.For(y.DType, 2 * headSize), new() { Y = y, Dy = dy, Delta = delta, Tokens = tokens, HeadSize = headSize },
            Blocks(tokens, WarpsPerBlock), heads);
        Half(gpu, queries: false, mods, delta);
        Half(gpu, queries: true, mods, delta);
        if (!dtable.IsAbsent) Table(gpu, mods, delta);
    }

    /// <summary>The gradients of keys and values, or of queries.</summary>
    private void Half(GpuLauncher gpu, bool queries, HeadParameters mods, Tensor delta)
    {
        int headSize = dy.Shape[1] / heads, shared = qkv.DType == DType.BF16 ? -1 : AttentionLaunch.Shared(4, headSize);
        float scale = (float)(1 / Math.Sqrt(headSize));
        long blocks = Blocks(cuSeqlens.Longest, AttentionLaunch.Tile);
        if (!dropout.IsActive)
        {
            gpu.Launch(
                AttentionChoice<TMod>.Gradient(queries, qkv.DType, headSize),
                new()
                {
                    Qkv = qkv,
                    CuSeqlens = cuSeqlens.Borders,
                    Mods = mods,
                    LogSumExp = logSumExp,
                    Delta = delta,
                    Dy = dy,
                    Dqkv = dqkv,
                    HeadSize = headSize,
                    Tokens = cuSeqlens.Tokens,
                    Scale = scale,
                },
                blocks, heads, cuSeqlens.Sequences, shared);
            return;
        }

        var mask = new AttentionMask(default, dropout.Probability);
        gpu.Launch(
            AttentionChoice<TMod>.GradientDropout(queries, qkv.DType, headSize),
            new()
            {
                Qkv = qkv,
                CuSeqlens = cuSeqlens.Borders,
                Mods = mods,
                LogSumExp = logSumExp,
                Delta = delta,
                Dy = dy,
                Dqkv = dqkv,
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

    /// <summary>Adds the gradient of the table of relative biases: each block's sums, and the sum of those.</summary>
    private void Table(GpuLauncher gpu, HeadParameters mods, Tensor delta)
    {
        int headSize = dy.Shape[1] / heads, tiles = (int)Blocks(cuSeqlens.Longest, AttentionLaunch.Tile);
        int blocks = tiles * cuSeqlens.Sequences, width = (int)dtable.Count;
        if (blocks == 0) return;
        Tensor sums = gpu.Rent(new Shape(blocks, width), DType.F32);
        gpu.Launch(
            GpuKernels<TMod>.AttentionTableGradient.For(qkv.DType, 2 * headSize),
            new()
            {
                Qkv = qkv,
                CuSeqlens = cuSeqlens.Borders,
                Mods = mods,
                LogSumExp = logSumExp,
                Delta = delta,
                Dy = dy,
                Sums = sums,
                HeadSize = headSize,
                Tokens = cuSeqlens.Tokens,
                Entries = dtable.Shape[1],
                Scale = (float)(1 / Math.Sqrt(headSize)),
            },
            tiles, heads, cuSeqlens.Sequences, AttentionLaunch.Shared(4, headSize) + (2 * AttentionLaunch.Tile * sizeof(float)));
        gpu.Run(new SumRows(sums, dtable.Slice(0, new Shape(width))));
    }
}

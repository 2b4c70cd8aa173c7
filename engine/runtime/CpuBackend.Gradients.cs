using System.Runtime.InteropServices;
using Engine.Kernels;

namespace Engine.Runtime;

internal unsafe partial class CpuBackend<T>
{
    public override void Clear(Tensor y) => NativeMemory.Clear(y.Address, (nuint)y.Bytes);

    private protected override void LinearInputGradientCore(Tensor dy, Tensor weight, bool accumulate, Tensor dx)
    {
        int outputs = weight.Shape[0], inputs = weight.Shape[1];
        ProductWithRight(F32(weight), new MatMulArguments
        {
            Rows = dy.Shape[0],
            Columns = inputs,
            Depth = outputs,
            Left = F32(dy),
            Residual = accumulate ? F32(dx) : null,
            Result = F32(dx),
            LeadingResult = inputs,
        });
    }

    private protected override void LinearWeightGradientCore(Tensor dy, Tensor x, Tensor dw) =>
        ProductWithRight(F32(x), new MatMulArguments
        {
            Rows = dw.Shape[0],
            Columns = dw.Shape[1],
            Depth = x.Shape[0],
            Left = F32(dy),
            TransposeLeft = true,
            Residual = F32(dw),
            Result = F32(dw),
            LeadingResult = dw.Shape[1],
        });

    private protected override void SumRowsCore(Tensor x, Tensor y) => Run(new SumRowsJob<T>(F32(x), F32(y), x.Shape[0], x.Shape[1]));

    private protected override void GeluGradientCore(Tensor x, Tensor dy, Tensor dx) => Map<GeluGradient>(x, dy, dx);

    private protected override void GegluGradientCore(Tensor g, Tensor du, Tensor dg) =>
        Run(new GegluGradientJob<T>(F32(g), F32(du), F32(dg), du.Shape[0], du.Shape[1]));

    private protected override void TanhGradientCore(Tensor y, Tensor dy, bool accumulate, Tensor dx) => Map<TanhGradient>(y, dy, dx, accumulate);

    private protected override void AttentionGradientCore<TMod>(
        Tensor qkv, in CuSeqlens cuSeqlens, int heads, in TMod mod, Tensor logSumExp, Tensor y, Tensor dy, Tensor dqkv,
        in AttentionDropout dropout, Tensor dtable)
    {
        lock (_operation)
        {
            var arguments = new AttentionGradientArguments
            {
                Forward = AttentionOf(qkv, cuSeqlens, heads, logSumExp, y, dropout, AttentionTile(rounded: false)),
                ResultGradient = F32(dy),
                QkvGradient = F32(dqkv),
                Longest = cuSeqlens.Longest,
            };
            Tensor sums = dtable.IsAbsent ? default : Scratch.Rent(new Shape(cuSeqlens.Sequences, (int)dtable.Count), DType.F32);
            if (!sums.IsAbsent)
            {
                // Empty sequences leave theirs as they are.
                sums.Span<float>().Clear();
                arguments.BiasGradients = F32(sums);
                arguments.BiasRadius = dtable.Shape[1] / 2;
            }

            long scratch = AttentionGradientJob<T, TMod>.ScratchPerWorker(arguments);
            _pool.Run(new AttentionGradientJob<T, TMod>(arguments, mod, Rent(scratch * _pool.Workers)));
            if (!sums.IsAbsent) _pool.Run(new SumRowsJob<T>(F32(sums), F32(dtable), sums.Shape[0], sums.Shape[1]));
            Scratch.Reset();
        }
    }

    private protected override void LayerNormGradientCore(
        Tensor x, Tensor dy, Tensor weight, Tensor statistics, Tensor dweight, Tensor dbias, bool accumulate, Tensor dx)
    {
        int rows = x.Shape[0], width = x.Shape[1];
        if (!dweight.IsAbsent)
            Run(new LayerNormParametersJob<T>(F32(x), F32(dy), F32(statistics), F32(dweight), F32(dbias), rows, width));
        if (!dx.IsAbsent)
            Run(new LayerNormGradientJob<T>(F32(x), F32(dy), F32(weight), F32(statistics), F32(dx), accumulate, rows, width));
    }

    private protected override void EmbedGradientCore(Tensor ids, Tensor typeIds, Tensor dy, Tensor dword, Tensor dtype) =>
        Run(new EmbeddingGradientJob<T>(I32(ids), I32(typeIds), F32(dy), F32(dword), F32(dtype), dy.Shape[0], dy.Shape[1]));

    private protected override void ScatterRowsCore(Tensor dy, Tensor rows, Tensor dx) =>
        Run(new ScatterRowsJob<T>(F32(dy), I32(rows), F32(dx), dy.Shape[0], dy.Shape[1]));

    private protected override void PoolGradientCore(Tensor dy, in CuSeqlens cuSeqlens, Pooling pooling, bool accumulate, Tensor dx) =>
        Run(new PoolingGradientJob<T>(F32(dy), I32(cuSeqlens.Borders), cuSeqlens.Sequences, dy.Shape[1], pooling, F32(dx), accumulate));

    private protected override void CrossEntropyGradientCore(Tensor logits, Tensor labels, Tensor weights, Tensor scale, Tensor dlogits) =>
        Run(new CrossEntropyGradientJob<T>(
            F32(logits), I32(labels), F32(weights), *F32(scale), F32(dlogits), logits.Shape[0], logits.Shape[1]));

    private protected override void BinaryCrossEntropyGradientCore(Tensor logits, Tensor targets, Tensor weights, Tensor scale, Tensor dlogits) =>
        Run(new ElementLossGradientJob<BinaryCrossEntropyLoss>(F32(logits), F32(targets), F32(weights), *F32(scale), F32(dlogits), logits.Count));

    private protected override void SquaredErrorGradientCore(Tensor x, Tensor targets, Tensor weights, Tensor scale, Tensor dx) =>
        Run(new ElementLossGradientJob<SquaredErrorLoss>(F32(x), F32(targets), F32(weights), *F32(scale), F32(dx), x.Count));

    private protected override void ScaleCore(Tensor x, float factor, Tensor y) => Run(new ScaleJob<T>(F32(x), factor, F32(y), x.Count));

    private protected override void AddCore(Tensor x, Tensor z, Tensor y) => Map<AddFunction>(x, z, y);

    private protected override double SumOfSquaresCore(Tensor x)
    {
        lock (_operation)
        {
            long blocks = SumOfSquaresJob<T>.Blocks(x.Count);
            var partial = (double*)Rent(2 * blocks);
            _pool.Run(new SumOfSquaresJob<T>(F32(x), x.Count, partial));
            double sum = 0;
            for (long i = 0; i < blocks; i++) sum += partial[i];
            Scratch.Reset();
            return sum;
        }
    }

    private protected override void SumOfLossesCore(Tensor losses, Tensor place, Tensor sums)
    {
        double sum = 0;
        foreach (float loss in losses.Span<float>()) sum += loss;
        sums.Span<double>()[*I32(place)] = sum;
    }

    private protected override void AdamWCore(Tensor numbers, AdamWRuns runs, Tensor w, Tensor g, Tensor m, Tensor v, Tensor losses, Tensor rounded, Tensor report)
    {
        var step = *(AdamWStep*)F32(numbers);
        double norm = losses.IsAbsent || Finite(losses.Span<double>()) ? Norm(runs, g) : double.NaN;
        bool taken = double.IsFinite(norm);
        // As torch.nn.utils.clip_grad_norm_ does it.
        float scale = (float)Math.Min(1, step.ClipNorm / (norm + 1e-6));
        foreach (AdamWRun run in taken ? runs.Runs : [])
            Run(new AdamWJob<T>(
                step, scale, run.Decays, F32(w) + run.Start, F32(g) + run.Start, F32(m) + run.Start, F32(v) + run.Start, run.Count));
        Clear(g);
        Span<double> told = report.Span<double>();
        (told[0], told[1]) = (norm, taken ? 1 : 0);
    }

    private double Norm(AdamWRuns runs, Tensor g)
    {
        double sum = 0;
        foreach (AdamWRun run in runs.Runs) sum += SumOfSquares(g.Slice(run.Start, new Shape(run.Count)));
        return Math.Sqrt(sum);
    }

    private static bool Finite(ReadOnlySpan<double> values)
    {
        foreach (double value in values)
            if (!double.IsFinite(value)) return false;
        return true;
    }

    private void ProductWithRight(float* right, MatMulArguments arguments)
    {
        if (precision == Precision.I8) throw new InvalidOperationException("8-bit integers are for inference: train in F32 or BF16");
        lock (_operation)
        {
            MatMulTile tile = TileFor(Activation.None, arguments.Columns);
            var packed = (uint*)Rent(MatMulRight.Length(tile, arguments.Columns, arguments.Depth, Activation.None));
            _pool.Run(new PackRightJob(right, arguments.Columns, arguments.Depth, tile, packed));
            arguments.Tile = tile;
            arguments.Right = MatMulRight.At(packed, tile, arguments.Columns, arguments.Depth, Activation.None);
            Product(arguments);
        }
    }
}

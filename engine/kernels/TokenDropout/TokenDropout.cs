using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>
/// The token dropout of ESM (Lin et al., doi 10.1126/science.ade2574; Rives et al. 2021), which acts in inference, too: embeddings of
/// masked tokens become 0, and the others are scaled as if 12 % of the tokens had been: <c>y[t] = x[t] · 0.88 / (1 − m / n)</c> with m
/// masks among the n tokens of the sequence, or 0 where the token is a mask. It is its own gradient: of y it gives that of x.
/// </summary>
/// <param name="x">[tokens, width].</param>
/// <param name="ids">I32 [tokens].</param>
/// <param name="cuSeqlens">The borders of the sequences.</param>
/// <param name="mask">The id of the mask.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct ApplyTokenDropout(Tensor x, Tensor ids, CuSeqlens cuSeqlens, int mask, Tensor y) : IOperation
{
    static string IOperation.Name => "token dropout";

    OperationCost IOperation.Cost => new(y.Shape, 0, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), new Shape(cuSeqlens.Tokens, y.Shape[1]));
        operands.Expect(ids, DType.I32, new Shape(cuSeqlens.Tokens));
        operands.Expect(y, x.DType, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) => cpu.Run(new TokenDropoutJob<T>(
        x.Pointer<float>(), ids.Pointer<int>(), cuSeqlens.Borders.Pointer<int>(), mask, y.Pointer<float>(), cuSeqlens.Tokens, y.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int width = y.Shape[1];
        gpu.Launch(
            GpuKernels.TokenDropout.For(x.DType, width),
            new() { X = x, Ids = ids, CuSeqlens = cuSeqlens.Borders, Y = y, Mask = mask, Width = width },
            Blocks(cuSeqlens.Longest, WarpsPerBlock), cuSeqlens.Sequences);
    }
}

using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>
/// Rotary position embedding (RoPE; Su et al., arXiv 2104.09864) in the half-split form of LLaMA, ESM-2 and Nucleotide Transformer v2: for
/// a token at position p of its sequence, elements i and i + d/2 of a head of size d are turned as a pair by the angle
/// <c>p · θ^(−2i/d)</c>: <c>y[i] = x[i] · cos − x[i + d/2] · sin</c> and <c>y[i + d/2] = x[i + d/2] · cos + x[i] · sin</c>. (The paper's
/// own form pairs 2i and 2i + 1; the two differ by a permutation of the rows of the query and key weights.) The gradient is the inverse
/// rotation.
/// </summary>
/// <param name="x">
/// [tokens, n · head size]: rows of n heads, of which the first ones are rotated. Of a packed qkv these are the heads of q and k.
/// </param>
/// <param name="cuSeqlens">The borders of the sequences; positions start at 0 in each.</param>
/// <param name="table">
/// F32 [positions, head size], at least as many positions as the longest sequence has tokens: the cosines of the head size / 2 angles of
/// a position, then their sines.
/// </param>
/// <param name="heads">How many heads of a row are rotated, from the first; the others are copied as they are.</param>
/// <param name="inverse">Whether to turn by the negative angles.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct ApplyRotary(Tensor x, CuSeqlens cuSeqlens, Tensor table, int heads, bool inverse, Tensor y) : IOperation
{
    static string IOperation.Name => "rotary positions";

    OperationCost IOperation.Cost => new(y.Shape, 3.0 * cuSeqlens.Tokens * heads * table.Shape[1], 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        if (table.IsAbsent || table.Shape.Rank != 2 || table.Shape[1] < 2 || table.Shape[1] % 2 != 0)
            throw new ArgumentException($"table is {table}, expected F32 [positions, head size] with an even head size");
        operands.Expect(table, DType.F32, table.Shape);
        if (table.Shape[0] < cuSeqlens.Longest)
            throw new ArgumentException(
                $"the longest sequence has {cuSeqlens.Longest} tokens, table {table.Shape[0]} positions; give shorter ones, or make it "
                + "with as many");
        int headSize = table.Shape[1], width = y.Shape[1];
        operands.Expect(x, operands.TypeOf(x), new Shape(cuSeqlens.Tokens, width));
        operands.Expect(y, x.DType, x.Shape);
        if (width % headSize != 0)
            throw new ArgumentException($"x has rows of {width} elements, which are no whole heads of {headSize}");
        if (heads < 1 || heads > width / headSize)
            throw new ArgumentException($"heads is {heads}; rows of x have 1 to {width / headSize}");
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) => cpu.Run(new RotaryJob<T>
    {
        X = x.Pointer<float>(),
        Y = y.Pointer<float>(),
        Table = table.Pointer<float>(),
        CuSeqlens = cuSeqlens.Borders.Pointer<int>(),
        Tokens = cuSeqlens.Tokens,
        Width = y.Shape[1],
        Heads = heads,
        HeadSize = table.Shape[1],
        Inverse = inverse,
    });

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.Rotary.For(x.DType),
        new()
        {
            X = x,
            Y = y,
            Table = table,
            CuSeqlens = cuSeqlens.Borders,
            Width = y.Shape[1],
            HeadSize = table.Shape[1],
            Heads = heads,
            // In place, the other heads are left alone.
            All = x.IsSameAs(y) ? heads : y.Shape[1] / table.Shape[1],
            Sign = inverse ? -1 : 1,
        },
        cuSeqlens.Longest, cuSeqlens.Sequences);
}

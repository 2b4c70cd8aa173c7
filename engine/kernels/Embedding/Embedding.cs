using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>The embedding layer, <c>y = LN(word[id] + type[typeId])</c>, or with learned positions <c>LN(… + position[p])</c>.</summary>
/// <param name="ids">I32 [tokens], within the vocabulary.</param>
/// <param name="typeIds">I32 [tokens], or absent: all 0.</param>
/// <param name="word">[vocabulary, hidden].</param>
/// <param name="type">[types, hidden].</param>
/// <param name="norm">The layer normalisation.</param>
/// <param name="sum">[tokens, hidden]: receives what is normalised, for the backward pass; or absent.</param>
/// <param name="statistics">[tokens, 2], as for <see cref="LayerNormForward"/>; or absent.</param>
/// <param name="y">[tokens, hidden].</param>
/// <param name="position">[positions, hidden]: added as by <see cref="AddPositions"/>; or absent.</param>
/// <param name="cuSeqlens">The borders of the sequences, where there are positions.</param>
public readonly unsafe struct EmbeddingForward(
    Tensor ids, Tensor typeIds, Tensor word, Tensor type, Norm norm, Tensor sum, Tensor statistics, Tensor y, Tensor position = default,
    CuSeqlens cuSeqlens = default) : IOperation
{
    static string IOperation.Name => "embedding";

    OperationCost IOperation.Cost => new(y.Shape, 0, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        int hidden = word.Shape[1];
        operands.Expect(ids, DType.I32, new Shape(y.Shape[0]));
        operands.ExpectIfPresent(typeIds, DType.I32, ids.Shape, "type ids");
        operands.Expect(word, operands.TypeOf(word), word.Shape, "word embeddings");
        operands.Expect(type, word.DType, new Shape(type.Shape[0], hidden), "type embeddings");
        operands.Expect(y, word.DType, new Shape(y.Shape[0], hidden));
        operands.ExpectIfPresent(sum, word.DType, y.Shape);
        operands.ExpectIfPresent(statistics, DType.F32, new Shape(y.Shape[0], 2));
        norm.Check(operands, word.DType, hidden);
        if (position.IsAbsent) return;
        operands.Expect(position, word.DType, new Shape(position.Shape[0], hidden), "position embeddings");
        if (cuSeqlens.Tokens != y.Shape[0])
            throw new ArgumentException($"cuSeqlens is of {cuSeqlens.Tokens} tokens, expected {y.Shape[0]}");
        PositionTable.Check(cuSeqlens, position.Shape[0]);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        CpuLauncher.CheckRange(ids, word.Shape[0], "token id");
        if (!typeIds.IsAbsent) CpuLauncher.CheckRange(typeIds, type.Shape[0], "token type");
        cpu.Run(new EmbeddingJob<T>(
            ids.Pointer<int>(), typeIds.Pointer<int>(), word.Pointer<float>(), type.Pointer<float>(), norm.Weight.Pointer<float>(),
            norm.Bias.Pointer<float>(),
            norm.Epsilon, (sum.IsAbsent ? y : sum).Pointer<float>(), y.Pointer<float>(), statistics.Pointer<float>(),
            position.Pointer<float>(), position.IsAbsent ? null : cuSeqlens.Borders.Pointer<int>(), y.Shape[0], y.Shape[1]));
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int tokens = y.Shape[0], width = y.Shape[1];
        if (width > LargestRegisterRow || !position.IsAbsent)
        {
            InSteps(gpu);
            return;
        }

        gpu.Launch(
            (typeIds.IsAbsent ? GpuKernels.Embedding : GpuKernels.EmbeddingTypes).For(y.DType, width),
            new()
            {
                Ids = ids,
                TypeIds = typeIds,
                Word = word,
                Type = type,
                Weight = norm.Weight,
                Bias = norm.Bias,
                Sum = sum,
                Statistics = statistics,
                Y = y,
                Tokens = tokens,
                Vocabulary = word.Shape[0],
                Types = type.Shape[0],
                Width = width,
                Eps = norm.Epsilon,
            },
            Blocks(tokens, WarpsPerBlock));
    }

    /// <summary>
    /// One after the other: rows that no warp holds in registers, and those with positions, for which a warp would search its sequence.
    /// </summary>
    private void InSteps(GpuLauncher gpu)
    {
        Tensor types = gpu.Rent(y.Shape, y.DType), ofTypes = typeIds, both = sum.IsAbsent ? y : sum;
        if (typeIds.IsAbsent)
        {
            ofTypes = gpu.Rent(ids.Shape, DType.I32);
            gpu.Clear(ofTypes);
        }

        gpu.Run(new GatherRowsForward(word, ids, both));
        gpu.Run(new GatherRowsForward(type, ofTypes, types));
        gpu.Run(new Add(both, types, both));
        if (!position.IsAbsent) gpu.Run(new AddPositions(both, cuSeqlens, position, both));
        gpu.Run(new LayerNormForward(both, norm, statistics, y));
    }
}

/// <summary>Adds the gradient of summed embeddings to the rows that were gathered.</summary>
/// <param name="ids">I32 [tokens].</param>
/// <param name="typeIds">I32 [tokens], or absent.</param>
/// <param name="dy">[tokens, hidden].</param>
/// <param name="dword">[vocabulary, hidden], or absent.</param>
/// <param name="dtype">[types, hidden], or absent.</param>
/// <param name="padding">The id whose row of dword stays as it is; none unless given.</param>
public readonly unsafe struct EmbeddingBackward(
    Tensor ids, Tensor typeIds, Tensor dy, Tensor dword, Tensor dtype, int padding = -1) : IOperation
{
    private const int NoPadding = -1;

    static string IOperation.Name => "embedding, gradient";

    OperationCost IOperation.Cost => new(dy.Shape, 0, 12.0 * dy.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(ids, DType.I32, new Shape(dy.Shape[0]));
        operands.Expect(dy, operands.TypeOf(dy), dy.Shape);
        operands.ExpectIfPresent(typeIds, DType.I32, ids.Shape, "type ids");
        if (!dword.IsAbsent) operands.Expect(dword, DType.F32, new Shape(dword.Shape[0], dy.Shape[1]));
        if (!dtype.IsAbsent) operands.Expect(dtype, DType.F32, new Shape(dtype.Shape[0], dy.Shape[1]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new EmbeddingGradientJob<T>(
            ids.Pointer<int>(), typeIds.Pointer<int>(), dy.Pointer<float>(), dword.Pointer<float>(), dtype.Pointer<float>(), padding,
            dy.Shape[0], dy.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        if (!dword.IsAbsent) Rows(gpu, ids, dword, padding);
        if (dtype.IsAbsent) return;
        if (typeIds.IsAbsent) gpu.Run(new SumRows(dy, dtype.Slice(0, new Shape(dtype.Shape[1]))));
        else Rows(gpu, typeIds, dtype, NoPadding);
    }

    private void Rows(GpuLauncher gpu, Tensor rows, Tensor dtable, int without)
    {
        int width = dy.Shape[1];
        gpu.Launch(
            GpuKernels.EmbeddingGradient.For(dy.DType, width),
            new() { Ids = rows, Dy = dy, Dtable = dtable, Tokens = dy.Shape[0], Width = width, Padding = without }, dtable.Shape[0],
            Chunks(width));
    }
}

using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// Softmax cross-entropy on the GPU: a block a row, which is read once; each thread keeps a running maximum and sum. Any number of
/// classes: where it is no multiple of eight, elements are read one by one.
/// </summary>
internal static class CrossEntropyKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily("cross_entropy", Flat.Threads, f32: Forward<F32, float>, bf16: Forward<BF16, ushort>);
        list.AddFamily("cross_entropy_gradient", Flat.Threads, f32: Gradient<F32, float>, bf16: Gradient<BF16, ushort>);
    }

    /// <summary>
    /// logits: [rows, classes]; labels: [rows], negative for rows that count as 0; weights: [rows], or empty: all 1; losses: [rows]. Grid:
    /// rows. A label that is no class ends the kernel with an error.
    /// </summary>
    public static void Forward<TE, T>(
        ArrayView<T> logits, ArrayView<int> labels, ArrayView<float> weights, ArrayView<float> losses, int classes)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int row = Grid.IdxX, label = labels[row];
        if (label >= classes) Ptx.Trap();
        ArrayView<T> x = logits.SubView((long)row * classes, classes);
        float logSumExp = LogSumExp<TE, T>(x, classes);
        if (Group.IdxX > 0) return;
        float loss = 0;
        if (label >= 0) loss = logSumExp - TE.Get(x, label);
        if (weights.Length > 0) loss *= weights[row];
        losses[row] = loss;
    }

    /// <summary>
    /// dlogits = scale · weight · (softmax(logits) − one at the label), 0 where the label is negative. logits, dlogits: [rows, classes],
    /// may be one; labels, weights: [rows]; scale: [1]. Grid: rows.
    /// </summary>
    public static void Gradient<TE, T>(
        ArrayView<T> logits, ArrayView<int> labels, ArrayView<float> weights, ArrayView<float> scale, ArrayView<T> dlogits, int classes)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int row = Grid.IdxX, label = labels[row];
        if (label >= classes) Ptx.Trap();
        ArrayView<T> x = logits.SubView((long)row * classes, classes), dx = dlogits.SubView((long)row * classes, classes);
        float logSumExp = LogSumExp<TE, T>(x, classes), factor = label < 0 ? 0 : scale[0];
        if (weights.Length > 0) factor *= weights[row];
        if ((classes & 7) == 0)
        {
            int chunks = (classes + Warp.Chunk - 1) / Warp.Chunk;
            for (int chunk = Warp.Index; chunk < chunks; chunk += Flat.Threads / Warp.Size)
            {
                Float8 v = TE.Load(x, chunk, Warp.Lane, classes, 0);
                int low = label - TE.Low(chunk, Warp.Lane), high = label - TE.High(chunk, Warp.Lane);
                TE.Store(
                    dx, chunk, Warp.Lane, classes, new(Softmax(v.Low, logSumExp, low, factor), Softmax(v.High, logSumExp, high, factor)));
            }

            return;
        }

        for (int i = Group.IdxX; i < classes; i += Flat.Threads) TE.Set(dx, i, Softmax(TE.Get(x, i), logSumExp, i == label, factor));
    }

    /// <summary>
    /// The logarithm of the sum of exponentials of a row, in all threads. Every thread has read its part of the row by then.
    /// </summary>
    private static float LogSumExp<TE, T>(ArrayView<T> x, int classes)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        ArrayView<float> partialMaximum = SharedMemory.Allocate<float>(8), partialSum = SharedMemory.Allocate<float>(8);
        float maximum = float.MinValue, sum = 0;
        if ((classes & 7) == 0)
        {
            int chunks = (classes + Warp.Chunk - 1) / Warp.Chunk;
            for (int chunk = Warp.Index; chunk < chunks; chunk += Flat.Threads / Warp.Size)
            {
                Float8 v = TE.Load(x, chunk, Warp.Lane, classes, float.NegativeInfinity);
                float higher = Ptx.Max(maximum, Float8.Max(v));
                sum = (sum * GpuMath.Exp(maximum - higher)) + SumOfExponentials(v.Low, higher) + SumOfExponentials(v.High, higher);
                maximum = higher;
            }
        }
        else
        {
            for (int i = Group.IdxX; i < classes; i += Flat.Threads)
            {
                float v = TE.Get(x, i), higher = Ptx.Max(maximum, v);
                sum = (sum * GpuMath.Exp(maximum - higher)) + GpuMath.Exp(v - higher);
                maximum = higher;
            }
        }

        float warpMaximum = Warp.Max(maximum);
        if (Warp.Lane == 0) partialMaximum[Warp.Index] = warpMaximum;
        Group.Barrier();
        float all = Ptx.Max(
            Ptx.Max(Ptx.Max(partialMaximum[0], partialMaximum[1]), Ptx.Max(partialMaximum[2], partialMaximum[3])),
            Ptx.Max(Ptx.Max(partialMaximum[4], partialMaximum[5]), Ptx.Max(partialMaximum[6], partialMaximum[7])));
        float total = Warp.BlockSum(sum * GpuMath.Exp(maximum - all), partialSum);
        return all + GpuMath.Log(total);
    }

    private static Float4 Softmax(Float4 v, float logSumExp, int label, float factor) => new(
        Softmax(v.X, logSumExp, label == 0, factor), Softmax(v.Y, logSumExp, label == 1, factor),
        Softmax(v.Z, logSumExp, label == 2, factor), Softmax(v.W, logSumExp, label == 3, factor));

    private static float Softmax(float x, float logSumExp, bool isLabel, float factor)
    {
        float probability = GpuMath.Exp(x - logSumExp);
        return factor * (isLabel ? probability - 1f : probability);
    }

    private static float SumOfExponentials(Float4 v, float maximum) =>
        GpuMath.Exp(v.X - maximum) + GpuMath.Exp(v.Y - maximum) + (GpuMath.Exp(v.Z - maximum) + GpuMath.Exp(v.W - maximum));
}

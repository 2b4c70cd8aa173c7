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
        list.Add("cross_entropy_f32", Forward<F32, float>, Flat.Threads);
        list.Add("cross_entropy_bf16", Forward<BF16, ushort>, Flat.Threads);
    }

    /// <summary>
    /// logits: [rows, classes]; labels: [rows], negative for rows that count as 0; losses: [rows]. Grid: rows. A label that is no class
    /// ends the kernel with an error.
    /// </summary>
    public static void Forward<TE, T>(ArrayView<T> logits, ArrayView<int> labels, ArrayView<float> losses, int classes)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        ArrayView<float> partialMaximum = SharedMemory.Allocate<float>(8), partialSum = SharedMemory.Allocate<float>(8);
        int row = Grid.IdxX, label = labels[row];
        if (label >= classes) Ptx.Trap();
        ArrayView<T> x = logits.SubView((long)row * classes, classes);
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
        if (Group.IdxX > 0) return;
        float loss = 0;
        if (label >= 0) loss = all - TE.Get(x, label) + GpuMath.Log(total);
        losses[row] = loss;
    }

    private static float SumOfExponentials(Float4 v, float maximum) =>
        GpuMath.Exp(v.X - maximum) + GpuMath.Exp(v.Y - maximum) + (GpuMath.Exp(v.Z - maximum) + GpuMath.Exp(v.W - maximum));
}

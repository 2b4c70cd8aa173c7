using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// The optimizer on the GPU: gradient norm, and AdamW (Loshchilov and Hutter, arXiv 1711.05101) with clipping in one pass over flat
/// arrays in fp32, so that a step is three launches whatever the number of parameters. Nothing comes back to the host meanwhile: the
/// numbers of the step, its norm and whether it is taken lie in the GPU's memory.
/// </summary>
internal static class AdamWKernels
{
    /// <summary>Blocks of the norm's first pass: fixed, so that the order of summation is.</summary>
    public const int NormBlocks = 1024;

    public static void Register(KernelList list)
    {
        list.Add("sum_of_squares", SumOfSquares, Flat.Threads);
        list.Add("sum_of_losses", SumOfLosses, Flat.Threads);
        list.Add("gradient_norm", Norm, Flat.Threads);
        list.AddFamily("adamw", Flat.Threads, f32: Step<No>, bf16: Step<Yes>);
    }

    /// <summary>partial[b] = Σ x² over the chunks that block b of <see cref="NormBlocks"/> takes.</summary>
    public static void SumOfSquares(ArrayView<float> x, ArrayView<float> partial, long count)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(8);
        Float8 sum = Float8.Broadcast(0);
        for (long start = ((long)Grid.IdxX * Flat.PerBlock) + (Warp.Index * Warp.Chunk); start < count;
            start += (long)NormBlocks * Flat.PerBlock)
        {
            int length = count - start < Warp.Chunk ? (int)(count - start) : Warp.Chunk, whole = length & ~7;
            ArrayView<float> share = x.SubView(start, length);
            Float8 v = F32.Load(share, 0, Warp.Lane, whole, 0);
            sum = Float8.Fma(v, v, sum);
            float single = Ptx.LoadConstant(ref share[whole + Warp.Lane], whole + Warp.Lane < length);
            sum.Low.X = Ptx.Fma(single, single, sum.Low.X);
        }

        float total = Warp.BlockSum(Float8.Sum(sum), shared);
        if (Group.IdxX == 0) partial[Grid.IdxX] = total;
    }

    /// <summary>sums[place[0]] = Σ losses. Grid: 1. A place outside sums ends the kernel with an error.</summary>
    public static void SumOfLosses(ArrayView<float> losses, ArrayView<int> place, ArrayView<double> sums, int count)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(8);
        float sum = 0;
        for (int i = Group.IdxX; i < count; i += Flat.Threads) sum += losses[i];
        float total = Warp.BlockSum(sum, shared);
        if (Group.IdxX > 0) return;
        int at = place[0];
        if ((uint)at >= (uint)sums.Length) Ptx.Trap();
        sums[at] = total;
    }

    /// <summary>
    /// With norm = √ Σ partial: report = (norm, or NaN where one of the losses is not finite; 1 if losses and norm are finite, or else 0),
    /// status = (the factor that clips the gradients to numbers[6], 1 or 0 likewise). partial: [<see cref="NormBlocks"/>]; losses: any
    /// length; numbers: see <see cref="AdamWStep"/>. Grid: 1.
    /// </summary>
    public static void Norm(
        ArrayView<float> partial, ArrayView<double> losses, ArrayView<float> numbers, ArrayView<double> report, ArrayView<float> status)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(8), wrongs = SharedMemory.Allocate<float>(8);
        float wrong = 0;
        for (int i = Group.IdxX; i < losses.Length; i += Flat.Threads)
            if (!IsFinite((float)losses[i])) wrong = 1f;
        float sum = partial[Group.IdxX] + partial[Group.IdxX + 256] + (partial[Group.IdxX + 512] + partial[Group.IdxX + 768]);
        float norm = Ptx.Sqrt(Warp.BlockSum(sum, shared));
        bool right = Warp.BlockSum(wrong, wrongs) == 0;
        if (Group.IdxX > 0) return;
        float taken = right && IsFinite(norm) ? 1f : 0f;
        report[0] = right ? norm : float.NaN;
        report[1] = taken;
        status[0] = Ptx.Min(1f, numbers[6] / (norm + 1e-6f));
        status[1] = taken;
    }

    /// <summary>
    /// A step where status[1] is 1, with g the gradient times status[0]: <c>m ← β₁m + (1 − β₁)g</c>, <c>v ← β₂v + (1 − β₂)g²</c>,
    /// <c>w ← keep · w − rate · m / (√v · rootCorrection + eps)</c>, by the numbers of <see cref="AdamWStep"/>. The gradients are set to 0
    /// in any case. kinds: a word for each 256 elements, two bits for each 16 of them: 1 if they are updated, 2 if they also decay.
    /// <paramref name="rounded"/> receives w in bf16 in the variant that keeps such a copy. Grid: elements / 2048.
    /// </summary>
    public static void Step<TRounded>(
        ArrayView<float> w, ArrayView<float> gradient, ArrayView<float> m, ArrayView<float> v, ArrayView<ushort> rounded,
        ArrayView<uint> kinds,
        ArrayView<float> numbers, ArrayView<float> status, long count)
        where TRounded : struct, IChoice
    {
        Flat share = Flat.Share(count);
        if (share.Length <= 0) return;
        int lane = Warp.Lane, whole = share.Whole;
        if (status[1] == 0)
        {
            F32.Store(share.Of(gradient), 0, lane, whole, Float8.Broadcast(0));
            if (share.Single >= 0) gradient[share.Start + share.Single] = 0;
            return;
        }

        var step = new Numbers(numbers, status[0]);
        uint kind = kinds[share.Start / Warp.Chunk];
        Float8 g = F32.Load(share.Of(gradient), 0, lane, whole, 0) * step.Clip;
        Float8 first = F32.Load(share.Of(m), 0, lane, whole, 0), second = F32.Load(share.Of(v), 0, lane, whole, 0),
            weight = F32.Load(share.Of(w), 0, lane, whole, 0);
        first = Float8.Fma(Float8.Broadcast(1f - step.Beta1), g, first * step.Beta1);
        second = Float8.Fma(Float8.Broadcast(1f - step.Beta2), g * g, second * step.Beta2);
        uint low = KindOf(kind, F32.Low(0, lane)), high = KindOf(kind, F32.High(0, lane));
        weight = new(step.Move(weight.Low * step.KeepOf(low), first.Low, second.Low),
            step.Move(weight.High * step.KeepOf(high), first.High, second.High));
        int lowEnd = low == 0 ? 0 : whole, highEnd = high == 0 ? 0 : whole;
        Store(share.Of(m), lane, lowEnd, highEnd, first);
        Store(share.Of(v), lane, lowEnd, highEnd, second);
        Store(share.Of(w), lane, lowEnd, highEnd, weight);
        F32.Store(share.Of(gradient), 0, lane, whole, Float8.Broadcast(0));
        if (TRounded.Value)
        {
            ArrayView<UInt2> pairs = share.Of(rounded).Cast<UInt2>();
            if (F32.Low(0, lane) < lowEnd) pairs[F32.Low(0, lane) >> 2] = BF16.Pack(weight.Low);
            if (F32.High(0, lane) < highEnd) pairs[F32.High(0, lane) >> 2] = BF16.Pack(weight.High);
        }

        if (share.Single >= 0) One<TRounded>(share.Of(w), share.Of(gradient), share.Of(m), share.Of(v), rounded, share, kind, step);
    }

    private static void One<TRounded>(
        ArrayView<float> w, ArrayView<float> gradient, ArrayView<float> m, ArrayView<float> v, ArrayView<ushort> rounded, Flat share,
        uint kinds, Numbers step)
        where TRounded : struct, IChoice
    {
        int i = share.Single;
        uint kind = KindOf(kinds, i);
        float g = gradient[i] * step.Clip;
        gradient[i] = 0;
        if (kind == 0) return;
        float first = Ptx.Fma(1f - step.Beta1, g, m[i] * step.Beta1), second = Ptx.Fma(1f - step.Beta2, g * g, v[i] * step.Beta2);
        float weight = step.Move(w[i] * step.KeepOf(kind), first, second);
        m[i] = first;
        v[i] = second;
        w[i] = weight;
        if (TRounded.Value) BF16.Set(share.Of(rounded), i, weight);
    }

    private static void Store(ArrayView<float> array, int lane, int lowEnd, int highEnd, Float8 value)
    {
        ArrayView<Float4> quads = array.Cast<Float4>();
        int low = F32.Low(0, lane), high = F32.High(0, lane);
        Ptx.Store(ref quads[low >> 2], low < lowEnd, value.Low);
        Ptx.Store(ref quads[high >> 2], high < highEnd, value.High);
    }

    private static uint KindOf(uint kinds, int element) => (kinds >> ((element >> 4) << 1)) & 3;

    private static bool IsFinite(float x) => Ptx.Abs(x) <= float.MaxValue;

    /// <summary>The numbers of a step, read by every thread.</summary>
    private readonly struct Numbers(ArrayView<float> numbers, float clip)
    {
        public readonly float Clip = clip, Rate = numbers[0], Keep = numbers[1], RootCorrection = numbers[2], Beta1 = numbers[3],
            Beta2 = numbers[4], Epsilon = numbers[5];

        public float KeepOf(uint kind) => kind == 2 ? Keep : 1f;

        public Float4 Move(Float4 w, Float4 m, Float4 v) =>
            new(Move(w.X, m.X, v.X), Move(w.Y, m.Y, v.Y), Move(w.Z, m.Z, v.Z), Move(w.W, m.W, v.W));

        public float Move(float w, float m, float v) => w - (Rate * (m / Ptx.Fma(Ptx.Sqrt(v), RootCorrection, Epsilon)));
    }
}

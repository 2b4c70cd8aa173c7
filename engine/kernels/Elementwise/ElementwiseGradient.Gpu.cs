using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// As <see cref="GeluGradient"/>, but x / √2π is multiplied first: it is there before the exponential is. The CPU's order is that of the
/// files its results are held against.
/// </summary>
internal readonly struct GpuGeluGradient : IElementwise
{
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
    {
        T z = T.Abs(a), bell = GeluFormula.Bell(z), tail = GeluFormula.NormalTail(z, bell);
        return b * T.MultiplyAdd(a * 0.398942280401432678f, bell, T.IfLess(a, 0f, tail, 1f - tail));
    }
}

/// <summary>As <see cref="TanhGradient"/>, but 1 − a² is one operation, which the CPU rounds twice.</summary>
internal readonly struct GpuTanhGradient : IElementwise
{
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
        => b * T.MultiplyAdd(-a, a, 1f);
}

/// <summary>The gradients of element-by-element operations on the GPU.</summary>
internal static class ElementwiseGradientKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily("gelu_gradient", Flat.Threads, f32: Map<F32, float, GpuGeluGradient>, bf16: Map<BF16, ushort, GpuGeluGradient>);
        list.AddFamily("tanh_gradient", Flat.Threads, f32: Map<F32, float, GpuTanhGradient>, bf16: Map<BF16, ushort, GpuTanhGradient>);
        list.AddFamily("relu_gradient", Flat.Threads, f32: Map<F32, float, ReluGradient>, bf16: Map<BF16, ushort, ReluGradient>);
        list.AddFamily("sigmoid_gradient", Flat.Threads, f32: Map<F32, float, SigmoidGradient>, bf16: Map<BF16, ushort, SigmoidGradient>);
        list.AddFamily(
            "gelu_tanh_gradient", Flat.Threads, f32: Map<F32, float, GeluTanhGradient>, bf16: Map<BF16, ushort, GeluTanhGradient>);
        AddGated<GeluFunction, GpuGeluGradient>(list, "geglu_gradient");
        AddGated<SiluFunction, SiluGradient>(list, "swiglu_gradient");
    }

    private static void AddGated<TFunction, TGradient>(KernelList list, string name)
        where TFunction : struct, IElementwise
        where TGradient : struct, IElementwise
        => list.AddFamily(
            name, Flat.Threads, f32: Gated<F32, float, TFunction, TGradient>, anyF32: Gated<F32Any, float, TFunction, TGradient>,
            bf16: Gated<BF16, ushort, TFunction, TGradient>);

    /// <summary>dx (+)= f'(kept, dy); dx may be either operand. Grid: elements / 2048.</summary>
    public static void Map<TE, T, TFunction>(ArrayView<T> kept, ArrayView<T> dy, ArrayView<T> dx, long count, int accumulate)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TFunction : struct, IElementwise
    {
        Flat share = Flat.Share(count);
        if (share.Length <= 0) return;
        ArrayView<T> first = share.Of(kept), second = share.Of(dy), result = share.Of(dx);
        Float8 k = TE.Load(first, 0, Warp.Lane, share.Whole, 0), d = TE.Load(second, 0, Warp.Lane, share.Whole, 0);
        Float8 value = new(Apply<TFunction>(k.Low, d.Low), Apply<TFunction>(k.High, d.High));
        if (accumulate != 0) value += TE.Load(result, 0, Warp.Lane, share.Whole, 0);
        TE.Store(result, 0, Warp.Lane, share.Whole, value);
        if (share.Single < 0) return;
        float one = Apply<TFunction>(TE.Get(first, share.Single), TE.Get(second, share.Single));
        if (accumulate != 0) one += TE.Get(result, share.Single);
        TE.Set(result, share.Single, one);
    }

    /// <summary>
    /// dg[r, i] = du · g[r, width + i] · f'(g[r, i]), dg[r, width + i] = du · f(g[r, i]). g, dg: [rows, 2 · width], may be one; du:
    /// [rows, width]. Grid: rows · ⌈width / 256⌉ / 8.
    /// </summary>
    public static void Gated<TE, T, TFunction, TGradient>(ArrayView<T> g, ArrayView<T> du, ArrayView<T> dg, int rows, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TFunction : struct, IElementwise
        where TGradient : struct, IElementwise
    {
        int chunks = (width + Warp.Chunk - 1) / Warp.Chunk;
        int index = (Grid.IdxX * (Flat.Threads / Warp.Size)) + Warp.Index, row = index / chunks, chunk = index - (row * chunks);
        if (row >= rows) return;
        long gate = (long)row * 2 * width, value = gate + width;
        Float8 a = TE.Load(g.SubView(gate, width), chunk, Warp.Lane, width, 0),
            b = TE.Load(g.SubView(value, width), chunk, Warp.Lane, width, 0);
        Float8 d = TE.Load(du.SubView((long)row * width, width), chunk, Warp.Lane, width, 0);
        TE.Store(dg.SubView(gate, width), chunk, Warp.Lane, width,
            new(Apply<TGradient>(a.Low, d.Low * b.Low), Apply<TGradient>(a.High, d.High * b.High)));
        TE.Store(dg.SubView(value, width), chunk, Warp.Lane, width, d * ElementwiseKernels.Apply<TFunction>(a));
    }

    private static Float4 Apply<TFunction>(Float4 k, Float4 d)
        where TFunction : struct, IElementwise
        => new(Apply<TFunction>(k.X, d.X), Apply<TFunction>(k.Y, d.Y), Apply<TFunction>(k.Z, d.Z), Apply<TFunction>(k.W, d.W));

    private static float Apply<TFunction>(float kept, float dy)
        where TFunction : struct, IElementwise
        => TFunction.Apply<GpuFloat>(kept, dy).Value;
}

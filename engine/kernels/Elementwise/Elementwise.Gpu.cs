using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>Element-by-element operations on the GPU. Grid: elements / 2048.</summary>
internal static class ElementwiseKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily("gelu", Flat.Threads, f32: Map<F32, float, GeluFunction>, bf16: Map<BF16, ushort, GeluFunction>);
        list.AddFamily("tanh", Flat.Threads, f32: Map<F32, float, TanhFunction>, bf16: Map<BF16, ushort, TanhFunction>);
        list.AddFamily("relu", Flat.Threads, f32: Map<F32, float, ReluFunction>, bf16: Map<BF16, ushort, ReluFunction>);
        list.AddFamily("sigmoid", Flat.Threads, f32: Map<F32, float, SigmoidFunction>, bf16: Map<BF16, ushort, SigmoidFunction>);
        list.AddFamily("gelu_tanh", Flat.Threads, f32: Map<F32, float, GeluTanhFunction>, bf16: Map<BF16, ushort, GeluTanhFunction>);
        list.AddFamily("add", Flat.Threads, f32: Add<F32, float>, bf16: Add<BF16, ushort>);
        list.AddFamily("scale", Flat.Threads, f32: Scale<F32, float>, bf16: Scale<BF16, ushort>);
        AddGated<GeluFunction>(list, "geglu");
        AddGated<SiluFunction>(list, "swiglu");
        list.Add("cast_f32_bf16", ToBF16, Flat.Threads);
        list.Add("cast_bf16_f32", ToF32, Flat.Threads);
    }

    /// <summary>y = f(x); y may be x.</summary>
    public static void Map<TE, T, TFunction>(ArrayView<T> x, ArrayView<T> y, long count)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TFunction : struct, IElementwise
    {
        Flat share = Flat.Share(count);
        if (share.Length <= 0) return;
        ArrayView<T> source = share.Of(x), destination = share.Of(y);
        TE.Store(destination, 0, Warp.Lane, share.Whole, Apply<TFunction>(TE.Load(source, 0, Warp.Lane, share.Whole, 0)));
        if (share.Single >= 0) TE.Set(destination, share.Single, Apply<TFunction>(TE.Get(source, share.Single)));
    }

    /// <summary>y = x + z; y may be either.</summary>
    public static void Add<TE, T>(ArrayView<T> x, ArrayView<T> z, ArrayView<T> y, long count)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        Flat share = Flat.Share(count);
        if (share.Length <= 0) return;
        ArrayView<T> first = share.Of(x), second = share.Of(z), destination = share.Of(y);
        TE.Store(destination, 0, Warp.Lane, share.Whole,
            TE.Load(first, 0, Warp.Lane, share.Whole, 0) + TE.Load(second, 0, Warp.Lane, share.Whole, 0));
        if (share.Single >= 0) TE.Set(destination, share.Single, TE.Get(first, share.Single) + TE.Get(second, share.Single));
    }

    /// <summary>y = factor · x; y may be x.</summary>
    public static void Scale<TE, T>(ArrayView<T> x, ArrayView<T> y, long count, float factor)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        Flat share = Flat.Share(count);
        if (share.Length <= 0) return;
        ArrayView<T> source = share.Of(x), destination = share.Of(y);
        TE.Store(destination, 0, Warp.Lane, share.Whole, TE.Load(source, 0, Warp.Lane, share.Whole, 0) * factor);
        if (share.Single >= 0) TE.Set(destination, share.Single, TE.Get(source, share.Single) * factor);
    }

    private static void AddGated<TFunction>(KernelList list, string name)
        where TFunction : struct, IElementwise
        => list.AddFamily(
            name, Flat.Threads, f32: Gated<F32, float, TFunction>, anyF32: Gated<F32Any, float, TFunction>,
            bf16: Gated<BF16, ushort, TFunction>);

    /// <summary>
    /// y[r, i] = f(g[r, i]) · g[r, width + i]. g: [rows, 2 · width]; y: [rows, width]; width a multiple of eight. Grid:
    /// rows · ⌈width / 256⌉ / 8; a warp works on 256 columns of a row.
    /// </summary>
    public static void Gated<TE, T, TFunction>(ArrayView<T> g, ArrayView<T> y, int rows, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TFunction : struct, IElementwise
    {
        int chunks = (width + Warp.Chunk - 1) / Warp.Chunk;
        int index = (Grid.IdxX * (Flat.Threads / Warp.Size)) + Warp.Index, row = index / chunks, chunk = index - (row * chunks);
        if (row >= rows) return;
        ArrayView<T> gate = g.SubView((long)row * 2 * width, width), value = g.SubView(((long)row * 2 * width) + width, width);
        Float8 activated = Apply<TFunction>(TE.Load(gate, chunk, Warp.Lane, width, 0));
        TE.Store(y.SubView((long)row * width, width), chunk, Warp.Lane, width, activated * TE.Load(value, chunk, Warp.Lane, width, 0));
    }

    /// <summary>y = x, rounded to bf16.</summary>
    public static void ToBF16(ArrayView<float> x, ArrayView<ushort> y, long count)
    {
        Flat share = Flat.Share(count);
        if (share.Length <= 0) return;
        ArrayView<float> source = share.Of(x);
        ArrayView<Float4> quads = source.Cast<Float4>();
        int first = BF16.Low(0, Warp.Lane);
        bool inside = first < share.Whole;
        Float8 value = new(Ptx.LoadOnce(ref quads[first >> 2], inside, 0), Ptx.LoadOnce(ref quads[(first >> 2) + 1], inside, 0));
        BF16.Store(share.Of(y), 0, Warp.Lane, share.Whole, value);
        if (share.Single >= 0) BF16.Set(share.Of(y), share.Single, source[share.Single]);
    }

    /// <summary>y = x.</summary>
    public static void ToF32(ArrayView<ushort> x, ArrayView<float> y, long count)
    {
        Flat share = Flat.Share(count);
        if (share.Length <= 0) return;
        ArrayView<float> destination = share.Of(y);
        ArrayView<Float4> quads = destination.Cast<Float4>();
        int first = BF16.Low(0, Warp.Lane);
        bool inside = first < share.Whole;
        Float8 value = BF16.Load(share.Of(x), 0, Warp.Lane, share.Whole, 0);
        Ptx.Store(ref quads[first >> 2], inside, value.Low);
        Ptx.Store(ref quads[(first >> 2) + 1], inside, value.High);
        if (share.Single >= 0) destination[share.Single] = BF16.Get(share.Of(x), share.Single);
    }

    public static Float8 Apply<TFunction>(Float8 v)
        where TFunction : struct, IElementwise
        => new(Apply<TFunction>(v.Low), Apply<TFunction>(v.High));

    private static Float4 Apply<TFunction>(Float4 v)
        where TFunction : struct, IElementwise
        => new(Apply<TFunction>(v.X), Apply<TFunction>(v.Y), Apply<TFunction>(v.Z), Apply<TFunction>(v.W));

    private static float Apply<TFunction>(float x)
        where TFunction : struct, IElementwise
        => TFunction.Apply<GpuFloat>(x, x).Value;
}

using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace GpuBench;

/// <summary>The bandwidth that kernels bounded by memory reach, and that of a copy. Bytes are those that must be moved at least.</summary>
/// <param name="Rows">Rows of 768: enough that operands exceed the L2 cache.</param>
/// <param name="Calls">Calls that are timed together.</param>
internal sealed record Bandwidth(int Rows, int Calls = 10)
{
    private const int Width = 768, Gate = 3072, Classes = 4096, Vocabulary = 4096, Chunk = 256, WarpsPerBlock = 8, NormBlocks = 1024;

    /// <summary>The name of the copy in the journal.</summary>
    public const string Copy = "copy";

    private delegate Action Prepare(Operands o, bool bf16);

    private long Flat => (long)Rows * Width;

    private int GateRows => Math.Max(1, Rows / 4);

    /// <summary>A task for the copy, and one for each kernel and element type.</summary>
    public IEnumerable<WorkItem> All()
    {
        yield return new("bandwidth", Copy, open =>
        {
            using GpuDevice device = open();
            using var o = new Operands(device, Calls);
            nint x = o.Floats(2 * Flat), y = o.Floats(2 * Flat);
            return Figure(16 * Flat, o.Time(() => device.Copy(x, y, 8 * Flat)));
        });
        foreach ((string name, Func<int, long> bytes, Prepare prepare) in Kernels())
            foreach (bool bf16 in (bool[])[false, true])
                yield return new("bandwidth", name + (bf16 ? "_bf16" : "_f32"), open =>
                {
                    using GpuDevice device = open();
                    using var o = new Operands(device, Calls);
                    return Figure(bytes(bf16 ? 2 : 4), o.Time(prepare(o, bf16)));
                });
        foreach ((string name, long bytes, Func<Operands, Action> prepare) in Others())
            yield return new("bandwidth", name, open =>
            {
                using GpuDevice device = open();
                using var o = new Operands(device, Calls);
                return Figure(bytes, o.Time(prepare(o)));
            });
    }

    private static string Figure(long bytes, double milliseconds) => FormattableString.Invariant($"{bytes / milliseconds / 1e6:F1}");

    private IEnumerable<(string Name, Func<int, long> Bytes, Prepare Prepare)> Kernels()
    {
        yield return ("add", s => 3 * Flat * s, (o, h) => Elementwise(o, "add", h, 3));
        yield return ("scale", s => 2 * Flat * s, (o, h) => Elementwise(o, "scale", h, 2, factor: 1.5f));
        yield return ("gelu", s => 2 * Flat * s, (o, h) => Elementwise(o, "gelu", h, 2));
        yield return ("tanh", s => 2 * Flat * s, (o, h) => Elementwise(o, "tanh", h, 2));
        yield return ("gelu_gradient", s => 3 * Flat * s, (o, h) => Elementwise(o, "gelu_gradient", h, 3, accumulates: true));
        yield return ("tanh_gradient", s => 3 * Flat * s, (o, h) => Elementwise(o, "tanh_gradient", h, 3, accumulates: true));
        yield return ("geglu", s => 3L * GateRows * Gate * s, (o, h) => Geglu(o, "geglu", h, [2, 1]));
        yield return ("geglu_gradient", s => 5L * GateRows * Gate * s, (o, h) => Geglu(o, "geglu_gradient", h, [2, 1, 2]));
        yield return ("dropout", s => 2 * Flat * s, (o, h) => Dropout(o, h, residual: false));
        yield return ("dropout_residual", s => 3 * Flat * s, (o, h) => Dropout(o, h, residual: true));
        yield return ("embedding", s => (Flat * s) + (4L * Rows) + ((long)Vocabulary * Width * s), Embedding);
        yield return ("layer_norm", s => 2 * Flat * s, LayerNorm);
        yield return ("layer_norm_gradient", s => (3 * Flat * s) + (8L * Rows), LayerNormGradient);
        yield return ("layer_norm_parameters", s => (2 * Flat * s) + (8L * Rows), LayerNormParameters);
        yield return ("sum_rows", s => Flat * s, SumRows);
        yield return ("cross_entropy", s => (long)GateRows * Classes * s, (o, h) => CrossEntropy(o, h, gradient: false));
        yield return ("cross_entropy_gradient", s => 2L * GateRows * Classes * s, (o, h) => CrossEntropy(o, h, gradient: true));
        yield return ("gather_rows", s => (2 * Flat * s) + (4L * Rows), (o, h) => Rowwise(o, "gather_rows", h));
        yield return ("scatter_rows", s => (3 * Flat * s) + (4L * Rows), (o, h) => Rowwise(o, "scatter_rows", h));
        yield return ("attention_delta", s => 2 * Flat * s, Delta);
        yield return ("pool_mean", s => Flat * s, (o, h) => Pool(o, h, gradient: false));
        yield return ("pool_gradient", s => Flat * s, (o, h) => Pool(o, h, gradient: true));
    }

    private IEnumerable<(string Name, long Bytes, Func<Operands, Action> Prepare)> Others()
    {
        yield return ("cast_f32_bf16", 6 * Flat, o => Cast(o, "cast_f32_bf16", false));
        yield return ("cast_bf16_f32", 6 * Flat, o => Cast(o, "cast_bf16_f32", true));
        yield return ("adamw_f32", 32 * Flat, o => AdamW(o, rounded: false));
        yield return ("adamw_bf16", 34 * Flat, o => AdamW(o, rounded: true));
        yield return ("sum_of_squares", 4 * Flat, SumOfSquares);
    }

    private static void Launch(Operands o, string entry, Action<KernelArguments> arguments, long x, int y = 1)
    {
        KernelArguments a = o.Device.Begin(entry);
        arguments(a);
        o.Device.Launch(x, y);
    }

    private static string Entry(string name, bool bf16) => name + (bf16 ? "_bf16" : "_f32");

    private static long Blocks(long count, int perBlock) => (count + perBlock - 1) / perBlock;

    private Action Elementwise(Operands o, string name, bool bf16, int operands, bool accumulates = false, float? factor = null)
    {
        nint[] views = [.. Enumerable.Range(0, operands).Select(_ => o.Floats(Flat, bf16))];
        return () => Launch(o, Entry(name, bf16), a =>
        {
            foreach (nint view in views) a.View(view, Flat);
            a.I64(Flat);
            if (accumulates) a.I32(0);
            if (factor is { } f) a.F32(f);
        }, Blocks(Flat, WarpsPerBlock * Chunk));
    }

    private Action Geglu(Operands o, string name, bool bf16, int[] halves)
    {
        long count = (long)GateRows * Gate;
        nint[] views = [.. halves.Select(h => o.Floats(h * count, bf16))];
        return () => Launch(o, Entry(name, bf16), a =>
        {
            for (int i = 0; i < views.Length; i++) a.View(views[i], halves[i] * count);
            a.I32(GateRows);
            a.I32(Gate);
        }, Blocks((long)GateRows * (Gate / Chunk), WarpsPerBlock));
    }

    private Action Dropout(Operands o, bool bf16, bool residual)
    {
        nint x = o.Floats(Flat, bf16), r = residual ? o.Floats(Flat, bf16) : 0, y = o.Floats(Flat, bf16);
        nint stream = o.Integers(3, i => i + 1);
        return () => Launch(o, Entry(residual ? "dropout_residual" : "dropout", bf16), a =>
        {
            a.View(x, Flat);
            a.View(r, residual ? Flat : 0);
            a.View(y, Flat);
            a.View(stream, 3);
            a.I64(Flat);
            a.U32(1 << 28);
            a.F32(1.0667f);
            a.U32(4);
        }, Blocks(Flat, WarpsPerBlock * Chunk));
    }

    private Action Embedding(Operands o, bool bf16)
    {
        nint ids = o.Integers(Rows, i => (int)((uint)i * 2654435761u % Vocabulary)), y = o.Floats(Flat, bf16);
        nint word = o.Floats((long)Vocabulary * Width, bf16), type = o.Floats(2 * Width, bf16), w = o.Floats(Width, bf16);
        return () => Launch(o, Entry("embedding", bf16), a =>
        {
            a.View(ids, Rows);
            a.View(0, 0);
            a.View(word, (long)Vocabulary * Width);
            a.View(type, 2 * Width);
            a.View(w, Width);
            a.View(w, Width);
            a.View(0, 0);
            a.View(0, 0);
            a.View(y, Flat);
            a.I32(Rows);
            a.I32(Vocabulary);
            a.I32(2);
            a.I32(Width);
            a.F32(1e-5f);
        }, Blocks(Rows, WarpsPerBlock));
    }

    private Action LayerNorm(Operands o, bool bf16)
    {
        nint x = o.Floats(Flat, bf16), y = o.Floats(Flat, bf16), w = o.Floats(Width, bf16);
        return () => Launch(o, Entry("layer_norm", bf16), a =>
        {
            a.View(x, Flat);
            a.View(w, Width);
            a.View(w, Width);
            a.View(0, 0);
            a.View(y, Flat);
            a.I32(Rows);
            a.I32(Width);
            a.F32(1e-5f);
        }, Blocks(Rows, WarpsPerBlock));
    }

    private Action LayerNormGradient(Operands o, bool bf16)
    {
        nint x = o.Floats(Flat, bf16), dy = o.Floats(Flat, bf16), w = o.Floats(Width, bf16), statistics = o.Floats(2L * Rows), dx = o.Floats(Flat, bf16);
        return () => Launch(o, Entry("layer_norm_gradient", bf16), a =>
        {
            a.View(x, Flat);
            a.View(dy, Flat);
            a.View(w, Width);
            a.View(statistics, 2L * Rows);
            a.View(dx, Flat);
            a.I32(Rows);
            a.I32(Width);
            a.I32(0);
        }, Blocks(Rows, WarpsPerBlock));
    }

    private Action LayerNormParameters(Operands o, bool bf16)
    {
        int parts = (int)Math.Clamp(Blocks(Rows, 256), 1, 64);
        nint x = o.Floats(Flat, bf16), dy = o.Floats(Flat, bf16), statistics = o.Floats(2L * Rows), dw = o.Floats(parts * Width), db = o.Floats(parts * Width);
        return () => Launch(o, Entry("layer_norm_parameters", bf16), a =>
        {
            a.View(x, Flat);
            a.View(dy, Flat);
            a.View(statistics, 2L * Rows);
            a.View(dw, parts * Width);
            a.View(db, parts * Width);
            a.I32(Rows);
            a.I32(Width);
            a.I32((int)Blocks(Rows, parts));
        }, Width / Chunk, parts);
    }

    private Action SumRows(Operands o, bool bf16)
    {
        int parts = (int)Math.Clamp(Blocks(Rows, 256), 1, 64);
        nint x = o.Floats(Flat, bf16), y = o.Floats(parts * Width);
        return () => Launch(o, Entry("sum_rows", bf16), a =>
        {
            a.View(x, Flat);
            a.View(y, parts * Width);
            a.I32(Rows);
            a.I32(Width);
            a.I32((int)Blocks(Rows, parts));
            a.I32(0);
        }, Width / Chunk, parts);
    }

    private Action SumOfSquares(Operands o)
    {
        nint x = o.Floats(Flat), partial = o.Floats(NormBlocks);
        return () => Launch(o, "sum_of_squares", a =>
        {
            a.View(x, Flat);
            a.View(partial, NormBlocks);
            a.I64(Flat);
        }, NormBlocks);
    }

    private Action CrossEntropy(Operands o, bool bf16, bool gradient)
    {
        long count = (long)GateRows * Classes;
        nint logits = o.Floats(count, bf16), labels = o.Integers(GateRows, i => i % Classes), result = gradient ? o.Floats(count, bf16) : o.Floats(GateRows), scale = o.Floats(1);
        return () => Launch(o, Entry(gradient ? "cross_entropy_gradient" : "cross_entropy", bf16), a =>
        {
            a.View(logits, count);
            a.View(labels, GateRows);
            a.View(0, 0);
            if (gradient) a.View(scale, 1);
            a.View(result, gradient ? count : GateRows);
            a.I32(Classes);
        }, GateRows);
    }

    private Action Rowwise(Operands o, string name, bool bf16)
    {
        // Every row once, far from its neighbours.
        nint x = o.Floats(Flat, bf16), rows = o.Integers(Rows, i => (int)((long)i * 769 % Rows)), y = o.Floats(Flat, bf16);
        return () => Launch(o, Entry(name, bf16), a =>
        {
            a.View(x, Flat);
            a.View(rows, Rows);
            a.View(y, Flat);
            a.I32(Rows);
            a.I32(Rows);
            a.I32(Width);
        }, Blocks((long)Rows * (Width / Chunk), WarpsPerBlock));
    }

    private Action Delta(Operands o, bool bf16)
    {
        const int Heads = 12;
        nint y = o.Floats(Flat, bf16), dy = o.Floats(Flat, bf16), delta = o.Floats((long)Heads * Rows);
        return () => Launch(o, Entry("attention_delta", bf16), a =>
        {
            a.View(y, Flat);
            a.View(dy, Flat);
            a.View(delta, (long)Heads * Rows);
            a.I32(Rows);
            a.I32(Width / Heads);
        }, Blocks(Rows, WarpsPerBlock), Heads);
    }

    private Action Pool(Operands o, bool bf16, bool gradient)
    {
        int sequences = Math.Max(1, Rows / 128), longest = (int)Blocks(Rows, sequences);
        nint x = o.Floats(Flat, bf16), y = o.Floats((long)sequences * Width, bf16), borders = o.Integers(sequences + 1, i => Math.Min(Rows, i * longest));
        return () => Launch(o, Entry(gradient ? "pool_gradient" : "pool_mean", bf16), a =>
        {
            a.View(gradient ? y : x, gradient ? (long)sequences * Width : Flat);
            a.View(borders, sequences + 1);
            a.View(gradient ? x : y, gradient ? Flat : (long)sequences * Width);
            a.I32(Width);
            a.I32(int.MaxValue);
            if (gradient) a.I32(0);
        }, gradient ? Blocks((long)longest * (Width / Chunk), WarpsPerBlock) : Width / Chunk, sequences);
    }

    private Action Cast(Operands o, string name, bool bf16)
    {
        nint x = o.Floats(Flat, bf16), y = o.Floats(Flat, !bf16);
        return () => Launch(o, name, a =>
        {
            a.View(x, Flat);
            a.View(y, Flat);
            a.I64(Flat);
        }, Blocks(Flat, WarpsPerBlock * Chunk));
    }

    private Action AdamW(Operands o, bool rounded)
    {
        nint w = o.Floats(Flat), g = o.Floats(Flat), m = o.Floats(Flat), v = o.Floats(Flat), copy = rounded ? o.Floats(Flat, true) : 0;
        nint kinds = o.Integers((int)Blocks(Flat, Chunk), _ => unchecked((int)0xAAAAAAAA)), status = o.Numbers(1, 1), numbers = o.Numbers(1e-3f, 0.9999f, 1, 0.9f, 0.98f, 1e-6f, 1);
        o.Device.Clear(v, 4 * Flat);
        return () => Launch(o, Entry("adamw", rounded), a =>
        {
            foreach (nint view in (nint[])[w, g, m, v]) a.View(view, Flat);
            a.View(copy, rounded ? Flat : 0);
            a.View(kinds, Blocks(Flat, Chunk));
            a.View(numbers, 7);
            a.View(status, 2);
            a.I64(Flat);
        }, Blocks(Flat, WarpsPerBlock * Chunk));
    }
}

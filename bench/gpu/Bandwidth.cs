using Conformance.Gpu;
using Engine.Kernels;
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
            nint x = DeviceMemory.Address(o.Floats(2, Rows, Width)), y = DeviceMemory.Address(o.Floats(2, Rows, Width));
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
        yield return ("add", s => 3 * Flat * s, Add);
        yield return ("scale", s => 2 * Flat * s, Scale);
        yield return ("gelu", s => 2 * Flat * s, (o, h) => Map(o, GpuKernels.Gelu.For(Type(h)), h, h));
        yield return ("tanh", s => 2 * Flat * s, (o, h) => Map(o, GpuKernels.Tanh.For(Type(h)), h, h));
        yield return ("gelu_gradient", s => 3 * Flat * s, (o, h) => MapGradient(o, GpuKernels.GeluGradient, h));
        yield return ("tanh_gradient", s => 3 * Flat * s, (o, h) => MapGradient(o, GpuKernels.TanhGradient, h));
        yield return ("geglu", s => 3L * GateRows * Gate * s, (o, h) => Gated(o, GpuKernels.Geglu, h));
        yield return ("geglu_gradient", s => 5L * GateRows * Gate * s, GegluGradient);
        yield return ("swiglu", s => 3L * GateRows * Gate * s, (o, h) => Gated(o, GpuKernels.Swiglu, h));
        yield return ("dropout", s => 2 * Flat * s, (o, h) => Dropout(o, h, residual: false));
        yield return ("dropout_residual", s => 3 * Flat * s, (o, h) => Dropout(o, h, residual: true));
        yield return ("embedding", s => (Flat * s) + (4L * Rows) + ((long)Vocabulary * Width * s), Embedding);
        yield return ("layer_norm", s => 2 * Flat * s, LayerNorm);
        yield return ("layer_norm_gradient", s => (3 * Flat * s) + (8L * Rows), LayerNormGradient);
        yield return ("layer_norm_parameters", s => (2 * Flat * s) + (8L * Rows), LayerNormParameters);
        yield return ("sum_rows", s => Flat * s, SumRows);
        yield return ("cross_entropy", s => (long)GateRows * Classes * s, CrossEntropy);
        yield return ("cross_entropy_gradient", s => 2L * GateRows * Classes * s, CrossEntropyGradient);
        yield return ("gather_rows", s => (2 * Flat * s) + (4L * Rows), (o, h) => Rowwise(o, GpuKernels.GatherRows, h));
        yield return ("scatter_rows", s => (3 * Flat * s) + (4L * Rows), (o, h) => Rowwise(o, GpuKernels.ScatterRows, h));
        yield return ("rotary", s => 2 * Flat * s, Rotary);
        yield return ("attention_delta", s => 2 * Flat * s, Delta);
        yield return ("pool_mean", s => Flat * s, PoolMean);
        yield return ("pool_gradient", s => Flat * s, PoolGradient);
    }

    private IEnumerable<(string Name, long Bytes, Func<Operands, Action> Prepare)> Others()
    {
        yield return ("cast_f32_bf16", 6 * Flat, o => Map(o, GpuKernels.CastF32Bf16, false, true));
        yield return ("cast_bf16_f32", 6 * Flat, o => Map(o, GpuKernels.CastBf16F32, true, false));
        yield return ("adamw_f32", 32 * Flat, o => AdamW(o, rounded: false));
        yield return ("adamw_bf16", 34 * Flat, o => AdamW(o, rounded: true));
        yield return ("sum_of_squares", 4 * Flat, SumOfSquares);
    }

    private static DType Type(bool bf16) => bf16 ? DType.BF16 : DType.F32;

    private static long Blocks(long count, int perBlock) => (count + perBlock - 1) / perBlock;

    private static Action Launch<TArguments>(Operands o, GpuKernel<TArguments> kernel, TArguments arguments, long x, int y = 1)
        where TArguments : struct, IKernelArguments
        => () => o.Device.Launch(kernel, arguments, x, y);

    private long FlatBlocks => Blocks(Flat, WarpsPerBlock * Chunk);

    private int Parts => (int)Math.Clamp(Blocks(Rows, 256), 1, 64);

    private Action Add(Operands o, bool bf16) => Launch(
        o, GpuKernels.Add.For(Type(bf16)),
        new() { X = o.Elements(bf16, Rows, Width), Z = o.Elements(bf16, Rows, Width), Y = o.Elements(bf16, Rows, Width), Count = Flat },
        FlatBlocks);

    private Action Scale(Operands o, bool bf16) => Launch(
        o, GpuKernels.Scale.For(Type(bf16)),
        new() { X = o.Elements(bf16, Rows, Width), Y = o.Elements(bf16, Rows, Width), Count = Flat, Factor = 1.5f }, FlatBlocks);

    private Action Map(Operands o, GpuKernel<GeluKernelArguments> kernel, bool fromBF16, bool toBF16) =>
        Launch(o, kernel, new() { X = o.Elements(fromBF16, Rows, Width), Y = o.Elements(toBF16, Rows, Width), Count = Flat }, FlatBlocks);

    private Action MapGradient(Operands o, GpuKernelFamily<GeluGradientKernelArguments> kernel, bool bf16) => Launch(
        o, kernel.For(Type(bf16)),
        new()
        {
            Kept = o.Elements(bf16, Rows, Width),
            Dy = o.Elements(bf16, Rows, Width),
            Dx = o.Elements(bf16, Rows, Width),
            Count = Flat,
            Accumulate = 0,
        },
        FlatBlocks);

    private Action Gated(Operands o, GpuKernelFamily<GegluKernelArguments> kernel, bool bf16) => Launch(
        o, kernel.For(Type(bf16)),
        new() { G = o.Elements(bf16, GateRows, 2 * Gate), Y = o.Elements(bf16, GateRows, Gate), Rows = GateRows, Width = Gate },
        Blocks((long)GateRows * (Gate / Chunk), WarpsPerBlock));

    private Action GegluGradient(Operands o, bool bf16) => Launch(
        o, GpuKernels.GegluGradient.For(Type(bf16)),
        new()
        {
            G = o.Elements(bf16, GateRows, 2 * Gate),
            Du = o.Elements(bf16, GateRows, Gate),
            Dg = o.Elements(bf16, GateRows, 2 * Gate),
            Rows = GateRows,
            Width = Gate,
        },
        Blocks((long)GateRows * (Gate / Chunk), WarpsPerBlock));

    private Action Dropout(Operands o, bool bf16, bool residual) => Launch(
        o, (residual ? GpuKernels.DropoutResidual : GpuKernels.Dropout).For(Type(bf16)),
        new()
        {
            X = o.Elements(bf16, Rows, Width),
            Residual = residual ? o.Elements(bf16, Rows, Width) : default,
            Y = o.Elements(bf16, Rows, Width),
            RandomState = o.Integers(3, i => i + 1),
            Count = Flat,
            Threshold = 1 << 28,
            Scale = 1.0667f,
            Site = 4,
        },
        FlatBlocks);

    private Action Embedding(Operands o, bool bf16)
    {
        Tensor w = o.Elements(bf16, Width);
        return Launch(
            o, GpuKernels.Embedding.For(Type(bf16)),
            new()
            {
                Ids = o.Integers(Rows, i => (int)((uint)i * 2654435761u % Vocabulary)),
                TypeIds = default,
                Word = o.Elements(bf16, Vocabulary, Width),
                Type = o.Elements(bf16, 2, Width),
                Weight = w,
                Bias = w,
                Sum = default,
                Statistics = default,
                Y = o.Elements(bf16, Rows, Width),
                Tokens = Rows,
                Vocabulary = Vocabulary,
                Types = 2,
                Width = Width,
                Eps = 1e-5f,
            },
            Blocks(Rows, WarpsPerBlock));
    }

    private Action LayerNorm(Operands o, bool bf16)
    {
        Tensor w = o.Elements(bf16, Width);
        return Launch(
            o, GpuKernels.LayerNorm.For(Type(bf16)),
            new()
            {
                X = o.Elements(bf16, Rows, Width),
                Weight = w,
                Bias = w,
                Statistics = default,
                Y = o.Elements(bf16, Rows, Width),
                Rows = Rows,
                Width = Width,
                Eps = 1e-5f,
            },
            Blocks(Rows, WarpsPerBlock));
    }

    private Action LayerNormGradient(Operands o, bool bf16) => Launch(
        o, GpuKernels.LayerNormGradient.For(Type(bf16)),
        new()
        {
            X = o.Elements(bf16, Rows, Width),
            Dy = o.Elements(bf16, Rows, Width),
            Weight = o.Elements(bf16, Width),
            Statistics = o.Floats(Rows, 2),
            Dx = o.Elements(bf16, Rows, Width),
            Rows = Rows,
            Width = Width,
            Accumulate = 0,
        },
        Blocks(Rows, WarpsPerBlock));

    private Action LayerNormParameters(Operands o, bool bf16) => Launch(
        o, GpuKernels.LayerNormParameters.For(Type(bf16)),
        new()
        {
            X = o.Elements(bf16, Rows, Width),
            Dy = o.Elements(bf16, Rows, Width),
            Statistics = o.Floats(Rows, 2),
            Dweight = o.Floats(Parts, Width),
            Dbias = o.Floats(Parts, Width),
            Rows = Rows,
            Width = Width,
            RowsPerPart = (int)Blocks(Rows, Parts),
        },
        Width / Chunk, Parts);

    private Action SumRows(Operands o, bool bf16) => Launch(
        o, GpuKernels.SumRows.For(Type(bf16)),
        new()
        {
            X = o.Elements(bf16, Rows, Width),
            Y = o.Floats(Parts, Width),
            Rows = Rows,
            Width = Width,
            RowsPerPart = (int)Blocks(Rows, Parts),
            Accumulate = 0,
        },
        Width / Chunk, Parts);

    private Action SumOfSquares(Operands o) =>
        Launch(o, GpuKernels.SumOfSquares, new() { X = o.Floats(Rows, Width), Partial = o.Floats(NormBlocks), Count = Flat }, NormBlocks);

    private Action CrossEntropy(Operands o, bool bf16) => Launch(
        o, GpuKernels.CrossEntropy.For(Type(bf16)),
        new()
        {
            Logits = o.Elements(bf16, GateRows, Classes),
            Labels = o.Integers(GateRows, i => i % Classes),
            Weights = default,
            Losses = o.Floats(GateRows),
            Classes = Classes,
        },
        GateRows);

    private Action CrossEntropyGradient(Operands o, bool bf16) => Launch(
        o, GpuKernels.CrossEntropyGradient.For(Type(bf16)),
        new()
        {
            Logits = o.Elements(bf16, GateRows, Classes),
            Labels = o.Integers(GateRows, i => i % Classes),
            Weights = default,
            Scale = o.Floats(1),
            Dlogits = o.Elements(bf16, GateRows, Classes),
            Classes = Classes,
        },
        GateRows);

    private Action Rowwise(Operands o, GpuKernelFamily<GatherRowsKernelArguments> kernel, bool bf16) => Launch(
        o, kernel.For(Type(bf16)),
        new()
        {
            X = o.Elements(bf16, Rows, Width),
            // Every row once, far from its neighbours.
            Indices = o.Integers(Rows, i => (int)((long)i * 769 % Rows)),
            Y = o.Elements(bf16, Rows, Width),
            Count = Rows,
            Rows = Rows,
            Width = Width,
        },
        Blocks((long)Rows * (Width / Chunk), WarpsPerBlock));

    private Action Delta(Operands o, bool bf16)
    {
        const int Heads = 12;
        return Launch(
            o, GpuKernels.AttentionDelta.For(Type(bf16)),
            new()
            {
                Y = o.Elements(bf16, Rows, Width),
                Dy = o.Elements(bf16, Rows, Width),
                Delta = o.Floats(Heads, Rows),
                Tokens = Rows,
                HeadSize = Width / Heads,
            },
            Blocks(Rows, WarpsPerBlock), Heads);
    }

    private Action Rotary(Operands o, bool bf16)
    {
        const int Heads = 12, HeadSize = Width / Heads;
        return Launch(
            o, GpuKernels.Rotary.For(Type(bf16)),
            new()
            {
                X = o.Elements(bf16, Rows, Width),
                Y = o.Elements(bf16, Rows, Width),
                Table = o.Floats(Rows, HeadSize),
                CuSeqlens = o.Integers(2, i => i * Rows),
                Width = Width,
                HeadSize = HeadSize,
                Heads = Heads,
                All = Heads,
                Sign = 1,
            },
            Rows);
    }

    private Action PoolMean(Operands o, bool bf16) => Launch(
        o, GpuKernels.PoolMean.For(Type(bf16)),
        new()
        {
            X = o.Elements(bf16, Rows, Width),
            CuSeqlens = Borders(o),
            Y = o.Elements(bf16, Sequences, Width),
            Width = Width,
            Limit = int.MaxValue,
        },
        Width / Chunk, Sequences);

    private Action PoolGradient(Operands o, bool bf16) => Launch(
        o, GpuKernels.PoolGradient.For(Type(bf16)),
        new()
        {
            Dy = o.Elements(bf16, Sequences, Width),
            CuSeqlens = Borders(o),
            Dx = o.Elements(bf16, Rows, Width),
            Width = Width,
            Limit = int.MaxValue,
            Accumulate = 0,
        },
        Blocks((long)Longest * (Width / Chunk), WarpsPerBlock), Sequences);

    private int Sequences => Math.Max(1, Rows / 128);

    private int Longest => (int)Blocks(Rows, Sequences);

    private Tensor Borders(Operands o) => o.Integers(Sequences + 1, i => Math.Min(Rows, i * Longest));

    private Action AdamW(Operands o, bool rounded)
    {
        Tensor v = o.Floats(Rows, Width);
        o.Device.Clear(DeviceMemory.Address(v), v.Bytes);
        return Launch(
            o, GpuKernels.Adamw.For(Type(rounded)),
            new()
            {
                W = o.Floats(Rows, Width),
                Gradient = o.Floats(Rows, Width),
                M = o.Floats(Rows, Width),
                V = v,
                Rounded = rounded ? o.Elements(true, Rows, Width) : default,
                Kinds = o.Integers((int)Blocks(Flat, Chunk), _ => unchecked((int)0xAAAAAAAA)),
                Numbers = o.Numbers(1e-3f, 0.9999f, 1, 0.9f, 0.98f, 1e-6f, 1),
                Status = o.Numbers(1, 1),
                Count = Flat,
            },
            FlatBlocks);
    }
}

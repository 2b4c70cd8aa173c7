using Conformance.Gpu;
using Dnabert2;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace GpuBench;

/// <summary>TFLOP/s of attention and its gradient with the built-in score modifications. The names are those of the peer's figures.</summary>
/// <param name="Config">The heads and their size.</param>
/// <param name="Sequences">Sequences.</param>
/// <param name="Tokens">Tokens of each.</param>
internal sealed record AttentionThroughput(Dnabert2Config Config, int Sequences, int Tokens)
{
    private const int QueryTile = 64, DeltaTokens = 8, Window = 256, Radius = 128;

    private int Heads => Config.NumAttentionHeads;

    private int Hidden => Config.HiddenSize;

    private int Total => Sequences * Tokens;

    /// <summary>ALiBi in either type, and with dropout; the other modifications in bf16.</summary>
    /// <param name="calls">Calls that are timed together.</param>
    public IEnumerable<WorkItem> All(int calls) =>
    [
        .. Of("", "f32", _ => default(Alibi), calls),
        .. Of("", "bf16", _ => default(Alibi), calls),
        .. Of("dropout ", "bf16", _ => default(Alibi), calls, dropout: true),
        .. Of("none ", "bf16", _ => default(NoModification), calls),
        .. Of("causal ", "bf16", _ => default(Causal), calls),
        .. Of("window ", "bf16", _ => new SlidingWindow(Window), calls),
        .. Of("softcap ", "bf16", _ => new SoftCap(30), calls),
        .. Of("relative ", "bf16", o => new RelativeBias(new BiasTable(DeviceMemory.Address(o.Floats(Heads, (2 * Radius) + 1)), Heads, (2 * Radius) + 1)), calls),
    ];

    private IEnumerable<WorkItem> Of<TMod>(string variant, string type, Func<Operands, TMod> mod, int calls, bool dropout = false)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        foreach (bool gradient in (bool[])[false, true])
            yield return new("throughput", $"attention {variant}{(gradient ? "gradient " : "")}{type} {Sequences}×{Tokens}", open =>
            {
                using GpuDevice device = open();
                using var operands = new Operands(device, calls);
                return Measure(operands, type, mod(operands), gradient, dropout);
            });
    }

    private string Measure<TMod>(Operands o, string type, TMod mod, bool gradient, bool dropout)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int size = Hidden / Heads, quads = (size + 7) & ~3;
        bool narrow = type != "f32";
        Tensor qkv = o.Elements(narrow, Total, 3 * Hidden), y = o.Elements(narrow, Total, Hidden), dy = o.Elements(narrow, Total, Hidden);
        Tensor dqkv = gradient ? o.Elements(narrow, Total, 3 * Hidden) : default, lse = o.Floats(Heads, Total), delta = o.Floats(Heads, Total);
        Tensor stream = o.Integers(3, i => i), borders = o.Integers(Sequences + 1, i => i * Tokens);
        Tensor mods = o.Bytes((TMod[])[.. Enumerable.Range(0, Heads).Select(head => TMod.ForHead(mod, head, Heads))]);
        void Run(string kernel, int tiles, params Tensor[] views)
        {
            string head = !narrow ? "" : size <= 32 ? "_32" : size <= 64 ? "_64" : "_128";
            KernelArguments a = o.Device.Begin<TMod>(
                $"{kernel}_{ScoreModificationName<TMod>.Value}{(dropout ? "_dropout" : "")}{head}_{type}");
            a.View(qkv);
            a.View(borders);
            a.View(DeviceMemory.Address(mods), Heads);
            a.View(lse);
            foreach (Tensor view in views) a.View(view);
            a.I32(size);
            a.I32(Total);
            a.F32((float)(1 / Math.Sqrt(size)));
            if (dropout) a.Dropout(DeviceMemory.Address(stream), 0.1f, site: 1);
            int rows = narrow && size <= 64 && !dropout && kernel == "attention" ? 2 * QueryTile : QueryTile;
            o.Device.Launch((Tokens + rows - 1) / rows, Heads, Sequences, narrow ? -1 : 4 * QueryTile * ((tiles * quads) + QueryTile + 4));
        }

        void Forward() => Run("attention", 3, y);
        void Backward()
        {
            KernelArguments a = o.Device.Begin("attention_delta_" + type);
            a.View(y);
            a.View(dy);
            a.View(delta);
            a.I32(Total);
            a.I32(size);
            o.Device.Launch((Total + DeltaTokens - 1) / DeltaTokens, Heads);
            Run("attention_keys_values_gradient", 4, delta, dy, dqkv);
            Run("attention_queries_gradient", 4, delta, dy, dqkv);
        }

        Forward();
        double ms = o.Time(gradient ? Backward : Forward);
        // As is customary: two products forward, five backward; that some are computed twice does not count, nor do pairs that are hidden.
        return Throughput.Figure((gradient ? 10.0 : 4.0) * Sequences * VisibleKeys.Pairs(mod, Tokens, Tokens) * Hidden / ms / 1e9);
    }
}

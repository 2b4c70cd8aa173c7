using System.Runtime.InteropServices;
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
        .. Of("relative ", "bf16", o => new RelativeBias(new BiasTable(o.Floats((long)Heads * ((2 * Radius) + 1)), Heads, (2 * Radius) + 1)), calls),
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
        nint qkv = o.Floats(3L * Total * Hidden, narrow), y = o.Floats((long)Total * Hidden, narrow), dy = o.Floats((long)Total * Hidden, narrow);
        nint dqkv = o.Floats(gradient ? 3L * Total * Hidden : 1, narrow), lse = o.Floats((long)Heads * Total), delta = o.Floats((long)Heads * Total);
        nint stream = o.Integers(3, i => i), borders = o.Integers(Sequences + 1, i => i * Tokens);
        TMod[] ofHeads = [.. Enumerable.Range(0, Heads).Select(head => TMod.ForHead(mod, head, Heads))];
        nint mods = o.Bytes(MemoryMarshal.AsBytes(ofHeads.AsSpan()));
        void Run(string kernel, int tiles, params (nint Address, long Count)[] views)
        {
            string head = !narrow ? "" : size <= 32 ? "_32" : size <= 64 ? "_64" : "_128";
            KernelArguments a = o.Device.Begin<TMod>(
                $"{kernel}_{ScoreModificationName<TMod>.Value}{(dropout ? "_dropout" : "")}{head}_{type}");
            foreach ((nint address, long count) in views) a.View(address, count);
            a.I32(size);
            a.I32(Total);
            a.F32((float)(1 / Math.Sqrt(size)));
            if (dropout) a.Dropout(stream, 0.1f, site: 1);
            int rows = narrow && size <= 64 && !dropout && kernel == "attention" ? 2 * QueryTile : QueryTile;
            o.Device.Launch((Tokens + rows - 1) / rows, Heads, Sequences, narrow ? -1 : 4 * QueryTile * ((tiles * quads) + QueryTile + 4));
        }

        (nint, long)[] common = [(qkv, 3L * Total * Hidden), (borders, Sequences + 1), (mods, Heads), (lse, (long)Heads * Total)];
        void Forward() => Run("attention", 3, [.. common, (y, (long)Total * Hidden)]);
        void Backward()
        {
            KernelArguments a = o.Device.Begin("attention_delta_" + type);
            a.View(y, (long)Total * Hidden);
            a.View(dy, (long)Total * Hidden);
            a.View(delta, (long)Heads * Total);
            a.I32(Total);
            a.I32(size);
            o.Device.Launch((Total + DeltaTokens - 1) / DeltaTokens, Heads);
            (nint, long)[] views = [.. common, (delta, (long)Heads * Total), (dy, (long)Total * Hidden), (dqkv, 3L * Total * Hidden)];
            Run("attention_keys_values_gradient", 4, views);
            Run("attention_queries_gradient", 4, views);
        }

        Forward();
        double ms = o.Time(gradient ? Backward : Forward);
        // As is customary: two products forward, five backward; that some are computed twice does not count, nor do pairs that are hidden.
        return Throughput.Figure((gradient ? 10.0 : 4.0) * Sequences * Pairs(mod) * Hidden / ms / 1e9);
    }

    private double Pairs<TMod>(TMod mod)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        double pairs = 0;
        for (int query = 0; query < Tokens; query++)
        {
            (int first, int end) = TMod.Keys(mod, query, query + 1, Tokens);
            pairs += end - first;
        }

        return pairs;
    }
}

using Dnabert2;
using Engine.Kernels;
using Engine.Runtime.Cuda;

namespace GpuBench;

/// <summary>
/// TFLOP/s of attention and its gradient with the built-in score modifications. The names are those of the peer's figures.
/// </summary>
/// <param name="Config">The heads and their size.</param>
/// <param name="Sequences">Sequences.</param>
/// <param name="Tokens">Tokens of each.</param>
internal sealed record AttentionThroughput(Dnabert2Config Config, int Sequences, int Tokens)
{
    private const int Window = 256, Radius = 128;

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
        .. Of("relative ", "bf16", o => new RelativeBias(o.Floats(Heads, (2 * Radius) + 1).AsBiasTable()), calls),
    ];

    private IEnumerable<WorkItem> Of<TMod>(string variant, string type, Func<Operands, TMod> mod, int calls, bool dropout = false)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        foreach (bool gradient in (bool[])[false, true])
            yield return new("throughput", $"attention {variant}{(gradient ? "gradient " : "")}{type} {Sequences}×{Tokens}", open =>
            {
                GpuDevice device = open();
                using var backend = new CudaBackend(device, type == "f32" ? DType.F32 : DType.BF16);
                using var operands = new Operands(device, calls);
                return Measure(backend, operands, mod(operands), gradient, dropout);
            });
    }

    private string Measure<TMod>(CudaBackend backend, Operands o, TMod mod, bool gradient, bool dropout)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        bool bf16 = backend.ActivationType == DType.BF16;
        Tensor qkv = o.Elements(bf16, Total, 3 * Hidden), y = o.Elements(bf16, Total, Hidden), dy = o.Elements(bf16, Total, Hidden);
        Tensor dqkv = gradient ? o.Elements(bf16, Total, 3 * Hidden) : default, logSumExp = o.Floats(Heads, Total);
        var cuSeqlens = new CuSeqlens(o.Integers(Sequences + 1, i => i * Tokens), Total, Tokens, Tokens, (double)Total * Tokens);
        AttentionDropout dropped = dropout ? new(o.Integers(3, i => i), site: 1, 0.1f) : default;
        void Forward() => backend.Run(new AttentionForward<TMod>(qkv, cuSeqlens, Heads, mod, logSumExp, y, dropped));
        void Backward() => backend.Run(new AttentionBackward<TMod>(qkv, cuSeqlens, Heads, mod, logSumExp, y, dy, dqkv, dropped));

        Forward();
        double ms = o.Time(gradient ? Backward : Forward);
        // As is customary: two products forward, five backward; that some are computed twice does not count, nor do pairs that are hidden.
        return Throughput.Figure((gradient ? 10.0 : 4.0) * Sequences * VisibleKeys.Pairs(mod, Tokens, Tokens) * Hidden / ms / 1e9);
    }
}

using AttentionVariant;
using Conformance.Cases;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Kernels;

/// <summary>
/// What PyTorch's FlexAttention is known to lack: gradients of captured tensors that are the same at every run, lengths that are no
/// multiple of 128, and sequences without tokens.
/// </summary>
[Trait("Category", "Slow")]
public sealed class FlexAttentionGapTests
{
    private const int Heads = 2, Size = 4;

    public static TheoryData<string> Forms => Backends.NamesWithGpu();

    [Theory]
    [MemberData(nameof(Forms))]
    public void Lengths_off_128_equal_the_reference_forward_and_backward(string form)
    {
        int[] lengths = [1, 2, 127, 0, 129, 257];
        Check(form, lengths, default(NoModification));
        Check(form, lengths, new GlobalWindow(3, 31));
        Check(form, lengths, new EveryOtherBlock(29));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_batch_of_empty_sequences_alone_has_empty_results_and_leaves_gradients_of_tables_as_they_are(string form)
    {
        using Backend backend = Backends.Create(form, 2);
        using var i = new BackendRun.Inputs(backend);
        CuSeqlens borders = i.Arena.RentCuSeqlens([0, 0]);
        Tensor table = i.Normal(Heads, 5), dtable = i.Normal(Heads, 5), y = i.Empty(0, Heads * Size), qkv = i.Empty(0, 3 * Heads * Size),
            lse = i.Empty(Heads, 0);
        float[] before = i.Read(dtable);
        var mod = new RelativeBias(table.AsBiasTable());
        backend.Run(new AttentionForward<RelativeBias>(qkv, borders, Heads, mod, lse, y));
        backend.Run(new AttentionBackward<RelativeBias>(qkv, borders, Heads, mod, lse, y, y, i.Empty(0, 3 * Heads * Size), tables: dtable));
        Assert.Equal(before, i.Read(dtable));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Gradients_of_captured_tables_sinks_and_operands_are_the_same_bits_at_every_run_and_number_of_threads(string form)
    {
        float[][]? first = null;
        foreach (int threads in Backends.Threads(form))
        {
            using Backend backend = Backends.Create(form, threads);
            using var i = new BackendRun.Inputs(backend);
            int[] lengths = [129, 0, 1, 65];
            int tokens = lengths.Sum();
            CuSeqlens borders = i.Arena.RentCuSeqlens(lengths);
            var dropout = new AttentionDropout(i.Integers(11, 0, 5), 2, 0.3f);
            // Two heads of queries share one of keys.
            var heads = new AttentionHeads(Heads, 1);
            Tensor qkv = i.Normal(tokens, (Heads + 2) * Size), dy = i.Normal(tokens, Heads * Size), y = i.Empty(tokens, Heads * Size),
                lse = i.Empty(Heads, tokens);
            Tensor table = i.Normal(Heads, 5), dtable = i.Normal(Heads, 5), sinks = i.Normal(Heads), dsinks = i.Normal(Heads),
                dqkv = i.Empty(tokens, (Heads + 2) * Size);
            // With five distances, most pairs share the entries at the borders.
            var mod = new RelativeBias(table.AsBiasTable());
            backend.Run(new AttentionForward<RelativeBias>(qkv, borders, heads, mod, lse, y, dropout, sinks));
            backend.Run(new AttentionBackward<RelativeBias>(qkv, borders, heads, mod, lse, y, dy, dqkv, dropout, dtable, sinks, dsinks));
            float[][] results = [i.Read(y), i.Read(dqkv), i.Read(dtable), i.Read(dsinks)];
            first ??= results;
            for (int r = 0; r < results.Length; r++) Assert.Equal(first[r], results[r]);
        }
    }

    /// <summary>The result, and the gradient along a direction: central differences of all inputs would take minutes.</summary>
    private static void Check<TMod>(string form, int[] lengths, TMod mod)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        using Backend backend = Backends.Create(form, 2);
        using var i = new BackendRun.Inputs(backend);
        int tokens = lengths.Sum(), hidden = Heads * Size;
        CuSeqlens borders = i.Arena.RentCuSeqlens(lengths);
        Tensor qkv = i.Normal(tokens, 3 * hidden), dy = i.Normal(tokens, hidden), y = i.Empty(tokens, hidden), lse = i.Empty(Heads, tokens);
        Tensor dqkv = i.Empty(tokens, 3 * hidden), direction = i.Normal(tokens, 3 * hidden);
        backend.Run(new AttentionForward<TMod>(qkv, borders, Heads, mod, lse, y));
        backend.Run(new AttentionBackward<TMod>(qkv, borders, Heads, mod, lse, y, dy, dqkv));
        float[] x = i.Read(qkv), along = i.Read(direction), weights = i.Read(dy);
        Conformance.Cases.Check.NearRelative(Moved(0), i.Read(y), 5e-6, "y");
        double expected = (Loss(1e-5) - Loss(-1e-5)) / 2e-5, actual = 0;
        float[] gradient = i.Read(dqkv);
        for (int at = 0; at < gradient.Length; at++) actual += (double)gradient[at] * along[at];
        Assert.Equal(expected, actual, 3e-5 * Math.Max(1, Math.Sqrt(gradient.Sum(g => (double)g * g))));

        double Loss(double step)
        {
            double[] moved = Moved(step);
            double sum = 0;
            for (int at = 0; at < moved.Length; at++) sum += moved[at] * weights[at];
            return sum;
        }

        double[] Moved(double step) => Reference.Attention([.. x.Select((v, at) => v + (step * along[at]))], lengths, Heads, Size,
            mod).Result;
    }
}

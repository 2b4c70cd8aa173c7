using Conformance.Cases;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Kernels;

/// <summary>Gradients of the tables that score modifications look up.</summary>
public sealed class TableGradientTests
{
    private const int Heads = 2, Size = 4;

    public static TheoryData<string> Forms => Backends.NamesWithGpu();

    [Theory]
    [MemberData(nameof(Forms))]
    public void Gradients_of_tables_equal_central_differences_of_the_reference(string form)
    {
        foreach (float dropout in (float[])[0, 0.3f])
        {
            Check(form, [7, 0, 1, 11], dropout, [ScoreTable.Normal(4, 9)], tables => new KeyBias(tables[0]));
            Check(form, [7, 0, 11], dropout, [ScoreTable.Normal(1, 11), ScoreTable.Normal(Heads, 4, 1)],
                tables => new Gated(tables[0], tables[1]));
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Gradients_of_tables_equal_central_differences_over_many_tiles(string form)
    {
        // More entries than a block of a GPU has threads, and fewer than a sequence has keys.
        Check(form, [130, 9], 0.2f, [ScoreTable.Normal(2, 5)], tables => new KeyBias(tables[0]));
        Check(form, [300], 0, [ScoreTable.Normal(1, 290)], tables => new KeyBias(tables[0]), stride: 37);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Gradients_of_tables_are_the_same_bits_at_every_run_and_number_of_threads(string form)
    {
        Backends.SkipInterpreterUnlessAsked(form);
        float[][]? first = null;
        foreach (int threads in Backends.Threads(form))
        {
            ScoreTable[] tables = [ScoreTable.Normal(1, 40), ScoreTable.Normal(Heads, 3, 1)];
            float[][] gradients = Run(form, threads, [70, 0, 5, 33], 0.3f, tables, t => new Gated(t[0], t[1])).Gradients;
            first ??= gradients;
            for (int t = 0; t < gradients.Length; t++) Assert.Equal(first[t], gradients[t]);
        }
    }

    [Fact]
    public void A_table_that_is_not_listed_and_a_gradient_of_another_shape_are_refused_by_name()
    {
        using Backend backend = CpuBackend.Create(1);
        using var i = new BackendRun.Inputs(backend);
        Tensor qkv = i.Normal(3, 24), y = i.Normal(3, 8), lse = i.Normal(2, 3), table = i.Normal(2, 5), dqkv = i.Empty(3, 24);
        CuSeqlens borders = i.Arena.RentCuSeqlens([3]);
        var mod = new RelativeBias(table.AsBiasTable());
        string message = Assert.Throws<ArgumentException>(
            () => backend.Run(new AttentionBackward<Causal>(qkv, borders, 2, default, lse, y, y, dqkv, default, table))).Message;
        Assert.Contains("Causal lists 0 tables", message, StringComparison.Ordinal);
        message = Assert.Throws<ArgumentException>(
            () => backend.Run(new AttentionBackward<RelativeBias>(qkv, borders, 2, mod, lse, y, y, dqkv, default, i.Normal(2, 7)))).Message;
        Assert.Contains("the gradient of table 0", message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => backend.Run(
            new AttentionBackward<RelativeBias>(qkv, borders, 2, mod, lse, y, y, dqkv, default, new TableGradients(table, table))));
    }

    /// <param name="form">The backend.</param>
    /// <param name="lengths">The sequences.</param>
    /// <param name="dropout">The probability.</param>
    /// <param name="tables">The tables.</param>
    /// <param name="modification">The modification with them.</param>
    /// <param name="stride">Which entries are compared.</param>
    private static void Check<TMod>(
        string form, int[] lengths, float dropout, ScoreTable[] tables, Func<BiasTable[], TMod> modification, int stride = 1)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        (float[] qkv, float[] dy, float[][] before, float[][] after) = Run(form, 2, lengths, dropout, tables, modification);
        TMod here = modification([.. tables.Select(t => t.Here)]);
        var mask = new AttentionMask(new Philox(11, 5, 2), dropout);
        double[] wide = Array.ConvertAll(qkv, v => (double)v);
        for (int t = 0; t < tables.Length; t++)
        {
            Span<float> values = tables[t].Values;
            for (int i = 0; i < values.Length; i += stride)
            {
                // The step is what the float makes of it.
                float value = values[i], low = value - (1f / 2048), high = value + (1f / 2048);
                values[i] = high;
                double above = Loss();
                values[i] = low;
                double expected = (above - Loss()) / ((double)high - low), actual = (double)after[t][i] - before[t][i];
                values[i] = value;
                Assert.True(Math.Abs(expected - actual) <= 3e-5 * Math.Max(1, Math.Abs(expected)),
                    $"table {t}, entry {i}: {actual:R}, expected {expected:R}");
            }
        }

        double Loss()
        {
            double[] y = Reference.Attention(wide, lengths, Heads, Size, here, mask).Result;
            double sum = 0;
            for (int i = 0; i < y.Length; i++) sum += y[i] * dy[i];
            return sum;
        }
    }

    private static (float[] Qkv, float[] Dy, float[][] Before, float[][] Gradients) Run<TMod>(
        string form, int threads, int[] lengths, float dropout, ScoreTable[] tables, Func<BiasTable[], TMod> modification)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        using Backend backend = Backends.Create(form, threads);
        using var i = new BackendRun.Inputs(backend);
        int tokens = lengths.Sum(), hidden = Heads * Size;
        CuSeqlens borders = i.Arena.RentCuSeqlens(lengths);
        var dropped = new AttentionDropout(i.Integers(11, 0, 5), 2, dropout);
        Tensor qkv = i.Normal(tokens, 3 * hidden), dy = i.Normal(tokens, hidden), y = i.Empty(tokens, hidden), lse = i.Empty(Heads, tokens);
        TMod mod = modification([.. tables.Select(t => t.On(backend, i.Arena.Rent))]);
        Tensor[] gradients = [.. tables.Select(t => i.Normal(t.Values.Length / t.Entries, t.Entries))];
        float[][] before = [.. gradients.Select(i.Read)];
        backend.Run(new AttentionForward<TMod>(qkv, borders, Heads, mod, lse, y, dropped));
        var wanted = new TableGradients(gradients[0], gradients.Length > 1 ? gradients[1] : default);
        backend.Run(new AttentionBackward<TMod>(qkv, borders, Heads, mod, lse, y, dy, i.Empty(tokens, 3 * hidden), dropped, wanted));
        return (i.Read(qkv), i.Read(dy), before, [.. gradients.Select(i.Read)]);
    }
}

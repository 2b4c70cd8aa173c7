using Conformance.Cases;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Kernels;

namespace Tests.Autograd;

public class GradientTests
{
    public static TheoryData<string> Forms => Backends.NamesWithGpu();

    public static TheoryData<string, int, int, int, Activation, bool, float> LinearCases()
    {
        var cases = new TheoryData<string, int, int, int, Activation, bool, float>();
        foreach (string form in Backends.FormsWithGpu())
            foreach ((int rows, int outputs, int inputs, Activation activation, bool residual, float dropout) in (
                (int, int, int, Activation, bool, float)[])
                [(1, 1, 1, Activation.None, false, 0f), (7, 5, 3, Activation.None, true, 0f), (13, 9, 11, Activation.Gelu, false, 0f),
                    (13, 35, 6, Activation.Geglu, false, 0f), (13, 35, 6, Activation.Swiglu, false, 0f),
                 (5, 4, 3, Activation.Geglu, true, 0.25f), (9, 6, 17, Activation.None, true, 0.5f), (3, 33, 2, Activation.Gelu, true, 0f),
                 (40, 3, 2, Activation.None, false, 0.1f)])
            {
                var row = new TheoryDataRow<string, int, int, int, Activation, bool, float>(
                    form, rows, outputs, inputs, activation, residual, dropout);
                cases.Add(Backends.Row(row, form));
            }
        return cases;
    }

    [Theory]
    [MemberData(nameof(LinearCases))]
    public void Linear_layers(string form, int rows, int outputs, int inputs, Activation activation, bool residual, float dropout)
    {
        using var check = new GradientCheck(Backends.Create(form, 2));
        Linear linear = Linear.Declare(check.Parameters, "linear", inputs, outputs, activation, dropout: dropout);
        double[][] p = check.Fill();
        (Variable x, double[] xs) = check.Input("x", rows, inputs);
        (Variable r, double[] rs) = residual ? check.Input("residual", rows, outputs) : default;
        Variable y = linear.Forward(check.Tape, x, r);
        double[] mask = Mask(check, rows * outputs, dropout, site: 0);
        check.Compare(y, () =>
        {
            int columns = linear.Weight.Shape[0];
            double[] z = Reference.MatMul(xs, p[0], rows, columns, inputs);
            for (int i = 0; i < z.Length; i++) z[i] += p[1][i % columns];
            return [.. Reference.Activate(activation, z, rows, outputs).Select((v, i) => (v * mask[i]) + (residual ? rs[i] : 0))];
        });
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Layer_normalisation(string form)
    {
        foreach ((int rows, int width) in ((int, int)[])[(1, 2), (3, 7), (5, 32), (4, 50)])
        {
            using var check = new GradientCheck(Backends.Create(form, 2));
            LayerNorm norm = LayerNorm.Declare(check.Parameters, "norm", width, 1e-3f);
            double[][] p = check.Fill();
            (Variable x, double[] xs) = check.Input("x", rows, width);
            check.Compare(norm.Forward(check.Tape, x), () => Reference.LayerNorm(xs, p[0], p[1], 1e-3f));
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Embeddings_with_repeated_ids_and_types(string form)
    {
        using var check = new GradientCheck(Backends.Create(form, 2));
        const int Width = 9;
        Embedding embedding = Embedding.Declare(
            check.Parameters, "e.", vocabulary: 5, types: 2, hidden: Width, epsilon: 1e-3f, dropout: 0.3f);
        double[][] p = check.Fill();
        int[] ids = [3, 1, 3, 0, 3, 1], types = [0, 1, 1, 0, 0, 1];
        Variable y = embedding.Forward(check.Tape, check.Integers(ids), check.Integers(types));
        double[] mask = Mask(check, ids.Length * Width, 0.3f, site: 0);
        check.Compare(y, () =>
        {
            double[] sum = [
                .. Enumerable.Range(0, ids.Length * Width)
                .Select(i => p[0][(ids[i / Width] * Width) + (i % Width)] + p[1][(types[i / Width] * Width) + (i % Width)])];
            return [.. Reference.LayerNorm(sum, p[2], p[3], 1e-3f).Zip(mask, (v, m) => v * m)];
        });
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Attention_with_every_score_modification(string form)
    {
        CheckAttention(form, [5, 0, 1, 9], 3, 4, default(Alibi));
        CheckAttention(form, [40], 1, 5, default(Alibi));
        CheckAttention(form, [6, 3], 2, 3, default(NoModification));
        CheckAttention(form, [11], 1, 4, default(Causal));
        CheckAttention(form, [13, 2], 2, 2, new SlidingWindow(3));
        CheckAttention(form, [9], 2, 3, new SoftCap(1.2f));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Attention_that_drops_probabilities(string form)
    {
        CheckAttention(form, [5, 0, 1, 10], 3, 4, default(Alibi), dropout: 0.4f);
        // For the GPU, only what the model needs is compiled ahead with dropout.
        if (form != "gpu") CheckAttention(form, [13, 2], 2, 2, new SlidingWindow(3), dropout: 0.2f);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Attention_with_relative_biases_and_their_table(string form)
    {
        foreach ((int radius, float dropout) in ((int, float)[])[(0, 0), (3, 0), (30, 0), (3, 0.3f)])
        {
            const int Heads = 2, Size = 3;
            int[] lengths = [7, 0, 1, 11];
            using var check = new GradientCheck(Backends.Create(form, 2));
            Attention<RelativeBias> attention = RelativeAttention.Declare(check.Parameters, "a", Heads, radius, dropout);
            double[] table = check.Fill()[0];
            (Variable qkv, double[] values) = check.Input("qkv", lengths.Sum(), 3 * Heads * Size);
            Variable y = attention.Forward(check.Tape, qkv, check.Arena.RentCuSeqlens(lengths));
            var dropped = new AttentionMask(check.Random(0), dropout);
            check.Compare(y, () => DoubleRelative.Attention(values, lengths, Heads, Size, table, radius, dropped));
        }
    }

    [Fact]
    public void A_dropped_probability_depends_on_seed_step_site_head_query_and_key_alone()
    {
        const float P = 0.25f;
        var dropout = new AttentionMask(new Philox(5, 3, 0), P);
        double kept = 0, all = 0;
        for (int query = 0; query < 64; query++)
            for (int key = 0; key < 64; key++, all++) kept += dropout.Factor(8, 1, query, key) > 0 ? 1 : 0;
        Assert.InRange(kept / all, 1 - P - 0.03, 1 - P + 0.03);
        Assert.NotEqual(Row(dropout, 8, 1), Row(dropout, 8, 2));
        Assert.NotEqual(Row(dropout, 8, 1), Row(dropout, 40, 1));
        foreach (Philox other in (Philox[])[new(6, 3, 0), new(5, 4, 0), new(5, 3, 1)])
            Assert.NotEqual(Row(dropout, 8, 1), Row(new(other, P), 8, 1));
        using var check = new GradientCheck(CpuBackend.Create(1));
        foreach (float wrong in (float[])[1, -0.1f, float.NaN])
            Assert.Throws<ArgumentException>(() => new AttentionDropout(check.Tape.RandomState, 0, wrong));
        Assert.Throws<ArgumentException>(() => new AttentionDropout(default, 0, P));

        static float[] Row(AttentionMask dropout, int start, int head) =>
            [.. Enumerable.Range(0, 64).Select(key => dropout.Factor(start, head, 5, key))];
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Attention_over_more_keys_than_a_tile_holds(string form)
    {
        // Central differences of all inputs would take minutes: the gradient is checked along one random direction instead.
        const int Length = 410, Heads = 2, Size = 8;
        using var check = new GradientCheck(Backends.Create(form, 2));
        (Variable qkv, double[] values) = check.Input("qkv", Length, 3 * Heads * Size);
        Variable y = new Attention<Alibi>(Heads, default).Forward(check.Tape, qkv, check.Arena.RentCuSeqlens([Length]));
        var random = new Random(3);
        double[] dy = [.. Enumerable.Range(0, (int)y.Data.Count).Select(_ => (double)(float)random.NextDouble() - 0.5)];
        double[] direction = [.. Enumerable.Range(0, values.Length).Select(_ => random.NextDouble() - 0.5)];
        Tensor gradient = check.Tape.RentGradient(y.Data.Shape, DType.F32);
        check.Backend.Upload<float>(Array.ConvertAll(dy, v => (float)v), gradient);
        check.Tape.Backward(y, gradient);
        var actual = new float[values.Length];
        check.Backend.Download<float>(check.Tape.GradientOf(qkv), actual);
        double Loss(double t)
        {
            double[] moved = [.. values.Zip(direction, (v, d) => v + (t * d))];
            return Reference.Attention(moved, [Length], Heads, Size, default(Alibi)).Result.Zip(dy, (a, b) => a * b).Sum();
        }

        double expected = (Loss(1e-5) - Loss(-1e-5)) / 2e-5, found = actual.Zip(direction, (a, d) => a * d).Sum();
        Assert.Equal(expected, found, 2e-5 * Math.Max(1, Math.Abs(expected)));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Pooling_rows_tanh_and_dropout(string form)
    {
        foreach (Pooling pooling in (Pooling[])[Pooling.Mean, Pooling.Cls])
        {
            using var check = new GradientCheck(Backends.Create(form, 2));
            (Variable x, double[] xs) = check.Input("x", 9, 7);
            Variable rows = GatherRows.Instance.Forward(check.Tape, x, check.Integers(8, 0, 3, 4, 5, 7));
            Variable dropped = new Dropout(check.Parameters, 0.4f).Forward(check.Tape, Tanh.Instance.Forward(check.Tape, rows));
            var cuSeqlens = check.Arena.RentCuSeqlens([2, 0, 4]);
            Variable y = new Pool(pooling).Forward(check.Tape, dropped, cuSeqlens);
            double[] mask = Mask(check, 6 * 7, 0.4f, site: 0);
            check.Compare(y, () =>
            {
                int[] picked = [8, 0, 3, 4, 5, 7];
                double At(int r, int c) => Math.Tanh(xs[(picked[r] * 7) + c]) * mask[(r * 7) + c];
                return [.. Enumerable.Range(0, 21).Select(i => (Sequence: i / 7, Column: i % 7)).Select(p => p.Sequence switch
                {
                    0 => pooling == Pooling.Cls ? At(0, p.Column) : (At(0, p.Column) + At(1, p.Column)) / 2,
                    1 => 0,
                    _ => pooling == Pooling.Cls ? At(2, p.Column) : Enumerable.Range(2, 4).Average(r => At(r, p.Column)),
                })];
            });
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Cross_entropy_with_ignored_labels(string form)
    {
        using var check = new GradientCheck(Backends.Create(form, 2));
        (Variable x, double[] xs) = check.Input("logits", 4, 19, deviation: 3);
        int[] labels = [2, -1, 18, 0];
        Variable losses = CrossEntropy.Instance.Forward(check.Tape, x, check.Integers(labels), check.Tape.Number(1f / 3));
        check.Compare(() => check.Tape.Backward(losses), () => Enumerable.Range(0, 4).Where(r => labels[r] >= 0)
            .Sum(r => Math.Log(xs.Skip(r * 19).Take(19).Sum(Math.Exp)) - xs[(r * 19) + labels[r]]) / 3);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Weighted_cross_entropy(string form)
    {
        using var check = new GradientCheck(Backends.Create(form, 2));
        (Variable x, double[] xs) = check.Input("logits", 3, 5, deviation: 3);
        int[] labels = [2, -1, 4];
        float[] weights = [0.5f, 3, 2];
        Variable losses = CrossEntropy.Instance.Forward(
            check.Tape, x, check.Integers(labels), check.Tape.Number(1f / 3), check.Numbers([3], weights));
        check.Compare(() => check.Tape.Backward(losses), () => Enumerable.Range(0, 3).Where(r => labels[r] >= 0)
            .Sum(r => weights[r] * (Math.Log(xs.Skip(r * 5).Take(5).Sum(Math.Exp)) - xs[(r * 5) + labels[r]])) / 3);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Weighted_binary_cross_entropy(string form)
    {
        using var check = new GradientCheck(Backends.Create(form, 2));
        (Variable x, double[] xs) = check.Input("logits", 2, 3, deviation: 3);
        float[] targets = [0, 1, 0.25f, 1, 0, 1], weights = [1, 2, 0.5f, 0, 3, 1];
        Variable losses = BinaryCrossEntropy.Instance.Forward(
            check.Tape, x, check.Numbers([2, 3], targets), check.Tape.Number(1f / 6), check.Numbers([2, 3], weights));
        check.Compare(() => check.Tape.Backward(losses), () => xs.Select((v, i) =>
            weights[i] * ((targets[i] * Math.Log(1 + Math.Exp(-v))) + ((1 - targets[i]) * Math.Log(1 + Math.Exp(v))))).Sum() / 6);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Squared_errors(string form)
    {
        using var check = new GradientCheck(Backends.Create(form, 2));
        (Variable x, double[] xs) = check.Input("x", 4, 2, deviation: 3);
        float[] targets = [0, 1, -2, 0.5f, 3, 1, 0, -1];
        Variable losses = SquaredError.Instance.Forward(check.Tape, x, check.Numbers([4, 2], targets), check.Tape.Number(1f / 8));
        check.Compare(() => check.Tape.Backward(losses), () => xs.Select((v, i) => Math.Pow(v - targets[i], 2)).Sum() / 8);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_low_rank_addition_before_activation_dropout_and_residual(string form)
    {
        foreach ((Activation f, float dropout) in ((Activation, float)[])[(Activation.None, 0), (Activation.None, 0.4f),
            (Activation.Geglu, 0.4f), (Activation.Gelu, 0)])
        {
            using var check = new GradientCheck(Backends.Create(form, 2));
            const int rows = 5, inputs = 7, rank = 3;
            int outputs = f.IsGated() ? 4 : 6, columns = f.IsGated() ? 8 : 6;
            Linear linear = Linear.Declare(check.Parameters, "linear", inputs, outputs, f);
            linear.Add(check.Parameters, rank, scale: 1.5f, dropout);
            linear.Weight.IsFrozen = linear.Bias!.IsFrozen = true;
            double[][] p = check.Fill();
            Assert.Equal(2, check.Parameters.Parameters.Count(q => q.IsTrained));
            (Variable x, double[] xs) = check.Input("x", rows, inputs);
            (Variable residual, double[] rs) = check.Input("residual", rows, outputs);
            // The sites are numbered in the order of declaration: the layer's own dropout is 0, the addition's 1.
            Philox random = check.Random(1);
            double[] mask = [
                .. Enumerable.Range(0, rows * inputs)
                .Select(i => random.Word((ulong)i) >= (uint)(dropout * 4294967296.0) ? 1 / (1 - (double)dropout) : 0)];
            Variable y = linear.Forward(check.Tape, x, residual);
            check.Compare(y, () =>
            {
                double[] low = Reference.MatMul([.. xs.Zip(mask, (v, m) => v * m)], p[2], rows, rank, inputs);
                double[] added = Reference.MatMul(low, p[3], rows, columns, rank), z = Reference.MatMul(xs, p[0], rows, columns, inputs);
                for (int i = 0; i < z.Length; i++) z[i] += p[1][i % columns] + (1.5 * added[i]);
                return [.. Reference.Activate(f, z, rows, outputs).Select((v, i) => rs[i] + v)];
            });
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_variable_that_is_used_twice_gets_the_sum_of_its_gradients(string form)
    {
        using var check = new GradientCheck(Backends.Create(form, 2));
        Linear linear = Linear.Declare(check.Parameters, "linear", 4, 4);
        LayerNorm norm = LayerNorm.Declare(check.Parameters, "norm", 4, 1e-3f);
        double[][] p = check.Fill();
        (Variable x, double[] xs) = check.Input("x", 3, 4);
        Variable once = linear.Forward(check.Tape, x, residual: x);
        Variable y = linear.Forward(check.Tape, norm.Forward(check.Tape, once), residual: once);
        double[] Layer(double[] v, double[] residual) =>
            [.. Reference.MatMul(v, p[0], 3, 4, 4).Select((z, i) => z + p[1][i % 4] + residual[i])];
        check.Compare(y, () =>
        {
            double[] first = Layer(xs, xs);
            return Layer(Reference.LayerNorm(first, p[2], p[3], 1e-3f), first);
        });
    }

    [Fact]
    public void The_check_notices_a_wrong_gradient()
    {
        using var check = new GradientCheck(CpuBackend.Create(1));
        (Variable x, double[] xs) = check.Input("x", 2, 3);
        Variable y = Tanh.Instance.Forward(check.Tape, x);
        Assert.Throws<Xunit.Sdk.FailException>(() => check.Compare(y, () => [.. xs.Select(v => 1.001 * Math.Tanh(v))]));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Attention_with_rotary_positions_of_a_packed_qkv_and_of_queries_alone(string form)
    {
        const int Heads = 2, Size = 6;
        int[] lengths = [5, 0, 1, 9];
        using var check = new GradientCheck(Backends.Create(form, 2));
        using var tables = new Arena(check.Backend);
        Tensor table = Rotary.Table(tables, positions: 9, Size);
        CuSeqlens borders = check.Arena.RentCuSeqlens(lengths);
        (Variable qkv, double[] values) = check.Input("qkv", lengths.Sum(), 3 * Heads * Size);
        Variable rotated = new Rotary(table, 2 * Heads).Forward(check.Tape, qkv, borders);
        Variable y = new Attention<NoModification>(Heads, default).Forward(check.Tape, rotated, borders);
        check.Compare(y, () => Reference.Attention(
            RotaryCase.Rotated(values, lengths, 2 * Heads, Size), lengths, Heads, Size, default(NoModification)).Result);

        using var alone = new GradientCheck(Backends.Create(form, 2));
        using var other = new Arena(alone.Backend);
        (Variable q, double[] qs) = alone.Input("q", lengths.Sum(), Heads * Size);
        Variable turned = new Rotary(Rotary.Table(other, positions: 9, Size), Heads)
            .Forward(alone.Tape, q, alone.Arena.RentCuSeqlens(lengths));
        alone.Compare(turned, () => RotaryCase.Rotated(qs, lengths, Heads, Size));
    }

    [Fact]
    public void Rotary_positions_refuse_what_does_not_fit_the_table()
    {
        using Backend backend = CpuBackend.Create(1);
        using Arena arena = new(backend), activations = new(backend);
        Tape tape = Tape.ForInference(activations);
        Assert.Throws<ArgumentException>(() => Rotary.Table(arena, positions: 4, headSize: 5));
        var rotary = new Rotary(Rotary.Table(arena, positions: 4, headSize: 6), heads: 2);
        Assert.Contains("4 positions", Fault(12, 5), StringComparison.Ordinal);
        Assert.Contains("whole heads of 6", Fault(15, 4), StringComparison.Ordinal);
        Assert.Contains("1 to 1", Fault(6, 4), StringComparison.Ordinal);

        string Fault(int width, int length) => Assert.Throws<ArgumentException>(
            () => rotary.Forward(tape, tape.Rent(length, width), activations.RentCuSeqlens([length]))).Message;
    }

    private static void CheckAttention<TMod>(string form, int[] lengths, int heads, int size, TMod mod, float dropout = 0)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        using var check = new GradientCheck(Backends.Create(form, 2));
        (Variable qkv, double[] values) = check.Input("qkv", lengths.Sum(), 3 * heads * size);
        Variable y = new Attention<TMod>(
            check.Parameters, heads, mod, dropout).Forward(check.Tape, qkv, check.Arena.RentCuSeqlens(lengths));
        var dropped = new AttentionMask(check.Random(0), dropout);
        check.Compare(y, () => Reference.Attention(values, lengths, heads, size, mod, dropped).Result);
    }

    /// <summary>The factors of dropout, drawn word by word as the generator defines them.</summary>
    private static double[] Mask(GradientCheck check, int count, float probability, int site)
    {
        Philox random = check.Random(site);
        return [.. Enumerable.Range(0, count).Select(i =>
            probability == 0 ? 1 : random.Word((ulong)i) >= (uint)(probability * 4294967296.0) ? 1 / (1 - (double)probability) : 0)];
    }
}

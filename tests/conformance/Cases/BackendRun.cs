using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>
/// One operation without a case of its own, the gradients above all, at one size: inputs that are the same on every backend, and results
/// that are compared between two. On the CPU the gradients are held against central differences of the float64 reference.
/// </summary>
internal sealed class BackendRun(string name, Func<BackendRun.Inputs, float[][]> run)
{
    /// <summary>Operation and size, for people.</summary>
    public string Name => name;

    /// <summary>Results of a backend.</summary>
    public float[][] On(Backend backend)
    {
        using var inputs = new Inputs(backend);
        return run(inputs);
    }

    /// <exception cref="CheckFailedException">Two backends differ by more than 5e-6 of the largest magnitude, at least 1.</exception>
    public void Compare(Backend expected, Backend actual)
    {
        float[][] e = On(expected), a = On(actual);
        for (int i = 0; i < e.Length; i++) Check.NearRelative(Array.ConvertAll(e[i], v => (double)v), a[i], 5e-6, $"{name}, output {i}");
    }

    public override string ToString() => name;

    /// <summary>Operands on a backend.</summary>
    internal sealed class Inputs(Backend backend) : IDisposable
    {
        private uint _draws;

        public Backend Backend => backend;

        public Arena Arena { get; } = new(backend);

        public Tensor Normal(params ReadOnlySpan<int> extents)
        {
            Tensor tensor = Arena.Rent(new Shape(extents), DType.F32);
            var values = new float[tensor.Count];
            new Philox(21, 0, _draws++).FillNormal(values, 1);
            // Exact in bf16, so that both forms of a kernel are given the same.
            for (int i = 0; i < values.Length; i++) values[i] = (float)(BFloat16)values[i];
            backend.Upload<float>(values, tensor);
            return tensor;
        }

        public Tensor Integers(params int[] values)
        {
            Tensor tensor = Arena.Rent(new Shape(values.Length), DType.I32);
            backend.Upload<int>(values, tensor);
            return tensor;
        }

        public Tensor Number(float value)
        {
            Tensor tensor = Arena.Rent(new Shape(1), DType.F32);
            backend.Upload<float>([value], tensor);
            return tensor;
        }

        public Tensor Numbers(AdamWStep step)
        {
            Tensor tensor = Arena.Rent(new Shape(AdamWStep.Count), DType.F32);
            backend.Upload<AdamWStep>([step], tensor);
            return tensor;
        }

        public Tensor Doubles(params double[] values)
        {
            Tensor tensor = Arena.Rent(new Shape(values.Length), DType.F64);
            backend.Upload<double>(values, tensor);
            return tensor;
        }

        public float[] ReadDoubles(Tensor tensor)
        {
            var values = new double[tensor.Count];
            backend.Download<double>(tensor, values);
            return Array.ConvertAll(values, v => (float)v);
        }

        public Tensor Empty(params ReadOnlySpan<int> extents) => Arena.Rent(new Shape(extents), DType.F32);

        public float[] Read(Tensor tensor)
        {
            var values = new float[tensor.Count];
            backend.Download<float>(tensor, values);
            return values;
        }

        public void Dispose() => Arena.Dispose();
    }
}

/// <summary>The operations at odd sizes.</summary>
internal static class BackendRuns
{
    private static readonly int[][] Batches = [[1], [65, 0, 7], [130]];

    public static IEnumerable<BackendRun> All()
    {
        foreach (int width in (int[])[8, 13, 40, 264, 768, 1024, 1032])
            foreach (BackendRun run in Rows(5, width)) yield return run;
        foreach (BackendRun run in Rows(300, 24)) yield return run;
        foreach ((int rows, int outputs, int inputs) in ((int, int, int)[])[(1, 1, 1), (7, 34, 20), (129, 130, 36), (40, 8, 24)])
            foreach (BackendRun run in Products(rows, outputs, inputs)) yield return run;
        foreach (int count in (int[])[1, 8, 255, 2056])
        {
            yield return Flat(count);
            yield return Activations(count);
        }

        foreach (int[] lengths in Batches)
        {
            yield return Attention(lengths, 2, 64, default(Alibi));
            yield return Attention(lengths, 3, 8, default(NoModification));
            yield return Attention(lengths, 1, 8, default(Causal));
            yield return Attention(lengths, 2, 8, new SlidingWindow(20));
            yield return Attention(lengths, 2, 8, new SoftCap(1.5f));
            yield return Attention(lengths, 2, 5, default(Alibi));
            yield return Attention(lengths, 2, 8, default(Alibi), dropout: 0.3f);
            yield return Attention(lengths, 2, 5, default(Alibi), dropout: 0.6f);
            yield return RelativeBias(lengths, 3, 8, radius: lengths.Length == 1 ? 0 : 9);
            yield return RelativeBias(lengths, 1, 5, radius: 150);
            yield return RelativeBias(lengths, 2, 8, radius: 4, dropout: 0.3f);
            yield return Sequences(lengths, 40);
            yield return Sequences(lengths, 13);
        }

        yield return Attention([70], 1, 128, default(Alibi));
    }

    private static IEnumerable<BackendRun> Rows(int rows, int width)
    {
        yield return new($"layer norm gradient {rows}×{width}", i =>
        {
            Tensor x = i.Normal(rows, width), dy = i.Normal(rows, width), w = i.Normal(width), b = i.Normal(width),
                statistics = i.Empty(rows, 2);
            Tensor dw = i.Normal(width), db = i.Normal(width), dx = i.Normal(rows, width);
            i.Backend.Run(new LayerNormForward(x, new Norm(w, b, 1e-5f), statistics, i.Empty(rows, width)));
            i.Backend.Run(new LayerNormBackward(x, dy, w, statistics, dw, db, true, dx));
            return [i.Read(dw), i.Read(db), i.Read(dx)];
        });
        yield return new($"embedding gradient {rows}×{width}", i =>
        {
            Tensor ids = i.Integers([.. Enumerable.Range(0, rows).Select(t => t * 7 % 5)]),
                types = i.Integers([.. Enumerable.Range(0, rows).Select(t => t % 2)]);
            Tensor dy = i.Normal(rows, width), word = i.Normal(6, width), type = i.Normal(2, width), untyped = i.Normal(2, width);
            i.Backend.Run(new EmbeddingBackward(ids, types, dy, word, type));
            i.Backend.Run(new EmbeddingBackward(ids, default, dy, default, untyped));
            i.Backend.Run(new EmbeddingBackward(ids, default, dy, word, default, padding: 2));
            return [i.Read(word), i.Read(type), i.Read(untyped)];
        });
        yield return new($"rows {rows}×{width}", i =>
        {
            int[] order = [.. Enumerable.Range(0, rows).Reverse()];
            Tensor x = i.Normal(rows, width), y = i.Empty(rows, width), z = i.Normal(rows, width), sums = i.Normal(width);
            i.Backend.Run(new GatherRowsForward(x, i.Integers(order), y));
            i.Backend.Run(new GatherRowsBackward(x, i.Integers(order), z));
            i.Backend.Run(new SumRows(x, sums));
            return [i.Read(y), i.Read(z), i.Read(sums)];
        });
        yield return new($"cross-entropy gradient {rows}×{width}", i =>
        {
            Tensor logits = i.Normal(rows, width),
                labels = i.Integers([.. Enumerable.Range(0, rows).Select(r => r % 4 == 3 ? -1 : r % width)]);
            i.Backend.Run(new CrossEntropyBackward(logits, labels, i.Normal(rows), i.Number(0.25f), logits));
            return [i.Read(logits)];
        });
        yield return new($"geglu {rows}×{width}", i =>
        {
            Tensor g = i.Normal(rows, 2 * width), u = i.Empty(rows, width), du = i.Normal(rows, width);
            i.Backend.Run(new GegluForward(g, u));
            i.Backend.Run(new GegluBackward(g, du, g));
            return [i.Read(u), i.Read(g)];
        });
    }

    private static IEnumerable<BackendRun> Products(int rows, int outputs, int inputs)
    {
        yield return new($"linear gradients {rows}×{outputs}×{inputs}", i =>
        {
            Tensor dy = i.Normal(rows, outputs), w = i.Normal(outputs, inputs), x = i.Normal(rows, inputs), dx = i.Normal(rows, inputs),
                dw = i.Normal(outputs, inputs);
            i.Backend.Run(new LinearInputBackward(dy, w, true, dx));
            i.Backend.Run(new LinearWeightBackward(dy, x, dw));
            return [i.Read(dx), i.Read(dw)];
        });
    }

    private static BackendRun Flat(int count) => new($"elementwise {count}", i =>
    {
        Tensor x = i.Normal(count), dy = i.Normal(count), gelu = i.Empty(count), dgelu = i.Empty(count), tanh = i.Empty(count),
            dtanh = i.Normal(count);
        Tensor sum = i.Empty(count), dropped = i.Empty(count), added = i.Empty(count), zero = i.Normal(count);
        Tensor stream = i.Integers(5, 9, 6);
        i.Backend.Run(new GeluForward(x, gelu));
        i.Backend.Run(new GeluBackward(x, dy, dgelu));
        i.Backend.Run(new TanhForward(x, tanh));
        i.Backend.Run(new TanhBackward(tanh, dy, true, dtanh));
        i.Backend.Run(new Add(x, dy, sum));
        i.Backend.Run(new DropoutForward(x, stream, 7, 0.3f, default, dropped));
        i.Backend.Run(new DropoutForward(x, stream, 7, 0.3f, dy, added));
        i.Backend.Clear(zero);
        i.Backend.Run(new Scale(gelu, -0.75f, gelu));
        Tensor w = i.Normal(count), m = i.Normal(count), v = i.Normal(count);
        i.Backend.Copy(zero, v);
        Tensor numbers = i.Numbers(AdamWStep.Of(0.01f, 0.9f, 0.98f, 1e-6f, 0.1f, 3, 0.5f)), sums = i.Doubles(0, 0, 0),
            report = i.Doubles(0, 0);
        i.Backend.Run(new SumOfLosses(x, i.Integers(1), sums));
        AdamWRun[] runs = count < 48 ? [new(0, count, true)] : [new(0, 16, true), new(16, 16, false), new(32, count - 32, true)];
        var updated = new AdamWRuns(runs, count);
        i.Backend.Run(new AdamWUpdate(numbers, updated, OptimizerOperands.Words(i.Arena, updated), w, dy, m, v, sums, default, report));
        return [i.ReadDoubles(sums), i.ReadDoubles(report), i.Read(dy), i.Read(gelu), i.Read(dgelu), i.Read(tanh), i.Read(dtanh),
            i.Read(sum), i.Read(dropped), i.Read(added), i.Read(zero), i.Read(w), i.Read(m), i.Read(v)];
    });

    private static BackendRun Activations(int count) => new($"activations {count}", i =>
    {
        Tensor x = i.Normal(count), dy = i.Normal(count), relu = i.Empty(count), drelu = i.Normal(count), sigmoid = i.Empty(count),
            dsigmoid = i.Normal(count), gelu = i.Empty(count), dgelu = i.Normal(count);
        i.Backend.Run(new ReluForward(x, relu));
        i.Backend.Run(new ReluBackward(relu, dy, true, drelu));
        i.Backend.Run(new SigmoidForward(x, sigmoid));
        i.Backend.Run(new SigmoidBackward(sigmoid, dy, true, dsigmoid));
        i.Backend.Run(new GeluTanhForward(x, gelu));
        i.Backend.Run(new GeluTanhBackward(x, dy, true, dgelu));
        return [i.Read(relu), i.Read(drelu), i.Read(sigmoid), i.Read(dsigmoid), i.Read(gelu), i.Read(dgelu)];
    });

    private static BackendRun Sequences(int[] lengths, int width) => new($"sequences {string.Join("+", lengths)}×{width}", i =>
    {
        int tokens = lengths.Sum();
        var borders = i.Arena.RentCuSeqlens(lengths);
        Tensor x = i.Normal(tokens, width), padded = i.Empty(lengths.Length, borders.Longest, width), dy = i.Normal(lengths.Length, width);
        Tensor mean = i.Normal(tokens, width), cls = i.Empty(tokens, width), y = i.Empty(lengths.Length, width);
        i.Backend.Run(new Pad(x, borders, padded));
        i.Backend.Run(new PoolingBackward(dy, borders, Pooling.Mean, true, mean));
        i.Backend.Run(new PoolingBackward(dy, borders, Pooling.Cls, false, cls));
        i.Backend.Run(new PoolingForward(x, borders, Pooling.Mean, y));
        Tensor ids = i.Integers([.. Enumerable.Range(0, tokens).Select(t => t % 3)]), positions = i.Normal(lengths.Max() + 1, width);
        Tensor dpositions = i.Normal(lengths.Max() + 1, width), scaled = i.Empty(tokens, width);
        i.Backend.Run(new ApplyTokenDropout(x, ids, borders, mask: 1, scaled));
        i.Backend.Run(new AddPositions(scaled, borders, positions, scaled));
        i.Backend.Run(new AddPositionsBackward(x, borders, dpositions));
        return [i.Read(padded), i.Read(mean), i.Read(cls), i.Read(y), i.Read(scaled), i.Read(dpositions)];
    });

    private static BackendRun Attention<TMod>(int[] lengths, int heads, int size, TMod mod, float dropout = 0)
        where TMod : unmanaged, IScoreModification<TMod>
        => new($"attention gradient {typeof(TMod).Name} {string.Join("+", lengths)}, {heads} heads of "
        + $"{size}{(dropout > 0 ? ", dropout" : "")}", i =>
        {
            int tokens = lengths.Sum(), hidden = heads * size;
            var borders = i.Arena.RentCuSeqlens(lengths);
            var dropped = new AttentionDropout(i.Integers(11, 0, 5), 2, dropout);
            Tensor qkv = i.Normal(tokens, 3 * hidden), dy = i.Normal(tokens, hidden), y = i.Empty(tokens, hidden),
                lse = i.Empty(heads, tokens);
            Tensor dqkv = i.Empty(tokens, 3 * hidden);
            i.Backend.Run(new AttentionForward<TMod>(qkv, borders, heads, mod, lse, y, dropped));
            i.Backend.Run(new AttentionBackward<TMod>(qkv, borders, heads, mod, lse, y, dy, dqkv, dropped));
            return [i.Read(y), i.Read(dqkv)];
        });

    private static BackendRun RelativeBias(int[] lengths, int heads, int size, int radius, float dropout = 0) =>
        new($"attention gradient, relative biases up to {radius}, {string.Join("+", lengths)}, {heads} heads of {size}"
            + (dropout > 0 ? ", dropout" : ""), i =>
        {
            int tokens = lengths.Sum(), hidden = heads * size;
            var borders = i.Arena.RentCuSeqlens(lengths);
            var dropped = new AttentionDropout(i.Integers(11, 0, 5), 2, dropout);
            Tensor qkv = i.Normal(tokens, 3 * hidden), dy = i.Normal(tokens, hidden), y = i.Empty(tokens, hidden),
                lse = i.Empty(heads, tokens);
            Tensor dqkv = i.Empty(tokens, 3 * hidden), dtable = i.Normal(heads, (2 * radius) + 1);
            RelativeBias mod = RelativeTable.Of(heads, radius).On(i.Backend, i.Arena.Rent);
            i.Backend.Run(new AttentionForward<RelativeBias>(qkv, borders, heads, mod, lse, y, dropped));
            i.Backend.Run(new AttentionBackward<RelativeBias>(qkv, borders, heads, mod, lse, y, dy, dqkv, dropped, dtable));
            return [i.Read(y), i.Read(dqkv), i.Read(dtable)];
        });
}

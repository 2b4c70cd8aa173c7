using Conformance.Cases;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Folders;

namespace Tests.Interpretation;

/// <summary>Maps of attention, against softmax in float64 and against each other.</summary>
public sealed class AttentionMapTests : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create(2);

    public static TheoryData<string> WithAttention => [.. TinyModels.Names.Select(row => row.Data)
        .Where(name => name != Dnabert2.Folders.Architecture.Hyena.Name)];

    public void Dispose() => _backend.Dispose();

    [Theory]
    [InlineData(4, 4, 6, 29)]
    [InlineData(4, 2, 8, 8)]
    [InlineData(2, 1, 5, 1)]
    public void An_observer_sees_the_softmax_of_the_modified_scores_of_every_head(int heads, int keyHeads, int size, int tokens)
    {
        foreach (bool packed in (bool[])[true, false])
        {
            Compare(default(Alibi), packed);
            Compare(new SlidingWindow(3), packed);
        }

        void Compare<TMod>(TMod mod, bool packed)
            where TMod : unmanaged, IScoreModification<TMod>
        {
            var random = new Random(heads + tokens);
            int hidden = heads * size, keyWidth = keyHeads * size;
            float[] q = Values(tokens * hidden), k = Values(tokens * keyWidth), v = Values(tokens * keyWidth);
            using var arena = new Arena(_backend);
            var seen = new Seen();
            Tape tape = Tape.ForInference(arena, seen);
            var attention = new Attention<TMod>(new AttentionHeads(heads, keyHeads), mod);
            CuSeqlens cuSeqlens = arena.RentCuSeqlens([tokens]);
            float[] plain = Read((packed
                ? attention.Forward(tape, tape.Track(Upload(Rows(q, k, v), tokens)), cuSeqlens)
                : attention.Forward(tape, tape.Track(Upload(q, tokens)), tape.Track(Upload(k, tokens)), tape.Track(Upload(v, tokens)),
                    cuSeqlens)).Data);
            float[] probabilities = Assert.Single(seen.All);
            Assert.Equal(heads * tokens * tokens, probabilities.Length);
            for (int head = 0; head < heads; head++)
                for (int query = 0; query < tokens; query++)
                {
                    int kv = head / (heads / keyHeads) * size;
                    TMod ofHead = TMod.ForSequence(TMod.ForHead(mod, head, heads), 0);
                    int of = (query * hidden) + (head * size);
                    double[] scores = [.. Enumerable.Range(0, tokens).Select(key => TMod.Score<Float64>(
                        ofHead, Enumerable.Range(0, size).Sum(d => (double)q[of + d] * k[(key * keyWidth) + kv + d]) / Math.Sqrt(size),
                        query, key).Value)];
                    double most = scores.Max(), sum = scores.Sum(s => Math.Exp(s - most));
                    for (int key = 0; key < tokens; key++)
                        Assert.Equal(Math.Exp(scores[key] - most) / sum, probabilities[(((head * tokens) + query) * tokens) + key], 2e-6);
                    // The result of the pass itself is that of the values that were given.
                    Assert.Equal(
                        Enumerable.Range(0, tokens).Sum(key => Math.Exp(scores[key] - most) / sum * v[(key * keyWidth) + kv]),
                        plain[of], 1e-5);
                }

            float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 4) - 2))];

            float[] Rows(params float[][] parts) => [.. Enumerable.Range(0, tokens).SelectMany(
                row => parts.SelectMany(part => part.Skip(row * part.Length / tokens).Take(part.Length / tokens)))];

            Tensor Upload(float[] values, int rows)
            {
                Tensor tensor = arena.Rent(new Shape(rows, values.Length / rows), DType.F32);
                _backend.Upload<float>(values, tensor);
                return tensor;
            }
        }
    }

    [Fact]
    public void A_pass_of_two_sequences_cannot_be_observed()
    {
        using var arena = new Arena(_backend);
        Tape tape = Tape.ForInference(arena, new Seen());
        Tensor qkv = arena.Rent(new Shape(5, 12), DType.F32);
        _backend.Clear(qkv);
        Assert.Throws<InvalidOperationException>(
            () => new Attention<NoModification>(1, default).Forward(tape, tape.Track(qkv), arena.RentCuSeqlens([3, 2])));
    }

    [Theory]
    [MemberData(nameof(WithAttention))]
    public void The_mean_and_the_rollout_are_those_of_the_heads_and_maps_come_layer_by_layer(string name)
    {
        using SequenceModel model = TinyModels.Make(name, _backend, ModelParts.Encoder);
        string dna = SmallModels.Dna(2, 13) + "N" + SmallModels.Dna(3, 6);
        int most = model.MaxTokens ?? 512;
        AttentionMap heads = Map(AttentionView.Heads), mean = Map(AttentionView.Mean), rollout = Map(AttentionView.Rollout);
        int n = heads.Tokens.Count, layers = model.Layers, count = heads.Shape[1];
        Assert.Equal([layers, count, n, n], heads.Shape);
        Assert.Equal([layers, n, n], mean.Shape);
        Assert.Equal([n, n], rollout.Shape);
        for (int row = 0; row < layers * count * n; row++)
            Assert.Equal(1, heads.Values.Span.Slice(row * n, n).ToArray().Sum(p => (double)p), 1e-5);

        double[,]? product = null;
        for (int layer = 0; layer < layers; layer++)
        {
            var step = new double[n, n];
            for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++)
                {
                    double average = Enumerable.Range(0, count).Average(
                        head => (double)heads.Values.Span[(((((layer * count) + head) * n) + i) * n) + j]);
                    Assert.Equal(average, mean.Values.Span[(((layer * n) + i) * n) + j], 1e-6);
                    step[i, j] = (average + (i == j ? 1 : 0)) / 2;
                }

            product = product is null ? step : Times(step, product, n);
        }

        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) Assert.Equal(product![i, j], rollout.Values.Span[(i * n) + j], 1e-6);

        // A pass that ends behind the first layer sees the first map alone.
        using var arena = new Arena(_backend);
        var seen = new Seen();
        var batch = new Batch(arena, [.. heads.Tokens.Select(token => token.Id)], [n]);
        model.EncodeLayer(Tape.ForInference(arena, seen), batch, 1);
        Assert.Equal(heads.Values.Span[..(count * n * n)].ToArray(), Assert.Single(seen.All));

        AttentionToken[] own = [.. heads.Tokens.Where(token => token.Start >= 0)];
        Assert.Equal(0, own[0].Start);
        Assert.All(own, token => Assert.InRange(token.End, token.Start + 1, dna.Length));
        Assert.All(heads.Tokens, token => Assert.Equal(token.Start < 0, token.End < 0));

        AttentionMap Map(AttentionView view) =>
            Assert.Single(new AttentionMaps(model, view, most).Run(SequencesInMemory.Read([dna], AmbiguousBases.Unknown, default)));
    }

    [Theory]
    [MemberData(nameof(AllNames))]
    public void The_vectors_of_the_last_layer_are_the_usual_ones_and_those_of_others_are_of_that_layer(string name)
    {
        using SequenceModel model = TinyModels.Make(name, _backend, ModelParts.Encoder);
        string[] dna = [SmallModels.Dna(5, 18), SmallModels.Dna(6, 12)];
        Assert.Equal(2, model.Layers);
        float[][] all = [.. Enumerable.Range(0, 3).Select(layer => Vectors(layer)), Vectors(null)];
        Assert.Equal(all[3], all[2]);
        Assert.NotEqual(all[0], all[1]);
        Assert.NotEqual(all[1], all[2]);
        Assert.Contains("Layer is 3", Assert.Throws<ArgumentException>(() => Vectors(3)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Vectors(-1));

        float[] Vectors(int? layer) => new Embedder(
            model, new EmbedOptions { Layer = layer, Overlap = 0, MaxTokens = model.MaxTokens ?? 512 })
            .Embed(dna).ToArray().Cast<float>().ToArray();
    }

    public static TheoryData<string> AllNames => TinyModels.Names;

    [Fact]
    public void What_has_no_attention_and_what_is_too_long_or_a_pair_is_refused_by_name()
    {
        using SequenceModel hyena = TinyModels.Make(Dnabert2.Folders.Architecture.Hyena.Name, _backend, ModelParts.Encoder);
        Assert.Contains("HyenaDNA has no attention", Assert.Throws<ArgumentException>(() => new AttentionMaps(hyena)).Message,
            StringComparison.Ordinal);
        using SequenceModel model = TinyModels.Make(Dnabert2.Folders.Architecture.Dnabert2.Name, _backend, ModelParts.Encoder);
        Assert.Throws<ArgumentException>(() => new AttentionMaps(model, maxTokens: 2));
        string message = Assert.Throws<InvalidDataException>(() => new AttentionMaps(model, maxTokens: 5).Run(
            SequencesInMemory.Read(["ACGT", SmallModels.Dna(1, 60)], AmbiguousBases.Unknown, default)).Count()).Message;
        Assert.Contains("record 2", message, StringComparison.Ordinal);
        Assert.Contains("more than the 5 allowed", message, StringComparison.Ordinal);
    }

    private static double[,] Times(double[,] a, double[,] b, int n)
    {
        var c = new double[n, n];
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                for (int k = 0; k < n; k++) c[i, j] += a[i, k] * b[k, j];
        return c;
    }

    private float[] Read(Tensor tensor)
    {
        var values = new float[tensor.Count];
        _backend.DownloadNumbers(tensor, values);
        return values;
    }

    private sealed class Seen : IAttentionObserver
    {
        public List<float[]> All { get; } = [];

        public void Observe(int heads, ReadOnlySpan<float> probabilities) => All.Add(probabilities.ToArray());
    }
}

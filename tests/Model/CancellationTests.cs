using System.Diagnostics;
using System.Diagnostics.Metrics;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.Sequences;
using Engine.Runtime;
using Tests.Training;

namespace Tests.Model;

/// <summary>Work that is given up, as it streams, and what listeners are told of it.</summary>
[Trait("Category", "Slow")]
public sealed class CancellationTests : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create(2);

    public void Dispose() => _backend.Dispose();

    /// <summary>A batch that would take seconds, in single operations (products, attention) that take long.</summary>
    [Theory]
    [InlineData(1, 16384, 64, 8)]
    [InlineData(8, 4096, 768, 1)]
    public async Task A_batch_ends_within_a_tenth_of_a_second_of_its_cancellation(int layers, int tokens, int hidden, int heads)
    {
        Dnabert2Config config = Toy.Config with
        {
            HiddenSize = hidden,
            NumHiddenLayers = layers,
            NumAttentionHeads = heads,
            IntermediateSize = 4 * hidden,
        };
        using Dnabert2Model model = Dnabert2Model.Initialize(config, Toy.Tokenizer, seed: 1, _backend, ModelParts.Encoder);
        var embedder = new Embedder(model, new EmbedOptions { MaxTokens = tokens, BatchTokens = tokens });
        string[] sequences = [string.Concat(Enumerable.Repeat("ACGTTGCATTGACCAG", tokens / 8))];
        var best = TimeSpan.MaxValue;
        // Other processes may hold this one up for longer than that; not every time.
        for (int attempt = 0; attempt < 3 && best > TimeSpan.FromMilliseconds(100); attempt++)
        {
            using var cancelled = new CancellationTokenSource();
            Task work = embedder.EmbedAsync(sequences, cancelled.Token);
            await Task.Delay(100);
            Assert.False(work.IsCompleted, "the work is too little for this test");
            long start = Stopwatch.GetTimestamp();
            await cancelled.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => work);
            if (Stopwatch.GetElapsedTime(start) is var taken && taken < best) best = taken;
        }

        Assert.InRange(best.TotalMilliseconds, 0, 100);
        // Nothing of it stays: the same model and backend go on.
        Assert.Equal(hidden, embedder.Embed(["ACGTTGCATTGACCA"]).Width);
    }

    [Fact]
    public async Task Vectors_that_are_computed_as_they_are_asked_for_are_those_of_one_call()
    {
        using Dnabert2Model model = Toy.Model(_backend);
        var embedder = new Embedder(model, new EmbedOptions { BatchTokens = 30 });
        string[] sequences = [.. Enumerable.Range(1, 9).Select(i => new string('A', i) + "CGTTGCATTG")];
        float[,] expected = embedder.Embed(sequences).ToArray();
        Assert.Equal(expected, (await embedder.EmbedAsync(sequences)).ToArray());
        int row = 0;
        await foreach (SequenceEmbedding e in embedder.EmbedAsync(Records(sequences)))
        {
            Assert.Equal(row + 1, e.Number);
            for (int c = 0; c < e.Vector.Length; c++) Assert.Equal(expected[row, c], e.Vector.Span[c]);
            row++;
        }

        Assert.Equal(sequences.Length, row);
        int pieces = 0;
        await foreach (TokenEmbeddings _ in embedder.EmbedTokensAsync(Records(sequences))) pieces++;
        Assert.Equal(sequences.Length, pieces);
    }

    [Fact]
    public async Task The_token_of_an_enumeration_ends_it()
    {
        using Dnabert2Model model = Toy.Model(_backend);
        var embedder = new Embedder(model, new EmbedOptions { BatchTokens = 1 });
        using var cancelled = new CancellationTokenSource();
        int seen = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (SequenceEmbedding _ in embedder.EmbedAsync(Records(["ACGT", "ACGTA", "ACG"])).WithCancellation(cancelled.Token))
                if (++seen == 1) await cancelled.CancelAsync();
        });
        Assert.Equal(1, seen);
    }

    [Fact]
    public void Batches_are_activities_and_metrics_to_whoever_listens()
    {
        var activities = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == Embedder.TelemetryName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                lock (activities) activities.Add(activity);
            },
        };
        ActivitySource.AddActivityListener(listener);
        var measured = new Dictionary<string, double>();
        using var meter = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == Embedder.TelemetryName) l.EnableMeasurementEvents(instrument);
            },
        };
        meter.SetMeasurementEventCallback<long>((instrument, value, _, _) => Add(instrument.Name, value));
        meter.SetMeasurementEventCallback<double>((instrument, value, _, _) => Add(instrument.Name, value));
        meter.Start();
        using Dnabert2Model model = Toy.Model(_backend);
        using (var parent = new Activity("test").Start()) new Embedder(model).Embed(["ACGTTGCA", "ACG"]);
        lock (activities)
        {
            Activity batch = Assert.Single(activities, activity => activity.Parent?.OperationName == "test");
            Assert.Equal(ActivityStatusCode.Ok, batch.Status);
            Assert.Equal(2, batch.GetTagItem("dnabert2.sequences"));
        }

        // Other tests may embed meanwhile.
        lock (measured) Assert.True(measured["dnabert2.embed.sequences"] >= 2 && measured["dnabert2.embed.batch.duration"] > 0);

        void Add(string name, double value)
        {
            lock (measured) measured[name] = measured.GetValueOrDefault(name) + value;
        }
    }

    private static IEnumerable<SequenceRecord> Records(string[] sequences) => SequenceReader.Read(
        new MemoryStream(System.Text.Encoding.ASCII.GetBytes(string.Join('\n', sequences))), "sequences",
        new SequenceOptions { Format = SequenceFormat.Lines });
}

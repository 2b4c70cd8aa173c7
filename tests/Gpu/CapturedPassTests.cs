using Conformance.Gpu;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Embeddings;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.FineTuning;
using Tests.Training;

namespace Tests.Gpu;

/// <summary>
/// Passes of rounded shapes that are captured and run again, on a driver that is played, beside the same passes as they are, on the
/// interpreter alone, which records nothing: equal bits.
/// </summary>
[Trait("Category", "Slow")]
public sealed class CapturedPassTests : IDisposable
{
    private static readonly Dnabert2Config Config =
        Toy.Config with { HiddenSize = 16, NumHiddenLayers = 1, NumAttentionHeads = 2, IntermediateSize = 16 };
    private static readonly PretrainOptions Recipe = Toy.Recipe with { GlobalBatch = 4, MicroBatchTokens = 60, ClipNorm = 0.5f };
    private readonly Toy _toy = new();
    private readonly Corpus _corpus;

    public CapturedPassTests() => _corpus = _toy.Build(Toy.Cuts with { MaxBases = 60 });

    public void Dispose()
    {
        _corpus.Dispose();
        _toy.Dispose();
    }

    [Theory]
    [InlineData(60, false, DType.F32)]
    [InlineData(100_000, true, DType.F32)]
    [InlineData(100_000, false, DType.BF16)]
    public void Training_steps_have_the_bits_of_steps_that_are_neither_rounded_nor_captured(
        int microBatchTokens, bool recompute, DType activations)
    {
        const int Steps = 7;
        if (microBatchTokens == 60) LongTests.SkipUnlessAsked();
        PretrainOptions recipe = Recipe with { MicroBatchTokens = microBatchTokens, Recompute = recompute };
        (StepResult[] plain, float[] expected, long none) = Train(new CudaBackend(new InterpretedDevice(), activations));
        (StepResult[] steps, float[] actual, long replays) = Train(Open(new FakeDriver(), activations));
        Assert.Equal(plain.Select(s => (s.Loss, s.GradientNorm, s.Updated, s.Tokens, s.Targets)),
            steps.Select(s => (s.Loss, s.GradientNorm, s.Updated, s.Tokens, s.Targets)));
        Assert.Equal(expected, actual);
        Assert.Equal(0, none);
        Assert.InRange(replays, microBatchTokens == 60 ? 2 : Steps - 4, int.MaxValue);

        (StepResult[], float[], long) Train(Backend backend)
        {
            using (backend)
            using (Dnabert2Model model = Toy.Model(backend, Config))
            using (var step = new TrainingStep(model, _corpus, recipe))
                return ([.. Enumerable.Range(0, Steps).Select(s => step.Run(s, 1e-3 * (s + 1)))], Toy.Weights(model), step.Replays);
        }
    }

    [Fact]
    public void A_whole_captured_step_is_one_call_that_waits_only_at_its_end_and_allocates_nothing()
    {
        var driver = new FakeDriver();
        using Backend backend = Open(driver);
        using Dnabert2Model model = Toy.Model(backend, Config);
        using var step = new TrainingStep(model, _corpus, Recipe with { GlobalBatch = 2, MicroBatchTokens = 100_000 });
        for (int s = 0; s < 4; s++) step.Run(s, 1e-3);
        (int calls, int allocations, int waits) = (driver.LaunchCalls, driver.Allocations, driver.Waits);
        step.Run(4, 1e-3);
        Assert.Equal((calls + 1, allocations), (driver.LaunchCalls, driver.Allocations));
        // The report and the losses, each before and after it is copied.
        Assert.Equal(waits + 4, driver.Waits);
    }

    [Fact]
    public void A_captured_step_that_is_not_finite_is_skipped_on_the_GPU_and_told_as_on_the_CPU()
    {
        Assert.Equal(Run(CpuBackend.Create(1)), Run(Open(new FakeDriver())));

        (int, bool, string, bool, long, long)[] Run(Backend backend)
        {
            using (backend)
            using (Dnabert2Model model = Toy.Model(backend, Config))
            using (var step = new TrainingStep(model, _corpus, Recipe with { MicroBatchTokens = 100_000 }))
            {
                Parameter bias = model.Parameters.Parameters.Single(p => p.Name == "cls.predictions.decoder.bias");
                float[] good = new float[bias.Shape.Count], bad = Enumerable.Repeat(float.NaN, good.Length).ToArray();
                var told = new List<(int, bool, string, bool, long, long)>();
                for (int s = 0; s < 7; s++)
                {
                    if (s == 4)
                    {
                        backend.Download<float>(bias.Value, good);
                        backend.Upload<float>(bad, bias.Value);
                    }

                    if (s == 5) backend.Upload<float>(good, bias.Value);
                    // A loss that is finite, and gradients that are not.
                    if (s == 5) backend.Upload<float>(Enumerable.Repeat(float.PositiveInfinity, good.Length).ToArray(), bias.Gradient);
                    float[] before = Toy.Weights(model);
                    StepResult result = step.Run(s, 1e-3);
                    string norm = double.IsFinite(result.GradientNorm) ? "finite" : double.IsNaN(result.GradientNorm) ? "NaN" : "infinite";
                    told.Add(
                        (step.Optimizer.Steps, result.Updated, $"{double.IsFinite(result.Loss)} {norm}",
                            before.SequenceEqual(Toy.Weights(model)), step.NonFiniteRange.First, step.NonFiniteRange.Last));
                }

                Assert.Equal([true, true, true, true, false, false, true], told.Select(t => t.Item2));
                return [.. told];
            }
        }
    }

    [Theory]
    [InlineData(TaskKind.SingleLabel, FineTuneMethod.Lora, ClassWeighting.Balanced)]
    [InlineData(TaskKind.SingleLabel, FineTuneMethod.Full, ClassWeighting.Even)]
    [InlineData(TaskKind.MultiLabel, FineTuneMethod.Head, ClassWeighting.Balanced)]
    [InlineData(TaskKind.Regression, FineTuneMethod.Full, ClassWeighting.Even)]
    public void Fine_tuning_and_its_predictions_have_the_bits_of_passes_that_are_neither_rounded_nor_captured(
        TaskKind kind, FineTuneMethod method, ClassWeighting weights)
    {
        // The other two cover weighted classes, regression, LoRA and all weights.
        if (method != FineTuneMethod.Lora) LongTests.SkipUnlessAsked();
        using Backend cpu = CpuBackend.Create(1);
        using var toy = new ToyTask(cpu);
        LabelledTask task = toy.Task(kind, train: 12);
        (double[] Losses, float[] Weights, float[] Logits) expected = Train(new CudaBackend(new InterpretedDevice())),
            actual = Train(Open(new FakeDriver()));
        Assert.Equal(expected.Losses, actual.Losses);
        Assert.Equal(expected.Weights, actual.Weights);
        Assert.Equal(expected.Logits, actual.Logits);

        (double[], float[], float[]) Train(Backend backend)
        {
            FineTuneOptions options = ToyTask.With(method) with
            {
                Batch = 3,
                MaxTokens = 8,
                MicroBatchTokens = 100,
                ClassWeights = weights,
            };
            var data = new TaskData(task, Toy.Tokenizer, options);
            using (backend)
            using (SequenceModel model = FineTuneModel.Create(ModelSource.Open(toy.Start), data.Config, options, backend, out _))
            using (var step = new FineTuningStep(
                model, data.Train, new TaskLoss(data.Config, options.ClassWeights, data.Train.Targets), options))
            using (var classification = new Classification(model, 40))
            {
                double[] losses = [.. Enumerable.Range(0, 4).Select(s => step.Run(s, 1e-2).Loss)];
                return (losses, Toy.Weights(model), [.. classification.Run(data.Dev.Sequences), .. classification.Run(data.Dev.Sequences)]);
            }
        }
    }

    [Fact]
    public void Embeddings_by_captured_graphs_have_the_same_bits()
    {
        int[][] shapes = [
            [5, 9], [7, 7], [2, 12], [1, 3], [140, 30, 30], [6, 8], [4, 4], [9, 5], [150, 20, 20], [140, 30, 40], [139, 31, 30]];
        foreach (Pooling? pooling in (Pooling?[])[Pooling.Mean, Pooling.Max, null])
        {
            var driver = new FakeDriver();
            Assert.Equal(Embed(new CudaBackend(new InterpretedDevice())), Embed(Open(driver)));

            // Four of eleven batches come after one of their shapes; a graph is one call.
            Assert.InRange(driver.LaunchCalls, 1, 8 * 14);
            Assert.Equal((0, 0L), (driver.Held, driver.LiveBytes));

            float[] Embed(Backend backend)
            {
                using (backend)
                using (Dnabert2Model model = Dnabert2Model.Initialize(Config, Toy.Tokenizer, 3, backend, ModelParts.Encoder))
                using (var batch = new ChunkBatch(model, pooling))
                {
                    var all = new List<float>();
                    for (int i = 0; i < shapes.Length; i++)
                    {
                        batch.Clear();
                        foreach (int length in shapes[i]) batch.Add([.. Enumerable.Range(0, length).Select(t => 5 + (((t * 7) + i) % 50))]);
                        float[] vectors = [];
                        batch.Run(ref vectors);
                        all.AddRange(vectors);
                    }

                    return [.. all];
                }
            }
        }
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Rows_of_zeros_that_fill_the_last_tile_change_no_bit_of_a_sum_over_rows(DType activations)
    {
        const int Rows = 1050, Rounded = 1152, Width = 16;
        Assert.Equal(Sums(Rows), Sums(Rounded));

        float[] Sums(int rows)
        {
            using Backend backend = new CudaBackend(new InterpretedDevice(), activations);
            using var arena = new Arena(backend);
            // What is multiplied by the gradients of 0 is some number.
            Tensor dy = Numbers(1, clear: true), x = Numbers(2, clear: false), ids = arena.Rent(new Shape(rows), DType.I32);
            backend.Upload<int>([.. Enumerable.Range(0, rows).Select(i => i < Rows ? i * 7 % 3 : 0)], ids);
            Tensor dw = Zeros(Width, Width), bias = Zeros(Width), table = Zeros(3, Width), weight = Zeros(Width), addend = Zeros(Width);
            Tensor statistics = arena.Rent(new Shape(rows, 2), DType.F32);
            backend.Upload<float>([.. Enumerable.Range(0, 2 * rows).Select(i => i % 2 == 0 ? 0.1f : 0.9f)], statistics);
            backend.Run(new LinearWeightBackward(dy, x, dw));
            backend.Run(new SumRows(dy, bias));
            backend.Run(new EmbeddingBackward(ids, default, dy, table, default));
            backend.Run(new LayerNormBackward(
                x, dy, Numbers(3, clear: false).Slice(0, new Shape(Width)), statistics, weight, addend, accumulate: false, dx: default));
            return [.. Read(dw), .. Read(bias), .. Read(table), .. Read(weight), .. Read(addend)];

            Tensor Numbers(uint site, bool clear)
            {
                Tensor tensor = arena.Rent(new Shape(rows, Width), activations);
                var values = new float[tensor.Count];
                new Philox(5, 0, site).FillNormal(values, 1);
                if (clear) values.AsSpan(Rows * Width).Clear();
                backend.UploadNumbers(values, tensor);
                return tensor;
            }

            Tensor Zeros(params ReadOnlySpan<int> extents)
            {
                Tensor tensor = arena.Rent(new Shape(extents), DType.F32);
                backend.Clear(tensor);
                return tensor;
            }

            float[] Read(Tensor tensor)
            {
                var values = new float[tensor.Count];
                backend.Download<float>(tensor, values);
                return values;
            }
        }
    }

    [Fact]
    public void The_cache_of_graphs_is_bounded_and_drops_the_least_recently_used()
    {
        var driver = new FakeDriver();
        using Backend backend = Open(driver);
        using var arena = new Arena(backend);
        Tensor x = arena.Rent(new Shape(8), DType.F32);
        int run = 0;
        Tensor Work()
        {
            run++;
            backend.Clear(x);
            return x;
        }

        using var graphs = new GraphCache<int>(backend, capacity: 2);
        int held = driver.Held;
        foreach (int key in (int[])[1, 1, 2, 2, 1, 3, 3]) graphs.Run(key, Work);
        Assert.Equal((held + 2, 6, 4L), (driver.Held, run, graphs.Replays));
        graphs.Run(1, Work);
        Assert.Equal((6, 5L), (run, graphs.Replays));
        graphs.Run(2, Work);
        Assert.Equal((7, 5L), (run, graphs.Replays));

        // A profile wants to see every operation.
        backend.Profile = new Profile();
        graphs.Run(2, Work);
        graphs.Run(2, Work);
        Assert.Equal((9, 5L), (run, graphs.Replays));
    }

    [Fact]
    public void A_graph_is_not_replayed_after_memory_was_returned_that_it_may_use()
    {
        var driver = new FakeDriver();
        using Backend backend = Open(driver);
        Storage storage = backend.Allocate(64);
        int run = 0;
        Tensor Work()
        {
            run++;
            var x = new Tensor(storage, 0, new Shape(8), DType.F32);
            backend.Clear(x);
            return x;
        }

        using var graphs = new GraphCache<int>(backend);
        for (int i = 0; i < 3; i++) graphs.Run(0, Work);
        Assert.Equal((2, 2L), (run, graphs.Replays));
        storage.Dispose();
        storage = backend.Allocate(64);
        var values = new float[8];
        backend.Download<float>(graphs.Run(0, Work), values);
        Assert.Equal((3, 2L), (run, graphs.Replays));
        graphs.Run(0, Work);
        Assert.Equal((4, 3L), (run, graphs.Replays));
        storage.Dispose();
    }

    internal static Backend Open(FakeDriver driver, DType activations = DType.F32) =>
        CudaDevices.TryOpen(driver, 0, out Backend? backend, out string? obstacle, activations)
            ? backend : throw new InvalidOperationException(obstacle);
}

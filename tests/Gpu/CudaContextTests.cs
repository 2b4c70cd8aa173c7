using Conformance.Cases;
using Conformance.Gpu;
using Conformance.Model;
using Dnabert2;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Model;

namespace Tests.Gpu;

/// <summary>The binding of the driver, on a driver that is played.</summary>
public sealed class CudaContextTests
{
    [Fact]
    public void Operations_through_the_driver_equal_the_reference_and_everything_is_given_back()
    {
        var driver = new FakeDriver();
        using (Backend backend = Open(driver))
        {
            OpCheck.Run(new LinearCase(9, 34, 20, Activation.Geglu, bias: true, residual: true, packed: true), backend);
            OpCheck.Run(new AttentionCase<Alibi>([65, 0, 7], 3, 64, default), backend);
            OpCheck.Run(new EmbeddingCase(5, 11, 24, types: true), backend);
            OpCheck.Run(new EmbeddingCase(3, 11, 1048, types: true), backend);
            OpCheck.Run(new EmbeddingCase(3, 11, 1027, types: false), backend);
        }

        Assert.Equal((0, 0L), (driver.Held, driver.LiveBytes));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4 << 20)]
    [InlineData((8 << 20) + 4)]
    [InlineData((21 << 20) + 12)]
    public void Pinned_memory_is_not_filled_again_before_its_copy_has_arrived(int bytes)
    {
        using Backend backend = Open(new FakeDriver());
        using Storage first = backend.Allocate(bytes), second = backend.Allocate(bytes);
        byte[] a = Bytes(bytes, 1), b = Bytes(bytes, 2), back = new byte[bytes];
        Tensor x = new(first, 0, new Shape(bytes), DType.U8), y = new(second, 0, new Shape(bytes), DType.U8);
        backend.Upload<byte>(a, x);
        backend.Upload<byte>(b, y);
        backend.Download<byte>(x, back);
        Assert.Equal(a, back);
        backend.Download<byte>(y, back);
        Assert.Equal(b, back);
    }

    [Fact]
    public void A_product_through_tensor_maps_of_the_driver_equals_the_reference()
    {
        var driver = new FakeDriver();
        using (var context = new CudaContext(driver, CudaDevices.List(driver, out _)[0]))
        using (var checks = new BFloat16Checks(context))
        {
            Assert.True(context.IsHopper);
            checks.Product(ProductKernel.InputGradient, ProductForm.Wgmma128, (70, 264, 72), bias: false, residual: false);
        }

        Assert.Equal((0, 0L), (driver.Held, driver.LiveBytes));
    }

    [Theory]
    [InlineData(9, 0, 11080)]
    [InlineData(8, 6, 12040)]
    [InlineData(10, 0, 12080)]
    public void Kernels_for_Hopper_are_for_nothing_else(int major, int minor, int version)
    {
        var driver = new FakeDriver { Version = version, Devices = [("Fake", major, minor, true)] };
        using var context = new CudaContext(driver, CudaDevices.List(driver, out _)[0]);
        Assert.False(context.IsHopper);
    }

    [Fact]
    public void A_steady_step_allocates_nothing_on_the_GPU()
    {
        var driver = new FakeDriver();
        using var run = new StepRun(driver);
        run.Step();
        run.Step();
        int before = driver.Allocations;
        run.Step();
        Assert.Equal(before, driver.Allocations);
    }

    [Fact]
    public void A_whole_training_step_captured_as_a_graph_is_one_call_and_has_the_same_bits()
    {
        var driver = new FakeDriver();
        using var run = new StepRun(driver);
        run.Step();
        run.Forget();
        run.Step();
        float[] expected = run.Gradients();
        run.Forget();
        run.Begin();
        using CudaGraph graph = ((CudaBackend)run.Backend).Capture(run.Pass);
        Assert.All(run.Gradients(), g => Assert.Equal(0, g));
        int calls = driver.LaunchCalls;
        graph.Replay();
        Assert.Equal(expected, run.Gradients());
        Assert.Equal(calls + 1, driver.LaunchCalls);
        run.Forget();
        graph.Replay();
        Assert.Equal(expected, run.Gradients());
    }

    [Fact]
    public void A_step_that_allocates_or_waits_is_not_captured()
    {
        using Backend backend = Open(new FakeDriver());
        using Storage storage = backend.Allocate(64);
        var x = new Tensor(storage, 0, new Shape(16), DType.F32);
        backend.Clear(x);
        var cuda = (CudaBackend)backend;
        string message = Assert.Throws<InvalidOperationException>(() => cuda.Capture(() => backend.Allocate(64))).Message;
        Assert.Contains("run the step once before", message, StringComparison.Ordinal);
        message = Assert.Throws<InvalidOperationException>(() => cuda.Capture(() => backend.Upload<float>(new float[16], x))).Message;
        Assert.Contains("data is uploaded while a graph is captured", message, StringComparison.Ordinal);
        Assert.Throws<CudaException>(() => cuda.Capture(() => backend.Download<float>(x, new float[16])));
        backend.Download<float>(x, new float[16]);
    }

    [Fact]
    public void An_id_outside_the_table_ends_the_context_with_the_kernel_and_the_cause_in_the_message()
    {
        var driver = new FakeDriver();
        Backend backend = Open(driver);
        Storage storage = backend.Allocate(4096);
        Tensor table = new(storage, 0, new Shape(4, 8), DType.F32), rows = new(storage, 1024, new Shape(2), DType.I32);
        Tensor y = new(storage, 2048, new Shape(2, 8), DType.F32);
        backend.Clear(table);
        backend.Upload<int>([1, 4], rows);
        backend.Run(new GatherRowsForward(table, rows, y));
        CudaException fault = Assert.Throws<CudaException>(() => backend.Download<float>(y, new float[16]));
        Assert.Contains("the GPU has stopped", fault.Message, StringComparison.Ordinal);
        Assert.Contains("The kernel under way was gather_rows_f32", fault.Message, StringComparison.Ordinal);
        Assert.Contains("gather_rows_f32 stop the GPU so at an index outside a table", fault.Message, StringComparison.Ordinal);

        // Every later operation says the same; memory and backend can still be given back.
        CudaException again = Assert.Throws<CudaException>(() => backend.Clear(table));
        Assert.Equal((fault.Message, fault.Code), (again.Message, again.Code));
        storage.Dispose();
        backend.Dispose();
    }

    [Fact]
    public void A_kernel_that_fails_in_a_graph_is_named_too()
    {
        var driver = new FakeDriver();
        using var backend = (CudaBackend)Open(driver);
        using Storage storage = backend.Allocate(4096);
        Tensor table = new(storage, 0, new Shape(4, 8), DType.F32), rows = new(storage, 1024, new Shape(2), DType.I32);
        Tensor y = new(storage, 2048, new Shape(2, 8), DType.F32);
        backend.Clear(table);
        backend.Upload<int>([1, 3], rows);
        backend.Run(new GatherRowsForward(table, rows, y));
        using CudaGraph graph = backend.Capture(() => backend.Run(new GatherRowsForward(table, rows, y)));
        graph.Replay();
        backend.Upload<int>([1, 4], rows);
        backend.Download<float>(table, new float[32]);
        graph.Replay();
        string message = Assert.Throws<CudaException>(() => backend.Download<float>(y, new float[16])).Message;
        Assert.Contains("The kernel under way was gather_rows_f32", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Too_little_memory_is_told_in_figures()
    {
        using Backend backend = Open(new FakeDriver { MemoryBytes = 100 << 20 });
        using Storage half = backend.Allocate(60 << 20);
        DeviceMemoryException fault = Assert.Throws<DeviceMemoryException>(() => backend.Allocate(50 << 20));
        Assert.Equal("50.0 MiB were asked for on the GPU, 40.0 MiB of its 100.0 MiB are free", fault.Message);
    }

    [Theory]
    [InlineData(64, true)]
    [InlineData(128, false)]
    public void A_GPU_with_99_KiB_of_shared_memory_runs_heads_of_64_and_refuses_those_of_128_in_a_sentence(int headSize, bool runs)
    {
        using Backend backend = Open(new FakeDriver { MaxShared = 99 * 1024, Devices = [("Fake L40", 8, 9, true)] });
        var op = new AttentionCase<Alibi>([9], 1, headSize, default);
        if (runs)
        {
            OpCheck.Run(op, backend);
            return;
        }

        string message = Assert.Throws<NotSupportedException>(() => OpCheck.Run(op, backend)).Message;
        Assert.Contains("attention_alibi_f32 needs 118784 bytes of shared memory", message, StringComparison.Ordinal);
        Assert.Contains("or on the CPU", message, StringComparison.Ordinal);
    }

    private static Backend Open(FakeDriver driver) =>
        CudaDevices.TryOpen(driver, 0, out Backend? backend, out string? obstacle)
            ? backend : throw new InvalidOperationException(obstacle);

    private static byte[] Bytes(int count, int seed)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Forward and backward pass of a small model, on inputs that lie on the GPU.</summary>
    private sealed class StepRun : IDisposable
    {
        private static readonly Dnabert2Config Config =
            new()
            {
                VocabSize = 16,
                HiddenSize = 16,
                NumHiddenLayers = 2,
                NumAttentionHeads = 2,
                IntermediateSize = 24,
                HiddenDropoutProb = 0.1f,
            };

        private readonly Arena _inputs, _activations, _gradients;
        private readonly Dnabert2Model _model;
        private readonly Batch _batch;
        private readonly Tensor _rows, _labels, _scale;
        private readonly Tape _tape;

        public StepRun(FakeDriver driver)
        {
            Backend = Open(driver);
            (_inputs, _activations, _gradients) = (new Arena(Backend), new Arena(Backend), new Arena(Backend));
            _model = Dnabert2Model.Initialize(Config, Golden.TinyTokenizer(), 3, Backend, ModelParts.MlmHead, trainable: true);
            _model.Parameters.AllocateGradients();
            _batch = new Batch(_inputs, [1, 5, 6, 7, 2, 1, 9, 3, 2], [5, 4]);
            (_rows, _labels, _scale) = (Upload(1, 3, 6), Upload(5, 7, 9), _inputs.Rent(new Shape(1), DType.F32));
            Backend.Upload<float>([1f / 3], _scale);
            _tape = Tape.ForTraining(_activations, _gradients);
        }

        public Backend Backend { get; }

        public void Step()
        {
            Begin();
            Pass();
        }

        public void Begin() => _tape.Reset(7, 1);

        /// <summary>The part of a step that can be captured.</summary>
        public void Pass() => _tape.Backward(Objectives.MaskedLanguageModel(_model, _tape, _batch, _rows, _labels, _scale));

        public void Forget() => Backend.Clear(_model.Parameters.Gradients);

        public float[] Gradients()
        {
            var values = new float[_model.Parameters.Gradients.Count];
            Backend.Download<float>(_model.Parameters.Gradients, values);
            return values;
        }

        public void Dispose()
        {
            _model.Dispose();
            _inputs.Dispose();
            _activations.Dispose();
            _gradients.Dispose();
            Backend.Dispose();
        }

        private Tensor Upload(params int[] values)
        {
            Tensor tensor = _inputs.Rent(new Shape(values.Length), DType.I32);
            Backend.Upload<int>(values, tensor);
            return tensor;
        }
    }
}

using Conformance.Gpu;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Training;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Folders;
using Tests.Gpu;

namespace Tests.Training;

public sealed class TrainingMemoryTests : IDisposable
{
    private readonly Toy _toy = new();
    private readonly Corpus _corpus;

    public TrainingMemoryTests() => _corpus = _toy.Build();

    public void Dispose()
    {
        _corpus.Dispose();
        _toy.Dispose();
    }

    [Theory]
    [InlineData(false, 0.1f, 20, false)]
    [InlineData(false, 0, 20, false)]
    [InlineData(true, 0.1f, 20, false)]
    [InlineData(true, 0, 200, false)]
    [InlineData(false, 0.1f, 200, false)]
    [InlineData(false, 0.1f, 16, true)]
    [InlineData(false, 0.1f, 20, false, "rotary:40")]
    public void A_training_pass_takes_exactly_the_memory_that_is_declared(
        bool recompute, float dropout, int intermediate, bool bf16, string attention = "alibi")
    {
        using Backend backend = bf16 ? new CudaBackend(new InterpretedDevice(), DType.BF16) : CpuBackend.Create(1);
        Dnabert2Config config = Toy.Config with
        {
            HiddenSize = 24,
            NumAttentionHeads = 3,
            IntermediateSize = intermediate,
            HiddenDropoutProb = dropout,
            Attention = SelfAttention.Parse(attention),
        };
        using Dnabert2Model model = Toy.Model(backend, config);
        using var step = new TrainingStep(model, _corpus, Toy.Recipe with
        {
            GlobalBatch = bf16 ? 2 : 6,
            MicroBatchTokens = 100_000,
            Recompute = recompute,
        });
        StepResult result = step.Run(0, 1e-3);
        var declared = new TrainingMemory(config, backend.ActivationType, recompute);
        int sequences = bf16 ? 2 : 6;
        Assert.Equal((declared.Activations(sequences, result.Tokens, result.Targets), declared.Gradients(result.Tokens, result.Targets)),
            step.Memory);
    }

    public static TheoryData<string, bool, float, int> Architectures
    {
        get
        {
            var data = new TheoryData<string, bool, float, int>();
            foreach (string name in TinyModels.Names)
                foreach ((bool recompute, float dropout, int intermediate) in
                    new[] { (false, 0.1f, 20), (false, 0, 200), (true, 0.1f, 200) })
                    data.Add(name, recompute, dropout, intermediate);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Architectures))]
    public void It_is_declared_for_every_architecture_or_for_none_of_its_models(
        string name, bool recompute, float dropout, int intermediate)
    {
        using Backend backend = CpuBackend.Create(1);
        using SequenceModel model = TinyModels.Make(name, backend, ModelParts.MlmHead, dropout, intermediate, positions: 64);
        if (TrainingMemory.Of(model, DType.F32, recompute) is not { } declared) return;
        using var step = new TrainingStep(
            model, _corpus, Toy.Recipe with { GlobalBatch = 4, MicroBatchTokens = 100_000, Recompute = recompute });
        StepResult result = step.Run(0, 1e-3);
        Assert.Equal(
            (declared.Activations(4, result.Tokens, result.Targets), declared.Gradients(result.Tokens, result.Targets)), step.Memory);
    }

    [Fact]
    public void What_belongs_to_a_parameter_is_what_the_model_and_its_optimizer_hold()
    {
        using Backend backend = CpuBackend.Create(1);
        var config = new Dnabert2Config
        {
            VocabSize = 4096,
            HiddenSize = 256,
            NumHiddenLayers = 1,
            NumAttentionHeads = 4,
            IntermediateSize = 512,
        };
        using Dnabert2Model model = Toy.Model(backend, config);
        using var step = new TrainingStep(model, _corpus, Toy.Recipe with { GlobalBatch = 1 });
        double expected = new TrainingMemory(config, DType.F32, false).BytesPerParameter * (double)model.Parameters.Count;

        // Beside it: numbers and words of the optimizer, and pieces of memory that are not used up.
        Assert.InRange(backend.LiveBytes / expected, 1, 1.6);
    }
}

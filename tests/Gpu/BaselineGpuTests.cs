using Conformance.Gpu;
using Conformance.Model;
using Dnabert2;
using Dnabert2.Embeddings;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Tests.Gpu;

/// <summary>DNABERT and the Nucleotide Transformer on the GPU's backend, its kernels run by the PTX interpreter.</summary>
[Trait("Category", "Slow")]
public sealed class BaselineGpuTests
{
    [Theory]
    [InlineData("dnabert3_tiny", "mlm")]
    [InlineData("dnabert3_tiny", "cls")]
    [InlineData("nt_tiny", "mlm")]
    [InlineData("nt_tiny", "cls")]
    public void Loss_and_gradients_equal_the_reference(string name, string loss) => BaselineChecks.Gradients(
        SharedData.Golden("baselines/" + name), loss, recompute: false, () => new CudaBackend(new InterpretedDevice()));

    [Theory]
    [InlineData("dnabert3_tiny")]
    [InlineData("nt_tiny")]
    public void Hidden_states_and_logits_equal_the_reference(string name) =>
        BaselineChecks.Forward(SharedData.Golden("baselines/" + name), () => new CudaBackend(new InterpretedDevice()));

    /// <summary>Batches are filled up to whole tiles, by no sequence that is longer than the positions.</summary>
    [Theory]
    [InlineData("dnabert3_tiny")]
    [InlineData("nt_tiny")]
    public void Vectors_are_those_of_the_processor(string name)
    {
        string[] sequences = ["ACGTTGCATTGACCAGTTGACCA", "GATTACA", "ACGTNACGTACGGTACCATGACCAGTACCATTGACCA"];
        string folder = SharedData.Path("golden/baselines/hf/" + name);
        var options = new EmbedOptions { MaxTokens = 32, Overlap = 4 };
        using Backend cpu = CpuBackend.Create(), gpu = new CudaBackend(new InterpretedDevice());
        using SequenceModel onCpu = SequenceModel.Load(folder, cpu, ModelParts.Encoder);
        using SequenceModel onGpu = SequenceModel.Load(folder, gpu, ModelParts.Encoder);
        Assert.Equal(
            new Embedder(onCpu, options).Embed(sequences).ToArray().Cast<float>(),
            new Embedder(onGpu, options).Embed(sequences).ToArray().Cast<float>(), (a, b) => Math.Abs(a - b) < 2e-5);
    }
}

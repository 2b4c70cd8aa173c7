using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.Extensions.AI;
using Engine.Runtime;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Tests.Tools;
using Tests.Training;

namespace Tests.Extensions;

public sealed class GeneratorTests : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create(2);
    private readonly Dnabert2Model _model;

    public GeneratorTests() => _model = Toy.Model(_backend);

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public async Task Its_vectors_are_those_of_the_embedder_and_its_usage_their_tokens()
    {
        string[] sequences = ["ACGTTGCA", "acgu", "GGGATTTACCC"];
        float[,] expected = new Embedder(_model).Embed(sequences).ToArray();
        using var generator = new DnaEmbeddingGenerator(_model, modelId: "toy");
        GeneratedEmbeddings<Embedding<float>> made = await generator.GenerateAsync(sequences);
        for (int i = 0; i < sequences.Length; i++)
        {
            Assert.Equal("toy", made[i].ModelId);
            for (int c = 0; c < _model.HiddenSize; c++) Assert.Equal(expected[i, c], made[i].Vector.Span[c]);
        }

        var ids = new List<int>();
        foreach (string sequence in (string[])["ACGTTGCA", "ACGT", "GGGATTTACCC"])
            _model.Tokenizer.EncodeSequence(System.Text.Encoding.ASCII.GetBytes(sequence), ids);
        Assert.Equal(ids.Count, made.Usage!.InputTokenCount);
        Assert.Empty(await generator.GenerateAsync([]));
        var metadata = (EmbeddingGeneratorMetadata)generator.GetService(typeof(EmbeddingGeneratorMetadata))!;
        Assert.Equal((_model.HiddenSize, "toy"), (metadata.DefaultModelDimensions, metadata.DefaultModelId));
    }

    [Fact]
    public async Task What_it_cannot_give_is_refused_and_a_cancelled_call_ends()
    {
        using var generator = new DnaEmbeddingGenerator(_model, modelId: "toy");
        Assert.Contains("Dimensions is 5: vectors of this model have", (await Assert.ThrowsAsync<ArgumentException>(
            () => generator.GenerateAsync(["ACGT"], new EmbeddingGenerationOptions { Dimensions = 5 }))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(
            () => generator.GenerateAsync(["ACGT"], new EmbeddingGenerationOptions { ModelId = "other" }));
        Assert.Contains("sequence 1 is empty", (await Assert.ThrowsAsync<InvalidDataException>(
            () => generator.GenerateAsync(["ACGT", ""]))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidDataException>(() => generator.GenerateAsync(["ACGT", "protein?"]));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => generator.GenerateAsync(["ACGT"], cancellationToken: new CancellationToken(canceled: true)));
    }

    [Fact]
    public async Task Services_have_one_model_that_is_disposed_with_them()
    {
        using var toy = new ToyModel();
        ServiceProvider provider = new ServiceCollection().AddDnabert2(toy.Folder).BuildServiceProvider();
        var generator = provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        Assert.Same(provider.GetRequiredService<DnaEmbeddingGenerator>(), generator);
        Assert.Equal(24, (await generator.GenerateAsync("ACGTTGCA")).Dimensions);
        var model = provider.GetRequiredService<SequenceModel>();
        await provider.DisposeAsync();
        Assert.ThrowsAny<ObjectDisposedException>(() => model.Backend.Allocate(1));
    }
}

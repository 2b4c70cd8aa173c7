using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Engine.Runtime;
using Tests.Training;

namespace Tests.FineTuning;

public sealed class DamagedFolderTests
{
    [Fact]
    public void A_damaged_file_beside_the_weights_leaves_no_model_behind()
    {
        Backend backend = CpuBackend.Create(1);
        using var toy = new ToyTask(backend);
        File.WriteAllText(Path.Combine(toy.Start, "tokenizer_config.json"), "{");
        ModelSource source = ModelSource.Open(toy.Start);
        FineTuneOptions options = ToyTask.With(FineTuneMethod.Full);
        var data = new TaskData(toy.Task(), Toy.Tokenizer, options);
        Assert.Contains("tokenizer_config.json", Assert.Throws<InvalidDataException>(
            () => source.Load(backend, ModelParts.Encoder, trainable: true)).Message, StringComparison.Ordinal);
        foreach (bool random in new[] { false, true })
            Assert.Contains("tokenizer_config.json", Assert.Throws<InvalidDataException>(() => FineTuneModel.Create(
                source, data.Config, options with { RandomInitialization = random }, backend, out _)).Message, StringComparison.Ordinal);
        // It would say that storages were not disposed.
        backend.Dispose();
    }
}

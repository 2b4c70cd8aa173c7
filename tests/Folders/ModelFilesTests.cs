using System.Reflection;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Folders;

public sealed class ModelFilesTests : IDisposable
{
    private static readonly string[] Two = ["ACGTTGCATTGACCA", "GGGATTTACCCATTG"];
    private readonly ToyModel _toy = new();

    public void Dispose() => _toy.Dispose();

    [Fact]
    public void A_model_in_memory_gives_the_vectors_of_its_folder()
    {
        using SequenceModel onDisk = SequenceModel.Load(_toy.Folder), inMemory = ModelSource.Open(Files()).Load();
        Assert.Equal(new Embedder(onDisk).Embed(Two).ToArray(), new Embedder(inMemory).Embed(Two).ToArray());
    }

    [Theory]
    [MemberData(nameof(TinyModels.Names), MemberType = typeof(TinyModels))]
    public void A_model_of_every_architecture_is_loaded_from_memory(string architecture)
    {
        using var folder = new TempFolder();
        using Backend backend = CpuBackend.Create(1);
        using (SequenceModel made = TinyModels.Make(architecture, backend, ModelParts.Encoder)) ModelFolder.Save(made, folder["saved"]);
        var files = new ModelFiles("in memory");
        foreach (string path in Directory.EnumerateFiles(folder["saved"])) files.Add(Path.GetFileName(path), File.ReadAllBytes(path));
        using SequenceModel onDisk = SequenceModel.Load(folder["saved"], backend), inMemory = ModelSource.Open(files).Load(backend);
        EmbedOptions options = new() { MaxTokens = 16, Overlap = 4 };
        Assert.Equal(new Embedder(onDisk, options).Embed(Two).ToArray(), new Embedder(inMemory, options).Embed(Two).ToArray());
    }

    [Fact]
    public void A_model_that_is_a_resource_of_an_assembly_is_not_copied_and_is_the_built_in_one()
    {
        ModelFiles files = ModelFiles.FromResources(Assembly.Load("Dnabert2.BuiltInModel"), "Dnabert2.BuiltInModel/");
        Assert.Equal(
            ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"],
            files.FileNames.Order(StringComparer.Ordinal));
        long before = GC.GetAllocatedBytesForCurrentThread();
        ModelFiles.FromResources(Assembly.Load("Dnabert2.BuiltInModel"), "Dnabert2.BuiltInModel/");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        using Dnabert2Model embedded = ModelSource.Open(files).Load<Dnabert2Model>(), builtIn = Dnabert2Model.LoadDefault();
        using SequenceModel folder = SequenceModel.Load(SharedData.BuiltInFolder);
        Assert.Equal(new Embedder(folder).Embed(Two).ToArray(), new Embedder(builtIn).Embed(Two).ToArray());
        Assert.Equal(new Embedder(folder).Embed(Two).ToArray(), new Embedder(embedded).Embed(Two).ToArray());
    }

    [Fact]
    public void An_assembly_without_such_resources_is_an_error_that_says_what_was_looked_for() =>
        Assert.Contains("Tests has no resource whose name begins with nothing.", Assert.Throws<ArgumentException>(
            () => ModelFiles.FromResources(typeof(ModelFilesTests).Assembly, "nothing.")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("config.json", "in memory/config.json is missing")]
    [InlineData("tokenizer.json", "in memory/tokenizer.json is missing")]
    [InlineData("model.safetensors", "in memory: neither model.safetensors nor pytorch_model.bin is there")]
    public void A_file_that_is_not_among_those_in_memory_is_named(string name, string message)
    {
        ModelSource source = ModelSource.Open(Files(without: name));
        Assert.Contains(
            message, Assert.Throws<FileNotFoundException>(() => source.Load()).Message.Replace('\\', '/'), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("config.json")]
    [InlineData("tokenizer.json")]
    [InlineData("model.safetensors")]
    public void A_file_in_memory_that_is_empty_or_cut_short_is_an_error_that_names_it(string name)
    {
        foreach (double share in (double[])[0, 0.5])
        {
            ModelFiles files = Files(without: name);
            byte[] whole = File.ReadAllBytes(Path.Combine(_toy.Folder, name));
            files.Add(name, whole.AsMemory(0, (int)(share * whole.Length)));
            string message = Assert.Throws<InvalidDataException>(() => ModelSource.Open(files).Load()).Message;
            Assert.Contains(name, message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Fine_tuning_begins_with_a_model_in_memory_and_its_adapter_names_the_built_in_one()
    {
        using var folder = new TempFolder();
        LabelledTask task = LabelledTask.Read(Path.Combine(SharedData.Checkout, "tools", "dnabert2", "samples", "task"));
        var options = new FineTuneOptions { Method = FineTuneMethod.Lora, Steps = 1, MaxTokens = 16 };
        using (var run = new FineTuner(ModelSource.BuiltIn, task, folder["run"], options)) run.Run();
        Assert.Contains(
            "\"base_model_name_or_path\": \"default\"", File.ReadAllText(folder["run/adapter_config.json"]), StringComparison.Ordinal);
        using ClassifierModel classifier = ClassifierModel.Load(folder["run"]);
        Assert.Equal(2, classifier.Names.Count);
        Assert.Empty(ModelSource.Open(ModelSource.BuiltIn).Folders);
    }

    private ModelFiles Files(string? without = null)
    {
        var files = new ModelFiles("in memory");
        foreach (string path in Directory.EnumerateFiles(_toy.Folder))
        {
            if (Path.GetFileName(path) == without) continue;
            using FileStream stream = File.OpenRead(path);
            files.Add(Path.GetFileName(path), stream);
        }

        return files;
    }
}

using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Folders;
using Dnabert2.Training;
using Dnabert2.Weights;
using Engine.Runtime;
using Tests.Training;
using Tests.Weights;

namespace Tests.Folders;

/// <summary>A folder that is written of a model, of whichever architecture, is a folder of that model.</summary>
public sealed class SavedFolderTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly Backend _backend = CpuBackend.Create(1);

    public static TheoryData<string> Names => TinyModels.Names;

    public void Dispose()
    {
        _folder.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void It_is_recognised_and_has_every_weight_and_the_tokenizer_of_the_model(string name)
    {
        using SequenceModel model = TinyModels.Make(
            name, _backend, ModelParts.MlmHead | ModelParts.Pooler | ModelParts.Classifier);
        ModelFolder.Save(model, _folder["saved"]);
        ModelSource source = ModelSource.Open(_folder["saved"]);
        Assert.Same(TinyModels.Find(name), source.Architecture);
        using SequenceModel loaded = source.Load(_backend, trainable: true);
        Assert.Equal(model.GetType(), loaded.GetType());
        Assert.Equal((model.Parts, model.NumLabels, model.MaxTokens), (loaded.Parts, loaded.NumLabels, loaded.MaxTokens));
        Assert.Equal(model.WriteConfig().ToJsonString(), loaded.WriteConfig().ToJsonString());
        Assert.Equal(Toy.Weights(model), Toy.Weights(loaded));
        Assert.Equal(Ids(model), Ids(loaded));

        // And so does what is written of it.
        ModelFolder.Save(loaded, _folder["again"]);
        Assert.Equal(Toy.Files(_folder["saved"]), Toy.Files(_folder["again"]));
    }

    [Theory]
    [InlineData("dnabert3_tiny", "BertForMaskedLM")]
    [InlineData("nt_tiny", "EsmForMaskedLM")]
    public void What_a_published_folder_holds_besides_goes_along(string name, string className)
    {
        string published = SharedData.Path("golden/baselines/hf/" + name);
        using (SequenceModel model = SequenceModel.Load(published, _backend, ModelParts.MlmHead | ModelParts.Pooler, trainable: true))
            ModelFolder.Save(model, _folder["saved"]);
        JsonObject before = Json(published, "config.json"), after = Json(_folder["saved"], "config.json");
        foreach ((string key, JsonNode? value) in before)
            Assert.True(JsonNode.DeepEquals(value, after[key]), $"{key} was {value?.ToJsonString()} and is {after[key]?.ToJsonString()}");
        Assert.Equal(className, after["architectures"]![0]!.GetValue<string>());
        foreach (string file in (string[])["vocab.txt", "tokenizer_config.json", "special_tokens_map.json"])
            Assert.Equal(File.ReadAllBytes(Path.Combine(published, file)), File.ReadAllBytes(_folder["saved/" + file]));

        // Weights that nothing computes with, and second names, are among those that Hugging Face's classes look for. They tie the decoder.
        using ModelWeights was = ModelWeights.Open(published), now = ModelWeights.Open(_folder["saved"]);
        Assert.DoesNotContain(
            was.Names.Except(now.Names),
            weight => weight != "cls.predictions.decoder.weight" && !weight.EndsWith("position_ids", StringComparison.Ordinal));
        foreach (ModelWeight weight in now.All)
        {
            Assert.True(was.TryGet(weight.Name, out ModelWeight? original), weight.Name);
            Assert.Equal(original.File.Values(original.Entry.Name), weight.File.Values(weight.Entry.Name));
        }
    }

    private static List<int> Ids(SequenceModel model)
    {
        List<int> ids = [];
        model.Tokenizer.EncodeSequence("ACGTTGCATTGACCANAGTCA"u8, ids);
        return ids;
    }

    private static JsonObject Json(string folder, string file) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(folder, file)))!.AsObject();
}

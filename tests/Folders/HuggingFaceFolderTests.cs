using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Folders;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.Tools;
using Tests.Training;
using Tests.Weights;

namespace Tests.Folders;

/// <summary>What Hugging Face's auto classes need beside the weights, without which they load another model or none.</summary>
public sealed class HuggingFaceFolderTests : IDisposable
{
    private const string Code = "zhihan1996/DNABERT-2-117M--";
    private readonly TempFolder _folder = new();
    private readonly Backend _backend = CpuBackend.Create(1);

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_new_model_names_the_published_code_and_the_class_of_its_tokenizer()
    {
        using (Dnabert2Model model = Toy.Model(_backend)) ModelFolder.Save(model, _folder["new"]);
        foreach (string folder in (string[])[_folder["new"], SharedData.BuiltInFolder])
        {
            JsonObject config = Json(folder, "config.json"), tokenizer = Json(folder, "tokenizer_config.json");
            // With a model_type the auto classes load the published BERT where remote code is not trusted, with random weights.
            Assert.False(config.ContainsKey("model_type"));
            JsonObject map = config["auto_map"]!.AsObject();
            Assert.Equal(Code + "configuration_bert.BertConfig", map["AutoConfig"]!.GetValue<string>());
            Assert.Equal(Code + "bert_layers.BertForMaskedLM", map["AutoModelForMaskedLM"]!.GetValue<string>());
            Assert.Equal(
                Code + "bert_layers.BertForSequenceClassification", map["AutoModelForSequenceClassification"]!.GetValue<string>());
            Assert.Equal("PreTrainedTokenizerFast", tokenizer["tokenizer_class"]!.GetValue<string>());
            Assert.Equal(
                ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"],
                ((string[])["unk", "cls", "sep", "pad", "mask"]).Select(name => tokenizer[$"{name}_token"]!.GetValue<string>()));
        }
    }

    [Fact]
    public void Attention_that_the_published_code_does_not_compute_does_not_name_it()
    {
        ToyModel.Write(_folder["base"]);
        JsonObject config = Json(_folder["base"], "config.json");
        config["auto_map"] = new JsonObject { ["AutoModel"] = "bert_layers.BertModel" };
        File.WriteAllText(_folder["base/config.json"], config.ToJsonString());
        Save(SelfAttention.Alibi, "same");
        Save(SelfAttention.Parse("none"), "other");
        Assert.Equal("bert_layers.BertModel", Json(_folder["same"], "config.json")["auto_map"]!["AutoModel"]!.GetValue<string>());
        Assert.False(Json(_folder["other"], "config.json").ContainsKey("auto_map"));

        void Save(SelfAttention attention, string folder)
        {
            ModelSource source = ModelSource.Open(_folder["base"], attention: attention);
            using Dnabert2Model model = source.Load<Dnabert2Model>(_backend, trainable: true);
            ModelFolder.Save(model, _folder[folder]);
        }
    }

    [Fact]
    public void Settings_that_the_tokenizer_has_stay_as_they_are()
    {
        ToyModel.Write(_folder["base"]);
        File.WriteAllText(_folder["base/tokenizer_config.json"], "{ \"tokenizer_class\": \"Own\" }");
        using Dnabert2Model model = ModelSource.Open(_folder["base"]).Load<Dnabert2Model>(_backend, trainable: true);
        ModelFolder.Save(model, _folder["saved"]);
        Assert.Equal("{ \"tokenizer_class\": \"Own\" }", File.ReadAllText(_folder["saved/tokenizer_config.json"]));
    }

    private static JsonObject Json(string folder, string file) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, file)))!.AsObject();
}

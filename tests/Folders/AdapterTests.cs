using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.FineTuning;
using Tests.Tools;

namespace Tests.Folders;

[Trait("Category", "Slow")]
public sealed class AdapterTests : IDisposable
{
    private const string Prefix = PlainAdapter.Prefix, First = PlainAdapter.First, Second = PlainAdapter.Second, Wo = PlainAdapter.Wo;
    private readonly PlainAdapter _adapter = new();

    public void Dispose() => _adapter.Dispose();

    [Fact]
    public void An_adapter_of_two_files_takes_all_else_from_its_base() =>
        _adapter.Add(First, 2).Add(Second, 2).AssertIsTheExpectedModel();

    [Fact]
    public void A_rank_stabilised_addition_is_divided_by_the_root_of_its_rank()
    {
        _adapter.Config["use_rslora"] = true;
        _adapter.Add(First, 6 / Math.Sqrt(3)).Add(Second, 6 / Math.Sqrt(3)).AssertIsTheExpectedModel();
    }

    [Theory]
    [InlineData("attention.self.Wqkv", true, true)]
    [InlineData("Wqkv", true, true)]
    [InlineData("bert.encoder.layer.0.attention.self.Wqkv", true, false)]
    [InlineData(@"layer\.[1-9]\.attention\.self\.W\w+", false, true)]
    [InlineData("^bert.encoder.layer.0.attention.self.Wqkv", true, false)]
    [InlineData("self", false, false)]
    [InlineData("qkv", false, false)]
    [InlineData(@"\d{1,2}.attention.self.Wqkv", true, true)]
    public void Ranks_and_alphas_by_pattern_are_matched_as_PEFT_matches_them(string pattern, bool first, bool second)
    {
        _adapter.Config["rank_pattern"] = new JsonObject { ["mlp.wo"] = 1, [pattern] = 5 };
        // Of several that match, the first one counts.
        _adapter.Config["alpha_pattern"] = new JsonObject { [pattern] = 2.5, [".*Wqkv"] = 9 };
        _adapter.Config["target_modules"] = new JsonArray("attention.self.Wqkv", "bert.encoder.layer.0.mlp.wo");
        _adapter.Add(First, first ? 2.5 / 5 : 9.0 / 3, first ? 5 : 3).Add(Second, second ? 2.5 / 5 : 9.0 / 3, second ? 5 : 3).Add(Wo, 6, 1)
            .AssertIsTheExpectedModel();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Rows_of_DoRA_have_their_learned_lengths(bool stabilised)
    {
        double scale = stabilised ? 6 / Math.Sqrt(3) : 2;
        (_adapter.Config["use_dora"], _adapter.Config["use_rslora"]) = (true, stabilised);
        _adapter.Add(First, scale, dora: true).Add(Second, scale, dora: true)
            .Add(PlainAdapter.Layer + "1.mlp.gated_layers", scale, dora: true).AssertIsTheExpectedModel();
    }

    [Fact]
    public void Pooler_and_classifier_may_be_saved_or_have_additions_and_the_classes_are_those_of_the_adapter()
    {
        _adapter.Config["target_modules"] = "all-linear";
        foreach (string layer in (string[])["attention.self.Wqkv", "attention.output.dense", "mlp.gated_layers", "mlp.wo"])
            for (int n = 0; n < 2; n++) _adapter.Add($"{PlainAdapter.Layer}{n}.{layer}", 2);
        _adapter.Add("bert.pooler.dense", 2).Classes(5).AssertIsTheExpectedModel();
        using ClassifierModel model = ClassifierModel.Load(_adapter.Folder);
        Assert.Equal(["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"], model.Names);
        Assert.Equal((TaskKind.SingleLabel, 128), (model.Kind, model.MaxTokens));
    }

    [Fact]
    public void A_classifier_may_have_an_addition_to_that_of_the_base() =>
        _adapter.Add(First, 2).Add(Second, 2).Add("classifier", 2).AssertIsTheExpectedModel();

    [Fact]
    public void One_output_is_a_regression()
    {
        _adapter.Add(First, 2).Add(Second, 2).Classes(1).AssertIsTheExpectedModel();
        using ClassifierModel model = ClassifierModel.Load(_adapter.Folder);
        Assert.Equal(TaskKind.Regression, model.Kind);
    }

    [Theory]
    [InlineData(".bias")]
    [InlineData(".base_layer.bias")]
    public void Trained_biases_of_the_targets_come_along(string suffix)
    {
        _adapter.Config["bias"] = "lora_only";
        _adapter.Add(First, 2).Add(Second, 2).Save(First + ".bias", Prefix + First + suffix)
            .Save(Second + ".bias", Prefix + Second + suffix)
            .AssertIsTheExpectedModel();
        _adapter.Weights.Remove(Prefix + Second + suffix);
        Assert.Contains($"missing: {Second}.bias [72]", _adapter.Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void All_biases_come_along_with_those_of_normalisations()
    {
        _adapter.Config["bias"] = "all";
        _adapter.Config["modules_to_save"] = new JsonArray("classifier");
        foreach (string parameter in Tensors.Read(Path.Combine(_adapter.Base, "model.safetensors")).Keys.Where(
            k => k.EndsWith(".bias", StringComparison.Ordinal)))
            _adapter.Save(
                parameter, Prefix
                + (parameter.Contains("Wqkv", StringComparison.Ordinal)
                    ? parameter.Replace(".bias", ".base_layer.bias", StringComparison.Ordinal) : parameter));
        // What PEFT writes besides of a module that is saved: the bias once more, and the one before training.
        _adapter.Weights[Prefix + "classifier.modules_to_save.bias"] = _adapter.Weights[Prefix + "classifier.bias"];
        _adapter.Weights.Draw(Prefix + "classifier.original_module.bias", 1, 1, 3);
        _adapter.Save("classifier.weight").Add(First, 2).Add(Second, 2).AssertIsTheExpectedModel();
        _adapter.Weights.Remove(Prefix + "bert.embeddings.LayerNorm.bias");
        Assert.Contains("missing: bert.embeddings.LayerNorm.bias [24]", _adapter.Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void Any_parameter_that_was_saved_replaces_that_of_the_base()
    {
        _adapter.Config["modules_to_save"] = new JsonArray("LayerNorm", "word_embeddings");
        foreach (string parameter in Tensors.Read(Path.Combine(_adapter.Base, "model.safetensors")).Keys.Where(
            k => k.Contains("LayerNorm", StringComparison.Ordinal)
            || k.Contains("word_embeddings", StringComparison.Ordinal))) _adapter.Save(parameter);
        _adapter.Add(First, 2).Add(Second, 2).AssertIsTheExpectedModel();
        _adapter.Weights.Remove(Prefix + "bert.embeddings.LayerNorm.weight");
        Assert.Contains(
            "missing: bert.embeddings.LayerNorm.weight [24], which modules_to_save names", _adapter.Refusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("module.")]
    [InlineData("_orig_mod.module.")]
    [InlineData("base_model.model.base_model.model.")]
    public void Names_may_be_wrapped_and_hold_what_PEFT_calls_its_modules(string wrapper)
    {
        _adapter.Add(First, 2).Add(Second, 2).Classes(3);
        Tensors renamed = _adapter.Weights.Rename(name => wrapper + name.Replace("lora_A.", "lora_A.default.", StringComparison.Ordinal)
            .Replace("lora_B.", "lora_B.default.", StringComparison.Ordinal)
            .Replace("classifier.", "classifier.modules_to_save.default.", StringComparison.Ordinal));
        _adapter.Weights.Clear();
        foreach ((string name, (int[], float[]) tensor) in renamed) _adapter.Weights.Add(name, tensor);
        _adapter.AssertIsTheExpectedModel();
    }

    [Fact]
    public void An_encoder_that_was_trained_alone_has_names_without_bert()
    {
        _adapter.Add(First, 2).Add(Second, 2);
        float[] expected = Embed(_adapter.Write().Folder);
        Tensors renamed = _adapter.Weights.Rename(name => name.Replace("bert.", "", StringComparison.Ordinal));
        _adapter.Weights.Clear();
        foreach ((string name, (int[], float[]) tensor) in renamed) _adapter.Weights.Add(name, tensor);
        _adapter.Config["task_type"] = "FEATURE_EXTRACTION";
        Assert.Equal(expected, Embed(_adapter.Write(torch: true).Folder));
        Assert.NotEqual(expected, Embed(_adapter.Base));
        Assert.Contains("FEATURE_EXTRACTION", Assert.Throws<InvalidDataException>(() => ClassifierModel.Load(_adapter.Folder)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("peft_type", "\"IA3\"", "peft_type is \"IA3\"")]
    [InlineData("r", "0", "r is 0, expected a whole number from 1 to 4096")]
    [InlineData("lora_alpha", "1e300", "lora_alpha is 1e300, expected a number from 0 to 1000000000")]
    [InlineData("lora_alpha", "-1", "lora_alpha is -1")]
    [InlineData("bias", "\"some\"", "bias is 'some'")]
    [InlineData("fan_in_fan_out", "true", "fan_in_fan_out is true")]
    [InlineData("lora_bias", "true", "lora_bias is true")]
    [InlineData("layer_replication", "[[0,1],[0,2]]", "layer_replication is [[0,1],[0,2]]")]
    [InlineData("megatron_config", "{\"a\":1}", "megatron_config")]
    [InlineData("trainable_token_indices", "[1]", "trainable_token_indices")]
    [InlineData("target_parameters", "[\"x\"]", "target_parameters")]
    [InlineData("alora_invocation_tokens", "[1]", "alora_invocation_tokens")]
    [InlineData("use_qalora", "true", "use_qalora")]
    [InlineData("something_new", "true", "something_new is true, which is not supported")]
    [InlineData("rank_pattern", "{\"Wqkv\":4097}", "rank_pattern.Wqkv is 4097")]
    [InlineData("rank_pattern", "[]", "rank_pattern is Array")]
    [InlineData("alpha_pattern", "{\"Wqkv\":2e9}", "alpha_pattern.Wqkv")]
    [InlineData("rank_pattern", "{\"(a{9}){9}\":4}", "repeats a group")]
    [InlineData("rank_pattern", "{\"(\":4}", "no regular expression")]
    [InlineData("init_lora_weights", "\"pissa\"", "path_initial_model_for_weight_conversion")]
    [InlineData("init_lora_weights", "\"pissa_niter_16\"", "pissa_niter_16")]
    [InlineData("init_lora_weights", "\"olora\"", "path_initial_model_for_weight_conversion")]
    [InlineData("init_lora_weights", "\"OLoRA\"", "path_initial_model_for_weight_conversion")]
    [InlineData("init_lora_weights", "\"corda\"", "path_initial_model_for_weight_conversion")]
    [InlineData("init_lora_weights", "\"lora_ga\"", "path_initial_model_for_weight_conversion")]
    [InlineData("init_lora_weights", "\"loftq\"", "quantises the base's weights")]
    [InlineData("init_lora_weights", "\"newest\"", "init_lora_weights is \"newest\"")]
    public void What_changes_the_computation_otherwise_is_refused_by_its_name(string key, string value, string what)
    {
        _adapter.Add(First, 2).Add(Second, 2).Config[key] = JsonNode.Parse(value);
        Assert.Contains(what, _adapter.Refusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("init_lora_weights", "false")]
    [InlineData("init_lora_weights", "\"gaussian\"")]
    [InlineData("init_lora_weights", "\"eva\"")]
    [InlineData("eva_config", "{\"rho\":2.0}")]
    [InlineData("loftq_config", "{}")]
    [InlineData("corda_config", "null")]
    [InlineData("peft_version", "\"0.18.0\"")]
    [InlineData("something_new", "null")]
    [InlineData("something_new", "false")]
    [InlineData("exclude_modules", "[\"x\"]")]
    [InlineData("layers_to_transform", "[0,1]")]
    [InlineData("target_modules", "\".*Wqkv\"")]
    public void What_says_how_it_was_trained_is_no_obstacle(string key, string value)
    {
        _adapter.Config[key] = JsonNode.Parse(value);
        _adapter.Add(First, 2).Add(Second, 2).AssertIsTheExpectedModel();
    }

    [Theory]
    [InlineData("{0}.lora_B.bias", 72, "lora_B.bias")]
    [InlineData("bert.embeddings.word_embeddings.lora_embedding_A", 80, "lora_embedding_A")]
    [InlineData("{0}.lora_magnitude_vector", 72, "use_dora is false")]
    [InlineData("bert.encoder.layer.7.mlp.wo.bias", 24, "bert.encoder.layer.7.mlp.wo.bias [24] is not a parameter")]
    [InlineData("bert.encoder.layer.0.mlp.gated_layers.bias", 40, "mlp.gated_layers.bias [40] is not a parameter")]
    public void A_tensor_that_has_no_place_is_named(string name, int count, string what)
    {
        _adapter.Add(First, 2).Add(Second, 2).Weights.Draw(Prefix + string.Format(null, name, First), 1, 1, count);
        Assert.Contains(what, _adapter.Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_layer_without_its_factors_or_of_another_model_is_named()
    {
        Assert.Contains(
            $"missing: the factors of {Second}, which target_modules names", _adapter.Add(First, 2).Refusal(), StringComparison.Ordinal);
        _adapter.Add(Second, 2).Weights.Draw($"{Prefix}bert.encoder.layer.0.query.lora_A.weight", 1, 1, 3, 24)
            .Draw($"{Prefix}bert.encoder.layer.0.query.lora_B.weight", 1, 1, 24, 3);
        Assert.Contains("bert.encoder.layer.0.query is not a layer of the base model", _adapter.Refusal(), StringComparison.Ordinal);
        _adapter.Weights.Remove($"{Prefix}bert.encoder.layer.0.query.lora_A.weight");
        Assert.Contains("bert.encoder.layer.0.query has lora_B without its other factor", _adapter.Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_magnitude_that_is_missing_is_named()
    {
        _adapter.Config["use_dora"] = true;
        Assert.Contains($"{Second} has no lora_magnitude_vector", _adapter.Add(First, 2, dora: true).Add(Second, 2).Refusal(),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_merge_that_leaves_the_range_of_floats_names_the_weight_and_leaves_nothing()
    {
        _adapter.Config["lora_alpha"] = 1e9;
        _adapter.Add(First, 2).Add(Second, 2).Weights[$"{Prefix}{Second}.lora_B.weight"].Values[4] = 3e38f;
        Assert.Contains($"merged with its base, {Second}.weight holds ", _adapter.Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_lost_pooler_is_named_and_the_encoder_can_be_used_all_the_same()
    {
        Tensors weights = Tensors.Read(Path.Combine(_adapter.Base, "model.safetensors"));
        weights.Rename(name => name.Contains("pooler", StringComparison.Ordinal) || name.StartsWith("classifier", StringComparison.Ordinal)
            ? null : name)
            .Write(Path.Combine(_adapter.Base, "model.safetensors"));
        _adapter.Add(First, 2).Add(Second, 2).Classes(2).Write();
        string message = Assert.Throws<InvalidDataException>(() => ClassifierModel.Load(_adapter.Folder)).Message;
        Assert.Contains("the pooler is lost", message, StringComparison.Ordinal);
        Assert.Contains("\"pooler\" among modules_to_save", message, StringComparison.Ordinal);
        Embed(_adapter.Folder);
        ToolRun info = ToolRun.Of("info", _adapter.Folder);
        Assert.Equal(1, info.Code);
        Assert.Matches("(?m)^missing +the pooler", info.Text);
    }

    private static float[] Embed(string folder)
    {
        using Dnabert2Model model = Dnabert2Model.Load(folder, parts: ModelParts.Encoder);
        return [.. new Embedder(model).Embed(["ACGTTGCATTGACCA", "GGGATTT"]).ToArray().Cast<float>()];
    }
}

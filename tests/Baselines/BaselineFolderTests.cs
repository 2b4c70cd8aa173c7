using System.Text;
using System.Text.Json.Nodes;
using Conformance.Model;
using Dnabert2;
using Dnabert2.Dnabert;
using Dnabert2.Embeddings;
using Dnabert2.Folders;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Folders;
using Tests.Weights;

namespace Tests.Baselines;

/// <summary>Folders in the layouts of the published models, and what is wrong with some.</summary>
public sealed class BaselineFolderTests : IDisposable
{
    private const string Bert = "dnabert3_tiny", Esm = "nt_tiny";
    private readonly TempFolder _folder = new();
    private readonly Backend _backend = CpuBackend.Create(2);

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(Bert, typeof(DnabertModel), ModelParts.Pooler | ModelParts.MlmHead)]
    [InlineData(Esm, typeof(NucleotideTransformerModel), ModelParts.MlmHead)]
    public void A_published_folder_is_recognised_and_every_weight_is_the_one_that_was_stored(string name, Type type, ModelParts parts)
    {
        using var golden = new BaselineGolden(BaselineGoldenTests.Golden(name));
        using SequenceModel model = SequenceModel.Load(Folder(name), _backend, trainable: true);
        Assert.IsType(type, model);
        Assert.Equal(parts, model.Parts & ~ModelParts.Classifier);
        foreach (Parameter p in model.Parameters.Parameters)
        {
            var expected = new float[p.Shape.Count];
            golden.Fill(p.TiedTo ?? p, 0, expected);
            Assert.Equal(expected, p.Value.Span<float>().ToArray());
        }
    }

    [Theory]
    [InlineData(Bert)]
    [InlineData(Esm)]
    public void A_published_folder_gives_the_reference_logits_in_inference(string name)
    {
        using var golden = new BaselineGolden(BaselineGoldenTests.Golden(name));
        using SequenceModel model = SequenceModel.Load(Folder(name), _backend, ModelParts.MlmHead);
        using var arena = new Arena(_backend);
        var tape = Tape.ForInference(arena);
        Variable x = model.Encode(tape, golden.Rows(golden.Root, "mlm_input_ids").Upload(arena));
        Tensor logits = model.PredictTokens(tape, x).Data;
        var values = new float[logits.Count];
        _backend.DownloadNumbers(logits, values);
        Conformance.Cases.Check.Near(golden.Expected("mlm.logits"), values, 2e-5, "logits");
    }

    [Fact]
    public void An_encoder_saved_alone_loads_under_its_own_prefix()
    {
        foreach (string name in (string[])[Bert, Esm])
        {
            string folder = Copy(name, tensors =>
            {
                Tensors all = tensors.Rename(key => key);
                tensors.Clear();
                foreach ((string key, (int[] Shape, float[] Values) value) in all)
                    if (key.StartsWith("bert.", StringComparison.Ordinal)) tensors[key[5..]] = value;
                    else if (key.StartsWith("esm.", StringComparison.Ordinal)) tensors[key[4..]] = value;
            });
            using SequenceModel model = SequenceModel.Load(folder, _backend, ModelParts.Encoder);
            Assert.Equal(ModelParts.Encoder, model.Parts);
        }
    }

    [Theory]
    [InlineData(Bert, "model_type", "\"gpt2\"", "model_type is 'gpt2', which is not supported")]
    [InlineData(Bert, "model_type", "\"caduceus\"", "model_type is 'caduceus', which is not supported")]
    [InlineData(Bert, "model_type", "\"hyenadna\"", "d_model is missing; is this the config.json of a HyenaDNA model?")]
    [InlineData(Bert, "vocab_size", "4101", "is of 3-mers and has 69 entries, config.json says vocab_size 4101, which is that of 6-mers")]
    [InlineData(Bert, "vocab_size", "70", "config.json says vocab_size 70; they are not of one model")]
    [InlineData(Bert, "pad_token_id", "1", "config.json says pad_token_id 1, in vocab.txt it is 0")]
    [InlineData(Bert, "hidden_act", "\"relu\"", "hidden_act is \"relu\"")]
    [InlineData(Bert, "position_embedding_type", "\"relative_key\"", "position_embedding_type is \"relative_key\"")]
    [InlineData(Bert, "is_decoder", "true", "is_decoder is true")]
    [InlineData(Bert, "num_attention_heads", "5", "num_attention_heads 5 does not divide hidden_size 48")]
    [InlineData(Bert, "hidden_size", "null", "hidden_size is missing; is this the config.json of a DNABERT?")]
    [InlineData(Bert, "num_hidden_layers", "4", "missing: bert.encoder.layer.3.attention.self.query.weight [48, 48]")]
    [InlineData(Bert, "max_position_embeddings", "256",
        "mis-shaped: bert.embeddings.position_embeddings.weight F32 [512, 48], expected [256, 48]")]
    [InlineData(Esm, "vocab_size", "72", "which sequences are made of; config.json says vocab_size 72")]
    [InlineData(Esm, "vocab_size", "76", "config.json says vocab_size 76")]
    [InlineData(Esm, "mask_token_id", "3", "config.json says pad_token_id 1 and mask_token_id 3, in vocab.txt they are 1 and 2")]
    [InlineData(Esm, "position_embedding_type", "\"rotary\"", "position_embedding_type is \"rotary\"")]
    [InlineData(Esm, "tie_word_embeddings", "true", "tie_word_embeddings is true")]
    [InlineData(Esm, "tie_word_embeddings", "null", "tie_word_embeddings is missing, which means true")]
    [InlineData(Esm, "emb_layer_norm_before", "true", "emb_layer_norm_before is true")]
    [InlineData(Esm, "add_bias_fnn", "false", "the Nucleotide Transformer v2 has \"rotary\"")]
    [InlineData(Esm, "max_position_embeddings", "2", "max_position_embeddings is 2: with pad_token_id 1 the first token has position 2")]
    [InlineData(Esm, "num_hidden_layers", "2", "extra: esm.encoder.layer.2.")]
    public void What_a_config_says_wrongly_is_named(string name, string key, string value, string message)
    {
        string folder = Copy(name, _ => { });
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!.AsObject();
        config[key] = JsonNode.Parse(value);
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        string said = Assert.Throws<InvalidDataException>(() => SequenceModel.Load(folder, _backend)).Message;
        Assert.Contains(message, said, StringComparison.Ordinal);
        Assert.Equal(0, _backend.LiveStorages);
    }

    [Fact]
    public void Weights_that_are_missing_extra_or_untied_are_listed()
    {
        string folder = Copy(Bert, tensors =>
        {
            tensors.Remove("bert.encoder.layer.1.output.dense.bias");
            tensors.Draw("bert.encoder.layer.9.output.dense.bias", 1, 1, 48);
            tensors["cls.predictions.decoder.weight"] = ([69, 48], new float[69 * 48]);
        });
        string said = Assert.Throws<InvalidDataException>(() => DnabertModel.Load(folder, _backend)).Message;
        Assert.Contains("missing: bert.encoder.layer.1.output.dense.bias [48]", said, StringComparison.Ordinal);
        Assert.Contains("extra: bert.encoder.layer.9.output.dense.bias F32 [48]", said, StringComparison.Ordinal);
        Assert.Contains("not tied: cls.predictions.decoder.weight", said, StringComparison.Ordinal);
    }

    [Fact]
    public void The_class_of_another_architecture_refuses_a_folder_by_its_name()
    {
        Assert.Contains("is of DNABERT, which NucleotideTransformerModel is not",
            Assert.Throws<InvalidDataException>(() => NucleotideTransformerModel.Load(Folder(Bert), _backend)).Message,
            StringComparison.Ordinal);
        Assert.Contains("is of the Nucleotide Transformer",
            Assert.Throws<InvalidDataException>(() => Dnabert2Model.Load(Folder(Esm), _backend)).Message, StringComparison.Ordinal);
        Assert.Contains("is of DNABERT-2, which DnabertModel is not",
            Assert.Throws<InvalidDataException>(() => DnabertModel.Load(SharedData.BuiltInFolder, _backend)).Message,
            StringComparison.Ordinal);
        Assert.Equal(0, _backend.LiveStorages);
    }

    [Fact]
    public void A_folder_without_its_vocabulary_says_so()
    {
        string folder = Copy(Esm, _ => { });
        File.Delete(Path.Combine(folder, "vocab.txt"));
        Assert.Contains("vocab.txt is missing; a folder of the Nucleotide Transformer has",
            Assert.Throws<FileNotFoundException>(() => SequenceModel.Load(folder, _backend)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Bert, 512)]
    [InlineData(Esm, 32)]
    public void A_sequence_longer_than_the_positions_is_an_error_and_never_cut(string name, int most)
    {
        using SequenceModel model = SequenceModel.Load(Folder(name), _backend, ModelParts.Encoder);
        Assert.Equal(most, model.MaxTokens);
        using var arena = new Arena(_backend);
        int[] ids = [.. Enumerable.Repeat(6, most + 1)];
        model.Encode(Tape.ForInference(arena), new Batch(arena, ids.AsSpan(1), [most]));
        string said = Assert.Throws<ArgumentException>(
            () => model.Encode(Tape.ForInference(arena), new Batch(arena, ids, [most + 1]))).Message;
        Assert.Contains($"the longest sequence has {most + 1} tokens, there are positions for {most}", said, StringComparison.Ordinal);
        Assert.Contains("this model has positions for", Assert.Throws<ArgumentException>(
            () => new Embedder(model, new EmbedOptions { MaxTokens = most + 1, Overlap = 0 })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Bert)]
    [InlineData(Esm)]
    public void Sequences_are_embedded_as_the_mean_of_their_tokens(string name)
    {
        using SequenceModel model = SequenceModel.Load(Folder(name), _backend, ModelParts.Encoder);
        var embedder = new Embedder(model, new EmbedOptions { MaxTokens = 32, Overlap = 4 });
        float[] vector = embedder.Embed(["ACGTTGCATTGACCA", "ACGTTGCATTGACCAGT"]).Span[..1, ..].ToArray().Cast<float>().ToArray();
        List<int> ids = [];
        SpecialTokenFrame frame = model.Tokenizer.Frame(pair: false);
        ids.AddRange(frame.Before.Span);
        model.Tokenizer.EncodeSequence("ACGTTGCATTGACCA"u8, ids);
        ids.AddRange(frame.After.Span);
        using var arena = new Arena(_backend);
        var tape = Tape.ForInference(arena);
        var batch = new Batch(arena, ids.ToArray(), [ids.Count]);
        Tensor mean = new Pool(Pooling.Mean).Forward(tape, model.Encode(tape, batch), batch.CuSeqlens).Data;
        Assert.Equal(mean.Span<float>().ToArray(), vector, (a, b) => Math.Abs(a - b) < 1e-5);
        Assert.Equal(model.HiddenSize, embedder.Embed([new string('A', 300)]).Width);
    }

    [Fact]
    public void A_sequence_shorter_than_a_token_is_named()
    {
        using SequenceModel model = SequenceModel.Load(Folder(Bert), _backend, ModelParts.Encoder);
        var embedder = new Embedder(model);
        Assert.Contains("it is shorter than a token of this model",
            Assert.Throws<InvalidDataException>(() => embedder.Embed(["AC"])).Message, StringComparison.Ordinal);
        // Pieces between unknown bases that are too short are left out.
        Assert.Equal(
            embedder.Embed(["ACGTT"]).ToArray().Cast<float>(), embedder.Embed(["ACGTTNNAC"]).ToArray().Cast<float>(),
            (a, b) => Math.Abs(a - b) < 1e-5);
    }

    private static string Folder(string name) => SharedData.Path("golden/baselines/hf/" + name);

    /// <summary>A folder with other weights, in one safetensors.</summary>
    private string Copy(string name, Action<Tensors> change)
    {
        string from = Folder(name), to = _folder[name];
        Directory.CreateDirectory(to);
        foreach (string file in (string[])["config.json", "vocab.txt"])
            File.WriteAllBytes(Path.Combine(to, file), File.ReadAllBytes(Path.Combine(from, file)));
        var tensors = new Tensors();
        using (ModelWeights weights = ModelWeights.Open(from))
            foreach (ModelWeight weight in weights.All)
            {
                if (weight.Entry.DType is null) continue;
                var values = new float[weight.Entry.Count];
                weight.File.Read(weight.Entry, values);
                tensors.Add(weight.Name, (Array.ConvertAll(weight.Entry.Extents.ToArray(), e => (int)e), values));
            }

        change(tensors);
        tensors.Write(Path.Combine(to, "model.safetensors"));
        return to;
    }
}

using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.Folders;
using Tests.Training;
using Tests.Weights;

namespace Tests.Baselines;

/// <summary>Models that are near the known ones: those that load, those that are refused by name, and what no model takes.</summary>
public sealed class RelativesTests : IDisposable
{
    private const string Remedy = "name the folder of a model of DNABERT-2";
    private readonly TempFolder _folder = new();
    private readonly Backend _backend = CpuBackend.Create(1);

    public static TheoryData<string> Names => TinyModels.Names;

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_folder_as_DNABERT_S_is_published_has_the_vectors_of_its_encoder()
    {
        // A BertModel saved alone, with its pooler and without heads, beside a config of DNABERT-2.
        using Dnabert2Model model = Dnabert2Model.Initialize(Toy.Config, Toy.Tokenizer, 5, _backend, ModelParts.Pooler, trainable: true);
        ModelFolder.Save(model, _folder["s"]);
        JsonObject config = JsonNode.Parse(File.ReadAllText(_folder["s/config.json"]))!.AsObject();
        (config["_name_or_path"], config["model_type"]) = ("zhihan1996/DNABERT-S", "bert");
        config["architectures"] = new JsonArray("BertModel");
        config["auto_map"] = new JsonObject
        {
            ["AutoConfig"] = "configuration_bert.BertConfig",
            ["AutoModel"] = "bert_layers.BertModel",
        };
        config.Remove("attention");
        File.WriteAllText(_folder["s/config.json"], config.ToJsonString());
        Tensors tensors = Tensors.Read(_folder["s/model.safetensors"]);
        File.Delete(_folder["s/model.safetensors"]);
        tensors.Rename(name => name[5..]).WriteTorch(_folder["s/pytorch_model.bin"]);
        using SequenceModel loaded = SequenceModel.Load(_folder["s"], _backend, trainable: true);
        Assert.IsType<Dnabert2Model>(loaded);
        Assert.Equal(ModelParts.Pooler, loaded.Parts);
        Assert.Equal(Vector(model, "ACGTTGCATTGACCA"), Vector(loaded, "ACGTTGCATTGACCA"));
    }

    [Theory]
    [InlineData("""{"model_type":"bert","architectures":["BertForMaskedLM"],"pre_layer_norm":true,"vocab_size":32000}""",
        "pre_layer_norm is true, as in GENA-LM, which is not supported; " + Remedy)]
    [InlineData("""{"model_type":"big_bird","architectures":["BigBirdForMaskedLM"],"attention_type":"block_sparse"}""",
        "model_type is 'big_bird', which is not supported; " + Remedy)]
    [InlineData("""{"model_type":"caduceus","architectures":["CaduceusForMaskedLM"]}""", "model_type is 'caduceus', which is not")]
    [InlineData("""{"architectures":["Enformer"]}""", "architectures is 'Enformer', which is not supported")]
    public void What_is_not_supported_is_refused_by_its_name(string config, string message)
    {
        Directory.CreateDirectory(_folder["other"]);
        File.WriteAllText(_folder["other/config.json"], config);
        File.WriteAllText(_folder["other/tokenizer.json"], "{}");
        new Tensors().Draw("x", 1, 1, 2).Write(_folder["other/model.safetensors"]);
        Assert.Contains(
            message, Assert.Throws<InvalidDataException>(() => SequenceModel.Load(_folder["other"], _backend)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("DNABERT", 4, "vocab.txt is of 4-mers and has 261 entries, config.json says vocab_size 69, which is that of 3-mers")]
    [InlineData("the Nucleotide Transformer", 2, "vocab.txt is of 2-mers and has 27 entries")]
    public void A_vocabulary_of_another_k_than_the_embedding_is_refused(string name, int k, string message)
    {
        TinyModels.Write(name, _folder["start"], _backend);
        ISequenceTokenizer other = name == "DNABERT" ? new DnabertTokenizer(k) : new NucleotideTransformerTokenizer(k);
        using (FileStream stream = File.Create(_folder["start/vocab.txt"])) other.Save(stream);
        Assert.Contains(
            message, Assert.Throws<InvalidDataException>(() => SequenceModel.Load(_folder["start"], _backend)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Unknown_bases_short_sequences_and_proteins_are_taken_or_named(string name)
    {
        using SequenceModel model = TinyModels.Make(name, _backend, ModelParts.Encoder);
        float[] known = Vector(model, "ACGTTGCATTGACCA"), unknown = Vector(model, "ACGTTGCRTTGNCCA");
        Assert.All(unknown, v => Assert.True(float.IsFinite(v)));
        Assert.NotEqual(known, unknown);
        Assert.Equal(known, Vector(model, "acguugcauugacca"));
        Assert.Contains("is not a nucleotide", Assert.ThrowsAny<InvalidDataException>(() => Vector(model, "MKVLAAGIV")).Message,
            StringComparison.OrdinalIgnoreCase);
        if (name == "DNABERT")
            Assert.Contains("shorter than a token", Assert.Throws<InvalidDataException>(() => Vector(model, "AC")).Message,
                StringComparison.Ordinal);
        else Assert.Equal(model.HiddenSize, Vector(model, "AC").Length);

        // As many tokens as there are positions, and one more.
        if (model.MaxTokens is not { } most) return;
        using var arena = new Arena(_backend);
        var tape = Engine.Autograd.Tape.ForInference(arena);
        int[] ids = [.. Enumerable.Repeat(7, most + 1)];
        model.Encode(tape, new Batch(arena, ids.AsSpan(1), [most]));
        Assert.Contains($"has {most + 1} tokens", Assert.Throws<ArgumentException>(
            () => model.Encode(tape, new Batch(arena, ids, [most + 1]))).Message, StringComparison.Ordinal);
    }

    private static float[] Vector(SequenceModel model, string sequence) => [.. new Embedder(
        model, new EmbedOptions { MaxTokens = model.MaxTokens ?? 64, Overlap = 2, OnAmbiguous = AmbiguousBases.Unknown })
        .Embed([sequence]).ToArray().Cast<float>()];
}

using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Cnn;
using Dnabert2.Embeddings;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Folders;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Cnn;

/// <summary>Folders of the network, which are of this library's own form, and what is wrong with some.</summary>
public sealed class CnnFolderTests : IDisposable
{
    private const string One = "ACGTTGCATTGACCAGTTGACCAACGTTGCATTGACCAGTTGACCAACGTTGCATTGACC";
    private readonly TempFolder _folder = new();
    private readonly Backend _backend = CpuBackend.Create(2);

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("bench", "--shapes", "1x16", "--rounds", "1")]
    [InlineData("attribute", "in.fa", "-o", "out.tsv")]
    [InlineData("variants", "in.vcf", "--genome", "in.fa", "-o", "out.tsv")]
    public void Verbs_that_need_vectors_of_tokens_refuse_the_network(string verb, params string[] more)
    {
        using (CnnModel model = CnnModel.Initialize(LetterVocabulary.FromSequences([One]), 2, seed: 1, _backend, trainable: true))
            ModelFolder.Save(model, _folder["model"]);
        File.WriteAllText(_folder["in.fa"], $">a\n{One}\n");
        File.WriteAllText(_folder["in.vcf"], "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\na\t5\t.\tT\tG\n");
        ToolRun run = ToolRun.Of([verb, .. more.Select(m => m.Contains('.') ? _folder[m] : m), "--model", _folder["model"]]);
        Assert.InRange(run.Code, 1, 2);
        Assert.Contains("the network has no vectors of tokens", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("should not have happened", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, false)]
    [InlineData(3, true)]
    public void A_folder_gives_the_model_that_was_written(int classes, bool differ)
    {
        LetterVocabulary vocabulary = LetterVocabulary.FromSequences(differ ? [One, One[..40]] : [One]);
        using CnnModel written = Write(vocabulary, classes);
        using SequenceModel read = SequenceModel.Load(_folder[""], _backend, ModelParts.Encoder, trainable: true);
        Assert.Equal(written.Config, Assert.IsType<CnnModel>(read).Config);
        Assert.Equal(vocabulary.Tokens, ((CnnModel)read).Tokenizer.Tokens);
        foreach ((Parameter a, Parameter b) in written.Parameters.Parameters.Zip(read.Parameters.Parameters))
            Assert.Equal(a.Value.Span<float>().ToArray(), b.Value.Span<float>().ToArray());
    }

    [Fact]
    public void A_state_dict_of_the_reference_is_read()
    {
        using CnnModel written = Write(LetterVocabulary.FromSequences([One]), 2);
        Tensors tensors = Tensors.Read(_folder["model.safetensors"]);
        File.Delete(_folder["model.safetensors"]);
        tensors.Add("cnn_model.1.num_batches_tracked", ([1], [7]));
        tensors.WriteTorch(_folder["pytorch_model.bin"]);
        CnnModel.Load(_folder[""], _backend).Dispose();
    }

    [Fact]
    public void Sequences_are_embedded_as_the_layer_before_the_outputs_and_shorter_ones_padded()
    {
        Write(LetterVocabulary.FromSequences([One, One[..40]]), 2).Dispose();
        using CnnModel model = CnnModel.Load(_folder[""], _backend);
        int length = model.Config.InputLength;
        Assert.Equal((One.Length + 3, 512), (length, model.HiddenSize));
        var embedder = new Embedder(model, new EmbedOptions { MaxTokens = length, Overlap = 4 });
        float[] vectors = [.. embedder.Embed([One[..45], new string('A', 300)]).ToArray().Cast<float>()];
        using var arena = new Arena(_backend);
        var tape = Tape.ForInference(arena);
        Tensor one = model.EncodeSequences(tape, new Batch(arena, model.Tokenizer.Encode(One[..45]), [length]), Pooling.Mean).Data;
        Assert.Equal(one.Span<float>().ToArray(), vectors[..512], (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.All(vectors, v => Assert.True(float.IsFinite(v)));
    }

    [Fact]
    public void A_sequence_of_another_length_than_all_of_the_training_set_is_named()
    {
        Write(LetterVocabulary.FromSequences([One]), 2).Dispose();
        using CnnModel model = CnnModel.Load(_folder[""], _backend);
        int length = model.Config.InputLength;
        var embedder = new Embedder(model, new EmbedOptions { MaxTokens = length, Overlap = 4 });
        embedder.Embed([One]);
        Assert.Contains($"has 42 tokens, and this model takes exactly {length}",
            Assert.Throws<InvalidDataException>(() => embedder.Embed([One, One[..40]])).Message, StringComparison.Ordinal);
        using var arena = new Arena(_backend);
        Assert.Contains($"rows of this model have {length} tokens", Assert.Throws<ArgumentException>(
            () => model.Classify(Tape.ForInference(arena), new Batch(arena, new int[length - 1], [length - 1]))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_network_has_not_is_refused()
    {
        Write(LetterVocabulary.FromSequences([One]), 2).Dispose();
        using CnnModel model = CnnModel.Load(_folder[""], _backend);
        var options = new EmbedOptions { MaxTokens = model.Config.InputLength, Overlap = 4 };
        Assert.Contains("Pooling is Max: the network pools by itself", Assert.Throws<ArgumentException>(
            () => new Embedder(model, options with { Pooling = Pooling.Max })).Message, StringComparison.Ordinal);
        Assert.Throws<NotSupportedException>(() => new Embedder(model, options).EmbedTokens([]));
        Assert.Throws<InvalidOperationException>(() => model.Encode(null!, default));
        Assert.Throws<InvalidOperationException>(() => model.PredictTokens(null!, default));
    }

    [Theory]
    [InlineData("vocab_size", "9", "vocab.txt has 7 entries, config.json says vocab_size 9")]
    [InlineData("vocab_size", "null", "vocab_size is null")]
    [InlineData("input_length", "56", "input_length is 56")]
    [InlineData("input_length", "100", "mis-shaped: dense_model.0.weight")]
    [InlineData("num_labels", "1", "num_labels is 1")]
    [InlineData("num_labels", "3", "mis-shaped: dense_model.1.weight F32 [1, 512], expected [3, 512]")]
    [InlineData("model_type", "\"cnn\"", "model_type is 'cnn', which is not supported")]
    public void What_a_config_says_wrongly_is_named(string key, string value, string message)
    {
        Write(LetterVocabulary.FromSequences([One]), 2).Dispose();
        JsonNode config = JsonNode.Parse(File.ReadAllText(_folder["config.json"]))!;
        config[key] = JsonNode.Parse(value);
        File.WriteAllText(_folder["config.json"], config.ToJsonString());
        Assert.Contains(message,
            Assert.Throws<InvalidDataException>(() => SequenceModel.Load(_folder[""], _backend)).Message, StringComparison.Ordinal);
        Assert.Equal(0, _backend.LiveStorages);
    }

    [Fact]
    public void The_tool_describes_it_and_embeds_with_it()
    {
        Write(LetterVocabulary.FromSequences([One, One[..40]]), 2).Dispose();
        string text = ToolRun.Of("info", _folder[""]).Succeeds().Text;
        Assert.Contains("the CNN of Genomic Benchmarks, vocabulary 8, embeddings 100, rows of 63 tokens", text, StringComparison.Ordinal);
        Assert.Contains("8 ids, a token a letter, <unk> 0 <bos> 1 <eos> 6 <pad> 7 <mask> none", text, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^parameters +[\d,]+: embeddings [\d,]+, layers [\d,]+, classifier 513", text);
        string[] embed = ["embed", "-", "--model", _folder[""], "--max-tokens", "63"];
        Assert.Equal(2, ToolRun.Of($">a\n{One}\n", embed).Succeeds().Lines.Length);
        ToolRun none = ToolRun.Of($">a\n{One}\n", [.. embed, "--pooling", "none"]);
        Assert.Equal(1, none.Code);
        Assert.Contains("the network has no vectors of tokens", none.Error, StringComparison.Ordinal);
    }

    private CnnModel Write(LetterVocabulary vocabulary, int classes)
    {
        CnnModel model = CnnModel.Initialize(vocabulary, classes, 3, _backend, trainable: true);
        var tensors = new Tensors();
        foreach (Parameter p in model.Parameters.Parameters)
            tensors.Add(
                p.Name, ([.. Enumerable.Range(0, p.Shape.Rank).Select(i => p.Shape[i])], p.Value.Span<float>().ToArray()));
        tensors.Write(_folder["model.safetensors"]);
        using (FileStream stream = File.Create(_folder["config.json"])) model.Config.Save(stream);
        using (FileStream stream = File.Create(_folder["vocab.txt"])) vocabulary.Save(stream);
        return model;
    }
}

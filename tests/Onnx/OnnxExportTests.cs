using Dnabert2;
using Dnabert2.Cnn;
using Dnabert2.Data;
using Dnabert2.Embeddings;
using Dnabert2.Folders;
using Dnabert2.Onnx;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Folders;
using Tests.Training;
using Tests.Weights;
using ModelArchitecture = Dnabert2.Folders.Architecture;

namespace Tests.Onnx;

/// <summary>What is written computes, in ONNX Runtime, what the model computes here.</summary>
public sealed class OnnxExportTests : IDisposable
{
    // Odd lengths, unknown letters in the midst and at the end, and as many tokens as the tiny models take.
    private static readonly string[] Sequences = ["ACGTNNACGTTGCAG", "ACG", "TTGACCAGATTACAGATCCN", "GATTACA"];

    private readonly TempFolder _folder = new();
    private readonly Backend _backend = CpuBackend.Create(1);

    public static TheoryData<string, OnnxHead> NamesAndHeads
    {
        get
        {
            var data = new TheoryData<string, OnnxHead>();
            foreach (string name in TinyModels.Names)
                foreach (OnnxHead head in (OnnxHead[])[OnnxHead.None, OnnxHead.Classifier, OnnxHead.LanguageModel]) data.Add(name, head);
            return data;
        }
    }

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(NamesAndHeads))]
    public void Every_architecture_and_head_gives_the_same_numbers_however_rows_are_padded(string name, OnnxHead head)
    {
        ModelArchitecture architecture = TinyModels.Find(name);
        ModelParts parts = head switch
        {
            OnnxHead.Classifier => architecture.Head,
            OnnxHead.LanguageModel => architecture.LanguageModel!.Value,
            _ => ModelParts.Encoder,
        };
        Save(TinyModels.Make(name, _backend, parts));
        using OnnxRun run = Export();
        using SequenceModel model = SequenceModel.Load(_folder["model"], _backend);
        int[][] rows = OnnxRun.Rows(model, Sequences);
        // The embeddings of a Nucleotide Transformer depend on how many tokens are masked.
        if (model.Tokenizer.MaskId is { } mask) rows[^1][rows[^1].Length / 2] = mask;
        int longest = rows.Max(row => row.Length);
        run.AssertIs(model, rows, longest);
        run.AssertIs(model, rows, 24);
        run.AssertIs(model, rows, 23, left: true);
        run.AssertIs(model, [rows[1]], rows[1].Length);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("causal")]
    [InlineData("window:3")]
    [InlineData("softcap:1.5")]
    [InlineData("relative:4")]
    [InlineData("rotary:64")]
    public void Every_attention_that_is_built_in_gives_the_same_numbers(string attention)
    {
        Dnabert2Config config = Toy.Config with { Attention = SelfAttention.Parse(attention), ClassifierPooling = Pooling.Mean };
        const ModelParts parts = ModelParts.Pooler | ModelParts.Classifier;
        Save(Dnabert2Model.Initialize(config, Toy.Tokenizer, seed: 7, _backend, parts, trainable: true));
        using OnnxRun run = Export();
        using SequenceModel model = SequenceModel.Load(_folder["model"], _backend);
        int[][] rows = OnnxRun.Rows(model, [.. Sequences, string.Concat(Sequences)]);
        run.AssertIs(model, rows, rows.Max(row => row.Length) + 2);
        run.AssertIs(model, rows, rows.Max(row => row.Length) + 1, left: true);
    }

    [Theory]
    [InlineData("dnabert3_tiny")]
    [InlineData("nt_tiny")]
    [InlineData("hyena_tiny")]
    [InlineData(ModelSource.BuiltIn)]
    public void A_published_folder_and_the_built_in_model_give_the_vectors_of_embed(string name)
    {
        string folder = name == ModelSource.BuiltIn ? name : SharedData.Path($"golden/baselines/hf/{name}");
        OnnxExport.Write(ModelSource.Open(folder), _folder["model.onnx"]);
        using var run = new OnnxRun(_folder["model.onnx"]);
        using SequenceModel model = SequenceModel.Load(folder, _backend);
        int[][] rows = OnnxRun.Rows(model, Sequences);
        int longest = rows.Max(row => row.Length);
        run.AssertIs(model, rows, longest);
        int most = model.MaxTokens ?? 512;
        var options = new EmbedOptions { OnAmbiguous = AmbiguousBases.Unknown, MaxTokens = Math.Min(512, most), Overlap = 0 };
        var embedder = new Embedder(model, options);
        float[] vectors = [.. Sequences.SelectMany(s => embedder.Embed([s]).ToArray().Cast<float>())];
        OnnxRun.Near("embedding", vectors, run.Run(rows, longest)["embedding"]);
    }

    [Theory]
    [InlineData(2, true)]
    [InlineData(3, false)]
    public void The_network_of_Genomic_Benchmarks_gives_the_same_numbers_and_fills_rows_up_with_its_own_padding(int classes, bool differ)
    {
        string one = string.Concat(Enumerable.Repeat("ACGTTGCATTGACCA", 5));
        LetterVocabulary vocabulary = LetterVocabulary.FromSequences(differ ? [one, one[..60]] : [one]);
        Save(CnnModel.Initialize(vocabulary, classes, seed: 1, _backend, trainable: true));
        using OnnxRun run = Export();
        using CnnModel model = CnnModel.Load(_folder["model"], _backend);
        int length = model.Config.InputLength;
        int[][] rows = OnnxRun.Rows(model, differ ? [one, one[20..]] : [one, string.Concat(one.Reverse())]);
        Dictionary<string, float[]> found = run.Run(rows, length);
        using var arena = new Arena(_backend);
        var tape = Tape.ForInference(arena);
        int[] ids = [.. rows.SelectMany(row => row.Concat(Enumerable.Repeat(vocabulary.PadId ?? 0, length - row.Length)))];
        var batch = new Batch(arena, ids, [length, length]);
        Assert.Equal(["embedding", "logits"], run.Session.OutputNames);
        OnnxRun.Near("embedding", model.EncodeSequences(tape, batch, Pooling.Mean).Data.Span<float>().ToArray(), found["embedding"]);
        OnnxRun.Near("logits", model.Classify(tape, batch).Data.Span<float>().ToArray(), found["logits"]);
    }

    [Fact]
    public void The_additions_of_an_adapter_are_merged()
    {
        using var adapter = new PlainAdapter();
        adapter.Add(PlainAdapter.First, 2).Add(PlainAdapter.Second, 2).Write();
        OnnxExport.Write(ModelSource.Open(adapter.Folder), _folder["model.onnx"]);
        using var run = new OnnxRun(_folder["model.onnx"]);
        using SequenceModel model = ModelSource.Open(adapter.Folder).Load(_backend);
        run.AssertIs(model, OnnxRun.Rows(model, Sequences), 24);
    }

    [Fact]
    public void Rows_of_one_length_have_it_in_the_graph_and_many_weights_are_beside_it()
    {
        Save(TinyModels.Make(ModelArchitecture.Dnabert2.Name, _backend, ModelParts.MlmHead));
        ModelSource source = ModelSource.Open(_folder["model"]);
        string path = _folder["model.onnx"];
        OnnxExportResult result = OnnxExport.Write(source, path, new OnnxOptions { Length = 24 }, mostInGraph: 10_000, default);
        Assert.Equal(path + ".data", result.WeightPath);
        Assert.Equal(result.Bytes, new FileInfo(path).Length + new FileInfo(path + ".data").Length);
        using var run = new OnnxRun(path);
        Assert.Equal([-1, 24], run.Session.InputMetadata["input_ids"].Dimensions);
        Assert.Equal([-1, 24, 64], run.Session.OutputMetadata["logits"].Dimensions);
        using SequenceModel model = SequenceModel.Load(_folder["model"], _backend);
        run.AssertIs(model, OnnxRun.Rows(model, Sequences), 24);
    }

    [Fact]
    public void The_file_says_what_it_is_of()
    {
        Save(TinyModels.Make(ModelArchitecture.Dnabert.Name, _backend, ModelParts.MlmHead));
        using OnnxRun run = Export();
        Dictionary<string, string> said = run.Session.ModelMetadata.CustomMetadataMap;
        Assert.Equal(FileHash.OfFile(_folder["model/model.safetensors"]), said["weights_sha256"]);
        Assert.Equal(("DNABERT", "24", "masked tokens", "2 … 3"),
            (said["architecture"], said["max_tokens"], said["logits"], said["special_ids"]));
        Assert.StartsWith("vocab.txt: 69 ids, 3-mers that begin at each base", said["tokenizer"], StringComparison.Ordinal);
        Assert.Matches(@"^\d+\.\d+\.\d+", said["engine_version"]);
        Assert.Equal("dnabert2", run.Session.ModelMetadata.ProducerName);
    }

    /// <summary>Writes a model whose values all count: of new ones biases are 0 and attention is nearly uniform.</summary>
    private void Save(SequenceModel model)
    {
        using (model)
        {
            ParameterSource drawn = Initialization.Normal(7, 0.3f), ofFilters = Initialization.Normal(7, 0.1f);
            var random = new Random(5);
            for (int i = 0; i < model.Parameters.Parameters.Count; i++)
            {
                Parameter p = model.Parameters.Parameters[i];
                if (p.TiedTo is not null) continue;
                Span<float> values = p.Value.Span<float>();
                // Hyena's filter multiplies by ten before each of its sines: with such weights rounding alone would be 1e-5 behind them.
                (p.Name.Contains("implicit_filter", StringComparison.Ordinal) ? ofFilters : drawn)(p, i, values);
                foreach (ref float value in values) value += 0.2f * (random.NextSingle() - 0.5f);
            }

            ModelFolder.Save(model, _folder["model"]);
        }
    }

    private OnnxRun Export()
    {
        OnnxRun.SkipWithoutRuntime();
        OnnxExport.Write(ModelSource.Open(_folder["model"]), _folder["model.onnx"]);
        return new OnnxRun(_folder["model.onnx"]);
    }
}

using System.Text.Json.Nodes;
using Conformance.Cases;
using Dnabert2;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Autograd;
using Tests.Folders;
using Tests.Weights;

namespace Tests.Baselines;

/// <summary>Version 2 of the Nucleotide Transformer: held against its formulas in float64, and folders in its published form.</summary>
public sealed class NucleotideTransformer2Tests : IDisposable
{
    private const int Hidden = 8, Heads = 2, Size = Hidden / Heads, Inner = 6, Vocabulary = 15;

    private static readonly NucleotideTransformerConfig Config = NucleotideTransformerConfig.Version2 with
    {
        VocabSize = Vocabulary,
        HiddenSize = Hidden,
        NumHiddenLayers = 2,
        NumAttentionHeads = Heads,
        IntermediateSize = Inner,
        MaxPositionEmbeddings = 9,
        LayerNormEps = 1e-3f,
        NumLabels = 3,
    };

    // One of the sequences is empty, and a mask changes nothing: there is no scaling of embeddings.
    private static readonly int[] Ids = [3, 6, 2, 9, 8, 3, 7], Lengths = [5, 0, 2];
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Forward_pass_and_all_gradients_are_those_of_the_formulas_in_float64()
    {
        using var check = new GradientCheck(CpuBackend.Create(2));
        var encoder = new NucleotideTransformerEncoder(check.Parameters, Config);
        var head = new NucleotideTransformerMlmHead(check.Parameters, Config);
        Weights w = Fill(check);
        Variable logits = head.Forward(check.Tape, encoder.Forward(check.Tape, new Batch(check.Arena, Ids, Lengths)));
        check.Compare(logits, () =>
        {
            double[] t = Array.ConvertAll(w.Linear("lm_head.dense", Encoded(w), Hidden), Reference.Gelu);
            return w.Product("lm_head.decoder.weight", "lm_head.bias", w.Norm("lm_head.layer_norm", t), Hidden);
        });
    }

    [Fact]
    public void The_classifier_reads_the_first_token_of_each_sequence()
    {
        using var check = new GradientCheck(CpuBackend.Create(2));
        var encoder = new NucleotideTransformerEncoder(check.Parameters, Config with { NumHiddenLayers = 1 });
        var head = new NucleotideTransformerClassifier(check.Parameters, Config);
        Weights w = Fill(check);
        CuSeqlens borders = check.Arena.RentCuSeqlens([5, 2]);
        Variable logits = head.Forward(check.Tape, encoder.Forward(check.Tape, new Batch(check.Arena, Ids, [5, 2])), borders);
        check.Compare(logits, () =>
        {
            double[] x = Encoded(w, layers: 1), first = [.. x[..Hidden], .. x[(5 * Hidden)..(6 * Hidden)]];
            double[] inner = Array.ConvertAll(w.Linear("classifier.dense", first, Hidden), Math.Tanh);
            return w.Linear("classifier.out_proj", inner, Hidden);
        });
    }

    [Fact]
    public void The_published_shape_has_498_million_parameters()
    {
        using Backend backend = CpuBackend.Create(1);
        using var model = NucleotideTransformerModel.Make(
            NucleotideTransformerConfig.Version2, new NucleotideTransformerTokenizer(version: 2), backend, ModelParts.MlmHead, _ => { });
        // Embeddings of tokens and, unused, of positions; four matrices of attention and three of the feed-forward layer; the head.
        long layer = (4 * 1024 * 1025) + (4 * 1024) + (3 * 1024 * 4096), head = (1024 * 1025) + 2048 + (4107 * 1025);
        Assert.Equal(((4107 + 2050) * 1024) + (29 * layer) + 2048 + head, model.Parameters.Count);
        Assert.Equal(498_344_971, model.Parameters.Count);
    }

    [Fact]
    public void The_vocabulary_has_all_special_tokens_first_and_both_orders_are_told_apart()
    {
        var tokenizer = new NucleotideTransformerTokenizer(6, version: 2);
        Assert.Equal((4107, 4107), (tokenizer.VocabularySize, tokenizer.SequenceIds));
        Assert.Equal(["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>", "AAAAAA", "AAAAAT"],
            Enumerable.Range(0, 8).Select(tokenizer.Token));
        Assert.Equal(["GGGGGG", "A", "T", "C", "G", "N"], Enumerable.Range(4101, 6).Select(tokenizer.Token));
        List<int> ids = [], starts = [];
        tokenizer.EncodeSequence("AAAAATNG<eos><mask>R"u8, ids, starts);
        Assert.Equal([7, 4106, 4105, 4, 2, 0], ids);
        Assert.Equal([0, 6, 7, 8, 13, 19], starts);
        Assert.All(Enumerable.Range(0, 6), id => Assert.True(tokenizer.IsSpecial(id)));
        Assert.False(tokenizer.IsSpecial(6) || tokenizer.IsSpecial(4106));

        foreach ((int k, int version) in ((int, int)[])[(1, 1), (1, 2), (6, 1), (6, 2)])
        {
            var written = new NucleotideTransformerTokenizer(k, version);
            using var stream = new MemoryStream();
            written.Save(stream);
            var read = NucleotideTransformerTokenizer.Parse(stream.ToArray(), "vocab.txt");
            Assert.Equal((k, version), (read.K, read.Version));
            Assert.True(TokenizerFile.AreSame(written, read));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => new NucleotideTransformerTokenizer(6, version: 3));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_vocabulary_in_the_order_of_the_other_version_is_refused(int version)
    {
        // Of as many tokens, and the same ids of padding and mask: only the order differs.
        NucleotideTransformerConfig config = (version == 1 ? new NucleotideTransformerConfig() : NucleotideTransformerConfig.Version2) with
        {
            VocabSize = Vocabulary,
            HiddenSize = Hidden,
            NumHiddenLayers = 1,
            NumAttentionHeads = Heads,
            IntermediateSize = Inner,
            MaxPositionEmbeddings = 9,
        };
        using Backend backend = CpuBackend.Create(1);
        using (NucleotideTransformerModel.Initialize(config, new NucleotideTransformerTokenizer(1, version), seed: 1, backend))
        {
        }

        string said = Assert.Throws<InvalidDataException>(() => NucleotideTransformerModel.Initialize(
            config, new NucleotideTransformerTokenizer(1, 3 - version), seed: 1, backend)).Message;
        Assert.Contains($"config.json is of version {version}", said, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_as_it_is_published_loads_whole_and_what_is_wrong_with_it_is_named()
    {
        TinyModels.Write(TinyModels.SecondVersion, _folder["start"]);
        JsonObject config = JsonNode.Parse(File.ReadAllText(_folder["start/config.json"]))!.AsObject();
        Assert.Equal(("rotary", false), ((string?)config["position_embedding_type"], (bool?)config["add_bias_fnn"]));
        Assert.Contains("modeling_esm.EsmForMaskedLM", config["auto_map"]!.ToJsonString(), StringComparison.Ordinal);
        using SequenceModel model = SequenceModel.Load(_folder["start"], trainable: true);
        Assert.Equal((24, 2), (model.MaxTokens, ((NucleotideTransformerModel)model).Config.Version));

        // The table of positions and the frequencies are in published files, the head of contacts as well; nothing computes with them.
        Publish(tensors => tensors);
        using SequenceModel published = SequenceModel.Load(_folder["published"], trainable: true);
        Assert.Equal(Training.Toy.Weights(model), Training.Toy.Weights(published));
        Refused("missing: esm.embeddings.position_embeddings.weight [26, 24]", tensors => Without(tensors, "position_embeddings"));
        Refused("missing: esm.encoder.layer.1.intermediate.dense.weight [40, 24]", tensors => Without(tensors, "layer.1.intermediate"));
        Refused("extra: esm.encoder.layer.0.output.dense.bias", tensors => tensors.Draw("esm.encoder.layer.0.output.dense.bias", 1, 1, 24));
        Refused("extra: esm.encoder.layer.2.attention.self.rotary_embeddings.inv_freq", tensors => Frequencies(tensors, 2, 4));
        Refused("mis-shaped: esm.encoder.layer.1.attention.self.rotary_embeddings.inv_freq", tensors => Frequencies(tensors, 1, 3));
        Refused("not as the model computes it: esm.encoder.layer.1.", tensors => Frequencies(tensors, 1, 4, theta: 500));

        void Refused(string message, Func<Tensors, Tensors> change)
        {
            Publish(change);
            Assert.Contains(message, Assert.Throws<InvalidDataException>(() => SequenceModel.Load(_folder["published"])).Message,
                StringComparison.Ordinal);
        }
    }

    private void Publish(Func<Tensors, Tensors> change)
    {
        Directory.CreateDirectory(_folder["published"]);
        foreach (string file in (string[])["config.json", "vocab.txt"])
            File.Copy(_folder["start/" + file], _folder["published/" + file], overwrite: true);
        Tensors tensors = Tensors.Read(_folder["start/model.safetensors"]);
        for (int layer = 0; layer < 2; layer++) tensors = Frequencies(tensors, layer, 4);
        change(tensors.Draw("esm.contact_head.regression.weight", 1, 1, 1, 6)).WriteTorch(_folder["published/pytorch_model.bin"]);
    }

    private static Tensors Frequencies(Tensors tensors, int layer, int count, double theta = 10_000)
    {
        tensors[$"esm.encoder.layer.{layer}.attention.self.rotary_embeddings.inv_freq"] =
            ([count], [.. Enumerable.Range(0, count).Select(i => (float)Math.Pow(theta, -i / 4.0))]);
        return tensors;
    }

    private static Tensors Without(Tensors tensors, string part)
    {
        foreach (string name in tensors.Select(tensor => tensor.Key).Where(name => name.Contains(part, StringComparison.Ordinal)).ToArray())
            tensors.Remove(name);
        return tensors;
    }

    /// <summary>Fills the parameters and finds them by name.</summary>
    private static Weights Fill(GradientCheck check)
    {
        double[][] values = check.Fill();
        return new Weights([.. check.Parameters.Parameters.Select(p => p.Name)], values);
    }

    /// <summary>The encoder in plain loops: pre-normalised layers, rotated queries and keys, SwiGLU.</summary>
    private static double[] Encoded(Weights w, int layers = 2)
    {
        int[] lengths = layers == 1 ? [5, 2] : Lengths;
        double[] x = [.. Ids.SelectMany(id => w["esm.embeddings.word_embeddings.weight"][(id * Hidden)..((id + 1) * Hidden)])];
        for (int i = 0; i < layers; i++)
        {
            string layer = $"esm.encoder.layer.{i}.";
            double[] n = w.Norm(layer + "attention.LayerNorm", x), v = w.Linear(layer + "attention.self.value", n, Hidden);
            double[] q = Turned(w.Linear(layer + "attention.self.query", n, Hidden), lengths, 1 / Math.Sqrt(Size));
            double[] k = Turned(w.Linear(layer + "attention.self.key", n, Hidden), lengths, 1);
            x = Sum(x, w.Linear(layer + "attention.output.dense", Attended(q, k, v, lengths), Hidden));
            double[] inner = w.Product(layer + "intermediate.dense.weight", null, w.Norm(layer + "LayerNorm", x), Hidden);
            double[] gated = [.. Enumerable.Range(0, Ids.Length * Inner).Select(j =>
            {
                double gate = inner[(j / Inner * 2 * Inner) + (j % Inner)];
                return gate / (1 + Math.Exp(-gate)) * inner[(j / Inner * 2 * Inner) + Inner + (j % Inner)];
            })];
            x = Sum(x, w.Product(layer + "output.dense.weight", null, gated, Inner));
        }

        return w.Norm("esm.encoder.emb_layer_norm_after", x);
    }

    /// <summary>Halves of each head as a pair, turned by position · 10000^(−2i/d), after the scaling.</summary>
    private static double[] Turned(double[] x, int[] lengths, double scale)
    {
        var y = new double[x.Length];
        int[] positions = [.. lengths.SelectMany(length => Enumerable.Range(0, length))];
        for (int i = 0; i < x.Length; i++)
        {
            int at = i % Size, pair = at % (Size / 2), other = at < Size / 2 ? i + (Size / 2) : i - (Size / 2);
            double angle = positions[i / Hidden] * Math.Pow(10_000, -2.0 * pair / Size);
            y[i] = scale * ((x[i] * Math.Cos(angle)) + ((at < Size / 2 ? -x[other] : x[other]) * Math.Sin(angle)));
        }

        return y;
    }

    private static double[] Attended(double[] q, double[] k, double[] v, int[] lengths)
    {
        var y = new double[q.Length];
        int start = 0;
        foreach (int length in lengths)
        {
            for (int head = 0; head < Heads; head++)
                for (int i = start; i < start + length; i++)
                {
                    double[] e = [.. Enumerable.Range(start, length).Select(j => Math.Exp(Enumerable.Range(head * Size, Size)
                        .Sum(c => q[(i * Hidden) + c] * k[(j * Hidden) + c])))];
                    for (int c = head * Size; c < (head + 1) * Size; c++)
                        for (int j = 0; j < length; j++) y[(i * Hidden) + c] += e[j] / e.Sum() * v[((start + j) * Hidden) + c];
                }

            start += length;
        }

        return y;
    }

    private static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    private sealed class Weights(string[] names, double[][] values)
    {
        public double[] this[string name] => values[Array.IndexOf(names, name)];

        public double[] Norm(string name, double[] x) => Reference.LayerNorm(x, this[name + ".weight"], this[name + ".bias"], 1e-3f);

        public double[] Linear(string name, double[] x, int inputs) => Product(name + ".weight", name + ".bias", x, inputs);

        public double[] Product(string weight, string? bias, double[] x, int inputs)
        {
            int outputs = this[weight].Length / inputs;
            double[] y = Reference.MatMul(x, this[weight], x.Length / inputs, outputs, inputs);
            if (bias is not null)
                for (int i = 0; i < y.Length; i++) y[i] += this[bias][i % outputs];
            return y;
        }
    }
}

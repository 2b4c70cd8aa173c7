using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Hyena;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Kernels;
using Tests.Folders;

namespace Tests.Fuzz;

/// <content>Files of a HyenaDNA and of the CNN.</content>
public sealed partial class FuzzTargets
{
    private const string SmallHyena = """
        {"model_type":"hyenadna","vocab_size":12,"pad_vocab_size_multiple":8,"d_model":4,"d_inner":6,"n_layer":1,"max_seq_len":9,
        "emb_dim":5,"filter_order":3,
        "short_filter_order":3,"layer_norm_epsilon":1e-05,"hyena_order":2,"num_inner_mlps":2,"use_bias":true,"tie_word_embeddings":false,
        "id2label":{"0":"a","1":"b"},"auto_map":{"x":[1]},"initializer_range":0.02}
        """;

    private const string OriginalHyena = """
        {"d_model":4,"n_layer":1,"d_inner":6,"vocab_size":12,"pad_vocab_size_multiple":8,"layer":{"_name_":"hyena","emb_dim":5,
        "filter_order":3,"local_order":3,"l_max":9,"modulate":true,"w":10},"classifier_pooling":"mean"}
        """;

    private FuzzTarget HyenaConfig() => new(
        "HyenaDNA config.json", [Bytes(SmallHyena), Bytes(OriginalHyena)], Mutation.OfJson,
        input => JsonFields.Read("h.json", input, Dnabert2.Hyena.HyenaConfig.Remedy, Dnabert2.Hyena.HyenaConfig.Read).ToString())
    { Named = "h.json" };

    private FuzzTarget HyenaTokenizers() => new(
        "tokenizer_config.json", [Bytes("""{"model_max_length":66,"pad_token":"[PAD]","tokenizer_class":"HyenaDNATokenizer"}""")],
        Mutation.OfJson, input => HyenaTokenizer.Parse(input, "t.json").MaxTokens.ToString())
    { Named = "t.json" };

    private FuzzTarget CnnConfig() => new(
        "CNN config.json",
        [
            Bytes("""
                {"model_type":"genomic-benchmarks-cnn","vocab_size":8,"embedding_dim":3,"input_length":57,"hidden_size":4,"num_labels":3}
                """),
        ],
        Mutation.OfJson, input => JsonFields.Read("c.json", input, ConfigReader.Remedy, Dnabert2.Cnn.CnnConfig.Read).ToString())
    { Named = "c.json" };

    private FuzzTarget Letters()
    {
        return new FuzzTarget("vocab.txt", [Written("GATTA", "ACGTN"), Written("GA", "Tλ", "")], Mutation.OfText, input =>
        {
            LetterVocabulary vocabulary = LetterVocabulary.Parse(input, "v.txt", 9);
            using var stream = new MemoryStream();
            vocabulary.Save(stream);
            Assert.Equal(vocabulary.Tokens, LetterVocabulary.Parse(stream.ToArray(), "written", 9).Tokens);
            List<int> ids = [];
            vocabulary.EncodeSequence("ACGTN\xff\n"u8, ids);
            return string.Join(',', ids.Select(vocabulary.Token));
        })
        { Named = "v.txt" };

        static byte[] Written(params string[] sequences)
        {
            using var stream = new MemoryStream();
            LetterVocabulary.FromSequences(sequences).Save(stream);
            return stream.ToArray();
        }
    }

    private FuzzTarget HyenaFolder()
    {
        string folder = _folder["hyena"], path = Path.Combine(folder, "model.safetensors");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), SmallHyena);
        var tensors = new Tensors();
        HyenaConfig config = Dnabert2.Hyena.HyenaConfig.Load(Path.Combine(folder, "config.json"));
        using (HyenaModel model = HyenaModel.Initialize(config, 1, _backend, trainable: true))
        {
            foreach (Parameter p in model.Parameters.Parameters)
            {
                var values = new float[p.Shape.Count];
                _backend.Download<float>(p.Value, values);
                tensors.Add(p.Name, ([.. Enumerable.Range(0, p.Shape.Rank).Select(i => p.Shape[i])], values));
            }
        }

        var buffers = new HyenaBuffers(config);
        const string filter = "hyena.backbone.layers.0.mixer.filter_fn.";
        tensors.Add(filter + "pos_emb.z", ([1, 9, 5], buffers.Positions));
        tensors.Add(filter + "pos_emb.t", ([1, 9, 1], buffers.Times));
        tensors.Add(filter + "modulation.deltas", ([1, 1, 4], buffers.Decays));
        tensors.Add(filter + "implicit_filter.3.freq", tensors[filter + "implicit_filter.1.freq"]);
        tensors.Write(path);
        byte[] seed = File.ReadAllBytes(path);
        return new FuzzTarget("HyenaDNA folder", [seed], Mutation.OfBytes, input =>
        {
            Replace(path, input);
            using HyenaModel model = HyenaModel.Load(folder, _backend);
            return $"{model.Parameters.Count} {model.LmHead is null}";
        })
        { Named = "model.safetensors" };
    }
}

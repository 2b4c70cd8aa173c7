using System.Text;
using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Metrics;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.FineTuning;
using Tests.Sequences;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Fuzz;

/// <summary>The parsers behind named options, each with inputs it reads. What they need besides is made once.</summary>
public sealed partial class FuzzTargets : IDisposable
{
    private static readonly Dictionary<string, Func<FuzzTargets, FuzzTarget>> All = new()
    {
        ["FASTA"] = t => t.Sequences(SequenceFormat.Fasta, ">a one\nACGTNNRYacgu\nACGT\n>b\r\nGG GG\r\n;c\n>c\nT\n"),
        ["FASTQ"] = t => t.Sequences(SequenceFormat.Fastq, "@a x\nACGT\n+a\nIIII\n@b\nAC\nGT\n+\n@I\n+I\n"),
        ["CSV"] = t => t.Sequences(SequenceFormat.Csv, "id,sequence1,label,sequence2\r\na,ACGT,\"x, \"\"y\"\"\",GG\r\nb,\"ACGT\",,T\n", "sequence,label\nACGT,1\n"),
        ["TSV"] = t => t.Sequences(SequenceFormat.Tsv, "sequence\tlabel\nACGT\t1\nGGNN\t0\n"),
        ["lines"] = t => t.Sequences(SequenceFormat.Lines, "ACGT\n\nNNacgu\r\n  GG  \n"),
        ["format by content"] = t => t.Sequences(
            SequenceFormat.Detect, ">a\nACGT\n", "@a\nACGT\n+\nIIII\n", "sequence,label\nACGT,1\n", "sequence\tlabel\nACGT\t1\n", "ACGT\nGGTT\n"),
        ["gzip and bgzip"] = t => t.Compressed(),
        ["genome"] = t => t.Genome(),
        ["variants"] = t => t.Variants(),
        ["tokenizer.json"] = t => t.Tokenizer(),
        ["config.json"] = t => t.Config(),
        ["config.json of a task"] = t => t.Task(),
        ["model folder by config.json"] = t => t.Folder("model", "config.json"),
        ["model folder by tokenizer.json"] = t => t.Folder("model", "tokenizer.json"),
        ["adapter_config.json"] = t => t.Folder("adapter", "adapter_config.json"),
        ["adapter_model.safetensors"] = t => t.Folder("adapter", "adapter_model.safetensors"),
        ["safetensors"] = t => t.Weights("safetensors"),
        ["PyTorch zip"] = t => t.Weights("zip"),
        ["PyTorch zip64"] = t => t.Weights("zip64"),
        ["pickle in a zip"] = t => t.Weights("pickle"),
        ["PyTorch before 1.6"] = t => t.Weights("legacy"),
        ["corpus.json"] = t => t.Corpus(),
        ["corpus shard"] = t => t.Shard(),
        ["state.json"] = t => t.State(),
        ["recipe of pretrain"] = t => t.Recipe(),
        ["finetune.json"] = t => t.Record(),
        ["labelled data"] = t => t.Labelled(),
        ["result.json of a suite"] = t => t.Suite("result.json"),
        ["identity.json of a suite"] = t => t.Suite("identity.json"),
        ["predictions.tsv of a suite"] = t => t.Suite("predictions.tsv"),
        ["values of options"] = t => t.Options(),
    };

    private readonly TempFolder _folder = new();
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly Lazy<Training.Toy> _corpus;
    private readonly Lazy<ToyTask> _tuned;

    public FuzzTargets() => (_corpus, _tuned) = (new Lazy<Training.Toy>(MakeCorpus), new Lazy<ToyTask>(MakeAdapter));

    internal static IReadOnlyCollection<string> Names => All.Keys;

    public void Dispose()
    {
        if (_corpus.IsValueCreated) _corpus.Value.Dispose();
        if (_tuned.IsValueCreated) _tuned.Value.Dispose();
        _folder.Dispose();
        _backend.Dispose();
    }

    internal FuzzTarget Make(string name) => All[name](this);

    /// <summary>Whether an input takes many files or a model.</summary>
    internal bool IsSlow(string name) =>
        name.Contains("folder", StringComparison.Ordinal) || name.Contains("adapter", StringComparison.Ordinal) || name.StartsWith("corpus", StringComparison.Ordinal);

    private static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    private FuzzTarget Sequences(SequenceFormat format, params string[] seeds) => new(
        format.ToString(), [.. seeds.Select(Bytes)], Mutation.OfText, input =>
        {
            string read = Read(input, format, drip: false);
            Assert.Equal(read, Read(input, format, drip: true));
            return read;
        })
    { Named = "x" };

    private static string Read(byte[] input, SequenceFormat format, bool drip)
    {
        var text = new StringBuilder();
        var options = new SequenceOptions { Format = format, OnAmbiguous = (AmbiguousBases)(input.Length % 4) };
        using Stream stream = drip ? new DripStream(input, 7) : new MemoryStream(input);
        using SequenceReader reader = SequenceReader.Open(stream, "x", options);
        while (reader.TryRead(out SequenceRecord? record))
        {
            Assert.False(record.Sequence.ContainsAnyExcept("ACGTN"u8));
            text.Append(record.Id).Append('|').Append(Encoding.ASCII.GetString(record.Sequence)).Append('|').Append(Encoding.ASCII.GetString(record.SecondSequence)).Append('\n');
        }

        return text.Append(reader.Format).ToString();
    }

    private FuzzTarget Compressed()
    {
        byte[] plain = Bytes(">a\nACGTTGCA\n>b\nGGCC\n"), gzip = SequenceFiles.Gzip(plain);
        // A block of bgzip names its size in an extra field; the empty block at the end is always the same.
        byte[] bgzip = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 0x42, 0x43, 2, 0, .. BitConverter.GetBytes((ushort)(gzip.Length + 7)), .. gzip[10..]];
        byte[] end = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 0x42, 0x43, 2, 0, 0x1b, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        return new FuzzTarget(
            "gzip", [gzip, [.. gzip, .. gzip], [.. bgzip, .. bgzip, .. end], [.. gzip, 0, 0, 0]], Mutation.OfBytes,
            input => Read(input, SequenceFormat.Detect, drip: false))
        { Named = "x" };
    }

    private FuzzTarget Genome() => new("genome", [Bytes(">chr1 x\nACGTNNNACGT\nACGT\n>chr2\nGGGG\n")], Mutation.OfText, input =>
    {
        using SequenceReader reader = SequenceReader.Open(new MemoryStream(input), "x", new SequenceOptions { OnAmbiguous = AmbiguousBases.Unknown });
        Genome genome = Dnabert2.Sequences.Genome.Read(reader);
        var text = new StringBuilder();
        foreach (string name in genome.Names)
        {
            Assert.True(genome.TryGetLength(name, out int length));
            byte[] bases = new byte[length];
            genome.Read(name, 0, bases);
            text.Append(name).Append(Encoding.ASCII.GetString(bases));
        }

        return text.ToString();
    })
    { Named = "x" };

    private FuzzTarget Variants() => new(
        "variants",
        [
            Bytes("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\nchr1\t5\trs1\tA\tC,G\t.\t.\t.\t.\t1\nchr1\t7\t.\tAC\tA\t.\t.\t.\t.\t.\n"),
            Bytes("chrom\tpos\tref\talt\nchr1\t5\tA\tC\n"),
        ],
        Mutation.OfText, input =>
        {
            using VariantReader reader = VariantReader.Open(new MemoryStream(input), "x");
            var text = new StringBuilder();
            while (reader.TryRead(out Variant? variant)) text.Append(variant).Append('\n');
            return text.ToString();
        })
    { Named = "x" };

    private FuzzTarget Tokenizer()
    {
        const string small = """
            {"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":0,"content":"[UNK]","special":true,"normalized":false},
            {"id":7,"content":"GG","special":false,"normalized":true}],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},
            "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"C","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
            "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"C":{"id":"C","ids":[1],"tokens":["A"]}}},
            "decoder":null,"model":{"type":"BPE","dropout":null,"unk_token":"[UNK]","vocab":{"[UNK]":0,"A":1,"C":2,"G":3,"T":4,"AC":5,"ACG":6},
            "merges":["A C",["AC","G"]]}}
            """;
        return new FuzzTarget("tokenizer.json", [Bytes(small), File.ReadAllBytes(ToyModel.TokenizerPath)], Mutation.OfJson, input =>
        {
            BpeTokenizer tokenizer = BpeTokenizer.Parse(input, "x.json");
            string text = Encodings(tokenizer);
            using var written = new MemoryStream();
            tokenizer.Save(written);
            Assert.Equal(text, Encodings(BpeTokenizer.Parse(written.ToArray(), "written")));
            return text;
        })
        { Named = "x.json", Memory = (64 << 20, 2000) };
    }

    private static string Encodings(BpeTokenizer tokenizer)
    {
        var text = new StringBuilder();
        foreach (string sample in new[] { "ACGTACGGTACN", "GGGG ACG", "é[UNK]\ud83d\ude00A" })
            text.Append(string.Join(',', tokenizer.Encode(sample).Ids.ToArray())).Append('|').Append(string.Join(',', tokenizer.Encode(sample, "ACG").Ids.ToArray())).Append('|');
        List<int> ids = [];
        tokenizer.EncodeSequence("ACGTTGCANNACGGG"u8, ids);
        return text.Append(tokenizer.Decode(ids.ToArray())).ToString();
    }

    private FuzzTarget Config() => new(
        "config.json", [ModelFolder.Config(new Dnabert2Config()), Bytes("""{"vocab_size":9,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":4,"id2label":{"0":"a"},"auto_map":{"x":[1]}}""")],
        Mutation.OfJson, input =>
        {
            Dnabert2Config config = Read(input);
            byte[] written = ModelFolder.Config(config);
            Assert.Equal(config, Read(written));
            return Encoding.UTF8.GetString(written);

            static Dnabert2Config Read(byte[] json) => JsonFields.Read("c.json", json, ConfigReader.Remedy, fields => new ConfigReader(fields).Read());
        })
    { Named = "c.json" };

    private FuzzTarget Task() => new(
        "task", [Bytes("""{"id2label":{"0":"a","1":"b","2":"c"},"label2id":{"a":0},"problem_type":"single_label_classification","dnabert2_max_tokens":20}""")],
        Mutation.OfJson, input =>
        {
            Directory.CreateDirectory(_folder["task"]);
            _folder.Write("task/config.json", input);
            TaskConfig task = TaskConfig.Read(ModelSource.Open(_folder["task"]), 3);
            return $"{task.Kind} {string.Join('|', task.Names)} {task.MaxTokens}";
        })
    { Named = "config.json" };

    private FuzzTarget Recipe() => new(
        "recipe", [PretrainOptionsJson.Write(new PretrainOptions { SpeciesWeights = new Dictionary<string, double> { ["a"] = 1 }, ClipNorm = 1 }), Bytes("{\"steps\":5}")],
        Mutation.OfJson, input =>
        {
            PretrainOptions options = PretrainOptionsJson.Read("r.json", input);
            byte[] written = PretrainOptionsJson.Write(options);
            Assert.Equal(written, PretrainOptionsJson.Write(PretrainOptionsJson.Read("s.json", written)));
            return Encoding.UTF8.GetString(written);
        })
    { Named = "r.json" };

    private FuzzTarget Options() => new(
        "options", [Bytes("r=8,alpha=16,dropout=0.05,targets=attention.self.Wqkv,mlp.*"), Bytes("yeast=a/b.fa.gz")], Mutation.OfText, input =>
        {
            string text = Encoding.Latin1.GetString(input);
            if (text.StartsWith("yeast", StringComparison.Ordinal)) return CorpusSource.Parse(text).ToString();
            LoraOptions options = LoraOptions.Parse(text);
            return $"{options.Rank} {options.Alpha} {options.Dropout} {string.Join('|', options.Targets)}";
        })
    { Documented = [typeof(ArgumentException)] };
}

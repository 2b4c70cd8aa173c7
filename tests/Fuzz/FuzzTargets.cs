using System.Text;
using Dnabert2.Sequences;
using Engine.Runtime;
using Tests.FineTuning;
using Tests.Weights;

namespace Tests.Fuzz;

/// <summary>The parsers behind named options, each with inputs it reads. What they need besides is made once.</summary>
public sealed partial class FuzzTargets : IDisposable
{
    // Of what writes a file for each input, or loads a model.
    private const int Few = 50;

    private static readonly Dictionary<string, Parser> All = new()
    {
        ["FASTA"] = new(t => t.Sequences(SequenceFormat.Fasta, ">a one\nACGTNNRYacgu\nACGT\n>b\r\nGG GG\r\n;c\n>c\nT\n"), "FastaParser",
            "SequenceReader"),
        ["FASTQ"] = new(t => t.Sequences(SequenceFormat.Fastq, "@a x\nACGT\n+a\nIIII\n@b\nAC\nGT\n+\n@I\n+I\n"), "FastqParser"),
        ["CSV"] = new(
            t => t.Sequences(SequenceFormat.Csv, "id,sequence1,label,sequence2\r\na,ACGT,\"x, \"\"y\"\"\",GG\r\nb,\"ACGT\",,T\n",
                "sequence,label\nACGT,1\n"), "CsvParser", "RecordParser"),
        ["TSV"] = new(t => t.Sequences(SequenceFormat.Tsv, "sequence\tlabel\nACGT\t1\nGGNN\t0\n")),
        ["lines"] = new(t => t.Sequences(SequenceFormat.Lines, "ACGT\n\nNNacgu\r\n  GG  \n"), "LinesParser"),
        ["format by content"] = new(
            t => t.Sequences(SequenceFormat.Detect, ">a\nACGT\n", "@a\nACGT\n+\nIIII\n", "sequence,label\nACGT,1\n",
                "sequence\tlabel\nACGT\t1\n", "ACGT\nGGTT\n", "\t\n\n>a\nACGT\n"), "FormatDetection"),
        ["policies and columns"] = new(t => t.Policies()),
        ["gzip and bgzip"] = new(t => t.Compressed(), "ByteSource"),
        ["gzip and bgzip by their fields"] = new(t => t.Containers()),
        ["bzip2 and zstd"] = new(t => t.OtherCompression()) { Inputs = Few },
        ["genome"] = new(t => t.Genome()),
        ["index of FASTA"] = new(t => t.IndexOfFasta(), "FastaIndexBuilder", "LineText"),
        [".fai"] = new(t => t.FastaIndexes(), "FastaIndex", "FastaFile"),
        ["bgzip by its index"] = new(t => t.BgzfIndexes()),
        ["BED"] = new(t => t.Beds(), "BedReader"),
        [".2bit"] = new(t => t.TwoBit()),
        ["names of sequences"] = new(t => t.Aliases(), "ContigAliases"),
        ["regions"] = new(t => t.Regions(), "RegionText"),
        ["variants"] = new(t => t.Variants(), "VariantReader"),
        ["variants and fields of them"] = new(t => t.Variants("CLASS", "note"), "VariantInfo"),
        ["tokenizer.json"] = new(t => t.Tokenizer(), "BpeTokenizer", "TokenizerJsonReader", "JsonNames"),
        ["config.json"] = new(t => t.Config(), "ConfigReader", "JsonFields"),
        ["config.json of DNABERT"] = new(t => t.DnabertConfigs(), "DnabertConfig", "TransformerConfig"),
        ["config.json of the Nucleotide Transformer"] = new(t => t.NucleotideTransformerConfigs(), "NucleotideTransformerConfig"),
        ["config.json of any model"] = new(t => t.Architectures(), "Architecture") { Inputs = Few },
        ["vocab.txt"] = new(t => t.Vocabulary(), "KmerVocabulary"),
        ["config.json of a HyenaDNA"] = new(t => t.HyenaConfig(), "HyenaConfig"),
        ["folder of a HyenaDNA by model.safetensors"] = new(t => t.HyenaFolder()) { Inputs = Few },
        ["tokenizer_config.json of a HyenaDNA"] = new(t => t.HyenaTokenizers(), "HyenaTokenizer"),
        ["config.json of a CNN"] = new(t => t.CnnConfig(), "CnnConfig"),
        ["vocab.txt of letters"] = new(t => t.Letters(), "LetterVocabulary"),
        ["config.json of a task"] = new(t => t.Task(), "TaskConfig") { Inputs = Few },
        ["tokenizer_config.json"] = new(t => t.Origin("tokenizer_config.json"), "ModelOrigin") { Inputs = Few },
        ["config.json that goes along"] = new(t => t.Origin("config.json"), "Dnabert2Config") { Inputs = Few },
        ["model folder by config.json"] = new(t => t.Folder("model", "config.json")) { Inputs = Few },
        ["model folder by tokenizer.json"] = new(t => t.Folder("model", "tokenizer.json")) { Inputs = Few },
        ["model folder by model.safetensors"] = new(t => t.Folder("model", "model.safetensors"), "Checkpoint") { Inputs = Few },
        ["model.safetensors.index.json"] = new(t => t.Index(), "ModelWeights") { Inputs = Few },
        ["adapter_config.json"] = new(t => t.Folder("adapter", "adapter_config.json"), "AdapterConfig") { Inputs = Few },
        ["patterns of adapter_config.json"] = new(t => t.Patterns(), "LayerPatterns") { Inputs = Few },
        ["adapter_model.safetensors"] = new(t => t.Folder("adapter", "adapter_model.safetensors"), "LoraAdapter") { Inputs = Few },
        ["adapter_model.bin"] = new(t => t.Folder("adapter", "adapter_model.bin")) { Inputs = Few },
        ["safetensors"] = new(t => t.Weights("safetensors"), "SafetensorsHeader") { Inputs = Few },
        ["PyTorch zip"] = new(t => t.Weights("zip"), "ZipDirectory", "TorchFile") { Inputs = Few },
        ["PyTorch zip64"] = new(t => t.Weights("zip64")) { Inputs = Few },
        ["pickle in a zip"] = new(t => t.Weights("pickle"), "Unpickler", "TorchObjects", "StateDict") { Inputs = Few },
        ["PyTorch before 1.6"] = new(t => t.Weights("legacy"), "WeightFile") { Inputs = Few },
        ["corpus.json"] = new(t => t.Corpus(), "CorpusIndex", "Corpus") { Inputs = Few },
        ["corpus shard"] = new(t => t.Shard(), "Shard") { Inputs = Few },
        ["dnabert2-run.json"] = new(t => t.Marker(), "RunFolder") { Inputs = Few },
        ["start.json"] = new(t => t.Start(), "RunStart") { Inputs = Few },
        ["state.json of a pre-training"] = new(t => t.State(fineTuning: false), "RunState", "PretrainOptionsJson") { Inputs = Few },
        ["state.json of a fine-tuning"] = new(t => t.State(fineTuning: true), "FineTuneOptionsJson", "OptionsJson") { Inputs = Few },
        ["SHA256SUMS"] = new(t => t.Sums(), "CheckpointSums") { Inputs = Few },
        ["tensors of a checkpoint"] = new(t => t.CheckpointTensors(), "TensorFile") { Inputs = Few },
        ["train.csv of a run"] = new(t => t.Log("train.csv")) { Inputs = Few },
        ["evaluation.csv of a run"] = new(t => t.Log("evaluation.csv")) { Inputs = Few },
        ["recipe of pretrain"] = new(t => t.Recipe(), "PretrainOptions") { Inputs = Few },
        ["finetune.json"] = new(t => t.Record(), "FineTuneResult") { Inputs = Few },
        ["labelled data"] = new(t => t.Labelled(), "LabelledRows") { Inputs = Few },
        ["result.json of a suite"] = new(t => t.Suite("result.json")) { Inputs = Few },
        ["identity.json of a suite"] = new(t => t.Suite("identity.json"), "SuiteStore") { Inputs = Few },
        ["predictions.tsv of a suite"] = new(t => t.Suite("predictions.tsv")) { Inputs = Few },
        ["record of a piece"] = new(t => t.Piece(), "BlockRecord", "BlockFormats"),
        ["row groups of a piece"] = new(t => t.RowGroups(), "ParquetGroup"),
        ["command lines"] = new(t => t.CommandLines(), "RecipeFlags", "FinetuneFlags", "Compute") { Inputs = Few },
        ["values of options"] = new(t => t.Options(), "LoraOptions", "SelfAttention", "AttributeVerb", "BenchVerb",
            "BenchVariantsVerb", "EvaluateVerb", "Shard"),
    };

    private readonly TempFolder _folder = new();
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly List<IDisposable> _owned = [];
    private readonly Lazy<Training.Toy> _corpus;
    private readonly Lazy<ToyTask> _tuned;

    public FuzzTargets() => (_corpus, _tuned) = (new Lazy<Training.Toy>(MakeCorpus), new Lazy<ToyTask>(MakeAdapter));

    internal static IReadOnlyDictionary<string, Parser> Parsers => All;

    public void Dispose()
    {
        if (_corpus.IsValueCreated) _corpus.Value.Dispose();
        if (_tuned.IsValueCreated) _tuned.Value.Dispose();
        foreach (IDisposable owned in _owned) owned.Dispose();
        _folder.Dispose();
        _backend.Dispose();
    }

    private static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    // Faster than overwriting: some file systems flush a file that was cut and written again.
    private static void Replace(string path, byte[] bytes)
    {
        File.Delete(path);
        File.WriteAllBytes(path, bytes);
    }
}

using System.Text;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Training;

/// <summary>A small tokenizer, two made-up genomes and a tiny model, in a folder of their own.</summary>
internal sealed class Toy : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("training-");

    public Toy()
    {
        Write("alpha.fa", Fasta("alpha", 1, 12_000, 4));
        Write("beta.fa", Fasta("beta", 2, 9_000, 1));
    }

    /// <summary>Trained once on bases of no meaning.</summary>
    public static BpeTokenizer Tokenizer { get; } = TrainTokenizer(64);

    public static CorpusOptions Cuts { get; } = new() { MinBases = 20, MaxBases = 120, MaxTokens = 40, HeldOut = 0.2 };

    public static PretrainOptions Recipe { get; } = new()
    {
        Steps = 12,
        GlobalBatch = 6,
        MicroBatchTokens = 100,
        LearningRate = 2e-3,
        WarmupSteps = 3,
        EvaluateEvery = 4,
        CheckpointEvery = 4,
        EvaluationWindows = 10,
        KeepCheckpoints = 2,
    };

    public static Dnabert2Config Config { get; } = new()
    {
        VocabSize = 64,
        HiddenSize = 24,
        NumHiddenLayers = 2,
        NumAttentionHeads = 3,
        IntermediateSize = 20,
        HiddenDropoutProb = 0.1f,
    };

    public string this[string name] => Path.Combine(_folder.FullName, name);

    public CorpusSource[] Sources => [new("alpha", this["alpha.fa"]), new("beta", this["beta.fa"])];

    public static BpeTokenizer TrainTokenizer(int size)
    {
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = size });
        trainer.Add(Encoding.ASCII.GetBytes(Bases(3, 20_000)));
        return trainer.Train();
    }

    /// <summary>Bases in which some neighbours are more frequent than others, so that there is something to learn.</summary>
    public static string Bases(ulong seed, int length)
    {
        var random = new Philox(seed, 0, 0);
        var text = new StringBuilder(length);
        int last = 0;
        for (int i = 0; i < length; i++)
        {
            uint word = random.Word((ulong)i);
            last = (word & 0xF) < 9 ? (last + 1 + (int)(seed % 3)) % 4 : (int)(word >> 30);
            text.Append("ACGT"[last]);
        }

        return text.ToString();
    }

    public static string Fasta(string name, ulong seed, int length, int records)
    {
        var text = new StringBuilder();
        for (int r = 0; r < records; r++) text.Append(Line($">{name}{r}")).Append(Line(Bases(seed + (ulong)(10 * r), length / records)));
        return text.ToString();
    }

    public string Write(string name, string text)
    {
        File.WriteAllText(this[name], text);
        return this[name];
    }

    public Corpus Build(CorpusOptions? options = null, string name = "corpus") =>
        CorpusBuilder.Build(this[name], Sources, Tokenizer, options ?? Cuts);

    public static Dnabert2Model Model(Backend? backend = null, Dnabert2Config? config = null) =>
        Dnabert2Model.Initialize(config ?? Config, Tokenizer, seed: 7, backend, trainable: true);

    public static float[] Weights(SequenceModel model)
    {
        var values = new float[model.Parameters.Values.Count];
        model.Backend.Download<float>(model.Parameters.Values, values);
        return values;
    }

    /// <summary>Every file of a folder by its path within it.</summary>
    public static SortedDictionary<string, byte[]> Files(string folder) => new(
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .ToDictionary(p => Path.GetRelativePath(folder, p), File.ReadAllBytes), StringComparer.Ordinal);

    public string[] Names => [.. _folder.GetFileSystemInfos().Select(f => f.Name).Order(StringComparer.Ordinal)];

    public void Dispose() => _folder.Delete(recursive: true);

    private static string Line(string text) => text + "\n";
}

using System.Text;
using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Interpretation;

/// <summary>A small random model with every head, whose answers depend on every base.</summary>
public sealed class SmallModels : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create(2);

    public SmallModels() =>
        Model = Dnabert2Model.Initialize(
            Config, Tokenizer, seed: 5, _backend, ModelParts.Pooler | ModelParts.MlmHead | ModelParts.Classifier);

    internal static Dnabert2Config Config { get; } = new()
    {
        VocabSize = 80,
        HiddenSize = 24,
        NumHiddenLayers = 2,
        NumAttentionHeads = 3,
        IntermediateSize = 20,
        InitializerRange = 0.3f,
        NumLabels = 3,
    };

    internal static BpeTokenizer Tokenizer { get; } = Train();

    internal Dnabert2Model Model { get; }

    internal PlainScorer Plain => new(Model);

    /// <summary>The model as one that was fine-tuned. It is not to be disposed.</summary>
    internal InterpretedModel FineTuned(TaskKind kind, int? maxTokens = null) => new(Model, kind, ["none", "weak", "strong"], maxTokens);

    /// <summary>The model as one that was pre-trained. It is not to be disposed.</summary>
    internal InterpretedModel PreTrained() => new(Model, null, [], null);

    internal static string Dna(int seed, int length)
    {
        var random = new Philox((ulong)seed, 0, 0);
        return string.Create(length, random, (span, r) =>
        {
            for (int i = 0; i < span.Length; i++) span[i] = "ACGT"[(int)(r.Word((ulong)i) & 3)];
        });
    }

    internal static IEnumerable<SequenceRecord> Records(string fasta) =>
        SequenceReader.Read(
            new MemoryStream(Encoding.ASCII.GetBytes(fasta)), "test.fa", new SequenceOptions { OnAmbiguous = AmbiguousBases.Unknown });

    /// <summary>Writes a fine-tuned folder as a user has one.</summary>
    internal static void WriteFineTuned(string folder, string problemType = "single_label_classification", int maxTokens = 128)
    {
        using var backend = CpuBackend.Create(1);
        bool isValue = problemType == "regression";
        using (var model = Dnabert2Model.Initialize(Config with { NumLabels = isValue ? 1 : 3 }, Tokenizer, seed: 5, backend,
            ModelParts.Pooler | ModelParts.Classifier, trainable: true))
            ModelFolder.Save(model, folder);
        string path = Path.Combine(folder, "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        (config["problem_type"], config["dnabert2_max_tokens"]) = (problemType, maxTokens);
        config["id2label"] = JsonNode.Parse(isValue ? """{"0":"value"}""" : """{"0":"none","1":"weak","2":"strong"}""");
        File.WriteAllText(path, config.ToJsonString());
    }

    public void Dispose()
    {
        Model.Dispose();
        _backend.Dispose();
    }

    private static BpeTokenizer Train()
    {
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = 80 });
        trainer.Add(Encoding.ASCII.GetBytes(Dna(100, 20_000)));
        return trainer.Train();
    }
}

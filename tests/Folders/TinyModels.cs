using Dnabert2;
using Dnabert2.Dnabert;
using Dnabert2.Hyena;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.Training;
using ModelArchitecture = Dnabert2.Folders.Architecture;

namespace Tests.Folders;

/// <summary>A tiny model of each architecture, of one in both versions: what holds for all of them is tested with these.</summary>
internal static class TinyModels
{
    /// <summary>The name of the second version.</summary>
    public const string SecondVersion = "the Nucleotide Transformer v2";

    private static readonly Dictionary<string, Func<Tiny, SequenceModel>> Makers = new()
    {
        [ModelArchitecture.Dnabert2.Name] = tiny => Dnabert2Model.Initialize(
            Toy.Config with { HiddenDropoutProb = tiny.Dropout, IntermediateSize = tiny.Intermediate }, Toy.Tokenizer, seed: 7,
            tiny.Backend, tiny.Parts, trainable: true),
        [ModelArchitecture.Dnabert.Name] = tiny => DnabertModel.Initialize(
            new DnabertConfig
            {
                VocabSize = 69,
                HiddenSize = 24,
                NumHiddenLayers = 2,
                NumAttentionHeads = 3,
                IntermediateSize = tiny.Intermediate,
                MaxPositionEmbeddings = tiny.Positions,
                HiddenDropoutProb = tiny.Dropout,
            },
            new DnabertTokenizer(3), seed: 7, tiny.Backend, tiny.Parts, trainable: true),
        [ModelArchitecture.NucleotideTransformer.Name] = tiny => Transformer(tiny, new NucleotideTransformerConfig { VocabSize = 73 }),
        [SecondVersion] = tiny => Transformer(tiny, NucleotideTransformerConfig.Version2 with { VocabSize = 75 }),
        [ModelArchitecture.Hyena.Name] = tiny => HyenaModel.Initialize(
            new HyenaConfig
            {
                DModel = 24,
                DInner = tiny.Intermediate,
                NLayer = 2,
                MaxSeqLen = tiny.Positions,
                FilterOrder = 8,
            },
            seed: 7, tiny.Backend, tiny.Parts.HasFlag(ModelParts.MlmHead) ? tiny.Parts | ModelParts.CausalHead : tiny.Parts,
            trainable: true),
    };

    /// <summary>The names of all architectures that have pre-trained models: of the CNN there are none, and no additions to them.</summary>
    public static TheoryData<string> Names => [.. Makers.Keys];

    /// <summary>The architecture of a name.</summary>
    public static ModelArchitecture Find(string name) => name == SecondVersion
        ? ModelArchitecture.NucleotideTransformer : ModelArchitecture.All.Single(architecture => architecture.Name == name);

    /// <summary>A model laid out for training.</summary>
    /// <param name="name">Its architecture.</param>
    /// <param name="backend">Where to run.</param>
    /// <param name="parts">What it has besides the encoder.</param>
    /// <param name="dropout">Its dropout of activations, where it has any.</param>
    /// <param name="intermediate">The width of its feed-forward layers, where it has any.</param>
    /// <param name="positions">The tokens that it has positions for, where it has any.</param>
    public static SequenceModel Make(
        string name, Backend? backend, ModelParts parts, float dropout = 0.1f, int intermediate = 20, int positions = 24) =>
        Makers.TryGetValue(name, out Func<Tiny, SequenceModel>? make)
            ? make(new Tiny(backend, parts, dropout, intermediate, positions))
            : throw new InvalidOperationException($"add a tiny model of {name} to {nameof(TinyModels)}");

    /// <summary>Writes the folder of a pre-trained one.</summary>
    public static void Write(string name, string folder, Backend? backend = null)
    {
        using SequenceModel model = Make(name, backend, Find(name).LanguageModel!.Value);
        ModelFolder.Save(model, folder);
    }

    private static NucleotideTransformerModel Transformer(Tiny tiny, NucleotideTransformerConfig config) =>
        NucleotideTransformerModel.Initialize(
            config with
            {
                HiddenSize = 24,
                NumHiddenLayers = 2,
                NumAttentionHeads = 3,
                IntermediateSize = tiny.Intermediate,
                MaxPositionEmbeddings = tiny.Positions + 2,
                HiddenDropoutProb = tiny.Dropout,
            },
            new NucleotideTransformerTokenizer(3, config.Version), seed: 7, tiny.Backend, tiny.Parts, trainable: true);

    private sealed record Tiny(Backend? Backend, ModelParts Parts, float Dropout, int Intermediate, int Positions);
}

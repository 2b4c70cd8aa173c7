using Dnabert2;
using Dnabert2.Dnabert;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.Training;
using ModelArchitecture = Dnabert2.Folders.Architecture;

namespace Tests.Folders;

/// <summary>A tiny model of each architecture: what holds for all of them is tested with these.</summary>
internal static class TinyModels
{
    private const int Positions = 24;

    private static readonly Dictionary<ModelArchitecture, Func<Backend?, ModelParts, SequenceModel>> Makers = new()
    {
        [ModelArchitecture.Dnabert2] = (backend, parts) =>
            Dnabert2Model.Initialize(Toy.Config, Toy.Tokenizer, seed: 7, backend, parts, trainable: true),
        [ModelArchitecture.Dnabert] = (backend, parts) => DnabertModel.Initialize(
            new DnabertConfig
            {
                VocabSize = 69,
                HiddenSize = 24,
                NumHiddenLayers = 2,
                NumAttentionHeads = 3,
                IntermediateSize = 20,
                MaxPositionEmbeddings = Positions,
            },
            new DnabertTokenizer(3), seed: 7, backend, parts, trainable: true),
        [ModelArchitecture.NucleotideTransformer] = (backend, parts) => NucleotideTransformerModel.Initialize(
            new NucleotideTransformerConfig
            {
                VocabSize = 25,
                HiddenSize = 24,
                NumHiddenLayers = 2,
                NumAttentionHeads = 3,
                IntermediateSize = 20,
                MaxPositionEmbeddings = Positions + 2,
            },
            new NucleotideTransformerTokenizer(2), seed: 7, backend, parts, trainable: true),
    };

    /// <summary>The names of all architectures that the library knows.</summary>
    public static TheoryData<string> Names => [.. ModelArchitecture.All.Select(architecture => architecture.Name)];

    /// <summary>The architecture of a name.</summary>
    public static ModelArchitecture Find(string name) => ModelArchitecture.All.Single(architecture => architecture.Name == name);

    /// <summary>A model laid out for training.</summary>
    /// <param name="name">Its architecture.</param>
    /// <param name="backend">Where to run.</param>
    /// <param name="parts">What it has besides the encoder.</param>
    public static SequenceModel Make(string name, Backend? backend, ModelParts parts) =>
        Makers.TryGetValue(Find(name), out Func<Backend?, ModelParts, SequenceModel>? make)
            ? make(backend, parts)
            : throw new InvalidOperationException($"add a tiny model of {name} to {nameof(TinyModels)}");

    /// <summary>Writes the folder of a pre-trained one.</summary>
    public static void Write(string name, string folder, Backend? backend = null)
    {
        using SequenceModel model = Make(name, backend, ModelParts.MlmHead);
        ModelFolder.Save(model, folder);
    }
}

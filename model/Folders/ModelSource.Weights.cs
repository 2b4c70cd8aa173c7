using Dnabert2.Adapters;
using Dnabert2.Data;
using Dnabert2.Files;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Folders;

/// <content>The weights of the model, and how they become values of parameters.</content>
public sealed partial class ModelSource
{
    internal Checkpoint OpenWeights() => Checkpoint.Open(Weights);

    /// <summary>What the weights hold besides the encoder.</summary>
    internal ModelParts PartsOf(Checkpoint weights)
    {
        ModelParts all = weights.Parts | (Adapter?.Parts ?? ModelParts.Encoder);
        return Adapter is { UntiesDecoder: true } ? all & ~ModelParts.MlmHead : all;
    }

    /// <summary>The outputs of the classifier of an adapter's model; null where the config says it.</summary>
    internal int? LabelsIn(Checkpoint weights)
    {
        if (Adapter is null) return null;
        string classifier = Architecture.ClassifierWeight;
        return (Adapter.ShapeOf(classifier) ?? weights.ShapeOf(classifier)) is { Rank: 2 } shape ? shape[0] : null;
    }

    /// <summary>Whether the base is the adapter's own; null where it is not an adapter, or does not record its base.</summary>
    internal bool? HasOwnBase(Checkpoint weights) => Adapter?.BaseIdentity is { } recorded ? weights.EncoderIdentity() == recorded : null;

    /// <summary>Refuses a base that the adapter was not trained on.</summary>
    /// <exception cref="InvalidDataException">It is another one, or damaged.</exception>
    internal void CheckBase(Checkpoint weights)
    {
        if (HasOwnBase(weights) == false)
            throw new InvalidDataException(
                $"{Folder}: this adapter was trained on another base than {WeightFolder}: the encoder's weights " +
                $"there are others (or the same but rounded) than those whose SHA-256 is {BaseIdentity.Key} in {LoraAdapter.WeightFile}; " +
                "name the folder of its own base (baseFolder), or train an adapter on this one");
    }

    /// <summary>
    /// Finds out before any work whether the weights are there, and of an adapter those it was trained on. They are read for it once:
    /// whoever fills a model checks anew.
    /// </summary>
    /// <exception cref="IOException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the base is another one.</exception>
    internal void CheckWeights()
    {
        if (_hasCheckedWeights) return;
        using Checkpoint weights = OpenWeights();
        CheckBase(weights);
        _hasCheckedWeights = true;
    }

    /// <summary>Fills a model's parameters.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="set">The declared parameters of the parts in use.</param>
    /// <param name="parts">The parts in use.</param>
    /// <param name="trainable">Whether the values are laid out for training rather than for inference.</param>
    /// <param name="initial">Gives new values: of low-rank additions, and of the parts <paramref name="made"/>.</param>
    /// <param name="made">The parts that begin with new values.</param>
    /// <exception cref="InvalidDataException">The weights are not those of the model, or of another base than the adapter's.</exception>
    internal void Fill(
        Checkpoint weights, ParameterSet set, ModelParts parts, bool trainable, ParameterSource? initial = null,
        ModelParts made = ModelParts.Encoder) =>
        Give(weights, set, parts, trainable ? set.FillFlat : set.FillPacked, initial, made);

    /// <summary>Declares the model that <see cref="Load(Backend?, ModelParts?, bool)"/> loads; its parameters have no values.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="backend">Where it would run.</param>
    /// <param name="parts">What it has besides the encoder.</param>
    /// <exception cref="InvalidDataException">Config or tokenizer is damaged, or the adapter is not of such a model.</exception>
    internal SequenceModel Declare(Checkpoint weights, Backend backend, ModelParts parts) => Architecture.Make(
        this, new ConfigChanges(LabelsIn(weights)), backend, parts, _ => { }, model => Adapter?.Check(model, parts));

    /// <summary>Gives the values of a model's parameters, additions merged, to whoever takes them.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="set">The declared parameters of the parts in use.</param>
    /// <param name="parts">The parts in use.</param>
    /// <param name="take">Takes the values, of one parameter after the other, from what it is given.</param>
    /// <param name="initial">As for <see cref="Fill"/>.</param>
    /// <param name="made">As for <see cref="Fill"/>.</param>
    /// <exception cref="InvalidDataException">The weights are not those of the model, or of another base than the adapter's.</exception>
    internal void Give(
        Checkpoint weights, ParameterSet set, ModelParts parts, Action<ParameterSource> take, ParameterSource? initial = null,
        ModelParts made = ModelParts.Encoder)
    {
        CheckBase(weights);
        weights.Give(
            set, parts, take, Others, p => IsMade(p) || (Adapter?.Holds(p) ?? false), Adapter is null ? null : Change,
            Architecture.BesidesParameters(this));

        bool IsMade(Parameter p) => Lora.IsFactor(p) || (Checkpoint.PartOf(p.Name) & made) != 0;

        void Others(Parameter p, int index, Span<float> destination)
        {
            if (IsMade(p)) initial!(p, index, destination);
            else Adapter!.Read(p, index, destination);
        }

        void Change(Parameter p, int index, Span<float> destination)
        {
            if (!IsMade(p)) Adapter!.Merge(p, index, destination);
        }
    }

    /// <summary>
    /// All files that decide what the model answers: configs, the tokenizer, the weights, where there are any, and those of an adapter.
    /// </summary>
    /// <exception cref="IOException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A config or an index is damaged.</exception>
    internal IEnumerable<StoredFile> Files()
    {
        yield return Existing(ConfigFile);
        if (IsAdapter && HasOwnConfig) yield return ConfigPath;
        if (Architecture.TokenizerFiles.Count > 0) yield return TokenizerPath;
        if (ModelWeights.Find(Weights) is { } weights)
            foreach (StoredFile file in ModelWeights.FilesOf(Weights, weights)) yield return file;
        if (Adapter is null) yield break;
        yield return Adapter.Config.Path;
        yield return Adapter.WeightPath;
    }

    /// <summary>The hash of all files that decide the weights.</summary>
    internal string HashOfWeights()
    {
        StoredFile weights = ModelWeights.Find(Weights)
            ?? throw new FileNotFoundException($"{WeightFolder}: there are no weights; {Kinds}");
        IReadOnlyList<StoredFile> files = ModelWeights.FilesOf(Weights, weights);
        if (Adapter is null && files.Count == 1) return FileHash.OfFile(files[0]);
        IEnumerable<StoredFile> own = Adapter is null ? [] : [Adapter.Config.Path, Adapter.WeightPath];
        IEnumerable<string> hashes = files.Concat(own).Select(file => FileHash.OfFile(file));
        return FileHash.Of(System.Text.Encoding.ASCII.GetBytes(string.Join('\n', hashes)));
    }
}

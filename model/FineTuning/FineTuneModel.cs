using Dnabert2.Adapters;
using Dnabert2.Folders;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.FineTuning;

/// <summary>Makes the model that a fine-tuning begins with.</summary>
internal static class FineTuneModel
{
    private static readonly (ModelParts Part, string Name)[] PartNames =
        [(ModelParts.Pooler, "pooler"), (ModelParts.Classifier, "classifier")];

    /// <summary>
    /// The model with classifier, and pooler where its architecture has one, laid out for training; what is not trained is frozen. They
    /// are its own where it has them and they are of the same classes, otherwise new.
    /// </summary>
    /// <param name="source">The model.</param>
    /// <param name="task">The task.</param>
    /// <param name="options">The recipe, resolved.</param>
    /// <param name="backend">Where to run.</param>
    /// <param name="fresh">What begins with new weights, for people.</param>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public static SequenceModel Create(
        ModelSource source, TaskConfig task, FineTuneOptions options, Backend backend, out IReadOnlyList<string> fresh)
    {
        // Before there is a model that a damaged file would leave behind.
        ModelOrigin origin = ModelOrigin.Read(source);
        SequenceModel model = options.RandomInitialization ? CreateRandom(source, task, options, backend, out fresh)
            : CreateLoaded(source, task, options, backend, out fresh);
        model.Origin = origin;
        return model;
    }

    /// <summary>See <see cref="FineTuner.Check(ModelSource, FineTuneOptions, Backend)"/>.</summary>
    public static void Check(ModelSource source, FineTuneOptions options, Backend backend)
    {
        options = Resolved(options, source);
        source.Architecture.Declare(source, backend, source.Architecture.Head, model => Freeze(model, options)).Dispose();
        if (!options.RandomInitialization) source.CheckWeights();
    }

    /// <summary>The parameters of a model: those of the parts that its weights have.</summary>
    public static long CountParameters(ModelSource source, Backend backend)
    {
        using Checkpoint weights = source.OpenWeights();
        using SequenceModel declared = source.Architecture.Make(
            source, new ConfigChanges(source.LabelsIn(weights)), backend, source.PartsOf(weights), _ => { }, null);
        return declared.Parameters.Count;
    }

    /// <summary>
    /// The recipe with what it leaves to the architecture: the limit of tokens, and the layers with additions.
    /// </summary>
    /// <exception cref="ArgumentException">An option is out of its range, or the model does not take so many tokens.</exception>
    /// <exception cref="InvalidDataException">The config of the model is damaged.</exception>
    public static FineTuneOptions Resolved(FineTuneOptions options, ModelSource source) =>
        Resolved(options, source.Architecture, source.Architecture.MostTokens(source.ConfigPath));

    /// <summary>The same, for a model of an architecture that takes so many tokens.</summary>
    public static FineTuneOptions Resolved(FineTuneOptions options, Architecture architecture, int? most)
    {
        options.Validate();
        if (options.ClassifierPooling is { } pooling && architecture != Architecture.Dnabert2)
            throw new ArgumentException(
                $"{nameof(options.ClassifierPooling)} is {pooling}: it is for DNABERT-2; {architecture.Name} classifies in its own way");
        if (options.MaxTokens > most)
            throw new ArgumentException(
                $"{nameof(options.MaxTokens)} is {options.MaxTokens}: this model has positions for {most} tokens; longer sequences are "
                + "truncated to as many where no limit is given");
        return options with
        {
            MaxTokens = options.MaxTokens ?? architecture.UsualTokens(most),
            Lora = options.Lora with { Targets = options.Lora.Targets ?? architecture.LoraTargets },
        };
    }

    /// <summary>The hash of the model that training begins with, as far as it is of files.</summary>
    public static string HashOf(ModelSource source, FineTuneOptions options)
    {
        ModelContent content = ModelContent.Of(source, weights: !options.RandomInitialization);
        string files = $"{(options.RandomInitialization ? "random" : content.Weights)} {content.Config} {content.Tokenizer}";
        return source.Attention is { } attention ? $"{files} {attention}" : files;
    }

    private static SequenceModel CreateRandom(
        ModelSource source, TaskConfig task, FineTuneOptions options, Backend backend, out IReadOnlyList<string> fresh)
    {
        ModelParts head = source.Architecture.Head;
        fresh = ["encoder", .. Names(head)];
        ParameterSource? initial = null;
        return source.Architecture.Make(source, Changes(task, options), backend, head, set => set.FillFlat(initial!), model =>
        {
            Freeze(model, options);
            initial = model.NewWeights(options.Seed);
        });
    }

    private static SequenceModel CreateLoaded(
        ModelSource source, TaskConfig task, FineTuneOptions options, Backend backend, out IReadOnlyList<string> fresh)
    {
        using Checkpoint checkpoint = source.OpenWeights();
        ModelParts head = source.Architecture.Head, made = head & ~source.PartsOf(checkpoint);
        int labels = source.LabelsIn(checkpoint) ?? source.Architecture.LabelsOf(source);
        if (labels != task.Outputs || !IsSameTask(TaskConfig.Read(source, labels), task)) made |= ModelParts.Classifier;
        fresh = Names(made);
        ParameterSource? initial = null;
        SequenceModel model = source.Architecture.Make(
            source, Changes(task, options), backend, head,
            set => source.Fill(checkpoint, set, head, trainable: true, initial, made), model =>
            {
                source.Adapter?.Check(model, head, made);
                Freeze(model, options);
                initial = model.NewWeights(options.Seed);
            });
        if (options.Method == FineTuneMethod.Lora && !source.IsAdapter) model.BaseIdentity = checkpoint.EncoderIdentity();
        return model;
    }

    private static string[] Names(ModelParts parts) => [.. PartNames.Where(p => parts.HasFlag(p.Part)).Select(p => p.Name)];

    private static ConfigChanges Changes(TaskConfig task, FineTuneOptions options) =>
        new(task.Outputs, (float?)options.Dropout, options.ClassifierPooling);

    private static bool IsSameTask(TaskConfig before, TaskConfig task) => before.Kind == task.Kind && before.Names.AreThoseOf(task.Names);

    private static void Freeze(SequenceModel model, FineTuneOptions options)
    {
        ModelParts head = model.Architecture.Head;
        if (options.Method == FineTuneMethod.Lora) Lora.Attach(model, options.Lora, trained: head);
        if (options.Method != FineTuneMethod.Head) return;
        foreach (Parameter p in model.Parameters.Parameters) p.IsFrozen = (Checkpoint.PartOf(p.Name) & head) == 0;
    }
}

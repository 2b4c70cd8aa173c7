using Dnabert2.Adapters;
using Dnabert2.Folders;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.FineTuning;

/// <summary>Makes the model that a fine-tuning begins with.</summary>
internal static class FineTuneModel
{
    private const ModelParts Head = ModelParts.Pooler | ModelParts.Classifier;

    /// <summary>
    /// The model with pooler and classifier, laid out for training; what is not trained is frozen. Pooler and classifier are
    /// its own where it has them and they are of the same classes, otherwise new.
    /// </summary>
    /// <param name="source">The model.</param>
    /// <param name="task">The task.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="backend">Where to run.</param>
    /// <param name="fresh">What begins with new weights, for people.</param>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public static Dnabert2Model Create(
        ModelSource source, TaskConfig task, FineTuneOptions options, Backend backend, out IReadOnlyList<string> fresh)
    {
        Dnabert2Model model = options.RandomInitialization ? CreateRandom(source, task, options, backend, out fresh)
            : CreateLoaded(source, task, options, backend, out fresh);
        model.Origin = ModelOrigin.Read(source);
        return model;
    }

    /// <summary>See <see cref="FineTuner.Check(ModelSource, FineTuneOptions, Backend)"/>.</summary>
    public static void Check(ModelSource source, FineTuneOptions options, Backend backend)
    {
        options.Validate();
        Dnabert2Model.Make(source.LoadConfig(), source.LoadTokenizer(), backend, Head, _ => { }, model => Freeze(model, options)).Dispose();
        if (!options.RandomInitialization) source.CheckWeights();
    }

    /// <summary>The parameters of a model: those of the parts that its weights have.</summary>
    public static long CountParameters(ModelSource source, Backend backend)
    {
        using Checkpoint weights = source.OpenWeights();
        using Dnabert2Model declared = Dnabert2Model.Make(
            source.ConfigFor(weights), source.LoadTokenizer(), backend, source.PartsOf(weights), _ => { });
        return declared.Parameters.Count;
    }

    /// <summary>The hash of the model that training begins with, as far as it is of files.</summary>
    public static string HashOf(ModelSource source, FineTuneOptions options)
    {
        ModelContent content = ModelContent.Of(source);
        string files = $"{(options.RandomInitialization ? "random" : content.Weights)} {content.Config} {content.Tokenizer}";
        return source.Attention is { } attention ? $"{files} {attention}" : files;
    }

    private static Dnabert2Model CreateRandom(
        ModelSource source, TaskConfig task, FineTuneOptions options, Backend backend, out IReadOnlyList<string> fresh)
    {
        fresh = ["encoder", "pooler", "classifier"];
        Dnabert2Config config = ConfigOf(source.LoadConfig(), task, options);
        ParameterSource initial = Initialization.Normal(options.Seed, config.InitializerRange);
        return Dnabert2Model.Make(
            config, source.LoadTokenizer(), backend, Head, set => set.FillFlat(initial), model => Freeze(model, options));
    }

    private static Dnabert2Model CreateLoaded(
        ModelSource source, TaskConfig task, FineTuneOptions options, Backend backend, out IReadOnlyList<string> fresh)
    {
        using Checkpoint checkpoint = source.OpenWeights();
        Dnabert2Config config = source.ConfigFor(checkpoint);
        ModelParts made = Head & ~source.PartsOf(checkpoint);
        if (config.NumLabels != task.Outputs || !IsSameTask(TaskConfig.Read(source, config.NumLabels), task)) made |= ModelParts.Classifier;
        fresh = [.. new[] { (ModelParts.Pooler, "pooler"), (ModelParts.Classifier, "classifier") }.Where(p => made.HasFlag(p.Item1))
            .Select(p => p.Item2)];
        config = ConfigOf(config, task, options);
        ParameterSource initial = Initialization.Normal(options.Seed, config.InitializerRange);
        Dnabert2Model model = Dnabert2Model.Make(
            config, source.LoadTokenizer(), backend, Head,
            set => source.Fill(checkpoint, set, Head, trainable: true, initial, made), model =>
            {
                source.Adapter?.Check(model, Head, made);
                Freeze(model, options);
            });
        if (options.Method == FineTuneMethod.Lora && !source.IsAdapter) model.BaseIdentity = checkpoint.EncoderIdentity();
        return model;
    }

    private static Dnabert2Config ConfigOf(Dnabert2Config config, TaskConfig task, FineTuneOptions options)
    {
        config = config with { NumLabels = task.Outputs };
        return options.Dropout is { } dropout ? config with { HiddenDropoutProb = (float)dropout, ClassifierDropout = null } : config;
    }

    private static bool IsSameTask(TaskConfig before, TaskConfig task) => before.Kind == task.Kind && before.Names.AreThoseOf(task.Names);

    private static void Freeze(Dnabert2Model model, FineTuneOptions options)
    {
        if (options.Method == FineTuneMethod.Lora) Lora.Attach(model, options.Lora, trained: Head);
        if (options.Method != FineTuneMethod.Head) return;
        foreach (Parameter p in model.Parameters.Parameters) p.IsFrozen = (Checkpoint.PartOf(p.Name) & Head) == 0;
    }
}

using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.FineTuning;

/// <summary>Makes the model that a fine-tuning begins with.</summary>
internal static class FineTuneModel
{
    private const ModelParts Head = ModelParts.Pooler | ModelParts.Classifier;

    /// <summary>
    /// The model of a folder with pooler and classifier, laid out for training; what is not trained is frozen. Pooler and classifier are
    /// the folder's where it has them and they are of the same classes, otherwise new.
    /// </summary>
    /// <param name="folder">A plain model folder.</param>
    /// <param name="task">The task.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="backend">Where to run.</param>
    /// <param name="fresh">What begins with new weights, for people.</param>
    /// <exception cref="InvalidDataException">The folder is damaged, or an adapter.</exception>
    public static Dnabert2Model Create(string folder, TaskConfig task, FineTuneOptions options, Backend backend, out IReadOnlyList<string> fresh)
    {
        (Dnabert2Config config, BpeTokenizer tokenizer) = Open(folder);
        bool sameClasses = config.NumLabels == task.Outputs && SameNames(folder, task);
        config = config with { NumLabels = task.Outputs };
        if (options.Dropout is { } dropout) config = config with { HiddenDropoutProb = (float)dropout, ClassifierDropout = null };
        ParameterSource initial = Initialization.Normal(options.Seed, config.InitializerRange);
        if (options.RandomInitialization)
        {
            fresh = ["encoder", "pooler", "classifier"];
            return Dnabert2Model.Make(config, tokenizer, backend, Head, set => set.FillFlat(initial), model => Freeze(model, options));
        }

        using Checkpoint checkpoint = Checkpoint.Open(folder);
        ModelParts made = Head & ~checkpoint.Parts;
        if (!sameClasses) made |= ModelParts.Classifier;
        fresh = [.. new[] { (ModelParts.Pooler, "pooler"), (ModelParts.Classifier, "classifier") }.Where(p => made.HasFlag(p.Item1)).Select(p => p.Item2)];
        return Dnabert2Model.Make(
            config, tokenizer, backend, Head, set => checkpoint.Fill(set, Head, trainable: true, initial, made), model => Freeze(model, options));
    }

    /// <summary>The configuration and tokenizer of a plain model folder.</summary>
    public static (Dnabert2Config Config, BpeTokenizer Tokenizer) Open(string folder)
    {
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{folder}: no such folder; a model is a folder with config.json, tokenizer.json and model.safetensors or pytorch_model.bin");
        if (LoraAdapter.IsIn(folder))
            throw new InvalidDataException($"{folder}: this is an adapter; 'dnabert2 merge-lora' makes a model of it, from which training can begin");
        return (Dnabert2Config.Load(Dnabert2Model.Existing(folder, "config.json")), BpeTokenizer.Load(Dnabert2Model.Existing(folder, "tokenizer.json")));
    }

    /// <summary>See <see cref="FineTuner.Check(string, FineTuneOptions, Backend)"/>.</summary>
    public static void Check(string folder, FineTuneOptions options, Backend backend)
    {
        options.Validate();
        (Dnabert2Config config, BpeTokenizer tokenizer) = Open(folder);
        Dnabert2Model.Make(config, tokenizer, backend, Head, _ => { }, model => Freeze(model, options)).Dispose();
        if (!options.RandomInitialization) Checkpoint.Open(folder).Dispose();
    }

    /// <summary>The parameters of a plain model folder: those of the parts that its weights have.</summary>
    public static long CountParameters(string folder, Backend backend)
    {
        (Dnabert2Config config, BpeTokenizer tokenizer) = Open(folder);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        using Dnabert2Model declared = Dnabert2Model.Make(config, tokenizer, backend, checkpoint.Parts, _ => { });
        return declared.Parameters.Count;
    }

    /// <summary>The hash of the model that training begins with, as far as it is of files.</summary>
    public static string HashOf(string folder, FineTuneOptions options)
    {
        ModelContent content = ModelContent.Of(folder);
        return $"{(options.RandomInitialization ? "random" : content.Weights)} {content.Config} {content.Tokenizer}";
    }

    private static bool SameNames(string folder, TaskConfig task)
    {
        TaskConfig before = TaskConfig.Read(Path.Combine(folder, "config.json"), task.Outputs, task.MaxTokens);
        return before.Kind == task.Kind && before.Names.SequenceEqual(task.Names);
    }

    private static void Freeze(Dnabert2Model model, FineTuneOptions options)
    {
        if (options.Method == FineTuneMethod.Lora) Lora.Attach(model, options.Lora, trained: Head);
        if (options.Method != FineTuneMethod.Head) return;
        foreach (Parameter p in model.Parameters.Parameters) p.IsFrozen = (Checkpoint.PartOf(p.Name) & Head) == 0;
    }
}

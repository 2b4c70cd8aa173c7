namespace Dnabert2.FineTuning.Suites;

/// <summary>How the models of a suite are fine-tuned. What is null is as each task has it in the paper.</summary>
public sealed record SuiteRecipe
{
    /// <summary>What is the same for all tasks. Method, initialisation, limit of tokens and seed are set for each run.</summary>
    public FineTuneOptions Common { get; init; } = new();

    /// <summary>Passes over the training set, from 1 to 100,000; null: the task's.</summary>
    public int? Epochs { get; init; }

    /// <summary>Optimizer steps, in place of epochs, from 1 to 1,000,000,000; null: the task's.</summary>
    public int? Steps { get; init; }

    /// <summary>The highest learning rate of <see cref="SuiteMethod.Lora"/>; from 0 to 1e9; null: the default of LoRA.</summary>
    public double? LoraLearningRate { get; init; }

    /// <summary>The options of a run with a DNABERT-2; what is left open is the model's.</summary>
    /// <exception cref="ArgumentException">The method is not one of fine-tuning.</exception>
    public FineTuneOptions OptionsOf(SuiteRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        return OptionsOf(run, run.Task.Apply(Common));
    }

    /// <summary>The options of a run with a model, nothing of them left open but what is the network's own that a task makes.</summary>
    /// <exception cref="ArgumentException">The method is not one of fine-tuning.</exception>
    internal FineTuneOptions OptionsOf(SuiteRun run, SuiteModel model)
    {
        FineTuneOptions options = OptionsOf(run, run.Task.Apply(Common, model.Architecture, model.Tokens, model.MostTokens));
        return model.IsNew
            ? options with { MaxTokens = null } : FineTuneModel.Resolved(options, model.Architecture, model.MostTokens);
    }

    private FineTuneOptions OptionsOf(SuiteRun run, FineTuneOptions ofTask)
    {
        if (run.Method == SuiteMethod.Kmer) throw new ArgumentException($"{run}: nothing is fine-tuned");
        FineTuneOptions options = ofTask with
        {
            Method = run.Method == SuiteMethod.Lora ? FineTuneMethod.Lora : FineTuneMethod.Full,
            RandomInitialization = run.Method == SuiteMethod.Random,
            Seed = run.Seed,
        };
        if (run.Method == SuiteMethod.Lora) options = options with { LearningRate = LoraLearningRate };
        if (Epochs is { } epochs) options = options with { Epochs = epochs, Steps = null };
        return Steps is { } steps ? options with { Steps = steps } : options;
    }

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        Common.Validate();
        OptionRange.Check(nameof(Epochs), Epochs ?? 1, 1, 100_000);
        OptionRange.Check(nameof(Steps), Steps ?? 1, 1, OptionRange.MostCounted);
        OptionRange.Check(nameof(LoraLearningRate), LoraLearningRate ?? 0, 0, OptionRange.Largest);
    }
}

using Dnabert2.Data;
using Dnabert2.Folders;
using Dnabert2.Training;
using Engine.Runtime;

namespace Dnabert2.FineTuning;

/// <summary>
/// Further pre-training on the sequences of a task's training set, before fine-tuning: masked language modelling with the paper's recipe
/// for it (batch 32, at most 128 tokens, or what the model takes where that is less, learning rate 5e-5).
/// </summary>
public static class FurtherPretraining
{
    /// <summary>Pre-trains a model further, or goes on with it.</summary>
    /// <param name="start">The model to begin with, with a masked-language-model head.</param>
    /// <param name="task">The task, with a training set.</param>
    /// <param name="folder">The folder of this pre-training; one that is there is resumed.</param>
    /// <param name="steps">Optimizer steps.</param>
    /// <param name="seed">Decides samples, masks and dropout.</param>
    /// <param name="backend">Where to run.</param>
    /// <param name="progress">Told after each step, on this thread.</param>
    /// <param name="cancellation">Ends the run after the step at work, with a checkpoint.</param>
    /// <returns>The folder of the model.</returns>
    /// <exception cref="InvalidDataException">
    /// The model has no head, a file is damaged, or the pre-training that is there was begun with another model.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled; the checkpoint is written.</exception>
    public static string Run(
        ModelSource start, LabelledTask task, string folder, int steps, ulong seed, Backend backend,
        IProgress<PretrainProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(start);
        ArgumentNullException.ThrowIfNull(task);
        string path = task.Train?.Path ?? throw new ArgumentException($"{task.Folder}: the task was read without train");
        using RunFolder run = RunFolder.Claim(folder, Pretrainer.Kind, resume: true, [path, .. start.Folders]);
        using SequenceModel model = start.Load(backend, start.LanguageModel, trainable: true);
        // Whole sequences, but for those of more than 128 tokens; all are trained on.
        var cuts = new CorpusOptions { MinBases = 20, MaxBases = 100_000, HeldOut = 0 };
        cuts = cuts with { MaxTokens = Math.Min(cuts.MaxTokens, model.MaxTokens ?? cuts.MaxTokens) };
        var recipe = new PretrainOptions
        {
            Steps = steps,
            GlobalBatch = 32,
            LearningRate = 5e-5,
            WarmupSteps = Math.Min(50, steps / 10),
            Seed = seed,
            CheckpointEvery = 1000,
            KeepCheckpoints = 1,
        };
        var source = new CorpusSource("train", path)
        {
            SequenceColumn = task.Reading.SequenceColumn,
            SecondSequenceColumn = task.Reading.SecondSequenceColumn,
        };
        using Corpus corpus = CorpusBuilder.Build(Path.Combine(folder, "corpus"), [source], model.Tokenizer, cuts, null, cancellation);
        using var training = new Pretrainer(model, corpus, run, recipe, start);
        return training.Run(progress, cancellation).Checkpoint;
    }
}

using System.Text;
using Dnabert2.Cnn;
using Dnabert2.Files;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;

namespace Dnabert2.FineTuning;

/// <summary>
/// The convolutional network of Genomic Benchmarks before it is trained: no weights of it were published, and its vocabulary and the length
/// of its rows are those of a training set.
/// </summary>
/// <example>
/// <code>
/// LabelledTask task = LabelledTask.Read("GUE/prom/prom_core_tata");
/// ModelSource start = NewNetwork.Write(task, "network");
/// using var run = new FineTuner(start, task, "run", start.Recipe with { RandomInitialization = true });
/// </code>
/// </example>
public static class NewNetwork
{
    /// <summary>How the network is trained: see <see cref="ModelSource.Recipe"/>, with new weights.</summary>
    public static FineTuneOptions Recipe => Architecture.Cnn.Recipe! with { RandomInitialization = true };

    /// <summary>Writes its <c>config.json</c> and <c>vocab.txt</c>, for training with new weights.</summary>
    /// <param name="task">The data; the training set decides.</param>
    /// <param name="folder">The folder; made if there is none.</param>
    /// <exception cref="ArgumentException">
    /// The task was read without a training set, or its sequences are too short or too long.
    /// </exception>
    /// <exception cref="InvalidDataException">The network does not take such a task.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static ModelSource Write(LabelledTask task, string folder)
    {
        ArgumentNullException.ThrowIfNull(task);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (Architecture.Cnn.RefusalOf(task) is { } why)
            throw new InvalidDataException($"{task.Folder}: {why}; take another model, or read the labels otherwise");
        if (task.Train is null) throw new ArgumentException($"{task.Folder}: the task was read without train", nameof(task));
        LetterVocabulary vocabulary = LetterVocabulary.FromSequences(task.Train.Select(row => Encoding.ASCII.GetString(row.First)));
        var config = new CnnConfig
        {
            VocabSize = vocabulary.VocabularySize,
            InputLength = vocabulary.InputLength,
            NumLabels = task.Names.Count,
        };
        config.Validate();
        Directory.CreateDirectory(folder);
        ResultFiles.Write(Path.Combine(folder, ModelSource.ConfigFile), ModelOrigin.Bytes(config.Write()), disk: null);
        ResultFiles.Write(Path.Combine(folder, ModelSource.VocabularyFile), vocabulary.Save, disk: null);
        return ModelSource.Open(folder);
    }
}

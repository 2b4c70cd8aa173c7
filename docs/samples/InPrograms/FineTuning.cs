using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Sequences;

namespace InPrograms;

/// <summary>
/// A classifier, trained on a folder with <c>train.csv</c>, <c>dev.csv</c> and <c>test.csv</c>, and what it says of sequences.
/// </summary>
public static class FineTuning
{
    public static void Run(string taskFolder, string folder, TextWriter output, CancellationToken cancellation)
    {
        LabelledTask task = LabelledTask.Read(taskFolder, cancellation: cancellation);
        // Few steps of the cheapest method, to show the way; without Steps it is the paper's recipe.
        var options = new FineTuneOptions { Method = FineTuneMethod.Lora, Steps = 4, MaxTokens = 64 };
        using (var run = new FineTuner(ModelSource.BuiltIn, task, folder, options))
        {
            FineTuneResult result = run.Run(cancellation: cancellation);
            output.WriteLine($"{result.Steps} steps, dev loss {result.DevLoss:F3}");
        }

        using ClassifierModel classifier = ClassifierModel.Load(folder);
        IEnumerable<SequenceRecord> records = SequenceReader.Read(Path.Combine(taskFolder, "test.csv"), cancellation: cancellation);
        foreach (Prediction p in new Predictor(classifier).Predict(records, cancellation).Take(3))
            output.WriteLine($"{p.Id}: {p.Label}, probabilities {string.Join(' ', p.Outputs.ToArray().Select(o => o.ToString("F3")))}");
    }
}

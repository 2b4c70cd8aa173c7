using Dnabert2.FineTuning;
using Dnabert2.Training;

namespace Dnabert2.Tool.Verbs;

/// <summary>Shows how a fine-tuning goes: a line for the steps, and one for each evaluation and skipped step.</summary>
/// <param name="terminal">Where it is shown.</param>
/// <param name="quiet">Whether only skipped steps are.</param>
/// <param name="firstStep">Steps done before.</param>
internal sealed class FinetuneReport(Terminal terminal, bool quiet, int firstStep)
    : IProgress<FineTuneProgress>, IProgress<PretrainProgress>, IDisposable
{
    private readonly ProgressLine _line = new(terminal, quiet, "steps");

    public void Report(FineTuneProgress value)
    {
        if (value.Skipped) Say($"step {value.Step:N0} skipped: loss {value.Loss}, gradient norm {value.GradientNorm}");
        if (!quiet && value.DevLoss is { } loss)
            Say($"step {value.Step:N0}: dev loss {loss:F4}{(value.IsBest ? ", the lowest so far" : "")}");
        else if (!quiet && value.Checkpoint is { } checkpoint) Say($"checkpoint: {checkpoint}");
        if (_line.IsDue) Show(value.Step, value.Steps, value.Loss, value.LearningRate, "");
    }

    public void Report(PretrainProgress value)
    {
        if (value.Skipped) Say($"step {value.Step:N0} skipped: loss {value.Loss}, gradient norm {value.GradientNorm}");
        if (_line.IsDue) Show(value.Step, value.Steps, value.Loss, value.LearningRate, "further pre-training, ");
    }

    public void Dispose() => _line.Dispose();

    private void Show(int step, int steps, double loss, double learningRate, string what) =>
        _line.Show($"{what}step {step:N0} of {steps:N0}, loss {loss:F3}, learning rate {learningRate:G3}", step - firstStep,
            (double)(step - firstStep) / (steps - firstStep));

    private void Say(string text)
    {
        _line.Dispose();
        terminal.Say(text);
    }
}

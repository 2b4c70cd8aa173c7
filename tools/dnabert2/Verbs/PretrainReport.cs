using Dnabert2.Training;

namespace Dnabert2.Tool.Verbs;

/// <summary>Shows how a pre-training goes: a line for the steps, and one for each evaluation, checkpoint and skipped step.</summary>
/// <param name="terminal">Where it is shown.</param>
/// <param name="quiet">Whether only skipped steps are.</param>
/// <param name="firstStep">Steps done before.</param>
/// <param name="peak">The most operations a second that the machine was seen to do; 0 where that is not known.</param>
internal sealed class PretrainReport(Terminal terminal, bool quiet, int firstStep, double peak) : IProgress<PretrainProgress>, IDisposable
{
    private readonly ProgressLine _line = new(terminal, quiet, "tokens");
    private long _tokensBefore = -1;

    public void Report(PretrainProgress value)
    {
        // What this process has done decides its speed.
        if (_tokensBefore < 0) _tokensBefore = value.Tokens - value.StepTokens;
        if (value.Skipped) Say($"step {value.Step:N0} skipped: loss {value.Loss}, gradient norm {value.GradientNorm}");
        if (!quiet && value.Evaluation is { } e)
            Say($"step {value.Step:N0}, held out: loss {e.Total.Loss:F4}, accuracy {100 * e.Total.Accuracy:F2} %, " +
                $"{e.Total.BitsPerBase:F4} bits a base");
        if (!quiet && value.Checkpoint is { } checkpoint) Say($"checkpoint: {checkpoint}");
        if (!_line.IsDue) return;
        string what = $"step {value.Step:N0} of {value.Steps:N0}, loss {value.Loss:F3}, learning rate {value.LearningRate:G3}, " +
            $"{value.FlopsPerSecond / 1e9:F0} GFLOP/s{(peak > 0 ? $" ({value.FlopsPerSecond / peak:P0} of peak)" : "")}";
        _line.Show(what, value.Tokens - _tokensBefore, (double)(value.Step - firstStep) / (value.Steps - firstStep));
    }

    public void Dispose() => _line.Dispose();

    private void Say(string text)
    {
        _line.Dispose();
        terminal.Say(text);
    }
}

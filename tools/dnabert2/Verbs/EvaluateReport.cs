using Dnabert2.FineTuning;
using Dnabert2.FineTuning.Suites;
using Dnabert2.Metrics;

namespace Dnabert2.Tool.Verbs;

/// <summary>Shows how a suite goes: a line for each run, and one that is written over for the steps of the run at work.</summary>
/// <param name="terminal">Where it is shown.</param>
/// <param name="quiet">Whether only skipped steps are.</param>
internal sealed class EvaluateReport(Terminal terminal, bool quiet) : IProgress<SuiteProgress>, IProgress<FineTuneProgress>, IDisposable
{
    private ProgressLine _line = new(terminal, quiet, "steps");
    private string _run = "";
    private int _firstStep = -1;

    public void Report(SuiteProgress value)
    {
        _line.Dispose();
        _run = $"{value.Number} of {value.Count}, {value.Run}";
        if (value.Percent is not { } percent)
        {
            if (value.Again is { } reason) terminal.Say($"{value.Run} runs again: {reason}");
            _line = new ProgressLine(terminal, quiet, "steps");
            _firstStep = -1;
            return;
        }

        string metric = value.Run.Task.Metric == Metric.Mcc ? "MCC" : "macro F1";
        if (!quiet) terminal.Say($"{_run}: {metric} {percent:F2} %{(value.Kept ? ", finished before" : "")}");
    }

    public void Report(FineTuneProgress value)
    {
        if (_firstStep < 0) _firstStep = value.Step - 1;
        if (value.Skipped)
        {
            _line.Dispose();
            terminal.Say($"{_run}: step {value.Step:N0} skipped: loss {value.Loss}, gradient norm {value.GradientNorm}");
        }

        if (!_line.IsDue) return;
        int done = value.Step - _firstStep;
        _line.Show(
            $"{_run}: step {value.Step:N0} of {value.Steps:N0}, loss {value.Loss:F3}", done, (double)done / (value.Steps - _firstStep));
    }

    public void Dispose() => _line.Dispose();
}

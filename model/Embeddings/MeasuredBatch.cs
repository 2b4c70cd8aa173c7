using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Dnabert2.Embeddings;

/// <summary>
/// A batch as OpenTelemetry and <c>dotnet-counters</c> see it: an activity of the source <c>Dnabert2</c>, and the instruments of the meter
/// of that name. Nobody who listens to neither pays for them.
/// </summary>
internal readonly struct MeasuredBatch : IDisposable
{
    private static readonly ActivitySource Source = new(Embedder.TelemetryName);
    private static readonly Meter Meter = new(Embedder.TelemetryName);
    private static readonly Counter<long> AllTokens = Meter.CreateCounter<long>(
        "dnabert2.embed.tokens", "{token}", "Tokens that went through the encoder, special ones included.");

    private static readonly Counter<long> AllSequences = Meter.CreateCounter<long>(
        "dnabert2.embed.sequences", "{sequence}", "Sequences, or chunks of long ones, that went through the encoder.");

    private static readonly Histogram<double> Duration = Meter.CreateHistogram<double>(
        "dnabert2.embed.batch.duration", "s", "The time of a batch in the encoder.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30] });

    private readonly Activity? _activity;
    private readonly long _start;
    private readonly int _tokens, _sequences;

    public MeasuredBatch(SequenceModel model, int tokens, int sequences)
    {
        (_tokens, _sequences) = (tokens, sequences);
        if (Duration.Enabled) _start = Stopwatch.GetTimestamp();
        _activity = Source.StartActivity("dnabert2.embed.batch");
        if (_activity is null) return;
        _activity.SetTag("dnabert2.tokens", tokens);
        _activity.SetTag("dnabert2.sequences", sequences);
        _activity.SetTag("dnabert2.backend", model.Backend.Description);
    }

    /// <summary>Notes that the batch has gone through; one that has not is an activity with an error.</summary>
    public void Complete()
    {
        if (_activity is { } activity) activity.SetStatus(ActivityStatusCode.Ok);
        AllTokens.Add(_tokens);
        AllSequences.Add(_sequences);
        if (_start != 0) Duration.Record(Stopwatch.GetElapsedTime(_start).TotalSeconds);
    }

    public void Dispose()
    {
        if (_activity is { Status: ActivityStatusCode.Unset } activity) activity.SetStatus(ActivityStatusCode.Error);
        _activity?.Dispose();
    }
}

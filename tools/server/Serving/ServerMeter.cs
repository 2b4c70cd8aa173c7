using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Dnabert2.Server.Serving;

/// <summary>What the queue tells OpenTelemetry and Prometheus, beside what the model and ASP.NET Core tell.</summary>
internal sealed class ServerMeter : IDisposable
{
    /// <summary>The name of the meter.</summary>
    public const string Name = "Dnabert2.Server";

    private readonly Meter _meter;
    private readonly Histogram<double> _wait;
    private readonly Histogram<int> _batchTokens;
    private readonly Counter<long> _refused;

    public ServerMeter(IMeterFactory factory, WorkQueue queue, Admission admission)
    {
        _meter = factory.Create(Name);
        _wait = _meter.CreateHistogram<double>("dnabert2.server.queue.duration", "s", "How long a piece waited before it was computed.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30] });
        _batchTokens = _meter.CreateHistogram<int>("dnabert2.server.batch.tokens", "{token}", "Tokens that were computed together.",
            advice: new InstrumentAdvice<int> { HistogramBucketBoundaries = [64, 256, 512, 1024, 2048, 4096, 8192, 16384] });
        _refused = _meter.CreateCounter<long>("dnabert2.server.refused", "{request}", "Requests that were refused, by status.");
        _meter.CreateObservableUpDownCounter("dnabert2.server.queue.tokens", () => queue.Tokens, "{token}", "Tokens that wait.");
        _meter.CreateObservableUpDownCounter("dnabert2.server.queue.requests", () => queue.Jobs, "{request}", "Requests that wait.");
        _meter.CreateObservableUpDownCounter(
            "dnabert2.server.requests", () => admission.Requests, "{request}", "Requests that are being read, computed or answered.");
        _meter.CreateObservableUpDownCounter(
            "dnabert2.server.memory", () => admission.Bytes, "By", "What these requests take of the memory that there is for them.");
    }

    /// <summary>Notes a batch that is about to be computed.</summary>
    public void NoteBatch(int tokens, List<Piece> pieces)
    {
        _batchTokens.Record(tokens);
        if (!_wait.Enabled) return;
        foreach (Piece piece in pieces) _wait.Record(Stopwatch.GetElapsedTime(piece.Job.Queued).TotalSeconds);
    }

    /// <summary>Notes a request that was refused.</summary>
    public void NoteRefused(int status) => _refused.Add(1, new KeyValuePair<string, object?>("status", status));

    public void Dispose() => _meter.Dispose();
}

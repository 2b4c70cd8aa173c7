using System.Diagnostics.Metrics;

namespace Tests.Server;

/// <summary>
/// Keeps a server's model busy for as long as a test likes: who listens to the sizes of batches is told on the thread that computes them.
/// </summary>
internal sealed class HeldCompute : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ManualResetEventSlim _go = new();
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public HeldCompute(IMeterFactory ofServer)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == ofServer && instrument.Name == "dnabert2.server.batch.tokens")
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<int>((_, _, _, _) =>
        {
            _reached.TrySetResult();
            _go.Wait(TimeSpan.FromMinutes(1));
        });
        _listener.Start();
    }

    /// <summary>Ends when the thread has taken a batch.</summary>
    public Task Reached => _reached.Task.WaitAsync(TimeSpan.FromMinutes(1));

    /// <summary>Lets it go on.</summary>
    public void Dispose()
    {
        _go.Set();
        _listener.Dispose();
    }
}

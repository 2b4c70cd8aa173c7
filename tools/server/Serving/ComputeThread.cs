using System.Diagnostics;
using Dnabert2.Server.Http;

namespace Dnabert2.Server.Serving;

/// <summary>
/// The thread that computes. Whenever it is free it takes what waits, up to the budget of a batch: batches are as large as the load makes
/// them, and nothing waits for a batch to fill. It is stopped after the web server, so that all requests that were taken are answered.
/// </summary>
internal sealed partial class ComputeThread : IHostedService, IDisposable
{
    private readonly WorkQueue _queue;
    private readonly ServerMeter _meter;
    private readonly ILogger<ComputeThread> _logger;
    private readonly int _maxBatchTokens;
    private readonly ILane?[] _lanes;
    private readonly List<Piece> _pieces = [], _exclusive = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly Thread _thread;

    public ComputeThread(
        ServedModel model, ServerOptions options, WorkQueue queue, ServerMeter meter, ILogger<ComputeThread> logger)
    {
        (_queue, _meter, _logger, _maxBatchTokens) = (queue, meter, logger, options.MaxBatchTokens);
        _lanes =
        [
            model.NoVectors is null ? new EmbedLane(model.Model, options.Pooling) : null,
            model.Classifier is { } classifier ? new ClassifyLane(classifier, model.MaxInputTokens, options.MaxBatchTokens) : null,
        ];
        _thread = new Thread(Work) { IsBackground = true, Name = "compute" };
    }

    /// <summary>Whether it runs.</summary>
    public bool IsAlive => _thread.IsAlive;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _thread.Start();
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _queue.Close();
        // When there is no more time, what is being computed ends without a result.
        await using CancellationTokenRegistration late = cancellationToken.Register(_stop.Cancel);
        if (_thread.IsAlive) await Task.Run(_thread.Join, CancellationToken.None);
    }

    public void Dispose()
    {
        foreach (ILane? lane in _lanes) lane?.Dispose();
        _stop.Dispose();
    }

    private void Work()
    {
        while (_queue.AwaitWork())
        {
            RunBatches();
            RunAttribution();
        }
    }

    /// <summary>A batch of each kind, where there is work of it.</summary>
    private void RunBatches()
    {
        for (int lane = 0; lane < _lanes.Length; lane++)
        {
            int tokens = _queue.Take((Lane)lane, _maxBatchTokens, _pieces);
            if (tokens == 0) continue;
            _meter.NoteBatch(tokens, _pieces);
            long start = Stopwatch.GetTimestamp();
            Guard(_pieces, () => _lanes[lane]!.Run(_pieces, _stop.Token));
            _queue.NoteSpeed(tokens, Stopwatch.GetElapsedTime(start));
        }
    }

    /// <summary>An attribution, which is many batches: between two of them others have their turn.</summary>
    private void RunAttribution()
    {
        if (_queue.Take(Lane.Attribute, 0, _exclusive) == 0) return;
        Guard(_exclusive, () => ((AttributeJob)_exclusive[0].Job).Run(RunBatches, _stop.Token));
    }

    /// <summary>Runs work; if it fails, so do the jobs whose pieces it was, and no others.</summary>
    private void Guard(List<Piece> pieces, Action work)
    {
        try
        {
            work();
        }
        catch (OperationCanceledException)
        {
            foreach (Piece piece in pieces) _queue.Abandon(piece.Job, CancellationToken.None);
        }
        catch (Exception e) when (e is NotFiniteNumberException or InvalidDataException or ArgumentException)
        {
            Fail(pieces, e.Message);
        }
        catch (Exception e)
        {
            LogFailed(_logger, e, pieces.Count);
            Fail(pieces, e is OutOfMemoryException or Engine.Runtime.Cuda.DeviceMemoryException
                ? $"there is not enough memory for the batch: {e.Message}" : "the batch could not be computed; the log says why");
        }
    }

    private void Fail(List<Piece> pieces, string message)
    {
        foreach (Piece piece in pieces) _queue.Fail(piece.Job, RequestFault.Backend(message));
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A batch of {Pieces} sequences failed")]
    private static partial void LogFailed(ILogger logger, Exception exception, int pieces);
}

using System.Diagnostics;
using Dnabert2.Server.Http;

namespace Dnabert2.Server.Serving;

/// <summary>The kinds of work; pieces of one kind are computed together.</summary>
internal enum Lane
{
    Embed,
    Classify,
    Attribute,
}

/// <summary>
/// The jobs that wait, up to a number of tokens. Of each kind they take turns, a piece at a time: a long request delays a short one by no
/// more than a batch.
/// </summary>
/// <param name="maxTokens">The most tokens that wait.</param>
internal sealed class WorkQueue(long maxTokens)
{
    // Before anything has been computed, a second is a guess.
    private const double FirstRate = 0, Smoothing = 0.2, LongestWait = 60;
    private readonly object _lock = new();
    private readonly LinkedList<Job>[] _lanes = [.. Enum.GetValues<Lane>().Select(_ => new LinkedList<Job>())];
    private double _tokensPerSecond = FirstRate;
    private long _tokens;
    private int _jobs;
    private bool _closed;

    /// <summary>Tokens that wait.</summary>
    public long Tokens => Volatile.Read(ref _tokens);

    /// <summary>Jobs of which a piece waits.</summary>
    public int Jobs => Volatile.Read(ref _jobs);

    /// <summary>Queues a job.</summary>
    /// <exception cref="RequestFault">There are too many tokens already, or the job alone has too many.</exception>
    public void Add(Lane lane, Job job)
    {
        if (job.Tokens > maxTokens)
            throw RequestFault.TooLarge(
                $"the request needs {job.Tokens:N0} tokens computed, and no more than {maxTokens:N0} may wait; send less at once");
        lock (_lock)
        {
            if (_closed) throw new RequestFault(StatusCodes.Status503ServiceUnavailable, FaultKind.Unhealthy, "the server is ending");
            if (_tokens + job.Tokens > maxTokens)
                throw RequestFault.Overloaded($"{_tokens:N0} tokens are waiting, of at most {maxTokens:N0}; try again later", Wait());
            (job.Queued, job.WaitingTokens) = (Stopwatch.GetTimestamp(), job.Tokens);
            _tokens += job.Tokens;
            _jobs++;
            _lanes[(int)lane].AddLast(job.Place);
            Monitor.Pulse(_lock);
        }
    }

    /// <summary>Ends a job whose request is gone: what is not being computed never will be.</summary>
    public void Abandon(Job job, CancellationToken token)
    {
        if (!job.Abandon(token)) return;
        lock (_lock) Forget(job);
    }

    /// <summary>Takes pieces of one kind from the jobs that wait, up to a number of tokens, or one that has more.</summary>
    /// <param name="lane">The kind.</param>
    /// <param name="maxBatchTokens">The most tokens.</param>
    /// <param name="pieces">Receives them, in place of what it holds.</param>
    /// <returns>Their tokens; 0 where nothing waits.</returns>
    public int Take(Lane lane, int maxBatchTokens, List<Piece> pieces)
    {
        pieces.Clear();
        int tokens = 0;
        LinkedList<Job> jobs = _lanes[(int)lane];
        lock (_lock)
        {
            while (jobs.First is { } first)
            {
                Job job = first.Value;
                int next = job.TokensOf(job.Taken);
                if (pieces.Count > 0 && tokens + (long)next > maxBatchTokens) break;
                jobs.Remove(first);
                pieces.Add(new Piece(job, job.Taken++));
                tokens += next;
                _tokens -= next;
                job.WaitingTokens -= next;
                if (job.Taken < job.Pieces) jobs.AddLast(first);
                else _jobs--;
            }
        }

        return tokens;
    }

    /// <summary>Ends a job that could not be computed.</summary>
    public void Fail(Job job, Exception fault)
    {
        job.Fail(fault);
        lock (_lock) Forget(job);
    }

    /// <summary>Waits until there is work.</summary>
    /// <returns>Whether there is; otherwise the queue is closed and empty.</returns>
    public bool AwaitWork()
    {
        lock (_lock)
        {
            while (_jobs == 0)
            {
                if (_closed) return false;
                Monitor.Wait(_lock);
            }

            return true;
        }
    }

    /// <summary>Takes no more jobs; those that wait are still computed.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Notes how fast a batch was, from which follows when a refused request may come again.</summary>
    public void NoteSpeed(int tokens, TimeSpan time)
    {
        double rate = tokens / Math.Max(time.TotalSeconds, 1e-6);
        lock (_lock) _tokensPerSecond += (_tokensPerSecond == FirstRate ? 1 : Smoothing) * (rate - _tokensPerSecond);
    }

    /// <summary>The time after which about half of what waits is computed.</summary>
    private TimeSpan Wait() => _tokensPerSecond == FirstRate ? TimeSpan.FromSeconds(1)
        : TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(_tokens / 2 / _tokensPerSecond), 1, LongestWait));

    /// <summary>Takes what waits of a job out of the line.</summary>
    private void Forget(Job job)
    {
        if (job.Place.List is not { } line) return;
        line.Remove(job.Place);
        _tokens -= job.WaitingTokens;
        _jobs--;
    }
}

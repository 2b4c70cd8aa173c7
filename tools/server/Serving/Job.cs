namespace Dnabert2.Server.Serving;

/// <summary>
/// What one request wants computed, in pieces: token sequences that go through the model whole, together with those of other requests.
/// The queue knows how far it is, and the compute thread alone gives it results.
/// </summary>
internal abstract class Job
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _computed;

    protected Job() => Place = new LinkedListNode<Job>(this);

    /// <summary>Its place in the line.</summary>
    public LinkedListNode<Job> Place { get; }

    /// <summary>The number of pieces.</summary>
    public abstract int Pieces { get; }

    /// <summary>The tokens of all pieces.</summary>
    public abstract long Tokens { get; }

    /// <summary>The pieces that have left the queue.</summary>
    public int Taken { get; set; }

    /// <summary>The tokens that are still in the queue.</summary>
    public long WaitingTokens { get; set; }

    /// <summary>When it came into the queue: a time stamp.</summary>
    public long Queued { get; set; }

    /// <summary>Ends when all pieces are computed, one could not be, or the request is gone.</summary>
    public Task Done => _done.Task;

    /// <summary>The tokens of a piece.</summary>
    public abstract int TokensOf(int piece);

    /// <summary>Notes that a piece is computed.</summary>
    public void NoteComputed()
    {
        if (++_computed == Pieces) _done.TrySetResult();
    }

    /// <summary>Ends it with an error.</summary>
    public void Fail(Exception fault) => _done.TrySetException(fault);

    /// <summary>Ends it because nobody waits for it.</summary>
    /// <returns>Whether it was still under way.</returns>
    public bool Abandon(CancellationToken token) => _done.TrySetCanceled(token);
}

/// <summary>A piece of a job.</summary>
internal readonly record struct Piece(Job Job, int Index);

using Dnabert2.Server.Http;
using Dnabert2.Server.Serving;

namespace Tests.Server;

public sealed class WorkQueueTests
{
    private readonly WorkQueue _queue = new(maxTokens: 1000);
    private readonly List<Piece> _pieces = [];

    [Fact]
    public void A_short_job_is_not_kept_waiting_by_the_rest_of_a_long_one()
    {
        var longJob = new PlannedJob(100, 100, 100, 100, 100);
        var shortJob = new PlannedJob(50);
        _queue.Add(Lane.Embed, longJob);
        Assert.Equal(200, _queue.Take(Lane.Embed, 200, _pieces));
        _queue.Add(Lane.Embed, shortJob);
        Assert.Equal(150, _queue.Take(Lane.Embed, 200, _pieces));
        Assert.Equal([new Piece(longJob, 2), new Piece(shortJob, 0)], _pieces);
        Assert.Equal((200L, 1), (_queue.Tokens, _queue.Jobs));
    }

    [Fact]
    public void A_batch_keeps_to_its_budget_but_for_a_piece_that_is_larger_alone()
    {
        _queue.Add(Lane.Embed, new PlannedJob(500, 80, 30));
        Assert.Equal(500, _queue.Take(Lane.Embed, 100, _pieces));
        Assert.Equal(80, _queue.Take(Lane.Embed, 100, _pieces));
        Assert.Equal(30, _queue.Take(Lane.Embed, 100, _pieces));
        Assert.Equal(0, _queue.Take(Lane.Embed, 100, _pieces));
        Assert.Equal((0L, 0), (_queue.Tokens, _queue.Jobs));
    }

    [Fact]
    public void Kinds_are_not_mixed()
    {
        _queue.Add(Lane.Embed, new PlannedJob(10));
        _queue.Add(Lane.Classify, new PlannedJob(20));
        Assert.Equal(20, _queue.Take(Lane.Classify, 100, _pieces));
        Assert.Equal(10, _queue.Take(Lane.Embed, 100, _pieces));
    }

    [Fact]
    public void An_abandoned_job_leaves_the_line_with_all_that_it_holds()
    {
        var gone = new PlannedJob(100, 300);
        _queue.Add(Lane.Embed, gone);
        _queue.Add(Lane.Embed, new PlannedJob(60));
        _queue.Take(Lane.Embed, 100, _pieces);
        _queue.Abandon(gone, CancellationToken.None);
        _queue.Abandon(gone, CancellationToken.None);
        Assert.Equal((60L, 1), (_queue.Tokens, _queue.Jobs));
        Assert.Null(gone.Place.List);
        Assert.True(gone.Done.IsCanceled);
        Assert.Equal(60, _queue.Take(Lane.Embed, 100, _pieces));
    }

    [Fact]
    public void What_does_not_fit_is_refused_with_when_to_come_again_or_for_good()
    {
        _queue.Add(Lane.Embed, new PlannedJob(600));
        RequestFault now = Assert.Throws<RequestFault>(() => _queue.Add(Lane.Embed, new PlannedJob(401)));
        Assert.Equal((429, TimeSpan.FromSeconds(1)), (now.Status, now.RetryAfter));
        RequestFault ever = Assert.Throws<RequestFault>(() => _queue.Add(Lane.Embed, new PlannedJob(1001)));
        Assert.Equal((413, (TimeSpan?)null), (ever.Status, ever.RetryAfter));
        Assert.Equal((600L, 1), (_queue.Tokens, _queue.Jobs));
        _queue.NoteSpeed(10, TimeSpan.FromSeconds(1));
        Assert.Equal(TimeSpan.FromSeconds(30), Assert.Throws<RequestFault>(() => _queue.Add(Lane.Embed, new PlannedJob(401))).RetryAfter);
    }

    [Fact]
    public void A_closed_queue_gives_out_what_it_holds_and_takes_no_more()
    {
        _queue.Add(Lane.Embed, new PlannedJob(10));
        _queue.Close();
        Assert.Equal(503, Assert.Throws<RequestFault>(() => _queue.Add(Lane.Embed, new PlannedJob(10))).Status);
        Assert.True(_queue.AwaitWork());
        _queue.Take(Lane.Embed, 100, _pieces);
        Assert.False(_queue.AwaitWork());
    }

    private sealed class PlannedJob(params int[] tokens) : Job
    {
        public override int Pieces => tokens.Length;

        public override long Tokens => tokens.Sum();

        public override int TokensOf(int piece) => tokens[piece];
    }
}

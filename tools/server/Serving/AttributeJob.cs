using Dnabert2.Interpretation;
using Dnabert2.Sequences;

namespace Dnabert2.Server.Serving;

/// <summary>A sequence of which the effect of every substitution is wanted.</summary>
/// <param name="attribution">How.</param>
/// <param name="record">The sequence.</param>
/// <param name="tokens">About how many tokens that takes.</param>
internal sealed class AttributeJob(Attribution attribution, SequenceRecord record, int tokens) : Job
{
    public override int Pieces => 1;

    public override long Tokens => tokens;

    /// <summary>The effects, once they are computed.</summary>
    public SubstitutionEffects? Effects { get; private set; }

    public override int TokensOf(int piece) => tokens;

    /// <summary>Computes them.</summary>
    /// <param name="between">Called between two batches.</param>
    /// <param name="stop">Ends the work.</param>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public void Run(Action between, CancellationToken stop)
    {
        Effects = attribution.Run([record], new Between(between, Done), stop).Single();
        NoteComputed();
    }

    private sealed class Between(Action then, Task done) : IProgress<AttributionProgress>
    {
        public void Report(AttributionProgress value)
        {
            if (done.IsCompleted) throw new OperationCanceledException("the request is gone");
            then();
        }
    }
}

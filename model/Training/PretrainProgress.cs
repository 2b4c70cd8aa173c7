namespace Dnabert2.Training;

/// <summary>A step of pre-training that was done.</summary>
/// <param name="Step">Steps done, of <paramref name="Steps"/>.</param>
/// <param name="Steps">Steps of the run.</param>
/// <param name="Loss">The mean cross-entropy of the step's masked tokens, in nats.</param>
/// <param name="LearningRate">The step's learning rate.</param>
/// <param name="GradientNorm">The global norm of the gradients before clipping.</param>
/// <param name="Skipped">Whether loss or norm was not finite and the parameters stayed as they were.</param>
/// <param name="Tokens">Tokens of the run so far.</param>
/// <param name="StepTokens">Tokens of the step, special ones included.</param>
/// <param name="TokensPerSecond">Of the step.</param>
/// <param name="FlopsPerSecond">
/// Of the step: <c>6 · L · (4 H² + 3 H I)</c> operations for each token, <c>6 · (H² + H V)</c> for each masked one, and
/// <c>12 · L · H · s²</c> for each sequence of s tokens.
/// </param>
/// <param name="Remaining">The time that is left at the speed of this process so far.</param>
/// <param name="Evaluation">The evaluation that followed the step, or null.</param>
/// <param name="Checkpoint">The folder of the checkpoint that followed it, or null.</param>
public readonly record struct PretrainProgress(
    int Step, int Steps, double Loss, double LearningRate, double GradientNorm, bool Skipped, long Tokens, int StepTokens,
    double TokensPerSecond, double FlopsPerSecond, TimeSpan Remaining, Evaluation? Evaluation, string? Checkpoint);

/// <summary>A run that has come to its end.</summary>
/// <param name="Checkpoint">The folder of the last checkpoint, itself a model folder.</param>
/// <param name="BestCheckpoint">The folder of the checkpoint of the lowest held-out loss; null where nothing is held out.</param>
/// <param name="Evaluation">The last evaluation; null where nothing is held out, or the run was at its end before.</param>
/// <param name="Tokens">Tokens trained on.</param>
/// <param name="SkippedSteps">Steps without an update.</param>
/// <param name="Seconds">Seconds of training.</param>
public sealed record PretrainResult(
    string Checkpoint, string? BestCheckpoint, Evaluation? Evaluation, long Tokens, int SkippedSteps, double Seconds);

using Dnabert2.Sequences;

namespace Dnabert2.Interpretation;

/// <summary>
/// The effects of all substitutions in a stretch of a sequence: what the model says of the substituted sequence, minus what it says of
/// the sequence as it stands. A long record comes in several stretches, each base once.
/// </summary>
/// <param name="Id">The record's name.</param>
/// <param name="Number">The record's place in its file, from 1.</param>
/// <param name="Start">The first base of the stretch, counted from 0 in the record, or in the sequence of a genome.</param>
/// <param name="Bases">[bases]: the bases as they stand; at N nothing is substituted.</param>
/// <param name="Class">The name of the class; null where the effect is on the likelihood, or on the value of a regression.</param>
/// <param name="Effects">
/// [bases, 4], in the order A, C, G, T: the change of the class's probability, of the value, or of the log-likelihood in nats. 0 for the
/// base that stands there, NaN at N.
/// </param>
/// <param name="LogitEffects">[bases, 4]: the change of ln p/(1 − p) of the class; empty where there is no class.</param>
/// <param name="Unseen">Bases after the stretch, up to the end of the window, that lie past the most tokens the model takes.</param>
public sealed record SubstitutionEffects(
    string Id, long Number, long Start, ReadOnlyMemory<byte> Bases, string? Class,
    ReadOnlyMemory<float> Effects, ReadOnlyMemory<float> LogitEffects, int Unseen)
{
    /// <summary>The region that the stretch is of; null where it is of a record, or of a part that is asked for of records.</summary>
    public GenomeRegion? Region { get; init; }
}

/// <summary>How far an attribution is.</summary>
/// <param name="BasesDone">Bases whose substitutions are computed; a part of a window counts by its share.</param>
/// <param name="BasesFound">Bases to substitute in the records read so far.</param>
/// <param name="TokensDone">Tokens that went through the model.</param>
public readonly record struct AttributionProgress(double BasesDone, long BasesFound, long TokensDone);

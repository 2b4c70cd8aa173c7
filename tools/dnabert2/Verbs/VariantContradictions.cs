using Dnabert2.Interpretation;
using Dnabert2.Sequences;

namespace Dnabert2.Tool.Verbs;

/// <summary>
/// Variants that contradict the genome: what is said of them, and when they are too many. Names that the genome does not have are said
/// once; of those that it has, where the reference alleles of more than a quarter of the first 500 or more variants differ, the run ends.
/// </summary>
/// <param name="reader">The variants.</param>
/// <param name="genome">The genome.</param>
/// <param name="terminal">Where is said what is left out.</param>
/// <param name="stops">Whether the first one is an error.</param>
internal sealed class VariantContradictions(VariantReader reader, Genome genome, Terminal terminal, bool stops)
{
    private const int MostSaid = 10, LeastCompared = 500, MostShown = 3;
    private string _first = "", _unknown = "", _firstDiffering = "";
    private long _compared, _differing;
    private bool _saidUnknown;

    /// <summary>Says where the header of a VCF gives sequences another length than the genome has.</summary>
    public void SayLengths()
    {
        if (Lengths() is { } lengths) terminal.Say($"{reader.Name}: {lengths}: it may be of another assembly");
    }

    /// <summary>Is told of the next variant.</summary>
    /// <exception cref="InvalidDataException">It contradicts the genome and that is an error, or too many do.</exception>
    public void Add(VariantScore score)
    {
        bool isCompared = score.Status is VariantStatus.Scored or VariantStatus.ReferenceMismatch or VariantStatus.OutOfRange
            or VariantStatus.TooLong or VariantStatus.Unseen;
        if (isCompared) _compared++;
        if (score.ContradictsGenome) Take(score, isUnknown: score.Status == VariantStatus.UnknownChromosome);
        // Where all names differ, that is the error at the end, and not to be said twice.
        if (_compared > 0) SayUnknown();
    }

    /// <summary>Says what is left to be said when all variants are read.</summary>
    /// <param name="anyScored">Whether one was scored.</param>
    /// <exception cref="InvalidDataException">None was, for contradictions.</exception>
    public void Finish(bool anyScored)
    {
        if (_differing > MostSaid)
            terminal.Say(
                $"{reader.Name}: {_differing - MostSaid:N0} more variants contradict the genome; the column 'reason' of a table says why "
                + "for each");
        if (_first.Length > 0 && !anyScored)
            throw new InvalidDataException($"no variant could be scored. {_first}. Give the genome that the variants refer to");
        SayUnknown();
    }

    private void Take(VariantScore score, bool isUnknown)
    {
        string place = $"{reader.Name}: line {score.Variant.Line}: {score.Reason}";
        if (isUnknown) place += GenomeRegions.NameRemedy(genome, score.Variant.Chromosome);
        if (stops)
            throw new InvalidDataException(
                $"{place}; correct the line, give the genome that the variants refer to, or skip such lines with --on-mismatch skip");
        if (_first.Length == 0) _first = place;
        if (isUnknown)
        {
            if (_unknown.Length == 0) _unknown = place;
            return;
        }

        if (_differing == 0) _firstDiffering = $"line {score.Variant.Line}: {score.Reason}";
        if (++_differing <= MostSaid) terminal.Say(place + "; left out");
        if (_compared >= LeastCompared && _differing > _compared / 4) throw OtherGenome();
    }

    /// <summary>Says the first name that the genome does not have, once.</summary>
    private void SayUnknown()
    {
        if (_unknown.Length == 0 || _saidUnknown) return;
        _saidUnknown = true;
        terminal.Say(_unknown + ". Left out, as are all variants of sequences that the genome does not have");
    }

    private InvalidDataException OtherGenome() => new(
        $"{reader.Name}: {_differing:N0} of the first {_compared:N0} variants of sequences that {genome.Name} has contradict it, more "
        + $"than a quarter: they are of another genome. The first: {_firstDiffering}"
        + $"{(Lengths() is { } lengths ? $"; {lengths}" : "")}. "
        + "Give the genome that the variants refer to, or take such lines out: bcftools norm --check-ref x");

    /// <summary>The sequences whose lengths the header gives otherwise than the genome, in words; null: there are none.</summary>
    private string? Lengths()
    {
        List<string> shown = [];
        int others = 0;
        foreach ((string name, long length) in reader.Contigs)
        {
            if (!genome.TryGetLength(name, out long bases) || bases == length) continue;
            if (shown.Count < MostShown) shown.Add($"'{name}' has {length:N0} bases in its header and {bases:N0} in {genome.Name}");
            else others++;
        }

        return shown.Count == 0 ? null : string.Join(", ", shown) + (others > 0 ? $", and {others:N0} more differ" : "");
    }
}

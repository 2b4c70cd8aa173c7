using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Dnabert2.Tool.Output;
using Dnabert2.Tool.Pieces;

namespace Dnabert2.Tool.Verbs;

/// <summary>One run of <c>attribute</c>: effects go to the table and the picture as they are found.</summary>
internal sealed class AttributeRun(
    InterpretedModel model, Attribution attribution, AttributionOptions options, InputFiles? input, GenomeRegions? regions,
    Terminal terminal, bool quiet, bool keepsLengths)
    : IProgress<AttributionProgress>
{
    // Work from here on takes long enough that one wants to know beforehand.
    private const long LongWork = 5_000;
    private ProgressLine? _line;
    private TimeSpan _time;
    private readonly Dictionary<string, long> _lengths = new(StringComparer.Ordinal);
    private HeatMap? _map;
    private AttributionProgress _before, _block;
    private long _records, _bases, _unseen, _lastRecord;

    /// <summary>Computes and writes everything.</summary>
    /// <param name="result">The result, which gives the records or regions block by block.</param>
    /// <param name="row">Where the table goes.</param>
    /// <param name="picture">Where the picture goes, or null.</param>
    /// <param name="tracks">Where a value for each base goes.</param>
    /// <param name="line">Shows the progress.</param>
    public void Run(RowResult result, RowWriter row, Stream? picture, IReadOnlyList<IBaseTrack> tracks, ProgressLine line)
    {
        _line = line;
        bool hasLogit = attribution.IsOfClass && model.Task != FineTuning.TaskKind.Regression;
        string unit = hasLogit ? "change of the probability of the class"
            : attribution.IsOfClass ? "change of the value"
            : model.Model.Parts.HasFlag(ModelParts.CausalHead) ? "change of the log-likelihood, nats"
            : "change of the log-likelihood of masked tokens, nats";
        if (options.AverageReverseComplement) unit += ", average of both strands";
        if (picture is not null) _map = new HeatMap(picture, unit);
        foreach (string column in (ReadOnlySpan<string>)["id", "pos", "ref", "alt", "effect"]) row.Add(column);
        if (hasLogit)
        {
            row.Add("effect_logit");
            row.Add("class");
        }

        if (options.AverageReverseComplement) row.Add(Strands.Column);
        row.EndRow();
        // A region of a record is looked for in all records. Without pieces there is one block: windows share no passes.
        bool isWhole = options.Region is not null || !result.IsPieced;
        IEnumerable<IEnumerable<SubstitutionEffects>> all = regions is null
            ? result.Blocks(Records(), record => isWhole ? 0 : record.Length)
                .Select(block => attribution.Run(block, this, terminal.Cancellation))
            : result.Blocks(regions.All(), region => isWhole ? 0 : region.Length)
                .Select(block => attribution.Run(regions.Genome, block, this, terminal.Cancellation));
        foreach (IEnumerable<SubstitutionEffects> block in all)
        {
            foreach (SubstitutionEffects effects in block)
            {
                Write(row, effects);
                if (tracks.Count > 0) AddTo(tracks, effects);
                _map?.Add(effects);
                Count(effects);
            }

            (_lastRecord, _before) = (0, _block);
        }

        foreach (IBaseTrack track in tracks) track.Finish();
        _map?.Finish();
        _time = line.Elapsed;
    }

    /// <summary>The number of bases of a sequence, of those whose effects were found.</summary>
    public long LengthOf(string contig) =>
        regions is not null && regions.Genome.TryGetLength(contig, out long length) ? length : _lengths[contig];

    /// <summary>Shows the progress of a batch.</summary>
    public void Report(AttributionProgress value)
    {
        _block = new(_before.BasesDone + value.BasesDone, _before.BasesFound + value.BasesFound, _before.TokensDone + value.TokensDone);
        if (!_line!.IsDue) return;
        value = _block;
        // Of one record's region all is known; otherwise a part of what was read is done, and a part of the file was read.
        double done = value.BasesDone / value.BasesFound;
        double? share = regions is not null ? value.BasesDone / regions.Bases : options.Region?.Record is null ? input!.Share * done : done;
        string of = regions is null ? Shared.Count(input!.RecordsRead, "record") : Shared.Count(_records, "region");
        _line.Show(
            $"{of}, {value.BasesDone:N0} of {value.BasesFound:N0} bases", value.TokensDone, share);
    }

    /// <summary>Says what was done, and what was left out.</summary>
    public void Report(string path, string? picture, params string?[] tracks)
    {
        input?.Report();
        int most = Math.Min(model.MaxTokens ?? int.MaxValue, model.Model.MaxTokens ?? int.MaxValue);
        if (_unseen > 0)
            terminal.Say(
                $"{input?.Name ?? regions!.Genome.Name}: {Shared.Count(_unseen, "base")} beyond the {most} tokens that the model takes "
                + "were not substituted; with a smaller --window the model sees them");
        if (_map is { BasesLeftOut: > 0 })
            terminal.Say(
                $"{picture}: only the first {Shared.Count(_map.Bases, "base")} are drawn; {_map.BasesLeftOut:N0} more are only in the "
                + "table; --region chooses others");
        if (quiet) return;
        string target = string.Join(" and ", new[] { path == "-" ? "standard output" : path, picture }.Concat(tracks).OfType<string>());
        terminal.Say(
            $"{Shared.Count(_bases, "base")} of {Shared.Count(_records, regions is null ? "record" : "region")}, "
            + $"{Shared.Count(_block.TokensDone, "token")} in {_time.TotalSeconds:F1} s: to {target}");
    }

    private void Write(RowWriter row, SubstitutionEffects effects)
    {
        ReadOnlySpan<byte> bases = effects.Bases.Span;
        Span<char> letter = stackalloc char[1];
        for (int i = 0; i < bases.Length; i++)
        {
            for (int b = 0; b < 4; b++)
            {
                float effect = effects.Effects.Span[(4 * i) + b];
                if (float.IsNaN(effect)) continue;
                row.Add(effects.Id);
                row.Add(effects.Start + i + 1);
                letter[0] = (char)bases[i];
                row.Add(letter);
                letter[0] = "ACGT"[b];
                row.Add(letter);
                row.Add([effect]);
                if (effects.Class is not null)
                {
                    row.Add([effects.LogitEffects.Span[(4 * i) + b]]);
                    row.Add(effects.Class);
                }

                if (options.AverageReverseComplement) row.Add(Strands.Both);
                row.EndRow();
            }
        }
    }

    /// <summary>The mean of the effects of the three substitutions of each base; none at N.</summary>
    private static void AddTo(IReadOnlyList<IBaseTrack> tracks, SubstitutionEffects effects)
    {
        for (int i = 0; i < effects.Bases.Length; i++)
        {
            float sum = 0;
            foreach (float effect in effects.Effects.Span.Slice(4 * i, 4)) sum += effect;
            if (!float.IsFinite(sum)) continue;
            foreach (IBaseTrack track in tracks) track.Add(effects.Id, effects.Start + i, sum / 3);
        }
    }

    private void Count(SubstitutionEffects effects)
    {
        if (effects.Number != _lastRecord) _records++;
        _lastRecord = effects.Number;
        _bases += effects.Bases.Length;
        _unseen += effects.Unseen;
    }

    /// <summary>The records; of one that will take long, it is said beforehand what it takes.</summary>
    private IEnumerable<SequenceRecord> Records()
    {
        foreach (SequenceRecord record in input!.Records())
        {
            SequenceRegion? region = options.Region;
            long bases = region is null ? record.Length : Math.Max(0, Math.Min(record.Length, region.End) - region.Start);
            if (!quiet && bases >= LongWork && (region?.Record is null || (record.HasName && region.Record == record.Id)))
            {
                // A token of byte-pair encoding has about five bases; substitutions in one token share passes where likelihoods are wanted.
                double basesOfToken = model.Model.Tokenizer.BasesThatFit(1000) / 1000.0 ?? 5;
                double tokens = (attribution.RunsEachMutant ? 3.0 : 1.0) * (options.AverageReverseComplement ? 2 : 1) * bases
                    * Math.Min(record.Length, attribution.Window) / basesOfToken;
                terminal.Say(
                    $"record {record.Number} '{record.Id}': {bases:N0} bases, {3 * bases:N0} substitutions, about "
                    + $"{tokens / 1e6:N0} million tokens to compute; "
                    + $"--region {(record.HasName ? record.Id + ":" : "")}START-END does a part, a smaller --window costs less");
            }

            if (keepsLengths) _lengths[record.Id] = record.Length;
            yield return record;
        }
    }
}

using System.Numerics.Tensors;
using Dnabert2.Sequences;

namespace Dnabert2.Interpretation;

/// <summary>
/// In-silico mutagenesis: for each base of each record, what every substitution does to a class of a fine-tuned model or to the
/// likelihood under a pre-trained one. Records stream through: memory depends on the longest record and the window. One substitution
/// changes the tokens around it, so every substituted sequence is tokenised again. Several threads may use one at once.
/// </summary>
/// <remarks>
/// The likelihood is that of masked tokens. Let the tokens of the sequence r and of the substituted sequence s be the same but for a
/// stretch, r_1 … r_m in place of s_1 … s_n. Then the effect is Σ_j ln p(s_j | n masks there) − Σ_i ln p(r_i | m masks there), in nats,
/// where p is the model's distribution at a place when the whole stretch is replaced by as many masks as it has tokens. Both sums are of
/// the same bases in the same visible context, no changed token is seen while another one is predicted, and substitutions that change the
/// same stretch share their forward passes: about one a base, instead of one for each changed token of each substitution.
/// </remarks>
public sealed class Attribution
{
    private readonly InterpretedModel _model;
    private readonly AttributionOptions _options;
    private readonly bool _ofClass;
    private readonly int? _label;

    /// <summary>An attribution with a loaded model.</summary>
    /// <exception cref="ArgumentException">An option is out of its range, or asks for what the model does not have.</exception>
    public Attribution(InterpretedModel model, AttributionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        (_model, _options) = (model, options ?? new AttributionOptions());
        _options.Validate();
        _ofClass = _options.Target == AttributionTarget.Auto ? model.Task is not null : _options.Target == AttributionTarget.Class;
        if (_ofClass && model.Task is null) throw new ArgumentException("the model is not fine-tuned: it has a likelihood, but no classes");
        if (!_ofClass && !model.HasLikelihood)
            throw new ArgumentException("the model has no masked-language-model head, and so no likelihood; its classes can be attributed");
        if (!_ofClass && model.Model.Tokenizer.MaskId is null) throw new ArgumentException("the tokenizer has no [MASK]");
        if (!_ofClass && _options.Class is not null) throw new ArgumentException($"class '{_options.Class}': the likelihood is of no class");
        if (_options.Class is { } name) _label = model.LabelOf(name);
    }

    /// <summary>Whether the effects are on a class, or on the value of a regression, rather than on the likelihood.</summary>
    public bool IsOfClass => _ofClass;

    /// <summary>The effects in each record, in order.</summary>
    /// <param name="records">Records as a <see cref="SequenceReader"/> yields them; each is used before the next is asked for.</param>
    /// <param name="progress">Told after each batch, on this thread.</param>
    /// <param name="cancellation">Ends the work between two batches.</param>
    /// <exception cref="InvalidDataException">A record has nothing to substitute, or no record is the one asked for.</exception>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a record; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<SubstitutionEffects> Run(
        IEnumerable<SequenceRecord> records, IProgress<AttributionProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        using var batch = new PassBatch(_model.Model, _options.BatchTokens);
        long found = 0, done = 0;
        bool any = false;
        foreach (SequenceRecord record in records)
        {
            if (_options.Region is { Record: { } wanted } && wanted != record.Id) continue;
            any = true;
            (int from, int to) = RangeOf(record);
            found += to - from;
            foreach (AttributionWindow window in AttributionWindow.Of(record.Length, _options.Window, from, to))
            {
                byte[] bases = record.Sequence[window.Start..window.End].ToArray();
                IMutagenesis target = _ofClass ? new ClassMutagenesis(_model, _label) : new LikelihoodMutagenesis(_model.Model);
                target.Prepare(bases, window.From - window.Start, window.To - window.Start, cancellation);
                Run(target, window.To - window.From);
                yield return Checked(target.Finish(record, window));
                done += window.To - window.From;
            }
        }

        if (!any && _options.Region is { Record: { } missing }) throw new InvalidDataException($"there is no record '{missing}', of which a region is asked for");

        void Run(IMutagenesis target, int bases)
        {
            var tokens = new List<int>();
            int run = 0;
            for (int i = 0; i < target.Passes; i++)
            {
                tokens.Clear();
                ForwardPass pass = target.Pass(i, tokens);
                if (batch.WouldOverflow(tokens.Count)) Flush();
                batch.Add(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(tokens), pass);
            }

            Flush();

            void Flush()
            {
                cancellation.ThrowIfCancellationRequested();
                run += batch.Count;
                batch.Run();
                progress?.Report(new AttributionProgress(done + ((double)bases * run / target.Passes), found, batch.TokensDone));
            }
        }
    }

    /// <summary>Effects that are numbers wherever something is substituted.</summary>
    private static SubstitutionEffects Checked(SubstitutionEffects effects)
    {
        ReadOnlySpan<float> values = effects.Effects.Span, logits = effects.LogitEffects.Span;
        for (int i = 0; i < effects.Bases.Length; i++)
        {
            if (!Substitutions.IsKnown(effects.Bases.Span[i])) continue;
            float sum = TensorPrimitives.Sum(values.Slice(4 * i, 4)) + (logits.IsEmpty ? 0 : TensorPrimitives.Sum(logits.Slice(4 * i, 4)));
            if (float.IsFinite(sum)) continue;
            throw FiniteOutput.Fault($"record {effects.Number} '{effects.Id}'", $"the effect at base {effects.Start + i + 1L}", sum);
        }

        return effects;
    }

    /// <summary>The bases of a record that are substituted.</summary>
    private (int From, int To) RangeOf(SequenceRecord record)
    {
        string place = $"{record.Source}: record {record.Number} '{record.Id}', line {record.Line}";
        if (record.HasSecond) throw new InvalidDataException($"{place}: it is a pair of sequences; give a file with one column 'sequence'");
        if (record.Ambiguous == record.Length) throw new InvalidDataException($"{place}: it has no A, C, G or T; take it out");
        if (_options.Region is not { } region) return (0, record.Length);
        return region.End <= record.Length ? (region.Start, region.End) : throw new InvalidDataException(
            $"{place}: it has {record.Length} bases, and the region ends at {region.End}; name a region inside");
    }
}

using System.Numerics.Tensors;
using Dnabert2.FineTuning;
using Dnabert2.Sequences;

namespace Dnabert2.Interpretation;

/// <summary>
/// In-silico mutagenesis: for each base of each record, what every substitution does to a class of a fine-tuned model or to the
/// likelihood under a pre-trained one. Records stream through: memory depends on the longest record and the window. One substitution
/// changes the tokens around it, so every substituted sequence is tokenised again. Several threads may use one at once.
/// </summary>
/// <remarks>
/// The likelihood is that of masked tokens where the model is not causal. Let the tokens of the sequence r and of the substituted sequence
/// s be the same but for a stretch, r_1 … r_m in place of s_1 … s_n. Then the effect is Σ_j ln p(s_j | n masks there) −
/// Σ_i ln p(r_i | m masks there), in nats, where p is the model's distribution at a place when the whole stretch is replaced by as many
/// masks as it has tokens. Both sums are of the same bases in the same visible context, no changed token is seen while another one is
/// predicted, and substitutions that change the same stretch share their forward passes: about one a base, instead of one for each changed
/// token of each substitution.
///
/// Where k-mers overlap, a base is in k tokens, each of which says it again, given its other letters, which the neighbours of the stretch
/// show: the effect is then the mean over the tokens that hold the base, not the sum, and so in nats of one base, as with other models.
/// Tokens with an unknown base are the same in both sequences and say nothing of it. Where k-mers lie one after the other, the stretch is
/// the one token that holds the base.
///
/// A causal model (HyenaDNA) has a likelihood of the sequence itself, Σ_t ln p(x_t | x_1 … x_(t−1)) over the window without its first
/// token, of which nothing tells the probability: the effect is that of the substituted sequence minus that of the sequence. Each
/// substituted sequence takes a pass of its own.
/// </remarks>
public sealed class Attribution
{
    private readonly InterpretedModel _model;
    private readonly AttributionOptions _options;
    private readonly bool _ofClass;
    private readonly int _window;
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
            throw new ArgumentException("the model has no head of a language model, and so no likelihood; its classes can be attributed");
        if (!_ofClass && !model.Model.IsCausal && model.Model.Tokenizer.MaskId is null)
            throw new ArgumentException("the tokenizer has no [MASK]");
        if (!_ofClass && _options.Class is not null)
            throw new ArgumentException($"class '{Excerpt.Of(_options.Class)}': the likelihood is of no class");
        if (_options.Class is { } name) _label = model.LabelOf(name);
        else if (_ofClass && model.Task == TaskKind.Regression && model.Labels.Count > 1)
            throw new ArgumentException($"the model has the values {Excerpt.Of(model.Labels)}: name one of them as the class");
        // A class is of the beginning of a sequence, as in training; a likelihood can be had of all of it, in windows.
        _window = _ofClass ? _options.Window : Math.Min(_options.Window, model.PositionedBases ?? _options.Window);
        if (_window < AttributionOptions.LeastWindow)
            throw new ArgumentException(
                $"the model has positions for {_window} bases, and a window has at least {AttributionOptions.LeastWindow}");
    }

    /// <summary>
    /// The most bases that the model sees at once: <see cref="AttributionOptions.Window"/>, where the likelihood is of a model that has
    /// positions for so many.
    /// </summary>
    public int Window => _window;

    /// <summary>Whether each substituted sequence goes through the model by itself, rather than sharing passes with others.</summary>
    public bool RunsEachMutant => _ofClass || _model.Model.IsCausal;

    /// <summary>Whether the effects are on a class, or on the value of a regression, rather than on the likelihood.</summary>
    public bool IsOfClass => _ofClass;

    /// <summary>The effects in each record, in order.</summary>
    /// <param name="records">Records as a <see cref="SequenceReader"/> yields them; each is used before the next is asked for.</param>
    /// <param name="progress">Told after each batch, on this thread.</param>
    /// <param name="cancellation">Ends the work between two batches.</param>
    /// <exception cref="InvalidDataException">
    /// A record has nothing to substitute, or not exactly one record has the name asked for.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a record; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<SubstitutionEffects> Run(
        IEnumerable<SequenceRecord> records, IProgress<AttributionProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        return Run(SequencesOf(records), progress, cancellation);
    }

    /// <summary>The effects in regions of a genome, in order; the model sees what is around them.</summary>
    /// <param name="genome">The genome, of which the windows around the regions are read.</param>
    /// <param name="regions">The regions; their strands are of no effect, and so is <see cref="AttributionOptions.Region"/>.</param>
    /// <param name="progress">Told after each batch, on this thread.</param>
    /// <param name="cancellation">Ends the work between two batches.</param>
    /// <returns>
    /// Stretches whose <see cref="SubstitutionEffects.Id"/> is the name of the sequence, and whose places are in it.
    /// </returns>
    /// <exception cref="InvalidDataException">The genome has no such region, or its file is damaged.</exception>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a region; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<SubstitutionEffects> Run(
        Genome genome, IEnumerable<GenomeRegion> regions, IProgress<AttributionProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(genome);
        ArgumentNullException.ThrowIfNull(regions);
        return Run(SequencesOf(genome, regions), progress, cancellation);
    }

    private IEnumerable<SubstitutionEffects> Run(
        IEnumerable<AttributedSequence> sequences, IProgress<AttributionProgress>? progress, CancellationToken cancellation)
    {
        using var batch = new PassBatch(_model.Model, _options.BatchTokens);
        long found = 0, done = 0;
        foreach (AttributedSequence sequence in sequences)
        {
            (long from, long to) = (sequence.From, sequence.To);
            found += to - from;
            foreach (AttributionWindow window in AttributionWindow.Of(sequence.Length, _window, from, to))
            {
                byte[] bases = sequence.Read(window.Start, window.End);
                List<IMutagenesis> strands = Prepare(bases, window, cancellation, out long seen);
                Run(strands, (int)(window.To - window.From));
                yield return Checked(Effects(sequence, window, bases, strands, seen));
                done += window.To - window.From;
            }
        }

        void Run(List<IMutagenesis> strands, int bases)
        {
            var tokens = new List<int>();
            int run = 0, passes = strands.Sum(strand => strand.Passes);
            foreach (IMutagenesis strand in strands)
            {
                for (int i = 0; i < strand.Passes; i++)
                {
                    tokens.Clear();
                    ForwardPass pass = strand.Pass(i, tokens);
                    if (batch.WouldOverflow(tokens.Count)) Flush();
                    batch.Add(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(tokens), pass);
                }
            }

            Flush();

            void Flush()
            {
                cancellation.ThrowIfCancellationRequested();
                run += batch.Count;
                batch.Run();
                progress?.Report(new AttributionProgress(done + ((double)bases * run / passes), found, batch.TokensDone));
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
            throw FiniteOutput.Fault(
                $"record {effects.Number} '{Excerpt.Of(effects.Id)}'", $"the effect at base {effects.Start + i + 1L}", sum);
        }

        return effects;
    }

    /// <summary>The records whose bases are to be substituted.</summary>
    private IEnumerable<AttributedSequence> SequencesOf(IEnumerable<SequenceRecord> records)
    {
        long last = 0;
        bool numbered = false;
        foreach (SequenceRecord record in records)
        {
            if (_options.Region is { Record: { } wanted } && wanted == record.Id && !record.HasName) numbered = true;
            if (!IsMeant(record)) continue;
            if (_options.Region?.Record is not null && last > 0)
                throw new InvalidDataException(
                    $"{record.Place}: record {last} has this name too, and a region is of one record; rename one of them");
            last = record.Number;
            (int from, int to) = RangeOf(record);
            yield return new(record.Id, record.Number, record.Length, from, to,
                (start, end) => record.Sequence[(int)start..(int)end].ToArray());
        }

        if (last == 0 && _options.Region is { Record: { } missing })
            throw new InvalidDataException($"there is no record '{Excerpt.Of(missing)}', of which a region is asked for"
                + (numbered ? "; a number is no name: a region without one is of every record" : ""));
    }

    private static IEnumerable<AttributedSequence> SequencesOf(Genome genome, IEnumerable<GenomeRegion> regions)
    {
        long number = 0;
        foreach (GenomeRegion region in regions)
        {
            if (genome.FaultOf(region) is { } fault) throw new InvalidDataException(fault);
            genome.TryGetLength(region.Contig, out long length);
            yield return new(region.Contig, ++number, length, region.Start, region.End, Read) { Region = region };

            byte[] Read(long start, long end)
            {
                byte[] bases = new byte[end - start];
                genome.Read(region.Contig, start, bases);
                foreach (ref byte b in bases.AsSpan())
                    if (!Substitutions.IsKnown(b)) b = (byte)'N';
                return bases;
            }
        }
    }

    private bool IsMeant(SequenceRecord record) => _options.Region?.Record is not { } wanted || (record.HasName && wanted == record.Id);

    /// <summary>The substitutions in a window on each strand that counts.</summary>
    /// <param name="bases">The bases of the window.</param>
    /// <param name="window">Where it lies.</param>
    /// <param name="cancellation">Ends it between two bases.</param>
    /// <param name="seen">One past the last base of the record that is substituted.</param>
    private List<IMutagenesis> Prepare(byte[] bases, in AttributionWindow window, CancellationToken cancellation, out long seen)
    {
        int from = (int)(window.From - window.Start), to = (int)(window.To - window.Start);
        List<IMutagenesis> strands = [Strand(_ofClass ? _model.Room : _model.Positions)];
        int length = strands[0].Prepare(bases, from, to, cancellation);
        to = Math.Clamp(length, from, to);
        seen = window.Start + to;
        if (!_options.AverageReverseComplement || from == to) return strands;
        // The other strand is of the bases that the model sees of this one, all of them.
        IMutagenesis other = Strand(room: null);
        other.Prepare(ReverseComplement.Of(bases.AsSpan(0, length)), length - to, length - from, cancellation);
        strands.Add(other);
        return strands;

        IMutagenesis Strand(int? room) => _ofClass ? new ClassMutagenesis(_model, room)
            : _model.Model.IsCausal ? new CausalMutagenesis(_model.Model, room) : new LikelihoodMutagenesis(_model.Model, room);
    }

    private SubstitutionEffects Effects(
        in AttributedSequence sequence, in AttributionWindow window, byte[] bases, List<IMutagenesis> strands, long seen)
    {
        int label = _ofClass ? _label ?? Likeliest(strands) : 0;
        StrandEffects effects = strands[0].Finish(label);
        if (strands.Count > 1) effects = effects.AverageWith(strands[1].Finish(label));
        string? name = _ofClass && (_model.Task != TaskKind.Regression || _model.Labels.Count > 1) ? _model.Labels[label] : null;
        return new SubstitutionEffects(
            sequence.Id, sequence.Number, window.From, bases.AsMemory((int)(window.From - window.Start)..(int)(seen - window.Start)), name,
            effects.Effects, effects.LogitEffects, (int)(window.To - seen))
        { Region = sequence.Region };
    }

    /// <summary>The class that is the most probable for the sequence as it stands, over the strands that count.</summary>
    private static int Likeliest(List<IMutagenesis> strands)
    {
        double[] sum = strands[0].Probabilities();
        for (int i = 1; i < strands.Count; i++) TensorPrimitives.Add(sum, strands[i].Probabilities(), sum);
        return TensorPrimitives.IndexOfMax<double>(sum);
    }

    /// <summary>The bases of a record that are substituted.</summary>
    private (int From, int To) RangeOf(SequenceRecord record)
    {
        string place = record.Place;
        if (record.HasSecond) throw new InvalidDataException($"{place}: it is a pair of sequences; give a file with one column 'sequence'");
        if (record.Ambiguous == record.Length) throw new InvalidDataException($"{place}: it has no A, C, G or T; take it out");
        if (_options.Region is not { } region) return (0, record.Length);
        return region.End <= record.Length ? (region.Start, region.End) : throw new InvalidDataException(
            $"{place}: it has {record.Length} bases, and the region ends at {region.End}; name a region inside");
    }

    /// <summary>A sequence, and which of its bases are substituted.</summary>
    /// <param name="Id">Its name.</param>
    /// <param name="Number">Its place among those of the run, from 1.</param>
    /// <param name="Length">Its bases.</param>
    /// <param name="From">The first base that is substituted.</param>
    /// <param name="To">One past the last one.</param>
    /// <param name="Read">Reads bases, from the first up to the second place.</param>
    private readonly record struct AttributedSequence(
        string Id, long Number, long Length, long From, long To, Func<long, long, byte[]> Read)
    {
        public GenomeRegion? Region { get; init; }
    }
}

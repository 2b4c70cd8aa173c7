using System.Numerics.Tensors;
using Dnabert2.Metrics;
using Dnabert2.Sequences;

namespace Dnabert2.FineTuning;

/// <summary>What a model says of a record.</summary>
/// <param name="Id">The record's name.</param>
/// <param name="Number">The record's place in its file, from 1.</param>
/// <param name="Label">
/// The class of the highest probability; in multi-label tasks the classes of a probability above one half, joined by <c>;</c>; empty in
/// regression.
/// </param>
/// <param name="Outputs">The probability of each class; in regression the value alone.</param>
/// <param name="Truncated">Whether the record was too long and only its beginning was looked at.</param>
public sealed record Prediction(string Id, long Number, string Label, ReadOnlyMemory<float> Outputs, bool Truncated)
{
    /// <summary>The name of the record's file in messages.</summary>
    public string Source { get; init; } = "";

    /// <summary>Where the bases lie in a genome or a record; null of a whole record.</summary>
    public GenomeRegion? Region { get; init; }
}

/// <summary>
/// Predicts for sequences, or pairs of them. Records stream through, in windows of several batches whose sequences run together with those
/// of like length: memory does not grow with the number of records, and results come in input order.
/// </summary>
public sealed class Predictor
{
    private const int BatchesOfWindow = 8, MostRecords = 8192;

    private readonly ClassifierModel _model;
    private readonly int _maxTokens, _batchTokens;
    private readonly bool _bothStrands;

    /// <summary>A predictor with a fine-tuned model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="maxTokens">The most tokens of a sequence, special ones included; null: as in the model's training.</param>
    /// <param name="batchTokens">
    /// The most tokens that go through the model at once, unless a single sequence has more; to 16,777,216.
    /// </param>
    /// <param name="averageReverseComplement">
    /// Whether each output is the average of those of the two strands: of probabilities, or of values in regression; the label is that of
    /// the averages. Both strands are of the same bases: of a record that is truncated, the other strand is the reverse complement of the
    /// bases that were kept, all of them. Of a pair, each sequence is turned around where it stands.
    /// </param>
    /// <exception cref="ArgumentException">A number is out of range.</exception>
    public Predictor(ClassifierModel model, int? maxTokens = null, int batchTokens = 4096, bool averageReverseComplement = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        OptionRange.Check(nameof(batchTokens), batchTokens, 1, OptionRange.MostTogether);
        (_model, _maxTokens, _batchTokens, _bothStrands) = (model, maxTokens ?? model.MaxTokens, batchTokens, averageReverseComplement);
        model.NewSequences(_maxTokens);
    }

    /// <summary>The most tokens of a sequence, special ones included.</summary>
    public int MaxTokens => _maxTokens;

    /// <summary>The prediction of each record, in order.</summary>
    /// <param name="records">Records as a <see cref="SequenceReader"/> yields them; each is used before the next is asked for.</param>
    /// <param name="cancellation">Ends the work, on the CPU also within a batch.</param>
    /// <exception cref="InvalidDataException">A record has no A, C, G or T; the message names it.</exception>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a record; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<Prediction> Predict(IEnumerable<SequenceRecord> records, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        TokenSequences sequences = _model.NewSequences(_maxTokens);
        var waiting = new List<Waiting>();
        foreach (SequenceRecord record in records)
        {
            bool truncated = Add(record, sequences);
            waiting.Add(new(record.Source, record.Region, record.Id, record.Number, truncated));
            if (sequences.Tokens < (long)BatchesOfWindow * _batchTokens && waiting.Count < MostRecords) continue;
            foreach (Prediction prediction in Run(sequences, waiting, cancellation)) yield return prediction;
            sequences.Clear();
            waiting.Clear();
        }

        foreach (Prediction prediction in Run(sequences, waiting, cancellation)) yield return prediction;
    }

    /// <summary>The predictions of sequences held in memory.</summary>
    /// <param name="sequences">Bases; lower case and U are understood, and what is not known exactly is N.</param>
    /// <param name="cancellation">Ends the work, on the CPU also within a batch.</param>
    /// <exception cref="InvalidDataException">
    /// A sequence is empty, holds a letter that is not a nucleotide, or has no A, C, G or T; the message names it.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a sequence; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IReadOnlyList<Prediction> Predict(IReadOnlyList<string> sequences, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        return [.. Predict(SequencesInMemory.Read(sequences, AmbiguousBases.Unknown, cancellation), cancellation)];
    }

    /// <summary>The same, computed on threads of the pool as it is asked for.</summary>
    /// <param name="records">As above.</param>
    /// <param name="cancellation">Ends the work, also within a batch; as does the token of the enumeration.</param>
    /// <exception cref="InvalidDataException">As above.</exception>
    /// <exception cref="NotFiniteNumberException">As above.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IAsyncEnumerable<Prediction> PredictAsync(
        IEnumerable<SequenceRecord> records, CancellationToken cancellation = default) =>
        OnPool.Enumerate(token => Predict(records, token), cancellation);

    private bool Add(SequenceRecord record, TokenSequences sequences)
    {
        if (record.IsUnknown)
            throw new InvalidDataException(
                $"{record.Place}: it has no A, C, G or T; take it "
                + "out, or leave such records out: OnAmbiguous = Drop");
        bool truncated = Tokenise(record, sequences);
        if (_model.Model.Padding?.FaultOf(sequences[sequences.Count - 1].Length) is { } fault)
            throw new InvalidDataException(
                $"{record.Place}: it has {fault}; give sequences of "
                + "that length");
        return truncated;
    }

    private bool Tokenise(SequenceRecord record, TokenSequences sequences)
    {
        if (_bothStrands)
            return record.HasSecond
                ? sequences.AddBothStrands(record.Sequence, record.SecondSequence) : sequences.AddBothStrands(record.Sequence);
        return record.HasSecond ? sequences.Add(record.Sequence, record.SecondSequence) : sequences.Add(record.Sequence);
    }

    private IEnumerable<Prediction> Run(
        TokenSequences sequences, List<Waiting> waiting, CancellationToken cancellation)
    {
        if (waiting.Count == 0) yield break;
        float[] logits = _model.Logits(sequences, _batchTokens, cancellation);
        int strands = _bothStrands ? 2 : 1, outputs = logits.Length / sequences.Count;
        for (int i = 0; i < waiting.Count; i++)
        {
            (string source, GenomeRegion? region, string id, long number, bool truncated) = waiting[i];
            Span<float> own = logits.AsSpan(i * strands * outputs, strands * outputs);
            FiniteOutput.Check(own, "the record's classes or value", number, id);
            yield return Predicted(id, number, truncated, own, outputs) with { Source = source, Region = region };
        }
    }

    /// <summary>What the logits of a record's strands say of it.</summary>
    private Prediction Predicted(string id, long number, bool truncated, ReadOnlySpan<float> logits, int outputs)
    {
        double[] averages = new double[outputs];
        Strands.Average(_model.Kind, logits, averages);
        // Of one strand the logits decide: probabilities next to 1 are equal when they are rounded.
        int likeliest = logits.Length == outputs ? Probabilities.Likeliest(logits) : TensorPrimitives.IndexOfMax<double>(averages);
        float[] row = [.. averages.Select(p => (float)p)];
        string label = _model.Kind switch
        {
            TaskKind.SingleLabel => _model.Names[likeliest],
            TaskKind.MultiLabel => string.Join(';', _model.Names.Where((_, c) => row[c] > 0.5f)),
            _ => "",
        };
        return new Prediction(id, number, label, row, truncated);
    }

    /// <summary>A record whose outputs are on their way.</summary>
    private readonly record struct Waiting(string Source, GenomeRegion? Region, string Id, long Number, bool Truncated);
}

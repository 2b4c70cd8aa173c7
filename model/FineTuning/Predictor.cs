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
public sealed record Prediction(string Id, long Number, string Label, ReadOnlyMemory<float> Outputs, bool Truncated);

/// <summary>
/// Predicts for sequences, or pairs of them. Records stream through, in windows of several batches whose sequences run together with those
/// of like length: memory does not grow with the number of records, and results come in input order.
/// </summary>
public sealed class Predictor
{
    private const int BatchesOfWindow = 8, MostRecords = 8192;

    private readonly ClassifierModel _model;
    private readonly int _maxTokens, _batchTokens;

    /// <summary>A predictor with a fine-tuned model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="maxTokens">The most tokens of a sequence, special ones included; null: as in the model's training.</param>
    /// <param name="batchTokens">The most tokens that go through the model at once, unless a single sequence has more.</param>
    /// <exception cref="ArgumentException">A number is out of range.</exception>
    public Predictor(ClassifierModel model, int? maxTokens = null, int batchTokens = 4096)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (batchTokens < 1) throw new ArgumentException($"{batchTokens} tokens in a batch: at least 1");
        (_model, _maxTokens, _batchTokens) = (model, maxTokens ?? model.MaxTokens, batchTokens);
        model.NewSequences(_maxTokens);
    }

    /// <summary>The most tokens of a sequence, special ones included.</summary>
    public int MaxTokens => _maxTokens;

    /// <summary>The prediction of each record, in order.</summary>
    /// <param name="records">Records as a <see cref="SequenceReader"/> yields them; each is used before the next is asked for.</param>
    /// <param name="cancellation">Ends the work between two batches.</param>
    /// <exception cref="InvalidDataException">A record has no A, C, G or T; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<Prediction> Predict(IEnumerable<SequenceRecord> records, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        TokenSequences sequences = _model.NewSequences(_maxTokens);
        var waiting = new List<(string Id, long Number, bool Truncated)>();
        foreach (SequenceRecord record in records)
        {
            bool truncated = Add(record, sequences);
            waiting.Add((record.Id, record.Number, truncated));
            if (sequences.Tokens < (long)BatchesOfWindow * _batchTokens && waiting.Count < MostRecords) continue;
            foreach (Prediction prediction in Run(sequences, waiting, cancellation)) yield return prediction;
            sequences.Clear();
            waiting.Clear();
        }

        foreach (Prediction prediction in Run(sequences, waiting, cancellation)) yield return prediction;
    }

    private static bool Add(SequenceRecord record, TokenSequences sequences)
    {
        if (record.Ambiguous == record.Length || (record.HasSecond && record.SecondAmbiguous == record.SecondLength))
            throw new InvalidDataException(
                $"{record.Source}: record {record.Number} '{record.Id}', line {record.Line}: it has no A, C, G or T; take it out, or leave such records out with --on-n drop");
        return record.HasSecond ? sequences.Add(record.Sequence, record.SecondSequence) : sequences.Add(record.Sequence);
    }

    private IEnumerable<Prediction> Run(
        TokenSequences sequences, List<(string Id, long Number, bool Truncated)> waiting, CancellationToken cancellation)
    {
        if (waiting.Count == 0) yield break;
        float[] logits = _model.Logits(sequences, _batchTokens, cancellation);
        int outputs = logits.Length / waiting.Count;
        for (int i = 0; i < waiting.Count; i++)
        {
            (string id, long number, bool truncated) = waiting[i];
            float[] row = Outputs(logits.AsSpan(i * outputs, outputs));
            yield return new Prediction(id, number, LabelOf(row, logits.AsSpan(i * outputs, outputs)), row, truncated);
        }
    }

    private float[] Outputs(ReadOnlySpan<float> logits)
    {
        double[] probabilities = new double[logits.Length];
        Probabilities.Of(_model.Kind, logits, probabilities);
        return [.. probabilities.Select(p => (float)p)];
    }

    private string LabelOf(float[] outputs, ReadOnlySpan<float> logits) => _model.Kind switch
    {
        TaskKind.SingleLabel => _model.Names[Probabilities.Likeliest(logits)],
        TaskKind.MultiLabel => string.Join(';', _model.Names.Where((_, c) => outputs[c] > 0.5f)),
        _ => "",
    };
}

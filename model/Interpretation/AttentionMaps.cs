using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.Interpretation;

/// <summary>What is kept of the attention of a model.</summary>
public enum AttentionView
{
    /// <summary>Each head of each layer: [layers, heads, tokens, tokens].</summary>
    Heads,

    /// <summary>The mean of the heads of each layer: [layers, tokens, tokens].</summary>
    Mean,

    /// <summary>
    /// How much of each token's first vector is in each last one, [tokens, tokens]: the product over the layers of the mean of the heads
    /// and the residual connection, half each; attention rollout (Abnar and Zuidema, arXiv 2005.00928).
    /// </summary>
    Rollout,
}

/// <summary>
/// The attention between the tokens of sequences. Each sequence runs alone, and the probabilities are stored for it alone; see
/// <see cref="IAttentionObserver"/>.
/// </summary>
public sealed class AttentionMaps
{
    private const int MostTokens = 16_384;
    private readonly SequenceModel _model;
    private readonly AttentionView _view;
    private readonly int _maxTokens;

    /// <summary>Maps of a loaded model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="view">What is kept.</param>
    /// <param name="maxTokens">
    /// The most tokens of a sequence, special ones included; a longer one is an error. Memory and time grow with its square: all heads of
    /// the 117M model take 150 MB at 512.
    /// </param>
    /// <exception cref="ArgumentException">
    /// The model has no attention, or not so many positions, or <paramref name="maxTokens"/> is not from 3 to 16,384.
    /// </exception>
    public AttentionMaps(SequenceModel model, AttentionView view = AttentionView.Heads, int maxTokens = 512)
    {
        ArgumentNullException.ThrowIfNull(model);
        OptionRange.Check(nameof(view), view);
        OptionRange.Check(nameof(maxTokens), maxTokens, 3, MostTokens);
        if (model.AttentionHeads == 0)
            throw new ArgumentException($"{model.Architecture.Name} has no attention, so there are no maps of it", nameof(model));
        if (model.MaxTokens is { } most && maxTokens > most)
            throw new ArgumentException(
                $"{nameof(maxTokens)} is {maxTokens}: this model has positions for {most} tokens", nameof(maxTokens));
        (_model, _view, _maxTokens) = (model, view, maxTokens);
    }

    /// <summary>A map for each record, in order.</summary>
    /// <param name="records">Records as a <see cref="SequenceReader"/> yields them; unknown bases stay where they are, as [UNK].</param>
    /// <param name="cancellation">Ends the work, on the CPU also within a pass.</param>
    /// <exception cref="InvalidDataException">A record is empty, a pair, or has too many tokens; the message names it.</exception>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a record; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<AttentionMap> Run(IEnumerable<SequenceRecord> records, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        return RunCore(records, cancellation);
    }

    private IEnumerable<AttentionMap> RunCore(IEnumerable<SequenceRecord> records, CancellationToken cancellation)
    {
        using var arena = new Arena(_model.Backend);
        foreach (SequenceRecord record in records)
        {
            cancellation.ThrowIfCancellationRequested();
            yield return MapOf(record, arena, cancellation);
            arena.Reset();
        }
    }

    private AttentionMap MapOf(SequenceRecord record, Arena arena, CancellationToken cancellation)
    {
        if (record.HasSecond) throw Fault(record, "it is a pair of sequences", "give a file with one column 'sequence'");
        List<int> ids = [], starts = [];
        SpecialTokenFrame frame = _model.Frame;
        ids.AddRange(frame.Before.Span);
        _model.Tokenizer.EncodeSequence(record.Sequence, ids, starts);
        if (starts.Count == 0) throw Fault(record, "it is shorter than a token", "take it out");
        ids.AddRange(frame.After.Span);
        if (ids.Count > _maxTokens)
            throw Fault(record, $"it has {ids.Count} tokens, more than the {_maxTokens} allowed",
                "cut it to a region, or raise the limit: memory grows with its square");
        long maps = _view switch
        {
            AttentionView.Heads => _model.Layers * _model.AttentionHeads,
            AttentionView.Mean => _model.Layers,
            _ => 1,
        };
        if (Math.Max(maps, _model.AttentionHeads) * ids.Count * ids.Count > Array.MaxLength)
            throw Fault(record, $"its {ids.Count} tokens squared are too many for {maps} maps", "cut it to a region, or keep a mean");
        var observer = new Observer(_view, ids.Count);
        using (CancellableWork? work = cancellation.CanBeCanceled ? new(_model.Backend, cancellation) : null)
            _model.Encode(
                Tape.ForInference(arena, observer),
                new RoundedBatch(_model).UploadPlain(arena, CollectionsMarshal.AsSpan(ids), [ids.Count]));
        (int[] shape, float[] values) = observer.Finish();
        FiniteOutput.Check(values, "the attention", record.Number, record.Id);
        return new AttentionMap(record.Id, record.Number, shape, values, TokensOf(ids, starts, frame.Before.Length))
        { Region = record.Region };
    }

    private AttentionToken[] TokensOf(List<int> ids, List<int> starts, int before)
    {
        var tokens = new AttentionToken[ids.Count];
        for (int i = 0; i < tokens.Length; i++)
        {
            int own = i - before;
            tokens[i] = own >= 0 && own < starts.Count
                ? new(ids[i], starts[own], starts[own] + _model.Tokenizer.LengthOf(ids[i]))
                : new(ids[i], -1, -1);
        }

        return tokens;
    }

    private static InvalidDataException Fault(SequenceRecord record, string what, string remedy) =>
        new($"{record.Source}: record {record.Number} ({record.Id}): {what}; {remedy}");

    /// <summary>Keeps what is wanted of the layers that pass.</summary>
    private sealed class Observer(AttentionView view, int tokens) : IAttentionObserver
    {
        private readonly List<float> _kept = [];
        private float[]? _rollout;
        private int _layers, _heads;

        public void Observe(int heads, ReadOnlySpan<float> probabilities)
        {
            (_heads, _layers) = (heads, _layers + 1);
            if (view == AttentionView.Heads)
            {
                _kept.AddRange(probabilities);
                return;
            }

            float[] mean = new float[tokens * tokens];
            for (int head = 0; head < heads; head++)
                TensorPrimitives.Add(mean, probabilities.Slice(head * mean.Length, mean.Length), mean);
            TensorPrimitives.Multiply(mean, 1f / heads, mean);
            if (view == AttentionView.Mean) _kept.AddRange(mean);
            else _rollout = Follow(mean, _rollout);
        }

        public (int[] Shape, float[] Values) Finish() => view switch
        {
            AttentionView.Heads => ([_layers, _heads, tokens, tokens], [.. _kept]),
            AttentionView.Mean => ([_layers, tokens, tokens], [.. _kept]),
            _ => ([tokens, tokens], _rollout!),
        };

        // (A + I) / 2 · before
        private float[] Follow(float[] mean, float[]? before)
        {
            TensorPrimitives.Multiply(mean, 0.5f, mean);
            for (int i = 0; i < tokens; i++) mean[(i * tokens) + i] += 0.5f;
            if (before is null) return mean;
            float[] after = new float[mean.Length];
            for (int i = 0; i < tokens; i++)
                for (int k = 0; k < tokens; k++)
                {
                    Span<float> row = after.AsSpan(i * tokens, tokens);
                    TensorPrimitives.MultiplyAdd(before.AsSpan(k * tokens, tokens), mean[(i * tokens) + k], row, row);
                }

            return after;
        }
    }
}

/// <summary>A token of a map.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Start">Its first base, counted from 0; -1: it is a special token.</param>
/// <param name="End">One past its last base; -1: it is a special token.</param>
public readonly record struct AttentionToken(int Id, int Start, int End);

/// <summary>The attention between the tokens of a record.</summary>
/// <param name="Id">The record's name.</param>
/// <param name="Number">Its number, from 1.</param>
/// <param name="Shape">As <see cref="AttentionView"/> says; of the last two, the first is of queries, whose rows sum to 1.</param>
/// <param name="Values">The probabilities, row-major.</param>
/// <param name="Tokens">The tokens, special ones included.</param>
public sealed record AttentionMap(
    string Id, long Number, IReadOnlyList<int> Shape, ReadOnlyMemory<float> Values, IReadOnlyList<AttentionToken> Tokens)
{
    /// <summary>Where the record lies in a genome, where it is a region or a window; places of tokens count from its beginning.</summary>
    public GenomeRegion? Region { get; init; }
}

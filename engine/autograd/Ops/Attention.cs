using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>Attention over packed sequences, <c>dropout(softmax(mod(Q Kᵀ / sqrt(head size)))) V</c>.</summary>
/// <typeparam name="TMod">The score modification.</typeparam>
public sealed class Attention<TMod> : Op, ISelfAttention
    where TMod : unmanaged, IScoreModification<TMod>
{
    private readonly AttentionHeads _heads;
    private readonly int _site;
    private readonly TMod _mod;
    private readonly Func<TMod>? _modification;
    private readonly Parameter[] _tables = [];
    private readonly float _dropout;

    /// <summary>Attention without dropout.</summary>
    /// <param name="heads">The number of heads; or also that of keys and values.</param>
    /// <param name="mod">The parameters of the score modification.</param>
    public Attention(AttentionHeads heads, TMod mod) => (_heads, _mod) = (heads, mod);

    /// <summary>Attention whose probabilities are dropped in training.</summary>
    /// <param name="set">The set of the model, which numbers the sites; without dropout there is none.</param>
    /// <param name="heads">The number of heads; or also that of keys and values.</param>
    /// <param name="mod">The parameters of the score modification.</param>
    /// <param name="dropout">The probability.</param>
    public Attention(ParameterSet set, AttentionHeads heads, TMod mod, float dropout)
        : this(heads, mod)
    {
        ArgumentNullException.ThrowIfNull(set);
        (_dropout, _site) = (dropout, dropout > 0 ? set.NextSite() : 0);
    }

    /// <summary>Attention with a score modification whose tables are trained.</summary>
    /// <param name="set">The set of the model.</param>
    /// <param name="heads">The number of heads; or also that of keys and values.</param>
    /// <param name="tables">The parameters behind the modification's tables, [rows, entries] each, in the order of its tables.</param>
    /// <param name="modification">
    /// Makes the score modification of <c>parameter.Value.AsBiasTable()</c>; asked in each pass, since parameters have no memory before
    /// they are filled.
    /// </param>
    /// <param name="dropout">The probability with which probabilities are dropped in training.</param>
    /// <exception cref="ArgumentException">The modification has another number of tables.</exception>
    public Attention(ParameterSet set, AttentionHeads heads, IReadOnlyList<Parameter> tables, Func<TMod> modification, float dropout = 0)
        : this(set, heads, default(TMod), dropout)
    {
        ArgumentNullException.ThrowIfNull(tables);
        ArgumentNullException.ThrowIfNull(modification);
        if (tables.Count != TMod.Tables || tables.Count > TableGradients.Most)
            throw new ArgumentException(
                $"{typeof(TMod).Name} has {TMod.Tables} tables, at most {TableGradients.Most} can be trained; given are {tables.Count}",
                nameof(tables));
        (_tables, _modification) = ([.. tables], modification);
    }

    /// <summary>The parameters behind the modification's tables.</summary>
    public IReadOnlyList<Parameter> Tables => _tables;

    /// <summary>
    /// A parameter [heads] with a score that every query sees beside its keys, with a value of 0 (arXiv 2309.17453); none unless given.
    /// </summary>
    public Parameter? Sinks { get; init; }

    /// <inheritdoc/>
    public override bool IsTrained => Sinks is { IsTrained: true } || Array.Exists(_tables, table => table.IsTrained);

    private TMod Modification => _modification is null ? _mod : _modification();

    /// <summary>qkv [tokens, (heads + 2 · key heads) · head size] → [tokens, heads · head size].</summary>
    public Variable Forward(Tape tape, Variable qkv, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        int hidden = qkv.Data.Shape[1] / (_heads.Queries + (2 * _heads.Keys)) * _heads.Queries;
        (Tensor y, Tensor logSumExp) = Run(tape, qkv.Data, cuSeqlens, hidden);
        return tape.Record(this, y, qkv, saved: (logSumExp, default, default, default), cuSeqlens: cuSeqlens);
    }

    /// <summary>
    /// Attention of queries [tokens, heads · head size] to keys and values, twice [keys, key heads · head size], of the same sequences or
    /// of others → [tokens, heads · head size].
    /// </summary>
    /// <param name="tape">The tape.</param>
    /// <param name="queries">The queries.</param>
    /// <param name="keys">The keys.</param>
    /// <param name="values">The values.</param>
    /// <param name="sequences">The borders of queries and of keys; or one for both.</param>
    public Variable Forward(Tape tape, Variable queries, Variable keys, Variable values, in AttentionSequences sequences)
    {
        ArgumentNullException.ThrowIfNull(tape);
        (Tensor y, Tensor logSumExp) = Run(tape, new(queries.Data, keys.Data, values.Data), sequences, queries.Data.Shape[1]);
        return tape.Record(
            this, y, queries, keys, (logSumExp, default, default, default), sequences.Queries, values, sequences.Keys);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        if (entry.KeyCuSeqlens.Borders.IsAbsent)
        {
            Tensor dqkv = GradientLike(tape, entry.A);
            Run(tape, entry, entry.A.Data, entry.CuSeqlens, dqkv);
            tape.Pass(entry.A, dqkv);
            return;
        }

        Tensor dq = GradientLike(tape, entry.A), dk = GradientLike(tape, entry.B), dv = GradientLike(tape, entry.C);
        Run(tape, entry, new(entry.A.Data, entry.B.Data, entry.C.Data), new(entry.CuSeqlens, entry.KeyCuSeqlens), new(dq, dk, dv));
        tape.Pass(entry.A, dq);
        tape.Pass(entry.B, dk);
        tape.Pass(entry.C, dv);
    }

    private static Tensor GradientLike(Tape tape, Variable operand) => tape.RentGradient(operand.Data.Shape, operand.Data.DType);

    private (Tensor Y, Tensor LogSumExp) Run(Tape tape, in QueryKeyValue qkv, in AttentionSequences sequences, int hidden)
    {
        int tokens = sequences.Queries.Tokens;
        Tensor y = tape.Rent(tokens, hidden, qkv.First.DType),
            logSumExp = tape.IsTraining ? tape.Rent(_heads.Queries, tokens, DType.F32) : default;
        tape.Backend.Run(new AttentionForward<TMod>(
            qkv, sequences, _heads, Modification, logSumExp, y, DropoutOf(tape), Sinks?.Value ?? default));
        if (tape.AttentionObserver is { } observer) Show(observer, tape, qkv, sequences, y.Shape);
        return (y, logSumExp);
    }

    // As many keys at a time as a head has elements: values that are so many columns of the identity give so many columns of probabilities.
    private void Show(IAttentionObserver observer, Tape tape, in QueryKeyValue qkv, in AttentionSequences sequences, Shape result)
    {
        if (sequences.Queries.Sequences != 1)
            throw new InvalidOperationException(
                $"attention is observed in passes of one sequence, and this one has {sequences.Queries.Sequences}");
        int heads = _heads.Queries, queries = sequences.Queries.Tokens, keys = sequences.Keys.Tokens, size = result[1] / heads;
        Tensor source = qkv.WithValues;
        int width = source.Shape[1], firstValue = width - (_heads.Keys * size);
        float[] values = new float[source.Count], outputs = new float[result.Count];
        float[] probabilities = new float[(long)heads * queries * keys];
        tape.Backend.DownloadNumbers(source, values);
        Tensor identity = tape.Rent(source.Shape[0], width, source.DType), y = tape.Rent(result[0], result[1], source.DType);
        for (int first = 0; first < keys; first += size)
        {
            int count = Math.Min(size, keys - first);
            for (int key = 0; key < keys; key++) values.AsSpan((key * width) + firstValue, width - firstValue).Clear();
            for (int i = 0; i < count; i++)
                for (int head = 0; head < _heads.Keys; head++) values[((first + i) * width) + firstValue + (head * size) + i] = 1;
            tape.Backend.UploadNumbers(values, identity);
            tape.Backend.Run(new AttentionForward<TMod>(
                qkv.With(identity), sequences, _heads, Modification, default, y, default, Sinks?.Value ?? default));
            tape.Backend.DownloadNumbers(y, outputs);
            for (int query = 0; query < queries; query++)
                for (int head = 0; head < heads; head++)
                    outputs.AsSpan((query * result[1]) + (head * size), count)
                        .CopyTo(probabilities.AsSpan((((head * queries) + query) * keys) + first));
        }

        observer.Observe(heads, probabilities);
    }

    private void Run(Tape tape, in TapeEntry entry, in QueryKeyValue qkv, in AttentionSequences sequences, in QueryKeyValue dqkv) =>
        tape.Backend.Run(new AttentionBackward<TMod>(
            qkv, sequences, _heads, Modification, entry.Saved.First, entry.Output.Data, tape.GradientOf(entry.Output), dqkv,
            DropoutOf(tape), new TableGradients(GradientOf(0), GradientOf(1), GradientOf(2), GradientOf(3)),
            Sinks?.Value ?? default, Sinks is { IsTrained: true } ? Sinks.Gradient : default));

    private Tensor GradientOf(int table) => table < _tables.Length && _tables[table].IsTrained ? _tables[table].Gradient : default;

    private AttentionDropout DropoutOf(Tape tape) => tape.IsTraining && _dropout > 0 ? new(tape.RandomState, _site, _dropout) : default;
}

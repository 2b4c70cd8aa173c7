using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Benchmarking;

/// <summary>What attention and its gradient took at one shape.</summary>
/// <param name="Forward">Seconds of the forward pass, the median of the rounds.</param>
/// <param name="Backward">Seconds of the backward pass.</param>
/// <param name="ForwardFlops">
/// The floating-point operations of its two products, a multiplication and an addition counted as two: 4 · head size for each head and each
/// pair of a query and a key that it may see.
/// </param>
public readonly record struct AttentionSample(double Forward, double Backward, double ForwardFlops)
{
    /// <summary>The operations of the five products of the backward pass; that some are computed twice does not count.</summary>
    public double BackwardFlops => 2.5 * ForwardFlops;
}

/// <summary>
/// Times attention and its gradient with any score modification, one's own too, on packed sequences of one length; operands are normal
/// deviates.
/// </summary>
/// <example><c>using var benchmark = new AttentionBenchmark(backend, 12, 64); benchmark.Measure(new Mine(), 8, 512);</c></example>
public sealed class AttentionBenchmark : IDisposable
{
    private const double LeastSeconds = 0.05;
    private readonly Backend _backend;
    private readonly Arena _operands, _tables;
    private readonly int _heads, _headSize;

    /// <summary>A benchmark on a backend, which stays the caller's.</summary>
    /// <param name="backend">Where to compute; on a GPU, a modification of one's own was compiled before.</param>
    /// <param name="heads">Heads.</param>
    /// <param name="headSize">Their size.</param>
    /// <exception cref="ArgumentOutOfRangeException">One of them is below 1.</exception>
    public AttentionBenchmark(Backend backend, int heads, int headSize)
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(headSize, 1);
        (_backend, _heads, _headSize) = (backend, heads, headSize);
        (_operands, _tables) = (new Arena(backend), new Arena(backend));
    }

    private int Hidden => _heads * _headSize;

    /// <summary>Relative biases with a table of normal deviates.</summary>
    /// <param name="radius">R, in tokens.</param>
    public RelativeBias RelativeBias(int radius) => new(Normal(_tables, DType.F32, 9, _heads, (2 * radius) + 1).AsBiasTable());

    /// <summary>
    /// Measures a modification; the first run of each pass is a warm-up. Short runs are repeated for some hundredths of a second a round.
    /// The gradient includes those of the tables that the modification lists.
    /// </summary>
    /// <typeparam name="TMod">The modification.</typeparam>
    /// <param name="mod">Its parameters.</param>
    /// <param name="sequences">Sequences of the batch.</param>
    /// <param name="tokens">Tokens of each.</param>
    /// <param name="rounds">Measurements, of which the median counts.</param>
    /// <param name="cancellation">Ends it between two runs.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no sequence, token or round.</exception>
    /// <exception cref="NotSupportedException">The backend has no such attention; the message says why.</exception>
    public AttentionSample Measure<TMod>(in TMod mod, int sequences, int tokens, int rounds = 5, CancellationToken cancellation = default)
        where TMod : unmanaged, IScoreModification<TMod>
        => Measure(mod, isRotary: false, sequences, tokens, rounds, cancellation);

    /// <summary>Measures the attention of a model; rotary positions are part of it.</summary>
    /// <param name="attention">The attention.</param>
    /// <param name="sequences">As above.</param>
    /// <param name="tokens">As above.</param>
    /// <param name="rounds">As above.</param>
    /// <param name="cancellation">As above.</param>
    /// <exception cref="ArgumentException">As above, or the size of heads is odd where pairs of their elements are rotated.</exception>
    /// <exception cref="NotSupportedException">As above.</exception>
    public AttentionSample Measure(
        SelfAttention attention, int sequences, int tokens, int rounds = 5, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(attention);
        return attention.Measure(this, sequences, tokens, rounds, cancellation);
    }

    /// <summary>Measures plain attention of rotated queries and keys.</summary>
    internal AttentionSample MeasureRotary(int sequences, int tokens, int rounds, CancellationToken cancellation) =>
        Measure(default(NoModification), isRotary: true, sequences, tokens, rounds, cancellation);

    private AttentionSample Measure<TMod>(
        in TMod mod, bool isRotary, int sequences, int tokens, int rounds, CancellationToken cancellation)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequences, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        _operands.Reset();
        int total = checked(sequences * tokens);
        TMod given = mod;
        var lengths = new int[sequences];
        Array.Fill(lengths, tokens);
        DType type = _backend.ActivationType;
        var borders = _operands.RentCuSeqlens(lengths);
        Tensor qkv = Normal(_operands, type, 1, total, 3 * Hidden), dy = Normal(_operands, type, 2, total, Hidden), y = Rent(total, Hidden);
        Tensor dqkv = Rent(total, 3 * Hidden), logSumExp = _operands.Rent(new Shape(_heads, total), DType.F32);
        var tables = new TableGradients(Table(mod, 0), Table(mod, 1), Table(mod, 2), Table(mod, 3));
        Tensor table = isRotary ? Rotary.Table(_operands, tokens, _headSize) : default;
        double forward = Median(Forward, rounds, cancellation), backward = Median(Backward, rounds, cancellation);
        return new(forward, backward, 4.0 * _headSize * sequences * Pairs(mod, tokens));

        void Forward()
        {
            if (isRotary) _backend.Run(new ApplyRotary(qkv, borders, table, 2 * _heads, inverse: false, qkv));
            _backend.Run(new AttentionForward<TMod>(qkv, borders, _heads, given, logSumExp, y));
        }

        void Backward()
        {
            _backend.Run(new AttentionBackward<TMod>(qkv, borders, _heads, given, logSumExp, y, dy, dqkv, dropout: default, tables));
            if (isRotary) _backend.Run(new ApplyRotary(dqkv, borders, table, 2 * _heads, inverse: true, dqkv));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _operands.Dispose();
        _tables.Dispose();
    }

    /// <summary>Room for the gradient of a table of a modification; absent where it has none.</summary>
    private Tensor Table<TMod>(in TMod mod, int table)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        if (table >= TMod.Tables) return default;
        BiasTable whole = TMod.Table(mod, table);
        Tensor gradient = _operands.Rent(new Shape(whole.Rows, whole.Entries), DType.F32);
        _backend.Clear(gradient);
        return gradient;
    }

    /// <summary>Pairs of a query and a key that it may see, over all heads.</summary>
    private double Pairs<TMod>(in TMod mod, int tokens)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        double pairs = 0;
        for (int head = 0; head < _heads; head++)
            pairs += VisibleKeys.Pairs(TMod.ForSequence(TMod.ForHead(mod, head, _heads), 0), tokens, tokens);
        return pairs;
    }

    private double Median(Action pass, int rounds, CancellationToken cancellation)
    {
        double once = _backend.Seconds(pass);
        int calls = (int)Math.Clamp(LeastSeconds / Math.Max(once, 1e-7), 1, 1000);
        var seconds = new double[rounds];
        for (int round = 0; round < rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            seconds[round] = _backend.Seconds(() =>
            {
                for (int call = 0; call < calls; call++) pass();
            }) / calls;
        }

        Array.Sort(seconds);
        return seconds[rounds / 2];
    }

    private Tensor Rent(int rows, int width) => _operands.Rent(new Shape(rows, width), _backend.ActivationType);

    private Tensor Normal(Arena arena, DType type, uint site, int rows, int width)
    {
        Tensor tensor = arena.Rent(new Shape(rows, width), type);
        var values = new float[tensor.Count];
        new Philox(17, 0, site).FillNormal(values, 1);
        if (type == DType.F32) _backend.Upload<float>(values, tensor);
        else _backend.Upload<BFloat16>(Array.ConvertAll(values, v => (BFloat16)v), tensor);
        return tensor;
    }
}

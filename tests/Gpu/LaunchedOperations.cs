using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Gpu;

/// <summary>Every operation, at the sizes at which it launches other kernels: what they compute is not looked at.</summary>
/// <param name="backend">Where they run.</param>
/// <param name="type">The type of activations.</param>
internal sealed class LaunchedOperations(Backend backend, DType type) : IDisposable
{
    private const int Rows = 300;
    private readonly Arena _arena = new(backend);

    /// <summary>The operations that were run.</summary>
    public HashSet<Type> Seen { get; } = [];

    public void Run()
    {
        // Rows that are read 16 bytes at a time; in registers, and wider; and in fp32 those that are read one by one.
        foreach (int width in type == DType.F32 ? (int[])[64, 1032, 13] : [64, 1032])
        {
            OfRows(width);
            OfSequences(width);
        }

        Products();
        foreach (int headSize in type == DType.F32 ? (int[])[32, 5] : [32, 64, 128])
            foreach (float dropout in (float[])[0, 0.5f]) Attention(headSize, dropout);
        Flat();
        Convolutions();
        Causal();
        Losses();
        Optimizer();
    }

    public void Dispose() => _arena.Dispose();

    private void OfRows(int width)
    {
        Tensor x = Numbers(Rows, width), y = Numbers(Rows, width), row = Numbers(width), statistics = Floats(Rows, 2),
            indices = Integers(Rows);
        Tensor table = Numbers(4, width), sums = Floats(width), more = Floats(width);
        var norm = new Norm(row, row, 1e-5f);
        Launch(new LayerNormForward(x, norm, statistics, y));
        Launch(new LayerNormBackward(x, y, row, statistics, sums, more, accumulate: false, y));
        foreach (Tensor types in (Tensor[])[indices, default])
        {
            Launch(new EmbeddingForward(indices, types, table, table, norm, x, statistics, y));
            Launch(new EmbeddingBackward(indices, types, y, Floats(4, width), Floats(4, width)));
        }

        CuSeqlens borders = _arena.RentCuSeqlens([Rows - 1, 1]);
        Tensor positions = Numbers(Rows, width);
        Launch(new EmbeddingForward(indices, indices, table, table, norm, x, statistics, y, positions, borders));
        Launch(new AddPositions(x, borders, positions, y));
        Launch(new AddPositionsBackward(y, borders, Floats(Rows, width)));
        Launch(new ApplyTokenDropout(x, indices, borders, mask: 1, y));

        Launch(new GatherRowsForward(table, indices, y));
        Launch(new GatherRowsBackward(y, indices, table));
        Launch(new SumRows(x, sums));
        Launch(new GegluForward(Numbers(Rows, 2 * width), y));
        Launch(new GegluBackward(Numbers(Rows, 2 * width), y, Numbers(Rows, 2 * width)));
        Launch(new CrossEntropyForward(x, indices, default, Floats(Rows)));
        Launch(new CrossEntropyBackward(x, indices, default, Floats(1), y));
    }

    private void OfSequences(int width)
    {
        CuSeqlens borders = _arena.RentCuSeqlens([7, 9]);
        Tensor x = Numbers(16, width), y = Numbers(2, width);
        foreach (Pooling pooling in (Pooling[])[Pooling.Mean, Pooling.Cls, Pooling.Max]) Launch(new PoolingForward(x, borders, pooling, y));
        Launch(new PoolingBackward(y, borders, Pooling.Mean, accumulate: false, x));
        Launch(new Pad(x, borders, Numbers(2, 9, width)));
    }

    private void Products()
    {
        // Rows for more shares than one of the gradient of weights.
        const int Many = 4096, Inputs = 64, Outputs = 128;
        Tensor x = Numbers(Many, Inputs), weight = Numbers(Outputs, Inputs);
        foreach (Activation activation in Enum.GetValues<Activation>())
            Launch(new LinearForward(x, new Weight(weight), default, activation, default,
                Numbers(Many, activation == Activation.Geglu ? Outputs / 2 : Outputs)));
        Launch(new LinearInputBackward(Numbers(Many, Outputs), weight, accumulate: false, x));
        Launch(new LinearWeightBackward(Numbers(Many, Outputs), x, Floats(Outputs, Inputs)));
    }

    private void Attention(int headSize, float dropout)
    {
        const int Heads = 2;
        CuSeqlens borders = _arena.RentCuSeqlens([7, 9]);
        var dropped = new AttentionDropout(Integers(3), site: 1, dropout);
        Tensor qkv = Numbers(16, 3 * Heads * headSize), y = Numbers(16, Heads * headSize), logSumExp = Floats(Heads, 16);
        Tensor sinks = Floats(Heads);
        Of<Alibi>();
        Of<NoModification>();
        if (headSize % 2 == 0) Launch(new ApplyRotary(qkv, borders, Floats(9, headSize), 2 * Heads, inverse: false, qkv));

        void Of<TMod>()
            where TMod : unmanaged, IScoreModification<TMod>
        {
            Launch(new AttentionForward<TMod>(qkv, borders, Heads, default, logSumExp, y, dropped, sinks));
            Launch(new AttentionBackward<TMod>(qkv, borders, Heads, default, logSumExp, y, y, qkv, dropped, default, sinks, sinks));
        }
    }

    private void Flat()
    {
        Tensor x = Numbers(Rows), y = Numbers(Rows);
        Launch(new GeluForward(x, y));
        Launch(new GeluBackward(x, y, y));
        Launch(new TanhForward(x, y));
        Launch(new TanhBackward(x, y, accumulate: false, y));
        Launch(new ReluForward(x, y));
        Launch(new ReluBackward(x, y, accumulate: false, y));
        Launch(new SigmoidForward(x, y));
        Launch(new SigmoidBackward(x, y, accumulate: false, y));
        Launch(new GeluTanhForward(x, y));
        Launch(new GeluTanhBackward(x, y, accumulate: false, y));
        Launch(new Add(x, y, y));
        Launch(new Scale(x, 2, y));
        Launch(new Cast(x, Floats(Rows)));
        Launch(new Cast(Floats(Rows), y));
        foreach (Tensor residual in (Tensor[])[default, x]) Launch(new DropoutForward(x, Integers(3), site: 1, 0.5f, residual, y));
    }

    private void Convolutions()
    {
        const int Length = 9, Width = 2, Channels = 5;
        Tensor x = Floats(2 * Length, Channels), windows = Floats(2 * (Length - Width + 1), Channels * Width),
            pooled = Floats(2 * (Length / Width), Channels), row = Floats(Channels), statistics = Floats(3, Channels);
        var norm = new Norm(row, row, 1e-5f);
        Launch(new Unfold(x, Length, Width, windows));
        Launch(new Fold(windows, Length, Width, accumulate: false, x));
        Launch(new MaxPoolForward(x, Length, Width, pooled));
        Launch(new MaxPoolBackward(x, pooled, Length, Width, accumulate: false, x));
        Launch(new BatchNormForward(x, norm, statistics, x));
        Launch(new BatchNormInference(x, norm, row, row, x));
        Launch(new BatchNormBackward(x, x, row, statistics, 1e-5f, row, row, accumulate: false, x));
        Launch(new RunningStatistics(statistics, 0.1f, row, row));
        Launch(new TransposeMatrices(x, Length, Channels, accumulate: false, Floats(2, Length * Channels)));
    }

    private void Causal()
    {
        const int Channels = 5;
        CuSeqlens borders = _arena.RentCuSeqlens([7, 9]);
        Tensor x = Floats(16, Channels), y = Floats(16, Channels), row = Floats(Channels), weight = Floats(Channels, 1, 3),
            filter = Floats(9, Channels);
        Launch(new ShortConvolutionForward(x, borders, weight, row, y));
        Launch(new ShortConvolutionBackward(x, y, borders, weight, weight, accumulate: false, x));
        Launch(new LongConvolutionForward(x, borders, filter, row, y));
        Launch(new LongConvolutionBackward(x, y, borders, filter, row, accumulateFilter: false, filter, row, accumulate: false, x));
        Launch(new SineForward(x, row, y));
        Launch(new SineBackward(x, y, row, row, accumulate: false, x));
        Launch(new MultiplyColumns(new(x, 0), new(x, 2), 2, accumulate: false, new(y, 1)));
        Launch(new FilterPositions(16, x));
        Launch(new ApplyFilterDecay(x, 16, accumulate: false, y));
        Launch(new LastRows(borders, Integers(2)));
    }

    private void Losses()
    {
        Tensor x = Floats(Rows), one = Floats(1);
        Launch(new BinaryCrossEntropyForward(x, x, default, x));
        Launch(new BinaryCrossEntropyBackward(x, x, default, one, x));
        Launch(new SquaredErrorForward(x, x, default, x));
        Launch(new SquaredErrorBackward(x, x, default, one, x));
        Launch(new SumOfLosses(x, Integers(1), Doubles(2)));
    }

    private void Optimizer()
    {
        var runs = new AdamWRuns([new(0, Rows, true)], Rows);
        Tensor w = Floats(Rows), words = Integers(runs.Words.Length), numbers = Floats(AdamWStep.Count), report = Doubles(2);
        Tensor rounded = type == DType.BF16 ? Numbers(Rows) : default;
        Launch(new AdamWUpdate(numbers, runs, words, w, Floats(Rows), Floats(Rows), Floats(Rows), Doubles(2), rounded, report));
    }

    private void Launch<TOperation>(in TOperation operation)
        where TOperation : struct, IOperation
    {
        Seen.Add(typeof(TOperation));
        backend.Run(operation);
    }

    private Tensor Numbers(params ReadOnlySpan<int> extents) => Zeros(type, extents);

    private Tensor Floats(params ReadOnlySpan<int> extents) => Zeros(DType.F32, extents);

    private Tensor Integers(params ReadOnlySpan<int> extents) => Zeros(DType.I32, extents);

    private Tensor Doubles(params ReadOnlySpan<int> extents) => Zeros(DType.F64, extents);

    private Tensor Zeros(DType dtype, ReadOnlySpan<int> extents)
    {
        Tensor tensor = _arena.Rent(new Shape(extents), dtype);
        backend.Clear(tensor);
        return tensor;
    }
}

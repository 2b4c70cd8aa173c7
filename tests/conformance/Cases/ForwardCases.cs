using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary><c>f(x wᵀ + bias) + residual</c>, with a weight that is packed beforehand or at each call.</summary>
internal sealed class LinearCase(int rows, int outputs, int inputs, Activation activation, bool bias, bool residual, bool packed)
    : OpCase(
        $"linear {rows}×{outputs}×{inputs} {activation}{(bias ? " bias" : "")}{(residual ? " residual" : "")}{(packed ? " packed" : "")}")
{
    private int Width => activation == Activation.Geglu ? outputs / 2 : outputs;

    public override double Flops => 2.0 * rows * outputs * inputs;

    public override double Bytes =>
        4.0 * (((double)rows * inputs) + ((double)outputs * inputs) + ((double)rows * Width * (residual ? 2 : 1)));

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] x, double[] w, double[] b, double[] r) = Inputs();
        Tensor tx = Upload(backend, rent, x, rows, inputs), y = rent(new Shape(rows, Width), DType.F32);
        var weight = new Weight(Upload(backend, rent, w, outputs, inputs));
        if (packed) weight = backend.Pack(weight.Data, activation, arena);
        Tensor tb = bias ? Upload(backend, rent, b, outputs) : default, tr = residual ? Upload(backend, rent, r, rows, Width) : default;
        return (() => backend.Run(new LinearForward(tx, weight, tb, activation, tr, y)), [y]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] w, double[] b, double[] r) = Inputs();
        double[] product = Cases.Reference.MatMul(x, w, rows, outputs, inputs);
        for (int i = 0; i < product.Length && bias; i++) product[i] += b[i % outputs];
        var y = new double[rows * Width];
        for (int i = 0; i < y.Length; i++)
        {
            int row = i / Width, column = i % Width;
            double v = product[(row * outputs) + column];
            if (activation == Activation.Gelu) v = Cases.Reference.Gelu(v);
            if (activation == Activation.Geglu) v = Cases.Reference.Gelu(v) * product[(row * outputs) + Width + column];
            y[i] = v + (residual ? r[i] : 0);
        }

        return [y];
    }

    private (double[] X, double[] W, double[] B, double[] R)? _inputs;

    private (double[] X, double[] W, double[] B, double[] R) Inputs() =>
        _inputs ??= (
            Normal(rows * inputs), Normal(outputs * inputs, 1 / Math.Sqrt(Math.Max(inputs, 1))), Normal(outputs), Normal(rows * Width));
}

/// <summary>Attention over packed sequences of these lengths.</summary>
internal sealed class AttentionCase<TMod>(int[] lengths, int heads, int headSize, TMod mod, float dropout = 0)
    : OpCase(
        $"attention {typeof(TMod).Name} {(lengths.Length > 6 ? $"{lengths.Length} of {lengths.Max()}" : string.Join("+", lengths))} "
        + $"tokens, {heads} heads of {headSize}"
        + (dropout > 0 ? ", dropout" : ""))
    where TMod : unmanaged, IScoreModification<TMod>
{
    private readonly int _tokens = lengths.Sum();
    private readonly RelativeTable _table = RelativeTable.Of(heads);
    private double[]? _qkv;

    private int Hidden => heads * headSize;

    public override double Flops => 4.0 * Hidden * lengths.Sum(l => (double)l * l);

    public override double Bytes => 16.0 * _tokens * Hidden;

    public override double Tolerance => 5e-6;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor qkv = Upload(backend, rent, Qkv(), _tokens, 3 * Hidden), y = rent(new Shape(_tokens, Hidden), DType.F32);
        Tensor logSumExp = rent(new Shape(heads, _tokens), DType.F32);
        var cuSeqlens = arena.RentCuSeqlens(lengths);
        Tensor stream = rent(new Shape(3), DType.I32);
        backend.Upload<uint>([0x3456789A, 0x12, 7], stream);
        var dropped = new AttentionDropout(stream, 3, dropout);
        TMod on = mod is RelativeBias ? (TMod)(object)_table.On(backend, rent) : mod;
        return (() => backend.Run(new AttentionForward<TMod>(qkv, cuSeqlens, heads, on, logSumExp, y, dropped)), [y, logSumExp]);
    }

    protected override double[][] Reference()
    {
        TMod here = mod is RelativeBias ? (TMod)(object)_table.Here : mod;
        (double[] result, double[] logSumExp) = Cases.Reference.Attention(
            Qkv(), lengths, heads, headSize, here, new(new Philox(0x123456789A, 7, 3), dropout));
        return [result, logSumExp];
    }

    private double[] Qkv() => _qkv ??= Normal(_tokens * 3 * Hidden);
}

/// <summary>Layer normalisation, into another tensor or in place.</summary>
internal sealed class LayerNormCase(int rows, int width, bool inPlace) : OpCase($"layer norm {rows}×{width}{(inPlace ? " in place" : "")}")
{
    private const float Epsilon = 1e-5f;
    private (double[] X, double[] W, double[] B)? _inputs;

    public override double Bytes => 8.0 * rows * width;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] x, double[] w, double[] b) = Inputs();
        Tensor tx = Upload(backend, rent, x, rows, width);
        var norm = new Norm(Upload(backend, rent, w, width), Upload(backend, rent, b, width), Epsilon);
        Tensor y = inPlace ? tx : rent(tx.Shape, DType.F32);
        return (() => backend.Run(new LayerNormForward(tx, norm, statistics: default, y)), [y]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] w, double[] b) = Inputs();
        return [Cases.Reference.LayerNorm(x, w, b, Epsilon)];
    }

    private (double[] X, double[] W, double[] B) Inputs() =>
        _inputs ??= (Array.ConvertAll(Normal(rows * width), v => (double)(float)(v + 3)), Normal(width), Normal(width));
}

/// <summary>The embedding layer.</summary>
internal sealed class EmbeddingCase(int tokens, int vocabulary, int width, bool types)
    : OpCase($"embedding {tokens} of {vocabulary}×{width}{(types ? " with types" : "")}")
{
    private const float Epsilon = 1e-12f;
    private (double[] Ids, double[] Types, double[] Word, double[] Type, double[] W, double[] B)? _inputs;

    public override double Bytes => 8.0 * tokens * width;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] ids, double[] typeIds, double[] word, double[] type, double[] w, double[] b) = Inputs();
        Tensor ti = UploadIntegers(backend, rent, ids), tt = types ? UploadIntegers(backend, rent, typeIds) : default;
        Tensor tw = Upload(backend, rent, word, vocabulary, width), ty = Upload(backend, rent, type, 2, width);
        var norm = new Norm(Upload(backend, rent, w, width), Upload(backend, rent, b, width), Epsilon);
        Tensor y = rent(new Shape(tokens, width), DType.F32);
        return (() => backend.Run(new EmbeddingForward(ti, tt, tw, ty, norm, sum: default, statistics: default, y)), [y]);
    }

    protected override double[][] Reference()
    {
        (double[] ids, double[] typeIds, double[] word, double[] type, double[] w, double[] b) = Inputs();
        var sum = new double[tokens * width];
        for (int i = 0; i < sum.Length; i++)
            sum[i] =
                word[((int)ids[i / width] * width) + (i % width)] + type[((types ? (int)typeIds[i / width] : 0) * width) + (i % width)];
        return [Cases.Reference.LayerNorm(sum, w, b, Epsilon)];
    }

    private (double[] Ids, double[] Types, double[] Word, double[] Type, double[] W, double[] B) Inputs() =>
        _inputs ??= (
            Integers(tokens, vocabulary), Integers(tokens, 2), Normal(vocabulary * width), Normal(2 * width), Normal(width), Normal(width));
}

/// <summary>Pooling of packed sequences.</summary>
internal sealed class PoolingCase(int[] lengths, int width, Pooling pooling)
    : OpCase($"pooling {pooling} {string.Join("+", lengths)}×{width}")
{
    private readonly int _tokens = lengths.Sum();
    private double[]? _x;

    public override double Bytes => 4.0 * _tokens * width;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor x = Upload(backend, rent, X(), _tokens, width), y = rent(new Shape(lengths.Length, width), DType.F32);
        var cuSeqlens = arena.RentCuSeqlens(lengths);
        return (() => backend.Run(new PoolingForward(x, cuSeqlens, pooling, y)), [y]);
    }

    protected override double[][] Reference()
    {
        var y = new double[lengths.Length * width];
        for (int s = 0, start = 0; s < lengths.Length; start += lengths[s++])
            for (int c = 0; c < width && lengths[s] > 0; c++)
            {
                IEnumerable<double> column = Enumerable.Range(start, lengths[s]).Select(t => X()[(t * width) + c]);
                y[(s * width) + c] = pooling switch { Pooling.Mean => column.Average(), Pooling.Max => column.Max(), _ => column.First() };
            }

        return [y];
    }

    private double[] X() => _x ??= Normal(_tokens * width);
}

/// <summary>tanh of each element.</summary>
internal sealed class TanhCase(int count) : OpCase($"tanh {count}")
{
    private double[]? _x;

    public override double Bytes => 8.0 * count;

    public override double Tolerance => 3e-7;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor x = Upload(backend, rent, X(), count), y = rent(x.Shape, DType.F32);
        return (() => backend.Run(new TanhForward(x, y)), [y]);
    }

    protected override double[][] Reference() => [Array.ConvertAll(X(), Math.Tanh)];

    private double[] X() => _x ??= Normal(count, 3);
}

/// <summary>The cross-entropy of each row; the label of row 0 is ignored.</summary>
internal sealed class CrossEntropyCase(int rows, int classes, bool weighted = false)
    : OpCase($"cross-entropy {rows}×{classes}{(weighted ? " weighted" : "")}")
{
    private (double[] Logits, double[] Labels, double[] Weights)? _inputs;

    public override double Bytes => 4.0 * rows * classes;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] logits, double[] labels, double[] weights) = Inputs();
        Tensor tl = Upload(backend, rent, logits, rows, classes), ty = UploadIntegers(backend, rent, labels),
            losses = rent(new Shape(rows), DType.F32);
        Tensor tw = weighted ? Upload(backend, rent, weights, rows) : default;
        return (() => backend.Run(new CrossEntropyForward(tl, ty, tw, losses)), [losses]);
    }

    protected override double[][] Reference()
    {
        (double[] logits, double[] labels, double[] weights) = Inputs();
        var losses = new double[rows];
        for (int r = 0; r < rows; r++)
            if (labels[r] >= 0)
                losses[r] = (weighted ? weights[r] : 1)
                    * (Math.Log(logits.Skip(r * classes).Take(classes).Sum(Math.Exp)) - logits[(r * classes) + (int)labels[r]]);
        return [losses];
    }

    private (double[] Logits, double[] Labels, double[] Weights) Inputs()
    {
        if (_inputs is { } made) return made;
        double[] logits = Normal(rows * classes, 4), labels = Integers(rows, classes), weights = Normal(rows);
        if (rows > 0) labels[0] = -1;
        return (_inputs = (logits, labels, weights)).Value;
    }
}

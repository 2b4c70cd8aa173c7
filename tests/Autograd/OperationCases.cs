using Conformance.Cases;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Autograd;

/// <summary>Every operation of <see cref="Engine.Autograd"/>: how to run it and what it computes.</summary>
internal static partial class OperationCases
{
    private const float Epsilon = 1e-3f;
    private static readonly int[] Lengths = [2, 0, 4];

    public static IReadOnlyList<OperationCase> All { get; } =
        [.. Layers(), .. Positions(), .. Rows(), .. Attentions(), .. Losses(), .. Segments(), .. ConvolutionOperationCases.All,
            .. HyenaOperationCases.All];

    private static IEnumerable<OperationCase> Layers()
    {
        yield return LinearCase("Linear.Forward", "GELU", 6, 5, 5, Activation.Gelu, residual: false, dropout: 0);
        yield return LinearCase("Linear.Forward", "residual", 6, 5, 5, Activation.None, residual: true, dropout: 0);
        yield return LinearCase("Linear.Forward", "GEGLU, dropout, residual", 6, 5, 5, Activation.Geglu, residual: true, dropout: 0.25f);
        yield return LinearCase("Linear.ForwardInPlace", "residual", 6, 5, 5, Activation.None, residual: true, dropout: 0);
        yield return LinearCase(
            "Linear.ForwardInPlace", "GEGLU, dropout, residual", 6, 5, 4, Activation.Geglu, residual: true, dropout: 0.25f);
        yield return LowRankCase("Linear.Forward");
        yield return LowRankCase("Linear.ForwardInPlace");
        foreach (bool inPlace in (bool[])[false, true])
        {
            yield return new OperationCase(inPlace ? "LayerNorm.ForwardInPlace" : "LayerNorm.Forward", "", (5, 7))
            {
                Declare = owner =>
                {
                    LayerNorm norm = LayerNorm.Declare(owner.Set, "norm", 7, Epsilon);
                    return (inputs, x) => inPlace ? norm.ForwardInPlace(inputs.Tape, x[0]) : norm.Forward(inputs.Tape, x[0]);
                },
                Reference = (x, p, _) => Reference.LayerNorm(x[0], p[0], p[1], Epsilon),
                InPlace = inPlace ? 0 : -1,
            };
        }

        yield return new OperationCase("Embedding.Forward", "repeated ids, dropout")
        {
            Declare = owner =>
            {
                Embedding embedding = Embedding.Declare(owner.Set, "e.", vocabulary: 5, types: 2, hidden: 7, Epsilon, dropout: 0.25f);
                return (inputs, _) => embedding.Forward(inputs.Tape, inputs.Integers(3, 1, 3, 0), inputs.Integers(0, 1, 1, 0));
            },
            Reference = (_, p, random) =>
            {
                double[] sum = [.. new[] { (3, 0), (1, 1), (3, 1), (0, 0) }.SelectMany(row =>
                    Enumerable.Range(0, 7).Select(i => p[0][(row.Item1 * 7) + i] + p[1][(row.Item2 * 7) + i]))];
                return Dropped(Reference.LayerNorm(sum, p[2], p[3], Epsilon), 0.25f, random(0));
            },
            Draws = true,
        };
    }

    private static IEnumerable<OperationCase> Rows()
    {
        yield return new OperationCase("ConcatRows.Forward", "", (2, 7), (4, 7))
        {
            Declare = _ => (inputs, x) => ConcatRows.Instance.Forward(inputs.Tape, x[0], x[1]),
            Like = -1,
            Reference = (x, _, _) => [.. x[0], .. x[1]],
        };
        foreach (bool inPlace in (bool[])[false, true])
        {
            yield return new OperationCase(inPlace ? "Tanh.ForwardInPlace" : "Tanh.Forward", "", (5, 7))
            {
                Declare = _ =>
                    (inputs, x) => inPlace ? Tanh.Instance.ForwardInPlace(inputs.Tape, x[0]) : Tanh.Instance.Forward(inputs.Tape, x[0]),
                Reference = (x, _, _) => Array.ConvertAll(x[0], Math.Tanh),
                InPlace = inPlace ? 0 : -1,
            };
            yield return new OperationCase(inPlace ? "ToFloat32.ForwardInPlace" : "ToFloat32.Forward", "of F32", (5, 7))
            {
                Declare = _ =>
                    (inputs, x) =>
                        inPlace ? ToFloat32.Instance.ForwardInPlace(inputs.Tape, x[0]) : ToFloat32.Instance.Forward(inputs.Tape, x[0]),
                Reference = (x, _, _) => [.. x[0]],
                InPlace = inPlace ? 0 : -1,
            };
            foreach (float probability in (float[])[0, 0.25f])
            {
                yield return new OperationCase(inPlace ? "Dropout.ForwardInPlace" : "Dropout.Forward", $"{probability}", (5, 7))
                {
                    Declare = owner =>
                    {
                        var dropout = new Dropout(owner.Set, probability);
                        return (inputs, x) => inPlace ? dropout.ForwardInPlace(inputs.Tape, x[0]) : dropout.Forward(inputs.Tape, x[0]);
                    },
                    Reference = (x, _, random) => Dropped(x[0], probability, random(0)),
                    InPlace = inPlace ? 0 : -1,
                    Draws = probability > 0,
                };
            }
        }

        yield return new OperationCase("GatherRows.Forward", "some rows", (6, 7))
        {
            Declare = _ => (inputs, x) => GatherRows.Instance.Forward(inputs.Tape, x[0], inputs.Integers(5, 0, 3)),
            Like = -1,
            Reference = (x, _, _) => [.. x[0][35..42], .. x[0][0..7], .. x[0][21..28]],
        };
        foreach (Pooling pooling in Enum.GetValues<Pooling>())
        {
            yield return new OperationCase("Pool.Forward", $"{pooling}", (6, 7))
            {
                Declare = _ => (inputs, x) => new Pool(pooling).Forward(inputs.Tape, x[0], inputs.Borders(Lengths)),
                Like = -1,
                Reference = (x, _, _) => Pooled(x[0], pooling),
                HasGradient = pooling != Pooling.Max,
            };
        }
    }

    private static IEnumerable<OperationCase> Attentions()
    {
        foreach (float dropout in (float[])[0, 0.25f])
        {
            yield return new OperationCase("Attention.Forward", $"ALiBi, dropout {dropout}", (6, 12))
            {
                Declare = owner =>
                {
                    var attention = new Attention<Alibi>(owner.Set, heads: 2, default, dropout);
                    return (inputs, x) => attention.Forward(inputs.Tape, x[0], inputs.Borders(Lengths));
                },
                Like = -1,
                Reference = (x, _, random) =>
                    Reference.Attention(
                        x[0], Lengths, 2, 2, default(Alibi), dropout > 0 ? new AttentionMask(random(0), dropout) : default).Result,
                Draws = dropout > 0,
            };
        }

        foreach (bool inPlace in (bool[])[false, true])
        {
            yield return new OperationCase(inPlace ? "Rotary.ForwardInPlace" : "Rotary.Forward", "q and k of a packed qkv", (6, 24))
            {
                Declare = owner =>
                {
                    var rotary = new Rotary(Rotary.Table(owner.Own(new Arena(owner.Set.Backend)), positions: 4, headSize: 4), heads: 4);
                    return (inputs, x) => inPlace
                        ? rotary.ForwardInPlace(inputs.Tape, x[0], inputs.Borders(Lengths))
                        : rotary.Forward(inputs.Tape, x[0], inputs.Borders(Lengths));
                },
                Reference = (x, _, _) => RotaryCase.Rotated(x[0], Lengths, rotated: 4, headSize: 4),
                InPlace = inPlace ? 0 : -1,
            };
        }

        yield return new OperationCase("Attention.Forward", "relative biases, radius 2", (6, 12))
        {
            Declare = owner =>
            {
                Attention<RelativeBias> attention = RelativeAttention.Declare(owner.Set, "a", heads: 2, radius: 2);
                return (inputs, x) => attention.Forward(inputs.Tape, x[0], inputs.Borders(Lengths));
            },
            Like = -1,
            Reference = (x, p, _) => DoubleRelative.Attention(x[0], Lengths, 2, 2, p[0], radius: 2),
        };
        yield return CrossAttention();
    }

    private static OperationCase CrossAttention()
    {
        int[] keys = [3, 1, 1];
        return new OperationCase("Attention.Forward", "queries and keys of their own, grouped, sinks", (6, 8), (5, 4), (5, 4))
        {
            Declare = owner =>
            {
                var attention = new Attention<Causal>(new(4, 2), default) { Sinks = owner.Set.Declare("sinks", ParameterKind.Bias, 4) };
                return (inputs, x) => attention.Forward(
                    inputs.Tape, x[0], x[1], x[2], new AttentionSequences(inputs.Borders(Lengths), inputs.Borders(keys)));
            },
            Like = 0,
            Reference = (x, p, _) => new ReferenceAttention(Lengths, keys, new(4, 2), 2) { Sinks = p[0] }.Run(x[0], x[1], x[2],
            default(Causal)).Result,
        };
    }

    private static IEnumerable<OperationCase> Losses()
    {
        int[] labels = [2, -1, 4, 0];
        float[] rowWeights = [0.5f, 3, 2, 1], targets = [0, 1, 0.25f, 1, 0, 1], weights = [1, 2, 0.5f, 0, 3, 1];
        foreach (bool inPlace in (bool[])[false, true])
        {
            yield return new OperationCase(inPlace ? "CrossEntropy.ForwardInPlace" : "CrossEntropy.Forward", "weighted", (4, 5))
            {
                Declare = _ => (inputs, x) => inPlace
                    ? CrossEntropy.Instance.ForwardInPlace(
                        inputs.Tape, x[0], inputs.Integers(labels), inputs.Scale(), inputs.Numbers([4], rowWeights))
                    : CrossEntropy.Instance.Forward(
                        inputs.Tape, x[0], inputs.Integers(labels), inputs.Scale(), inputs.Numbers([4], rowWeights)),
                Reference = (x, _, _) => [.. labels.Select((label, r) => label < 0 ? 0
                    : rowWeights[r] * (Math.Log(x[0].Skip(r * 5).Take(5).Sum(Math.Exp)) - x[0][(r * 5) + label]))],
                IsLoss = true,
                GradientInPlace = inPlace ? 0 : -1,
            };
        }

        yield return new OperationCase("BinaryCrossEntropy.Forward", "weighted", (2, 3))
        {
            Declare = _ => (inputs, x) => BinaryCrossEntropy.Instance.Forward(
                inputs.Tape, x[0], inputs.Numbers([2, 3], targets), inputs.Scale(), inputs.Numbers([2, 3], weights)),
            Reference = (x, _, _) => [.. x[0].Select((v, i) =>
                weights[i] * ((targets[i] * Math.Log(1 + Math.Exp(-v))) + ((1 - targets[i]) * Math.Log(1 + Math.Exp(v)))))],
            IsLoss = true,
        };
        yield return new OperationCase("SquaredError.Forward", "weighted", (2, 3))
        {
            Declare = _ => (inputs, x) => SquaredError.Instance.Forward(
                inputs.Tape, x[0], inputs.Numbers([2, 3], targets), inputs.Scale(), inputs.Numbers([2, 3], weights)),
            Reference = (x, _, _) => [.. x[0].Select((v, i) => weights[i] * Math.Pow(v - targets[i], 2))],
            IsLoss = true,
        };
    }

    private static IEnumerable<OperationCase> Segments()
    {
        foreach (bool inPlace in (bool[])[false, true])
        {
            foreach (bool preNorm in (bool[])[false, true])
            {
                yield return new OperationCase(inPlace ? "Tape.RunInPlace" : "Tape.Run", preNorm ? "pre-norm" : "post-norm", (6, 7))
                {
                    Declare = owner =>
                    {
                        var block = new Block(owner.Set, preNorm);
                        return (inputs, x) => inPlace
                            ? inputs.Tape.RunInPlace(block, x[0], inputs.Borders(6))
                            : inputs.Tape.Run(block, x[0], inputs.Borders(6));
                    },
                    Reference = (x, p, _) => Block.Reference(x[0], p, preNorm),
                    InPlace = inPlace ? 0 : -1,
                };
            }
        }
    }

    private static OperationCase LinearCase(
        string method, string setting, int rows, int inputs, int outputs, Activation activation, bool residual, float dropout)
    {
        bool inPlace = method == "Linear.ForwardInPlace";
        (int, int)[] operands = residual ? [(rows, inputs), (rows, outputs)] : [(rows, inputs)];
        return new OperationCase(method, setting, operands)
        {
            Declare = owner =>
            {
                Linear linear = Linear.Declare(owner.Set, "linear", inputs, outputs, activation, dropout: dropout);
                return (given, x) =>
                    inPlace ? linear.ForwardInPlace(given.Tape, x[0], x[1]) : linear.Forward(given.Tape, x[0], residual ? x[1] : default);
            },
            Reference = (x, p, random) =>
            {
                double[] y = Dropped(Activated(Affine(x[0], p[0], p[1], rows, inputs), rows, outputs, activation), dropout, random(0));
                return residual ? [.. y.Zip(x[1], (v, r) => v + r)] : y;
            },
            InPlace = inPlace ? 1 : -1,
            Draws = dropout > 0,
        };
    }

    /// <summary>With a low-rank addition whose dropout draws.</summary>
    private static OperationCase LowRankCase(string method)
    {
        const int Rows = 5, Inputs = 7, Outputs = 7, Rank = 3;
        bool inPlace = method == "Linear.ForwardInPlace";
        return new OperationCase(method, "low-rank addition", (Rows, Inputs), (Rows, Outputs))
        {
            Declare = owner =>
            {
                Linear linear = Linear.Declare(owner.Set, "linear", Inputs, Outputs);
                linear.Add(owner.Set, Rank, scale: 1.5f, dropout: 0.25f);
                return (given, x) => inPlace ? linear.ForwardInPlace(given.Tape, x[0], x[1]) : linear.Forward(given.Tape, x[0], x[1]);
            },
            Reference = (x, p, random) =>
            {
                double[] low = Reference.MatMul(Dropped(x[0], 0.25f, random(1)), p[2], Rows, Rank, Inputs);
                double[] added = Reference.MatMul(low, p[3], Rows, Outputs, Rank), z = Affine(x[0], p[0], p[1], Rows, Inputs);
                return [.. z.Select((v, i) => v + (1.5 * added[i]) + x[1][i])];
            },
            InPlace = inPlace ? 1 : -1,
            Draws = true,
        };
    }

    private static double[] Affine(double[] x, double[] weight, double[] bias, int rows, int inputs)
    {
        double[] z = Reference.MatMul(x, weight, rows, bias.Length, inputs);
        for (int i = 0; i < z.Length; i++) z[i] += bias[i % bias.Length];
        return z;
    }

    private static double[] Activated(double[] z, int rows, int width, Activation activation) => activation switch
    {
        Activation.Gelu => Array.ConvertAll(z, Reference.Gelu),
        Activation.Geglu => [.. Enumerable.Range(0, rows * width).Select(i =>
            Reference.Gelu(z[(i / width * 2 * width) + (i % width)]) * z[(i / width * 2 * width) + width + (i % width)])],
        _ => z,
    };

    /// <summary>Dropout, drawn word by word as the generator defines it.</summary>
    private static double[] Dropped(double[] x, float probability, Philox random) => probability == 0 ? [.. x]
        : [.. x.Select((v, i) => random.Word((ulong)i) >= (uint)(probability * 4294967296.0) ? v / (1 - (double)probability) : 0)];

    private static double[] Pooled(double[] x, Pooling pooling)
    {
        int width = x.Length / Lengths.Sum(), start = 0;
        var y = new List<double>();
        foreach (int length in Lengths)
        {
            for (int column = 0; column < width; column++)
            {
                double[] values = [.. Enumerable.Range(start, length).Select(row => x[(row * width) + column])];
                y.Add(length == 0 ? 0 : pooling switch { Pooling.Mean => values.Average(), Pooling.Max => values.Max(), _ => values[0] });
            }

            start += length;
        }

        return [.. y];
    }

    /// <summary>A block of a model, normalised before or after, which works in place where it may.</summary>
    private sealed class Block(ParameterSet set, bool preNorm) : ISegment
    {
        private readonly Linear _linear = Linear.Declare(set, "linear", 7, 7, Activation.Gelu);
        private readonly LayerNorm _norm = LayerNorm.Declare(set, "norm", 7, Epsilon);

        public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
        {
            Variable y = _linear.ForwardInPlace(tape, preNorm ? _norm.Forward(tape, x) : Tanh.Instance.Forward(tape, x), residual: x);
            return preNorm ? y : _norm.ForwardInPlace(tape, y);
        }

        public static double[] Reference(double[] x, double[][] p, bool preNorm)
        {
            double[] inner = preNorm ? Conformance.Cases.Reference.LayerNorm(x, p[2], p[3], Epsilon) : Array.ConvertAll(x, Math.Tanh);
            double[] y = [.. Affine(inner, p[0], p[1], x.Length / 7, 7).Zip(x, (z, v) => Conformance.Cases.Reference.Gelu(z) + v)];
            return preNorm ? y : Conformance.Cases.Reference.LayerNorm(y, p[2], p[3], Epsilon);
        }
    }
}

using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>The embedding layer: rows of tables, positions and types, normalised.</summary>
internal sealed class EmbeddingCases : OperationSuite
{
    private const float Epsilon = 1e-3f;
    private static readonly int[] TapeLengths = [2, 0, 4];

    public override IEnumerable<OpCase> Sizes
    {
        get
        {
            foreach (int n in Lengths)
            {
                yield return new EmbeddingCase(n, 11, 6, types: n % 2 == 0);
                if (n > 0) yield return new EmbeddingCase(5, 7, n, types: n % 2 == 1);
            }
        }
    }

    public override IEnumerable<OpCase> GpuSizes =>
        from rows in (int[])[0, 1, 7, 9]
        from width in (int[])[8, 24, 768, 1024, 1032]
        select new EmbeddingCase(rows, 11, width, types: rows > 1);

    public override IEnumerable<OpCase> NarrowSizes =>
        from width in (int[])[8, 768, 1024, 1032]
        from types in (bool[])[true, false]
        select new EmbeddingCase(5, 11, width, types);

    public override IEnumerable<BackendRun> Runs => Rows.Select(size => new BackendRun($"embedding gradient {size.Rows}×{size.Width}", i =>
    {
        (int rows, int width) = size;
        Tensor ids = i.Integers([.. Enumerable.Range(0, rows).Select(t => t * 7 % 5)]),
            types = i.Integers([.. Enumerable.Range(0, rows).Select(t => t % 2)]);
        Tensor dy = i.Normal(rows, width), word = i.Normal(6, width), type = i.Normal(2, width), untyped = i.Normal(2, width);
        i.Backend.Run(new EmbeddingBackward(ids, types, dy, word, type));
        i.Backend.Run(new EmbeddingBackward(ids, default, dy, default, untyped));
        i.Backend.Run(new EmbeddingBackward(ids, default, dy, word, default, padding: 2));
        return [i.Read(word), i.Read(type), i.Read(untyped)];
    }));

    public override IEnumerable<OperationCase> OnTape
    {
        get
        {
            yield return new OperationCase("Embedding.Forward", "repeated ids, dropout")
            {
                Declare = owner =>
                {
                    Embedding embedding = Embedding.Declare(owner.Set, "e.", vocabulary: 5, types: 2, hidden: 7, Epsilon, dropout: 0.25f);
                    return (inputs, _) => embedding.Forward(inputs.Tape, inputs.Integers(3, 1, 3, 0), inputs.Integers(0, 1, 1, 0));
                },
                Reference = (_, p, random) =>
                {
                    double[] words = Picked(p[0], [3, 1, 3, 0], 7), types = Picked(p[1], [0, 1, 1, 0], 7);
                    return Dropped(Reference.LayerNorm([.. words.Zip(types, (v, t) => v + t)], p[2], p[3], Epsilon), 0.25f, random(0));
                },
                Draws = true,
            };
            int[] ids = [3, 1, 3, 2, 1, 0];
            yield return new OperationCase("Embedding.Forward", "positions, an id that is padding")
            {
                Declare = owner =>
                {
                    Embedding embedding = Embedding.Declare(
                        owner.Set, "e.", vocabulary: 5, types: 2, hidden: 7, Epsilon, dropout: 0, positions: 4, padding: 4);
                    return (inputs, _) => embedding.Forward(inputs.Tape, inputs.Integers(ids), default, inputs.Borders(TapeLengths));
                },
                Reference = (_, p, _) =>
                {
                    double[] rows = Picked(p[0], ids, 7), types = Picked(p[2], new int[6], 7),
                        positions = Picked(p[1], PositionsCase.Places(TapeLengths), 7);
                    return Reference.LayerNorm([.. rows.Select((v, i) => v + types[i] + positions[i])], p[3], p[4], Epsilon);
                },
            };
            yield return new OperationCase("TokenEmbedding.Forward", "repeated ids")
            {
                Declare = owner =>
                {
                    TokenEmbedding embedding = TokenEmbedding.Declare(owner.Set, "e", vocabulary: 5, width: 7);
                    return (inputs, _) => embedding.Forward(inputs.Tape, inputs.Integers(3, 1, 3, 0));
                },
                Reference = (_, p, _) => Picked(p[0], [3, 1, 3, 0], 7),
            };
        }
    }

    public override void Launch(KernelLaunches on)
    {
        foreach (int width in on.Widths)
        {
            Tensor x = on.Numbers(on.Rows, width), y = on.Numbers(on.Rows, width), row = on.Numbers(width),
                statistics = on.Floats(on.Rows, 2), ids = on.Integers(on.Rows), table = on.Numbers(4, width);
            var norm = new Norm(row, row, 1e-5f);
            foreach (Tensor types in (Tensor[])[ids, default])
            {
                on.Run(new EmbeddingForward(ids, types, table, table, norm, x, statistics, y));
                on.Run(new EmbeddingBackward(ids, types, y, on.Floats(4, width), on.Floats(4, width)));
            }

            on.Run(new EmbeddingForward(
                ids, ids, table, table, norm, x, statistics, y, on.Numbers(on.Rows, width), on.Borders(on.Rows - 1, 1)));
        }
    }

    /// <summary>Rows of a table.</summary>
    public static double[] Picked(double[] table, int[] rows, int width) =>
        [.. rows.SelectMany(row => table.Skip(row * width).Take(width))];
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

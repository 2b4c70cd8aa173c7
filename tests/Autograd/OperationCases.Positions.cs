using Conformance.Cases;
using Engine.Autograd;

namespace Tests.Autograd;

/// <content>Embeddings with positions, and what ESM does with them.</content>
internal static partial class OperationCases
{
    private static IEnumerable<OperationCase> Positions()
    {
        int[] ids = [3, 1, 3, 2, 1, 0], mask = [0, 1, 0, 1, 1, 0];
        yield return new OperationCase("Embedding.Forward", "positions, an id that is padding")
        {
            Declare = owner =>
            {
                Embedding embedding = Embedding.Declare(
                    owner.Set, "e.", vocabulary: 5, types: 2, hidden: 7, Epsilon, dropout: 0, positions: 4, padding: 4);
                return (inputs, _) => embedding.Forward(inputs.Tape, inputs.Integers(ids), default, inputs.Borders(Lengths));
            },
            Reference = (_, p, _) =>
            {
                double[] rows = Picked(p[0], ids, 7), types = Picked(p[2], new int[6], 7), positions = Picked(p[1], Places(), 7);
                return Reference.LayerNorm([.. rows.Select((v, i) => v + types[i] + positions[i])], p[3], p[4], Epsilon);
            },
        };
        foreach (bool inPlace in (bool[])[false, true])
        {
            yield return new OperationCase(
                inPlace ? "PositionEmbedding.ForwardInPlace" : "PositionEmbedding.Forward", "from the third row on", (6, 7))
            {
                Declare = owner =>
                {
                    PositionEmbedding positions = PositionEmbedding.Declare(owner.Set, "position", rows: 7, width: 7, first: 2);
                    return (inputs, x) => inPlace
                        ? positions.ForwardInPlace(inputs.Tape, x[0], inputs.Borders(Lengths))
                        : positions.Forward(inputs.Tape, x[0], inputs.Borders(Lengths));
                },
                Reference = (x, p, _) =>
                    [.. x[0].Zip(Picked(p[0], [.. Places().Select(place => place + 2)], 7), (v, position) => v + position)],
                InPlace = inPlace ? 0 : -1,
            };
            yield return new OperationCase(inPlace ? "TokenDropout.ForwardInPlace" : "TokenDropout.Forward", "some masks", (6, 7))
            {
                Declare = _ =>
                {
                    var dropout = new TokenDropout(mask: 1);
                    return (inputs, x) => inPlace
                        ? dropout.ForwardInPlace(inputs.Tape, x[0], inputs.Integers(mask), inputs.Borders(Lengths))
                        : dropout.Forward(inputs.Tape, x[0], inputs.Integers(mask), inputs.Borders(Lengths));
                },
                Reference = (x, _, _) => TokenDropoutCase.Scaled(x[0], mask, Lengths, mask: 1),
                InPlace = inPlace ? 0 : -1,
            };
        }
    }

    /// <summary>The place of each token in its sequence.</summary>
    private static int[] Places() => [.. Lengths.SelectMany(length => Enumerable.Range(0, length))];

    private static double[] Picked(double[] table, int[] rows, int width) =>
        [.. rows.SelectMany(row => table.Skip(row * width).Take(width))];
}

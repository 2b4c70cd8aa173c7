using Conformance.Cases;
using Dnabert2;
using Dnabert2.Cnn;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Kernels;

namespace Tests.Cnn;

/// <summary>The operations of the network of Genomic Benchmarks.</summary>
internal static class CnnOperationCases
{
    private const int Length = 57;

    public static IReadOnlyList<OperationCase> All { get; } =
    [
        Of("CnnNetwork.Forward", "two classes", 2, (model, inputs, _) => model.Network.Forward(inputs.Tape, Ids(inputs))),
        Of("CnnNetwork.Forward", "three classes", 3, (model, inputs, _) => model.Network.Forward(inputs.Tape, Ids(inputs))),
        Of("CnnModel.Classify", "two classes", 2, (model, inputs, _) => model.Classify(inputs.Tape, Rows(inputs))),
        Of("CnnModel.Classify", "three classes", 3, (model, inputs, _) => model.Classify(inputs.Tape, Rows(inputs))),
        Of("CnnModel.EncodeSequences", "", 2, (model, inputs, _) => model.EncodeSequences(inputs.Tape, Rows(inputs), Pooling.Mean)),
        Of("CnnNetwork.Loss", "two classes", 2, (model, inputs, x) => model.Network.Loss(
            inputs.Tape, x[0], inputs.Numbers([2, 1], 1, 0), inputs.Scale()), (2, 1)) with { IsLoss = true, Draws = false },
        Of("CnnNetwork.Loss", "three classes", 3, (model, inputs, x) => model.Network.Loss(
            inputs.Tape, x[0], inputs.Integers(2, 0), inputs.Scale()), (2, 3)) with { IsLoss = true, Draws = false },
    ];

    private static int[] Drawn => [.. Enumerable.Range(0, 2 * Length).Select(i => i * i % 7)];

    private static Tensor Ids(OperationInputs inputs) => inputs.Integers(Drawn);

    private static Batch Rows(OperationInputs inputs)
    {
        var batch = new Batch(inputs.Tape.Activations, Drawn, [Length, Length]);
        inputs.Remember("ids", batch.Ids);
        inputs.Remember("borders", batch.CuSeqlens.Borders);
        return batch;
    }

    private static OperationCase Of(
        string method, string setting, int classes, Func<CnnModel, OperationInputs, Variable[], Variable> run,
        params (int Rows, int Width)[] operands) =>
        new(method, setting, operands)
        {
            Declare = owner =>
            {
                string sequence = string.Concat(Enumerable.Repeat("ACGT", Length))[..(Length - 2)];
                CnnModel model = owner.Own(CnnModel.Initialize(
                    LetterVocabulary.FromSequences([sequence]), classes, 3, owner.Set.Backend, owner.IsTraining));
                if (owner.IsTraining) model.Parameters.AllocateGradients();
                return (inputs, x) => run(model, inputs, x);
            },
            Draws = true,
        };
}

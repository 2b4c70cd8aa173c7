using Conformance.Cases;
using Conformance.Model;
using Dnabert2;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Tests.Cnn;
using Tests.Hyena;

namespace Tests.Model;

/// <summary>Every operation of the model's public API.</summary>
internal static class ModelOperationCases
{
    private static readonly Dnabert2Config Config = new()
    {
        VocabSize = 16,
        HiddenSize = 16,
        NumHiddenLayers = 2,
        NumAttentionHeads = 2,
        IntermediateSize = 24,
        NumLabels = 3,
        LayerNormEps = 1e-3f,
        InitializerRange = 0.5f,
        HiddenDropoutProb = 0,
    };

    private static readonly int[] Ids = [1, 5, 6, 2, 1, 9, 2], Lengths = [4, 3];

    public static IReadOnlyList<OperationCase> All { get; } =
        [.. Parts(), .. Losses(), .. CnnOperationCases.All, .. HyenaModelOperationCases.All];

    private static IEnumerable<OperationCase> Parts()
    {
        yield return Of("Encoder.Embed", "", (model, inputs, _) => model.Encoder.Embed(inputs.Tape, Batch(inputs)));
        yield return Of("Encoder.Forward", "", (model, inputs, _) => model.Encoder.Forward(inputs.Tape, Batch(inputs)));
        yield return Of("EncoderLayer.Forward", "", (model, inputs, x) => model.Encoder.Layers[0]
            .Forward(inputs.Tape, x[0], inputs.Borders(Lengths)), (7, 16));
        yield return Of(
            "EncoderLayer.ForwardInPlace", "", (model, inputs, x) => model.Encoder.Layers[0]
            .ForwardInPlace(inputs.Tape, x[0], inputs.Borders(Lengths)), (7, 16))
            with
        { InPlace = 0 };
        yield return Of("MlmHead.Forward", "", (model, inputs, x) => model.MlmHead!.Forward(inputs.Tape, x[0]), (7, 16));
        yield return Of(
            "Pooler.Forward", "", (model, inputs, x) => model.Pooler!.Forward(inputs.Tape, x[0], inputs.Borders(Lengths)), (7, 16));
        yield return Of("Classifier.Forward", "", (model, inputs, x) => model.Classifier!.Forward(inputs.Tape, x[0]), (2, 16));
        yield return Of("Dnabert2Model.Encode", "", (model, inputs, _) => model.Encode(inputs.Tape, Batch(inputs)));
        yield return Of("Dnabert2Model.PredictTokens", "", (model, inputs, x) => model.PredictTokens(inputs.Tape, x[0]), (7, 16));
        yield return Of("Dnabert2Model.Classify", "", (model, inputs, _) => model.Classify(inputs.Tape, Batch(inputs)));
    }

    private static IEnumerable<OperationCase> Losses()
    {
        OperationCase[] losses =
        [
            Of("Objectives.MaskedLanguageModel", "", (model, inputs, _) => Objectives.MaskedLanguageModel(
                model, inputs.Tape, Batch(inputs), inputs.Integers(1, 5), inputs.Integers(7, 3), inputs.Scale())),
            Of("Objectives.Classification", "weighted", (model, inputs, _) => Objectives.Classification(
                model, inputs.Tape, Batch(inputs), inputs.Integers(2, 0), inputs.Scale(), inputs.Numbers([2], 0.5f, 2))),
            Of("Objectives.MultiLabel", "weighted", (model, inputs, _) => Objectives.MultiLabel(
                model, inputs.Tape, Batch(inputs), Targets(inputs), inputs.Scale(), inputs.Numbers([2, 3], 1, 2, 3, 4, 5, 6))),
            Of("Objectives.Regression", "weighted", (model, inputs, _) => Objectives.Regression(
                model, inputs.Tape, Batch(inputs), Targets(inputs), inputs.Scale(), inputs.Numbers([2, 3], 1, 2, 3, 4, 5, 6))),
        ];
        return losses.Select(loss => loss with { IsLoss = true });
    }

    private static Tensor Targets(OperationInputs inputs) => inputs.Numbers([2, 3], 0, 1, 0.5f, 1, 0, 0);

    private static Batch Batch(OperationInputs inputs)
    {
        var batch = new Batch(inputs.Tape.Activations, Ids, Lengths, typeIds: [0, 0, 1, 1, 0, 1, 1]);
        inputs.Remember("ids", batch.Ids);
        inputs.Remember("type ids", batch.TypeIds);
        inputs.Remember("borders", batch.CuSeqlens.Borders);
        return batch;
    }

    private static OperationCase Of(
        string method, string setting, Func<Dnabert2Model, OperationInputs, Variable[], Variable> run,
        params (int Rows, int Width)[] operands) =>
        new(method, setting, operands)
        {
            Declare = owner =>
            {
                Dnabert2Model model = owner.Own(Dnabert2Model.Initialize(
                    Config, Golden.TinyTokenizer(), 3, owner.Set.Backend, ModelParts.MlmHead | ModelParts.Pooler | ModelParts.Classifier,
                    owner.IsTraining));
                if (owner.IsTraining) model.Parameters.AllocateGradients();
                return (inputs, x) => run(model, inputs, x);
            },
        };
}

using Conformance.Cases;
using Dnabert2;
using Dnabert2.Hyena;
using Dnabert2.Training;
using Engine.Autograd;

namespace Tests.Hyena;

/// <summary>The operations of HyenaDNA.</summary>
internal static class HyenaModelOperationCases
{
    private static readonly HyenaConfig Config = new()
    {
        DModel = 12,
        DInner = 20,
        NLayer = 2,
        MaxSeqLen = 9,
        FilterOrder = 6,
        LayerNormEpsilon = 1e-3f,
        InitializerRange = 0.5f,
        NumLabels = 3,
    };

    private static readonly int[] Lengths = [4, 3];

    public static IReadOnlyList<OperationCase> All { get; } =
    [
        Of("HyenaBackbone.Embed", "", (model, inputs, _) => model.Backbone.Embed(inputs.Tape, Batch(inputs))),
        Of("HyenaBackbone.Forward", "", (model, inputs, _) => model.Backbone.Forward(inputs.Tape, Batch(inputs))),
        Of("HyenaBackbone.NormaliseInPlace", "", (model, inputs, x) => model.Backbone.NormaliseInPlace(inputs.Tape, x[0]), (7, 12))
            with
        { InPlace = 0 },
        Of("HyenaModel.Encode", "", (model, inputs, _) => model.Encode(inputs.Tape, Batch(inputs))),
        Of("HyenaModel.Classify", "", (model, inputs, _) => model.Classify(inputs.Tape, Batch(inputs))),
        Of("SequenceModel.EncodeLayer", "HyenaDNA", (model, inputs, _) => model.EncodeLayer(inputs.Tape, Batch(inputs), 1)),
        Of("SequenceModel.EncodeSequences", "HyenaDNA", (model, inputs, _) => model.EncodeSequences(
            inputs.Tape, Batch(inputs), Engine.Kernels.Pooling.Mean)),
        Of("HyenaLayer.Forward", "", (model, inputs, x) => model.Backbone.Layers[0]
            .Forward(inputs.Tape, x[0], inputs.Borders(Lengths)), (7, 12)),
        Of("HyenaLayer.ForwardInPlace", "", (model, inputs, x) => model.Backbone.Layers[0]
            .ForwardInPlace(inputs.Tape, x[0], inputs.Borders(Lengths)), (7, 12))
            with
        { InPlace = 0 },
        Of("HyenaLmHead.Forward", "", (model, inputs, x) => model.LmHead!.Forward(inputs.Tape, x[0]), (7, 12)),
        Of("HyenaClassifier.Forward", "last token", (model, inputs, x) => model.Classifier!
            .Forward(inputs.Tape, x[0], inputs.Borders(Lengths)), (7, 12)),
        Of("HyenaClassifier.Forward", "mean", Config with { Pooling = HyenaPooling.Mean }, (model, inputs, x) => model.Classifier!
            .Forward(inputs.Tape, x[0], inputs.Borders(Lengths)), (7, 12)),
        Of("Objectives.NextToken", "", (model, inputs, _) => Objectives.NextToken(
            model, inputs.Tape, Batch(inputs), inputs.Integers(0, 1, 2, 4, 5), inputs.Integers(8, 9, 1, 10, 1), inputs.Scale()))
            with
        { IsLoss = true },
    ];

    private static Batch Batch(OperationInputs inputs)
    {
        var batch = new Batch(inputs.Tape.Activations, [7, 8, 9, 1, 11, 10, 1], Lengths);
        inputs.Remember("ids", batch.Ids);
        inputs.Remember("borders", batch.CuSeqlens.Borders);
        return batch;
    }

    private static OperationCase Of(
        string method, string setting, Func<HyenaModel, OperationInputs, Variable[], Variable> run,
        params (int Rows, int Width)[] operands) => Of(method, setting, Config, run, operands);

    private static OperationCase Of(
        string method, string setting, HyenaConfig config, Func<HyenaModel, OperationInputs, Variable[], Variable> run,
        params (int Rows, int Width)[] operands) =>
        new(method, setting, operands)
        {
            Declare = owner =>
            {
                HyenaModel model = owner.Own(HyenaModel.Initialize(
                    config, 3, owner.Set.Backend, ModelParts.CausalHead | ModelParts.Classifier, owner.IsTraining));
                if (owner.IsTraining) model.Parameters.AllocateGradients();
                return (inputs, x) => run(model, inputs, x);
            },
        };
}

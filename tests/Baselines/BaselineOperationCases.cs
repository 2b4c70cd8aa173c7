using Conformance.Cases;
using Dnabert2;
using Dnabert2.Dnabert;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;
using Variable = Engine.Autograd.Variable;

namespace Tests.Baselines;

/// <summary>Every operation of the public API of DNABERT and the Nucleotide Transformer.</summary>
internal static class BaselineOperationCases
{
    private const ModelParts AllParts = ModelParts.MlmHead | ModelParts.Pooler | ModelParts.Classifier;
    private static readonly int[] Ids = [2, 5, 6, 3, 2, 1, 3], Lengths = [4, 3];

    private static readonly DnabertConfig Dnabert = new()
    {
        VocabSize = 21,
        HiddenSize = 16,
        NumHiddenLayers = 2,
        NumAttentionHeads = 2,
        IntermediateSize = 24,
        MaxPositionEmbeddings = 5,
        NumLabels = 3,
        LayerNormEps = 1e-3f,
        InitializerRange = 0.5f,
        HiddenDropoutProb = 0,
        AttentionProbsDropoutProb = 0,
    };

    private static readonly NucleotideTransformerConfig Nt = new()
    {
        VocabSize = 25,
        HiddenSize = 16,
        NumHiddenLayers = 2,
        NumAttentionHeads = 2,
        IntermediateSize = 24,
        MaxPositionEmbeddings = 8,
        NumLabels = 3,
        LayerNormEps = 1e-3f,
        InitializerRange = 0.5f,
    };

    private static readonly NucleotideTransformerConfig Nt2 = NucleotideTransformerConfig.Version2 with
    {
        VocabSize = 27,
        HiddenSize = 16,
        NumHiddenLayers = 2,
        NumAttentionHeads = 2,
        IntermediateSize = 24,
        MaxPositionEmbeddings = 8,
        LayerNormEps = 1e-3f,
        InitializerRange = 0.5f,
    };

    public static IReadOnlyList<OperationCase> All { get; } = [.. OfDnabert(), .. OfNt()];

    private static IEnumerable<OperationCase> OfDnabert()
    {
        yield return Of("DnabertEncoder.Forward", Make, (model, inputs, _) => model.Encoder.Forward(inputs.Tape, Batch(inputs)));
        yield return Of("DnabertModel.Encode", Make, (model, inputs, _) => model.Encode(inputs.Tape, Batch(inputs)));
        yield return Of("DnabertModel.PredictTokens", Make, (model, inputs, x) => model.PredictTokens(inputs.Tape, x[0]), (7, 16));
        yield return Of("DnabertModel.Classify", Make, (model, inputs, _) => model.Classify(inputs.Tape, Batch(inputs)));
        yield return Of("DnabertModel.Classify", Make, (model, inputs, _) =>
        {
            int[] ids = [2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 3, 2, 5, 3];
            var batch = new WindowedBatch(inputs.Tape.Activations, ids, [12, 3], window: 5, pad: 0);
            inputs.Remember("ids", batch.Windows.Ids);
            inputs.Remember("padding", batch.Padding!.Value.Ids);
            inputs.Remember("order", batch.Order);
            return model.Classify(inputs.Tape, batch);
        }) with
        { Setting = "windows" };

        static DnabertModel Make(OperationOwner owner) =>
            DnabertModel.Initialize(Dnabert, new DnabertTokenizer(2), 3, owner.Set.Backend, AllParts, owner.IsTraining);
    }

    private static IEnumerable<OperationCase> OfNt()
    {
        yield return Of(
            "NucleotideTransformerEncoder.Forward", Make, (model, inputs, _) => model.Encoder.Forward(inputs.Tape, Batch(inputs)));
        yield return Of("NucleotideTransformerModel.Encode", Make, (model, inputs, _) => model.Encode(inputs.Tape, Batch(inputs)));
        yield return Of(
            "NucleotideTransformerModel.PredictTokens", Make, (model, inputs, x) => model.PredictTokens(inputs.Tape, x[0]), (7, 16));
        yield return Of("NucleotideTransformerModel.Classify", Make, (model, inputs, _) => model.Classify(inputs.Tape, Batch(inputs)));
        yield return Of(
            "NucleotideTransformerMlmHead.Forward", Make, (model, inputs, x) => model.MlmHead!.Forward(inputs.Tape, x[0]), (7, 16));
        yield return Of(
            "NucleotideTransformerClassifier.Forward", Make,
            (model, inputs, x) => model.Classifier!.Forward(inputs.Tape, x[0], inputs.Borders(Lengths)), (7, 16));

        yield return Of(
            "NucleotideTransformerEncoder.Forward", MakeSecond,
            (model, inputs, _) => model.Encoder.Forward(inputs.Tape, Batch(inputs))) with
        { Setting = "version 2" };

        static NucleotideTransformerModel Make(OperationOwner owner) => NucleotideTransformerModel.Initialize(
            Nt, new NucleotideTransformerTokenizer(2), 3, owner.Set.Backend, AllParts, owner.IsTraining);

        static NucleotideTransformerModel MakeSecond(OperationOwner owner) => NucleotideTransformerModel.Initialize(
            Nt2, new NucleotideTransformerTokenizer(2, version: 2), 3, owner.Set.Backend, ModelParts.Encoder, owner.IsTraining);
    }

    private static Batch Batch(OperationInputs inputs)
    {
        var batch = new Batch(inputs.Tape.Activations, Ids, Lengths);
        inputs.Remember("ids", batch.Ids);
        inputs.Remember("borders", batch.CuSeqlens.Borders);
        return batch;
    }

    private static OperationCase Of<TModel>(
        string method, Func<OperationOwner, TModel> make, Func<TModel, OperationInputs, Variable[], Variable> run,
        params (int Rows, int Width)[] operands)
        where TModel : SequenceModel
        => new(method, "", operands)
        {
            Declare = owner =>
            {
                TModel model = owner.Own(make(owner));
                if (owner.IsTraining) model.Parameters.AllocateGradients();
                return (inputs, x) => run(model, inputs, x);
            },
        };
}

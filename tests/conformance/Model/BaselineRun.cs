using System.Text.Json;
using Dnabert2;
using Dnabert2.Dnabert;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Model;

/// <summary>A model of a golden file with what its passes need.</summary>
internal sealed class BaselineRun : IDisposable
{
    private readonly Arena _activations, _gradients;

    public BaselineRun(
        BaselineGolden golden, ModelParts parts, bool training, Backend backend, bool recompute = false,
        Action<SequenceModel>? prepare = null, ParameterSource? source = null)
    {
        (Golden, Backend) = (golden, backend);
        (_activations, _gradients) = (new Arena(backend), new Arena(backend));
        Model = golden.Model(backend, parts, training, prepare, source);
        Tape = training ? Tape.ForTraining(_activations, _gradients, recompute) : Tape.ForInference(_activations);
    }

    public BaselineGolden Golden { get; }

    public Backend Backend { get; }

    public SequenceModel Model { get; }

    public Tape Tape { get; }

    /// <summary>The gradient of a parameter, or its values, by the name in the golden file.</summary>
    public Parameter Find(string name) => Model.Parameters.Parameters.Single(p => BaselineGolden.NameOf(p) == name && p.TiedTo is null);

    public float[] Read(Tensor tensor)
    {
        var values = new float[tensor.Count];
        Backend.DownloadNumbers(tensor, values);
        return values;
    }

    /// <summary>The embeddings and the output of each layer, the last one normalised where the model does that at its end.</summary>
    public IEnumerable<float[]> HiddenStates(Batch batch)
    {
        int layers = Model.Layers;
        for (int layer = 0; layer <= layers; layer++) yield return Read(Model.EncodeLayer(Tape, batch, layer).Data);
        if (Model is not NucleotideTransformerModel { Encoder: { } encoder }) yield break;
        Variable last = Model.EncodeLayer(Tape, batch, layers - 1);
        LastBeforeNorm = Read(encoder.RunLayerInPlace(layers - 1, Tape, last, batch.CuSeqlens).Data);
    }

    /// <summary>The output of the last layer, after <see cref="HiddenStates"/> of a model that normalises it.</summary>
    public float[]? LastBeforeNorm { get; private set; }

    /// <summary>The mean cross-entropy of logits.</summary>
    public double Mean(Tensor logits, int[] labels) =>
        Read(CrossEntropy.Instance.Forward(Tape, logits, Upload(labels), Tape.Number(1)).Data).Sum(l => (double)l)
            / labels.Count(l => l >= 0);

    /// <summary>Adds the gradients of a batch's mean loss, which it returns.</summary>
    public double Backward(JsonElement inputs, string loss)
    {
        Tape.Reset();
        Variable losses;
        if (loss == "mlm")
        {
            PackedRows packed = Golden.Rows(inputs, "mlm_input_ids");
            int[] all = packed.Pick(Conformance.Model.Golden.Rows(inputs, "mlm_labels"));
            int[] rows = [.. Enumerable.Range(0, all.Length).Where(i => all[i] >= 0)], labels = [.. rows.Select(i => all[i])];
            losses = Objectives.MaskedLanguageModel(
                Model, Tape, packed.Upload(_activations), Upload(rows), Upload(labels), Tape.Number(1f / labels.Length));
        }
        else
        {
            bool isBatch = inputs.TryGetProperty("input_ids", out _);
            PackedRows packed = Golden.Rows(inputs, isBatch ? "input_ids" : "cls_input_ids");
            int[] labels = [.. Conformance.Model.Golden.Flatten(inputs.GetProperty(isBatch ? "labels" : "cls_labels")).Select(l => (int)l)];
            losses = Objectives.Classification(
                Model, Tape, packed.Upload(_activations), Upload(labels), Tape.Number(1f / labels.Length));
        }

        double mean = Read(losses.Data).Average(l => (double)l);
        Tape.Backward(losses);
        return mean;
    }

    public Tensor Upload(int[] values)
    {
        Tensor tensor = _activations.Rent(new Shape(values.Length), DType.I32);
        Backend.Upload<int>(values, tensor);
        return tensor;
    }

    public void Dispose()
    {
        Model.Dispose();
        _activations.Dispose();
        _gradients.Dispose();
        Backend.Dispose();
        Golden.Dispose();
    }
}

using System.Text.Json;
using Dnabert2;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Model;

/// <summary>Forward and backward passes of a golden model.</summary>
internal sealed class GoldenTraining : IDisposable
{
    private readonly Arena _activations, _gradients;
    private readonly Tape _tape;
    private readonly string _loss;

    public GoldenTraining(
        Golden golden, string loss, bool recompute, Backend? backend = null, Action<Dnabert2Model>? prepare = null,
        ParameterSource? source = null)
    {
        (Golden, _loss, Backend) = (golden, loss, backend ?? CpuBackend.Create());
        (_activations, _gradients) = (new Arena(Backend), new Arena(Backend));
        Model = golden.TrainableModel(
            Backend, loss == "mlm" ? ModelParts.MlmHead : ModelParts.Pooler | ModelParts.Classifier, prepare, source);
        _tape = Tape.ForTraining(_activations, _gradients, recompute);
    }

    public Golden Golden { get; }

    public Backend Backend { get; }

    public Dnabert2Model Model { get; }

    /// <summary>Adds the gradients of a batch's mean loss, which it returns.</summary>
    public double Backward(JsonElement inputs)
    {
        int[][] ids = Golden.Rows(inputs, "input_ids");
        int[] lengths = [.. Golden.Rows(inputs, "attention_mask").Select(row => row.Sum())];
        _tape.Reset();
        var batch = new Batch(_activations, Golden.Pack(ids, lengths), lengths);
        int[] labels;
        Variable losses;
        if (_loss == "mlm")
        {
            // The reference keeps labels above 0 only.
            int[] all = Golden.Pack(Golden.Rows(inputs, "mlm_labels"), lengths);
            int[] rows = [.. Enumerable.Range(0, all.Length).Where(i => all[i] > 0)];
            labels = [.. rows.Select(i => all[i])];
            losses = Objectives.MaskedLanguageModel(Model, _tape, batch, Upload(rows), Upload(labels), _tape.Number(1f / labels.Length));
        }
        else
        {
            labels = [.. inputs.GetProperty("cls_labels").EnumerateArray().Select(e => e.GetInt32())];
            losses = Objectives.Classification(Model, _tape, batch, Upload(labels), _tape.Number(1f / labels.Length));
        }

        double loss = Read(losses.Data).Average(l => (double)l);
        _tape.Backward(losses);
        return loss;
    }

    public Parameter? Find(string name) => Model.Parameters.Parameters.FirstOrDefault(p => p.Name == name);

    public float[] Read(Tensor tensor)
    {
        var values = new float[tensor.Count];
        Backend.Download<float>(tensor, values);
        return values;
    }

    public void Dispose()
    {
        Model.Dispose();
        _activations.Dispose();
        _gradients.Dispose();
        Backend.Dispose();
        Golden.Dispose();
    }

    private Tensor Upload(int[] values)
    {
        Tensor tensor = _activations.Rent(new Shape(values.Length), DType.I32);
        Backend.Upload<int>(values, tensor);
        return tensor;
    }
}

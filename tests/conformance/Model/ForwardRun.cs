using Dnabert2;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Model;

/// <summary>One forward pass of a golden model, everything kept.</summary>
internal sealed class ForwardRun : IDisposable
{
    private readonly Backend _backend;
    private readonly Arena _arena;
    private readonly Dnabert2Model _model;
    private readonly Batch _batch;
    private readonly Tape _tape;
    private readonly Tensor _x;

    public ForwardRun(string path, Func<Backend> backend)
    {
        Golden = new Golden(path);
        _backend = backend();
        _arena = new Arena(_backend);
        _model = Golden.Model(_backend);
        _tape = Tape.ForInference(_arena);
        _batch = Golden.Batch(_arena);
        _x = _model.Encoder.Embed(_tape, _batch).Data;
        Embedding = Read(_x);
        for (int layer = 1; layer <= _model.Layers; layer++)
        {
            _x = _model.EncodeLayer(_tape, _batch, layer).Data;
            Layers.Add(Read(_x));
        }

        Tensor padded = _arena.Rent(new Shape(Golden.Lengths.Length, _batch.CuSeqlens.Longest, _x.Shape[1]), _x.DType);
        _backend.Run(new Pad(_x, _batch.CuSeqlens, padded));
        Padded = Read(padded);
        Tensor pooled = _model.Pooler!.Forward(_tape, _x, _batch.CuSeqlens).Data;
        Pooled = Read(pooled);
        Tensor classLogits = _model.Classifier!.Forward(_tape, pooled).Data;
        ClassLogits = Read(classLogits);
        Tensor logits = _model.MlmHead!.Forward(_tape, _x).Data;
        MlmLogits = Read(logits);
        // The reference keeps labels above 0 only; label 0 ([UNK]) is ignored with the unmasked ones.
        MlmLoss = Mean(logits, [.. Golden.Pack(Golden.Labels, Golden.Lengths).Select(l => l > 0 ? l : -1)]);
        if (Golden.Root.TryGetProperty("cls_labels", out _))
            ClassLoss = Mean(classLogits, [.. Golden.Values("cls_labels").Select(l => (int)l)]);
    }

    public Golden Golden { get; }

    public float[] Embedding { get; }

    public List<float[]> Layers { get; } = [];

    public float[] Padded { get; }

    public float[] Pooled { get; }

    public float[] ClassLogits { get; }

    public float[] MlmLogits { get; }

    public double MlmLoss { get; }

    public double ClassLoss { get; }

    public float[] Pool(Pooling pooling) => Read(new Pool(pooling).Forward(_tape, _x, _batch.CuSeqlens).Data);

    public void Dispose()
    {
        _model.Dispose();
        _arena.Dispose();
        _backend.Dispose();
        Golden.Dispose();
    }

    private double Mean(Tensor logits, int[] labels)
    {
        Tensor device = _arena.Rent(new Shape(labels.Length), DType.I32);
        _backend.Upload<int>(labels, device);
        return Read(Engine.Autograd.CrossEntropy.Instance.Forward(_tape, logits, device, _tape.Number(1)).Data)
            .Sum(l => (double)l) / labels.Count(l => l >= 0);
    }

    private float[] Read(Tensor tensor)
    {
        var values = new float[tensor.Count];
        _backend.DownloadNumbers(tensor, values);
        return values;
    }
}

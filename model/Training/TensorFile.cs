using System.Runtime.InteropServices;
using Dnabert2.Files;
using Dnabert2.Weights;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Training;

/// <summary>Writes and reads tensors of a backend as safetensors files, in pieces.</summary>
internal static class TensorFile
{
    private const int Piece = 1 << 18;

    /// <summary>Writes the tensors, as F32 or rounded to BF16, atomically.</summary>
    /// <exception cref="NotFiniteNumberException">A value is not finite; the message names its tensor, and nothing is written.</exception>
    public static void Write(
        string path, Backend backend, IReadOnlyList<(string Name, Tensor Tensor)> tensors,
        IReadOnlyDictionary<string, string>? metadata = null, FileOperations? disk = null, DType dtype = DType.F32)
    {
        using ResultFiles files = new(disk ?? FileOperations.OfMachine);
        IEnumerable<WeightEntry> entries = tensors.Select(t => new WeightEntry(t.Name, dtype, t.Tensor.Shape));
        using var writer = new SafetensorsWriter(path, entries, metadata, files);
        float[] buffer = new float[Piece];
        BFloat16[] rounded = dtype == DType.BF16 ? new BFloat16[Piece] : [];
        foreach ((string name, Tensor tensor) in tensors)
        {
            for (long start = 0; start < tensor.Count; start += Piece)
            {
                Span<float> values = buffer.AsSpan(0, (int)Math.Min(Piece, tensor.Count - start));
                backend.Download(tensor.Slice(start, new Shape(values.Length)), values);
                if (FloatValues.IndexOfNonFinite(values) is >= 0 and int at)
                    throw new NotFiniteNumberException($"{name} holds {values[at]} at element {start + at}", values[at]);
                if (dtype == DType.BF16) writer.Write(name, MemoryMarshal.AsBytes(Round(name, values, rounded)));
                else writer.Write(name, MemoryMarshal.AsBytes(values));
            }
        }

        writer.Commit();
        files.Commit();
    }

    private static Span<BFloat16> Round(string name, ReadOnlySpan<float> values, Span<BFloat16> rounded)
    {
        for (int i = 0; i < values.Length; i++)
        {
            rounded[i] = (BFloat16)values[i];
            if (float.IsFinite(values[i]) && !float.IsFinite((float)rounded[i]))
                throw new InvalidDataException($"{name} holds {values[i]}, which is beyond the range of bf16; write it as f32");
        }

        return rounded[..values.Length];
    }

    /// <summary>Reads the tensors; the file holds exactly these.</summary>
    /// <param name="path">The file.</param>
    /// <param name="backend">Where the tensors are.</param>
    /// <param name="tensors">The tensors.</param>
    /// <param name="besides">Whether one of a name may be there besides; null: none may.</param>
    /// <exception cref="InvalidDataException">A tensor is missing, extra, mis-shaped or not finite.</exception>
    public static void Read(
        string path, Backend backend, IReadOnlyList<(string Name, Tensor Tensor)> tensors, Func<string, bool>? besides = null)
    {
        using WeightFile file = WeightFile.Open(path);
        foreach ((string name, Tensor tensor) in tensors)
        {
            if (!file.TryGet(name, out WeightEntry? entry)) throw Other(path, $"there is no {name} {tensor.Shape}");
            if (entry.Shape != tensor.Shape || entry.DType != DType.F32)
                throw Other(path, $"{entry} is not of type F32 and shape {tensor.Shape}");
            float[] values = new float[entry.Count];
            file.Read(entry, values);
            if (FloatValues.IndexOfNonFinite(values) is >= 0 and int at)
                throw new InvalidDataException($"{path}: {name} holds {values[at]} at element {at}; {CheckpointSums.Remedy}");
            backend.Upload<float>(values, tensor);
        }

        int held = file.Entries.Count(entry => besides?.Invoke(entry.Name) != true);
        if (held != tensors.Count) throw Other(path, $"it holds {held} tensors in place of {tensors.Count}");
    }

    /// <summary>The distinct parameters of a model.</summary>
    public static List<(string Name, Tensor Tensor)> Parameters(ParameterSet set) =>
        [.. set.Parameters.Where(p => p.TiedTo is null).Select(p => (p.Name, p.Value))];

    /// <summary>The parameters that are trained.</summary>
    public static List<(string Name, Tensor Tensor)> Trained(ParameterSet set) =>
        [.. set.Parameters.Where(p => p.TiedTo is null && p.IsTrained).Select(p => (p.Name, p.Value))];

    /// <summary>The moments of an optimizer, under PyTorch's names for them.</summary>
    public static List<(string Name, Tensor Tensor)> Moments(ParameterSet set, AdamW optimizer) =>
        [.. set.Parameters.Where(p => p.TiedTo is null && p.IsTrained).SelectMany(p => ((string, Tensor)[])
        [
            ("exp_avg." + p.Name, optimizer.FirstMoment.Slice(p.Offset, p.Shape)),
            ("exp_avg_sq." + p.Name, optimizer.SecondMoment.Slice(p.Offset, p.Shape)),
        ])];

    private static InvalidDataException Other(string path, string what) =>
        new($"{path}: {what}: the checkpoint is of another architecture, or {CheckpointSums.Remedy}");
}

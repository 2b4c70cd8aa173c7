using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Dnabert2.Weights;
using Engine.Kernels;

namespace Tests.Folders;

/// <summary>The tensors of a weight file in memory: to be read, changed and written, safetensors or pickle.</summary>
internal sealed class Tensors : Dictionary<string, (int[] Shape, float[] Values)>
{
    public Tensors()
        : base(StringComparer.Ordinal)
    {
    }

    public static Tensors Read(string path)
    {
        var tensors = new Tensors();
        using WeightFile file = WeightFile.Open(path);
        foreach (WeightEntry entry in file.Entries)
        {
            var values = new float[entry.Count];
            file.Read(entry, values);
            tensors.Add(entry.Name, (Array.ConvertAll(entry.Extents.ToArray(), e => (int)e), values));
        }

        return tensors;
    }

    /// <summary>A tensor of numbers that look random.</summary>
    public Tensors Draw(string name, int seed, double size, params int[] shape)
    {
        var random = new Random(seed);
        this[name] = (
            shape, [.. Enumerable.Range(0, shape.Aggregate(1, (a, b) => a * b))
                .Select(_ => (float)(size * ((2 * random.NextDouble()) - 1)))]);
        return this;
    }

    /// <summary>The same tensors under other names; those without one are left out.</summary>
    public Tensors Rename(Func<string, string?> name)
    {
        var renamed = new Tensors();
        foreach ((string key, (int[] Shape, float[] Values) tensor) in this)
            if (name(key) is { } other) renamed.Add(other, tensor);
        return renamed;
    }

    public void Write(string path, Dictionary<string, string>? metadata = null)
    {
        IEnumerable<WeightEntry> entries = this.Select(t => new WeightEntry(t.Key, DType.F32, new Shape(t.Value.Shape)));
        using var writer = new SafetensorsWriter(path, entries, metadata);
        foreach ((string name, (_, float[] values)) in this) writer.Write(name, MemoryMarshal.AsBytes(values.AsSpan()));
        writer.Commit();
    }

    /// <summary>Writes several files with an index in place of <c>model.safetensors</c>.</summary>
    public void WriteShards(string folder, Func<string, int> fileOf)
    {
        File.Delete(Path.Combine(folder, "model.safetensors"));
        var map = new JsonObject();
        foreach (IGrouping<int, string> part in Keys.GroupBy(fileOf))
        {
            string file = $"part-{part.Key}.safetensors";
            Rename(name => part.Contains(name) ? name : null).Write(Path.Combine(folder, file));
            foreach (string name in part) map[name] = file;
        }

        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), new JsonObject { ["weight_map"] = map }.ToJsonString());
    }

    /// <summary>Writes a PyTorch checkpoint; the state dict lies under the keys, the first one outermost.</summary>
    public void WriteTorch(string path, params string[] under)
    {
        var pickle = new Weights.Pickle().Proto();
        foreach (string key in under) pickle.Op('}').Op('(').Text(key);
        pickle.Op('}').Op('(');
        int index = 0;
        foreach ((string name, (int[] shape, float[] values)) in this)
        {
            long[] extents = Array.ConvertAll(shape, e => (long)e), strides = new long[shape.Length];
            for (int i = shape.Length - 1, step = 1; i >= 0; step *= shape[i--]) strides[i] = step;
            pickle.Text(name).Tensor("FloatStorage", $"{index++}", values.Length, 0, extents, strides);
        }

        pickle.Op('u');
        foreach (string _ in under) pickle.Op('u');
        byte[][] storages = [.. Values.Select(t => MemoryMarshal.AsBytes(t.Values.AsSpan()).ToArray())];
        File.WriteAllBytes(path, Weights.Pickle.Checkpoint(pickle.Stop(), storages));
    }
}

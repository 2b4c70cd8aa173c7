using System.Runtime.InteropServices;
using Dnabert2.Files;
using Engine.Autograd;

namespace Dnabert2.Onnx;

/// <summary>
/// A graph on its way to the disk. Tensors are written one after the other, as the checkpoint is read, so that no more than one is in
/// memory.
/// </summary>
/// <param name="graph">The graph.</param>
/// <param name="metadata">What is said of the model.</param>
internal sealed class GraphFile(Graph graph, IEnumerable<(string Key, string Value)> metadata)
{
    private const int IrVersion = 8, Opset = 17, RawData = 9;

    // Runtimes read shapes from small tensors before they open the other file. What is mapped begins at the granularity of Windows.
    private const int LeastBeside = 1 << 10, Alignment = 1 << 16;

    /// <summary>Writes it.</summary>
    /// <param name="files">The result that the files are of.</param>
    /// <param name="path">The file of the graph.</param>
    /// <param name="mostInGraph">The most bytes of tensors that are in that file; with more the large ones are in one of their own.</param>
    /// <param name="set">The model's parameters.</param>
    /// <param name="values">Gives their values.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <returns>The bytes that were written, and the file of the large tensors or null.</returns>
    public (long Bytes, string? Beside) Write(
        ResultFiles files, string path, long mostInGraph, ParameterSet set, ParameterSource values, CancellationToken cancellation)
    {
        Initializer[] tensors = [.. InOrder(set)];
        string? beside = tensors.Sum(t => t.ByteCount) > mostInGraph ? path + ".data" : null;
        List<(Initializer Tensor, ProtoMessage Fields, long Offset)> placed = [];
        long dataLength = 0, graphLength = 0;
        foreach (Initializer tensor in tensors)
        {
            long offset = beside is not null && tensor.ByteCount >= LeastBeside ? (dataLength + Alignment - 1) / Alignment * Alignment : -1;
            if (offset >= 0) dataLength = offset + tensor.ByteCount;
            ProtoMessage fields = Fields(tensor, offset, beside);
            placed.Add((tensor, fields, offset));
            long length = fields.Content.Length + (offset < 0 ? tensor.ByteCount : 0);
            graphLength += new ProtoMessage().Begin(5, length).Content.Length + length;
        }

        ProtoMessage head = Head();
        head.Begin(7, graph.Fields.Content.Length + graphLength);
        long modelLength = head.Content.Length + graph.Fields.Content.Length + graphLength;
        // The graph is named last, when what it refers to is there.
        FileStream model = files.Add(path, modelLength);
        FileStream? data = beside is null ? null : files.Add(beside, dataLength);
        model.Write(head.Content.Span);
        model.Write(graph.Fields.Content.Span);
        var memory = new TensorMemory(set, values);
        foreach ((Initializer tensor, ProtoMessage fields, long offset) in placed)
        {
            cancellation.ThrowIfCancellationRequested();
            ReadOnlySpan<byte> bytes = memory.Read(tensor);
            model.Write(new ProtoMessage().Begin(5, fields.Content.Length + (offset < 0 ? bytes.Length : 0)).Content.Span);
            model.Write(fields.Content.Span);
            if (offset >= 0) data!.Position = offset;
            (offset < 0 ? model : data!).Write(bytes);
        }

        return (modelLength + dataLength, beside);
    }

    /// <summary>Constants, and then parameters in the order in which a checkpoint gives them.</summary>
    private IEnumerable<Initializer> InOrder(ParameterSet set)
    {
        ILookup<Parameter, Initializer> ofParameters =
            graph.Initializers.Where(t => t.Parameter is not null).ToLookup(t => t.Parameter!);
        return graph.Initializers.Where(t => t.Parameter is null).Concat(set.Parameters.SelectMany(p => ofParameters[p]));
    }

    private ProtoMessage Head()
    {
        ProtoMessage model = new ProtoMessage().Number(1, IrVersion).Text(2, "dnabert2").Text(3, OnnxExport.Version)
            .Message(8, new ProtoMessage().Text(1, "").Number(2, Opset));
        foreach ((string key, string value) in metadata) model.Message(14, Entry(key, value));
        graph.Fields.Text(2, "model");
        return model;
    }

    /// <summary>The fields of TensorProto but the values, which follow them.</summary>
    private static ProtoMessage Fields(Initializer tensor, long offset, string? beside)
    {
        const int external = 1;
        var fields = new ProtoMessage();
        foreach (long extent in tensor.Dims) fields.Number(1, extent);
        fields.Number(2, tensor.Type).Text(8, tensor.Name);
        if (offset < 0) return fields.Begin(RawData, tensor.ByteCount);
        return fields.Message(13, Entry("location", Path.GetFileName(beside!))).Message(13, Entry("offset", $"{offset}"))
            .Message(13, Entry("length", $"{tensor.ByteCount}")).Number(14, external);
    }

    private static ProtoMessage Entry(string key, string value) => new ProtoMessage().Text(1, key).Text(2, value);

    /// <summary>The memory through which values go.</summary>
    private sealed class TensorMemory(ParameterSet set, ParameterSource values)
    {
        private readonly Dictionary<Parameter, int> _numbers = set.Parameters.Select((p, i) => (p, i)).ToDictionary(x => x.p, x => x.i);
        private float[] _values = [], _spare = [];

        /// <summary>The bytes of a tensor, until the next one is read.</summary>
        public ReadOnlySpan<byte> Read(Initializer tensor)
        {
            if (tensor.Parameter is not { } parameter) return tensor.Constant;
            int count = checked((int)parameter.Shape.Count);
            if (_values.Length < count) _values = new float[count];
            if (tensor.Layout == Layout.Transposed && _spare.Length < count) _spare = new float[count];
            Span<float> read = _values.AsSpan(0, count);
            values(parameter, _numbers[parameter], read);
            return MemoryMarshal.AsBytes(tensor.Arrange(read, _spare));
        }
    }
}

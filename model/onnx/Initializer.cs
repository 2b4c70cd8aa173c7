using System.Runtime.InteropServices;
using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.Onnx;

/// <summary>How the values of a parameter lie in the file.</summary>
internal enum Layout
{
    /// <summary>As in the checkpoint.</summary>
    Whole,

    /// <summary>A matrix [out, in] as [in, out], so that it is the right factor of a product.</summary>
    Transposed,

    /// <summary>The first row of a table alone.</summary>
    FirstRow,
}

/// <summary>A tensor that the graph holds: a parameter of the model, or a constant.</summary>
internal sealed class Initializer
{
    // TensorProto.DataType.
    private const int FloatType = 1, Int64Type = 7;
    private readonly byte[]? _constant;

    private Initializer(string name, int type, long[] dims, byte[]? constant) =>
        (Name, Type, Dims, _constant) = (name, type, dims, constant);

    public string Name { get; }

    /// <summary>TensorProto.DataType.</summary>
    public int Type { get; }

    public IReadOnlyList<long> Dims { get; }

    /// <summary>The parameter whose values these are; null: a constant.</summary>
    public Parameter? Parameter { get; private init; }

    public Layout Layout { get; private init; }

    public long ByteCount => Dims.Aggregate(Type == FloatType ? 4L : 8L, (bytes, extent) => bytes * extent);

    /// <summary>The bytes of a constant.</summary>
    public ReadOnlySpan<byte> Constant => _constant;

    public static Initializer Of(string name, Parameter parameter, Layout layout)
    {
        Shape shape = parameter.Shape;
        long[] extents = [.. Enumerable.Range(0, shape.Rank).Select(i => (long)shape[i])];
        long[] dims = layout switch
        {
            Layout.Transposed => [extents[1], extents[0]],
            Layout.FirstRow => [extents[1]],
            _ => extents,
        };
        return new Initializer(name, FloatType, dims, null) { Parameter = parameter, Layout = layout };
    }

    public static Initializer Of(string name, ReadOnlySpan<float> values, params long[] dims) =>
        new(name, FloatType, dims, MemoryMarshal.AsBytes(values).ToArray());

    public static Initializer Of(string name, ReadOnlySpan<long> values, params long[] dims) =>
        new(name, Int64Type, dims, MemoryMarshal.AsBytes(values).ToArray());

    /// <summary>The values of its parameter in its layout.</summary>
    /// <param name="values">As in the checkpoint.</param>
    /// <param name="spare">Memory of as many values, which a transposed matrix takes.</param>
    public ReadOnlySpan<float> Arrange(Span<float> values, Span<float> spare)
    {
        Shape shape = Parameter!.Shape;
        if (Layout == Layout.Whole) return values;
        if (Layout == Layout.FirstRow) return values[..shape[1]];
        const int tile = 32;
        int rows = shape[0], columns = shape[1];
        // In tiles that stay in the cache: read and written row by row, one of the two would miss it at every element.
        for (int i0 = 0; i0 < rows; i0 += tile)
            for (int j0 = 0; j0 < columns; j0 += tile)
                for (int i = i0; i < Math.Min(i0 + tile, rows); i++)
                    for (int j = j0; j < Math.Min(j0 + tile, columns); j++)
                        spare[(int)(((long)j * rows) + i)] = values[(int)(((long)i * columns) + j)];
        return spare[..values.Length];
    }
}

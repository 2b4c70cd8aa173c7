using Engine.Kernels;

namespace Dnabert2.Weights;

/// <summary>
/// One tensor of a weight file: its name, element type and extents. Made by <see cref="WeightFile"/> for the tensors it finds, and by
/// the caller for those to be written with <see cref="SafetensorsWriter"/>.
/// </summary>
public sealed class WeightEntry
{
    /// <summary>The largest rank in a file, PyTorch's own. Tensors above <see cref="Shape.MaxRank"/> have no <see cref="Shape"/>.</summary>
    public const int MaxRank = 64;

    private readonly long[] _extents;

    /// <summary>A tensor to be written.</summary>
    /// <param name="name">Any text but empty and <c>__metadata__</c>, which the format reserves.</param>
    /// <param name="dtype">The element type.</param>
    /// <param name="shape">The extents.</param>
    public WeightEntry(string name, DType dtype, Shape shape)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (name == SafetensorsHeader.MetadataKey)
            throw new ArgumentException($"a tensor cannot be called {name}: safetensors reserves the name");
        Name = name;
        Type = WeightTypes.Of(dtype);
        _extents = new long[shape.Rank];
        for (int i = 0; i < _extents.Length; i++) _extents[i] = shape[i];
        // Counted from the extents: a defaulted shape claims no elements, but of rank 0 it is a scalar's.
        if (!WeightTable.TryCount(_extents, out long count) || count > long.MaxValue / 64)
            throw new ArgumentException($"{shape} has more elements than a file can hold", nameof(shape));
        Shape = ShapeOf(_extents);
        Count = count;
    }

    /// <summary>A tensor found in a file; <paramref name="count"/> is the product of the extents, checked by the reader.</summary>
    internal WeightEntry(string name, WeightType type, long[] extents, long count, WeightView view)
    {
        Name = name;
        Type = type;
        _extents = extents;
        Count = count;
        View = view;
        Shape = ShapeOf(extents);
    }

    /// <summary>The tensor's name in the checkpoint.</summary>
    public string Name { get; }

    /// <summary>The element type, or null where the engine has none (I64, BOOL); <see cref="TypeName"/> names it.</summary>
    public DType? DType => Type.ToDType();

    /// <summary>The name of the element type as safetensors spells it: <c>F32</c>, <c>BF16</c>, <c>I64</c>.</summary>
    public string TypeName => Type.Name();

    /// <summary>The extents, or null for a tensor the engine cannot hold: rank above four, or an extent above 2³¹−1.</summary>
    public Shape? Shape { get; }

    /// <summary>The extents, outermost first, whatever the rank; empty for a scalar.</summary>
    public ReadOnlySpan<long> Extents => _extents;

    /// <summary>The number of elements; 1 for a scalar, 0 for an empty tensor.</summary>
    public long Count { get; }

    /// <summary>The size in bytes of the elements, gathered row by row, in the file's own type.</summary>
    public long ByteCount => (long)((Int128)Count * Type.Bits() / 8);

    /// <summary>
    /// The entry this one is tied to: it is the very same view of the same stored values under another name (PyTorch files only). Of a
    /// group of tied names the first in ordinal order stands for the values and has null here.
    /// </summary>
    public WeightEntry? TiedTo { get; internal set; }

    /// <summary>The name, type and extents: <c>classifier.weight F32 [3, 48]</c>.</summary>
    public override string ToString() => $"{Name} {TypeName} [{string.Join(", ", _extents)}]";

    internal WeightType Type { get; }

    /// <summary>Where the values lie; null for an entry made to be written.</summary>
    internal WeightView? View { get; }

    private static Shape? ShapeOf(long[] extents)
    {
        if (extents.Length > Engine.Kernels.Shape.MaxRank) return null;
        Span<int> small = stackalloc int[extents.Length];
        long product = 1;
        for (int i = 0; i < extents.Length; i++)
        {
            if (extents[i] > int.MaxValue) return null;
            // The product up to here may overflow even where a later extent is zero.
            if (Math.BigMul(product, extents[i], out product) != 0 || product < 0) return null;
            small[i] = (int)extents[i];
        }
        return new Shape(small);
    }
}

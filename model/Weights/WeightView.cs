namespace Dnabert2.Weights;

/// <summary>
/// Where the elements of a tensor lie in its file: the byte offset of the first, and the strides, in elements, of a view that is not
/// simply one run. Extents and strides are merged where one dimension continues another, so equal views compare equal and few loops run.
/// </summary>
internal sealed class WeightView : IEquatable<WeightView>
{
    private WeightView(long offset, long[] extents, long[] strides)
    {
        Offset = offset;
        Extents = extents;
        Strides = strides;
    }

    /// <summary>The byte in the file at which the first element begins.</summary>
    public long Offset { get; }

    /// <summary>Merged extents of a strided view; empty where the elements are one run.</summary>
    public long[] Extents { get; }

    /// <summary>Strides in elements, one for each of <see cref="Extents"/>.</summary>
    public long[] Strides { get; }

    /// <summary>Whether the elements lie row-major without gaps.</summary>
    public bool IsRun => Extents.Length == 0;

    /// <summary>Elements in row-major order from this byte on.</summary>
    public static WeightView Run(long offset) => new(offset, [], []);

    /// <summary>A view with strides; no extent is zero.</summary>
    public static WeightView Strided(long offset, ReadOnlySpan<long> extents, ReadOnlySpan<long> strides)
    {
        var mergedExtents = new List<long>(extents.Length);
        var mergedStrides = new List<long>(extents.Length);
        for (int i = 0; i < extents.Length; i++)
        {
            if (extents[i] == 1) continue;
            // Int128, because nothing here has been held against the file yet.
            if (mergedExtents.Count > 0 && (Int128)strides[i] * extents[i] == mergedStrides[^1])
            {
                mergedExtents[^1] *= extents[i];
                mergedStrides[^1] = strides[i];
            }
            else
            {
                mergedExtents.Add(extents[i]);
                mergedStrides.Add(strides[i]);
            }
        }
        bool run = mergedExtents.Count == 0 || (mergedExtents.Count == 1 && mergedStrides[0] == 1);
        return run ? Run(offset) : new WeightView(offset, [.. mergedExtents], [.. mergedStrides]);
    }

    /// <summary>How many elements of storage a strided view spans, from its first to its last, both included.</summary>
    public long Reach()
    {
        long last = 0;
        for (int i = 0; i < Extents.Length; i++) last += (Extents[i] - 1) * Strides[i];
        return last + 1;
    }

    public bool Equals(WeightView? other) =>
        other is not null && Offset == other.Offset &&
        Extents.AsSpan().SequenceEqual(other.Extents) && Strides.AsSpan().SequenceEqual(other.Strides);

    public override bool Equals(object? obj) => Equals(obj as WeightView);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(Offset);
        foreach (long extent in Extents) hash.Add(extent);
        foreach (long stride in Strides) hash.Add(stride);
        return hash.ToHashCode();
    }
}

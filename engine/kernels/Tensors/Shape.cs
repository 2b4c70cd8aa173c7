using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>The extents of a row-major tensor of rank 0 to 4, held inline.</summary>
public readonly struct Shape : IEquatable<Shape>
{
    /// <summary>The largest rank.</summary>
    public const int MaxRank = 4;

    private readonly Extents _extents;

    /// <summary>A shape of these extents.</summary>
    /// <exception cref="ArgumentException">More than four extents, or a negative one.</exception>
    public Shape(params ReadOnlySpan<int> extents)
    {
        if (extents.Length > MaxRank) throw new ArgumentException($"rank {extents.Length}: a shape has at most {MaxRank} extents");
        Rank = extents.Length;
        Count = 1;
        for (int i = 0; i < extents.Length; i++)
        {
            if (extents[i] < 0) throw new ArgumentException($"extent {i} is {extents[i]}: extents are not negative");
            _extents[i] = extents[i];
            Count = checked(Count * extents[i]);
        }
    }

    /// <summary>The number of dimensions.</summary>
    public int Rank { get; }

    /// <summary>The number of elements: the product of the extents.</summary>
    public long Count { get; }

    /// <summary>The extent of one dimension.</summary>
    public int this[int dimension]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)dimension, (uint)Rank, nameof(dimension));
            return _extents[dimension];
        }
    }

    /// <inheritdoc/>
    public bool Equals(Shape other)
    {
        if (Rank != other.Rank) return false;
        for (int i = 0; i < Rank; i++)
            if (_extents[i] != other._extents[i]) return false;
        return true;
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Rank, Count);

    /// <summary>Equality of rank and extents.</summary>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Inequality of rank or extents.</summary>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <summary>The extents in brackets: <c>[3072, 768]</c>.</summary>
    public override string ToString() => "[" + string.Join(", ", _extents[..Rank].ToArray()) + "]";

    [InlineArray(MaxRank)]
    private struct Extents
    {
        private int _first;
    }
}

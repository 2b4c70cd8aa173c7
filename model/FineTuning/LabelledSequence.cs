namespace Dnabert2.FineTuning;

/// <summary>A sequence, or a pair of them, with what is known of it.</summary>
/// <param name="Id">The column <c>id</c>, otherwise the record's number in the file.</param>
/// <param name="Line">The line of the file it starts on, from 1.</param>
/// <param name="First">The bases, ASCII letters out of A, C, G, T, N.</param>
/// <param name="Second">The bases of the second sequence; null where the task is not one of pairs.</param>
/// <param name="Target">Its label.</param>
public sealed record LabelledSequence(string Id, long Line, byte[] First, byte[]? Second, Target Target);

/// <summary>The label of a sequence, in the form of its task's kind.</summary>
public readonly struct Target : IEquatable<Target>
{
    private readonly int[]? _classes;
    private readonly float[]? _values;

    private Target(int[]? classes, int single, float[]? values) => (_classes, Class, _values) = (classes, single, values);

    /// <summary>The class of a <see cref="TaskKind.SingleLabel"/> task; −1 in the other kinds.</summary>
    public int Class { get; }

    /// <summary>The values of a <see cref="TaskKind.Regression"/> task, at least one; empty in the other kinds.</summary>
    public ReadOnlySpan<float> Values => _values;

    /// <summary>The classes of a <see cref="TaskKind.MultiLabel"/> task, ascending; empty in the other kinds.</summary>
    public ReadOnlySpan<int> Classes => _classes;

    /// <summary>A label of one class.</summary>
    public static Target OfClass(int id) => new(null, id, null);

    /// <summary>A label of several classes, given in ascending order.</summary>
    public static Target OfClasses(int[] ids) => new(ids, -1, null);

    /// <summary>A label of numbers, one for each output of a regression.</summary>
    public static Target OfValues(params float[] values) => new(null, -1, values);

    /// <summary>Whether both say the same.</summary>
    public bool Equals(Target other) => Class == other.Class && Values.SequenceEqual(other.Values) && Classes.SequenceEqual(other.Classes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Target other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(Class);
        foreach (float value in Values) hash.Add(value);
        foreach (int id in Classes) hash.Add(id);
        return hash.ToHashCode();
    }

    /// <summary>Whether both say the same.</summary>
    public static bool operator ==(Target left, Target right) => left.Equals(right);

    /// <summary>Whether they differ.</summary>
    public static bool operator !=(Target left, Target right) => !left.Equals(right);
}

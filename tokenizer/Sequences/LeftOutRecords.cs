namespace Dnabert2.Sequences;

/// <summary>Records of a file that were left out.</summary>
public sealed class LeftOutRecords
{
    private const int MostNamed = 10;
    private readonly List<string> _first = [];

    /// <summary>How many there are so far.</summary>
    public long Count { get; private set; }

    /// <summary>Where the first ten of them are: <c>record 2 'contig7', line 5</c>.</summary>
    public IReadOnlyList<string> First => _first;

    /// <summary>Where the first ones are, in words.</summary>
    public override string ToString() => string.Join("; ", _first) + (Count > _first.Count ? "; …" : "");

    internal void Add(Faults faults)
    {
        Count++;
        if (_first.Count < MostNamed) _first.Add(faults.RecordPlace);
    }
}

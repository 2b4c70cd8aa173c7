using System.Text;

namespace Dnabert2;

/// <summary>Faults of one kind of thing for one message: the first of them, and how many there are.</summary>
internal sealed class FaultList
{
    private const int Shown = 10;
    private readonly StringBuilder _text = new();

    /// <summary>The number of faults.</summary>
    public int Count { get; private set; }

    /// <summary>Adds one.</summary>
    public void Add(FormattableString fault)
    {
        if (Count++ < Shown) _text.Append("\n  ").Append(FormattableString.Invariant(fault));
    }

    /// <summary>A line for each of the first, and one for the others.</summary>
    public override string ToString() => Count <= Shown ? _text.ToString() : $"{_text}\n  … and {Count - Shown} more";
}

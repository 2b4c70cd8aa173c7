using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>A table of relative biases in the memory of this process, where references look it up, and on a backend.</summary>
/// <param name="table">[heads, 2R + 1].</param>
internal sealed class RelativeTable(ScoreTable table)
{
    /// <param name="heads">Heads.</param>
    /// <param name="values">A number for each head and distance.</param>
    public RelativeTable(int heads, ReadOnlySpan<float> values)
        : this(new ScoreTable(heads, values))
    {
    }

    /// <summary>A table of normal deviates, the same at each call.</summary>
    /// <param name="heads">Heads.</param>
    /// <param name="radius">R.</param>
    public static RelativeTable Of(int heads, int radius = 9) => new(ScoreTable.Normal(heads, (2 * radius) + 1));

    /// <summary>The modification where references are computed, which lives as long as this.</summary>
    public RelativeBias Here => new(table.Here);

    public Span<float> Values => table.Values;

    /// <summary>The modification on a backend.</summary>
    public RelativeBias On(Backend backend, Rent rent) => new(table.On(backend, rent));
}

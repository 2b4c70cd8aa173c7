using System.Runtime.CompilerServices;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>A table that score modifications look up: in the memory of this process, for references, and on a backend.</summary>
internal sealed class ScoreTable
{
    private readonly float[] _values;
    private readonly int _rows;

    /// <param name="rows">Rows, of heads or sequences.</param>
    /// <param name="values">[rows, entries].</param>
    public ScoreTable(int rows, ReadOnlySpan<float> values)
    {
        _rows = rows;
        _values = GC.AllocateUninitializedArray<float>(values.Length, pinned: true);
        values.CopyTo(_values);
    }

    /// <summary>A table of normal deviates, the same at each call.</summary>
    public static ScoreTable Normal(int rows, int entries, uint site = 0)
    {
        var values = new float[rows * entries];
        new Philox(37, 0, site).FillNormal(values, 1);
        return new(rows, values);
    }

    public Span<float> Values => _values;

    public int Entries => _values.Length / _rows;

    /// <summary>The table where references are computed, which lives as long as this.</summary>
    public unsafe BiasTable Here => new((long)Unsafe.AsPointer(ref _values[0]), _rows, Entries);

    /// <summary>The table on a backend.</summary>
    public BiasTable On(Backend backend, Rent rent)
    {
        Tensor table = rent(new Shape(_rows, Entries), DType.F32);
        backend.Upload<float>(_values, table);
        return table.AsBiasTable();
    }
}

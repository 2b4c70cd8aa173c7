using System.Runtime.CompilerServices;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>A table of relative biases in the memory of this process, where references look it up, and on a backend.</summary>
internal sealed class RelativeTable
{
    private readonly float[] _values;
    private readonly int _heads;

    /// <param name="heads">Heads.</param>
    /// <param name="values">A number for each head and distance.</param>
    public RelativeTable(int heads, ReadOnlySpan<float> values)
    {
        _heads = heads;
        _values = GC.AllocateUninitializedArray<float>(values.Length, pinned: true);
        values.CopyTo(_values);
    }

    /// <summary>A table of normal deviates, the same at each call.</summary>
    /// <param name="heads">Heads.</param>
    /// <param name="radius">R.</param>
    public static RelativeTable Of(int heads, int radius = 9)
    {
        var values = new float[heads * ((2 * radius) + 1)];
        new Philox(37, 0, 0).FillNormal(values, 1);
        return new(heads, values);
    }

    /// <summary>The modification where references are computed, which lives as long as this.</summary>
    public unsafe RelativeBias Here => new(new BiasTable((long)Unsafe.AsPointer(ref _values[0]), _heads, _values.Length / _heads));

    public Span<float> Values => _values;

    /// <summary>The modification on a backend.</summary>
    public RelativeBias On(Backend backend, Rent rent)
    {
        Tensor table = rent(new Shape(_heads, _values.Length / _heads), DType.F32);
        backend.Upload<float>(_values, table);
        return new(table.AsBiasTable());
    }
}

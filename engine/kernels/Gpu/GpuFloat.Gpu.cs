using System.Runtime.CompilerServices;
using static ILGPU.Util.Utilities;

namespace Engine.Kernels.Gpu;

/// <summary>
/// A float of a GPU's thread: formulas that are written against <see cref="IReal{T}"/> are computed with it in kernels. A float becomes one
/// by assignment.
/// </summary>
public readonly struct GpuFloat : IReal<GpuFloat>
{
    /// <summary>The number.</summary>
    public float Value { get; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private GpuFloat(float value) => Value = value;

    /// <summary>A float.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static implicit operator GpuFloat(float value) => new(value);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat operator +(GpuFloat a, GpuFloat b) => new(a.Value + b.Value);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat operator -(GpuFloat a, GpuFloat b) => new(a.Value - b.Value);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat operator *(GpuFloat a, GpuFloat b) => new(a.Value * b.Value);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat operator /(GpuFloat a, GpuFloat b) => new(a.Value / b.Value);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat operator -(GpuFloat a) => new(-a.Value);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat Constant(double value) => new((float)value);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat MultiplyAdd(GpuFloat a, GpuFloat b, GpuFloat c) => new(Ptx.Fma(a.Value, b.Value, c.Value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat Max(GpuFloat a, GpuFloat b) => new(Ptx.Max(a.Value, b.Value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat Min(GpuFloat a, GpuFloat b) => new(Ptx.Min(a.Value, b.Value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat Abs(GpuFloat a) => new(Ptx.Abs(a.Value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat Floor(GpuFloat a) => new(Ptx.Floor(a.Value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat Sqrt(GpuFloat a) => new(Ptx.Sqrt(a.Value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat Reciprocal(GpuFloat a) => new(Ptx.Reciprocal(a.Value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat Log(GpuFloat a) => new(GpuMath.Log(a.Value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat Exp(GpuFloat a) => new(GpuMath.Exp(a.Value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat Tanh(GpuFloat a) => new(GpuMath.Tanh(a.Value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat IfLess(GpuFloat a, GpuFloat b, GpuFloat then, GpuFloat otherwise) =>
        new(Select(a.Value < b.Value, then.Value, otherwise.Value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GpuFloat Lookup(BiasTable table, GpuFloat index)
    {
        int i = (int)index.Value, last = table.Entries - 1;
        i = i < 0 ? 0 : i > last ? last : i;
        return new(Ptx.LoadConstant(table.Address + (i * 4L)));
    }
}

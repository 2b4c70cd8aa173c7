namespace Engine.Kernels;

/// <summary>A float64: the form in which references are computed.</summary>
/// <param name="value">The number.</param>
public readonly struct Float64(double value) : IReal<Float64>
{
    /// <summary>The number.</summary>
    public double Value { get; } = value;

    /// <summary>A float64 as it is.</summary>
    public static implicit operator Float64(double value) => new(value);

    /// <inheritdoc/>
    public static implicit operator Float64(float value) => new(value);

    /// <inheritdoc/>
    public static Float64 operator +(Float64 a, Float64 b) => new(a.Value + b.Value);

    /// <inheritdoc/>
    public static Float64 operator -(Float64 a, Float64 b) => new(a.Value - b.Value);

    /// <inheritdoc/>
    public static Float64 operator *(Float64 a, Float64 b) => new(a.Value * b.Value);

    /// <inheritdoc/>
    public static Float64 operator /(Float64 a, Float64 b) => new(a.Value / b.Value);

    /// <inheritdoc/>
    public static Float64 operator -(Float64 a) => new(-a.Value);

    /// <inheritdoc/>
    public static Float64 Constant(double value) => new(value);

    /// <inheritdoc/>
    public static Float64 MultiplyAdd(Float64 a, Float64 b, Float64 c) => new((a.Value * b.Value) + c.Value);

    /// <inheritdoc/>
    public static Float64 Max(Float64 a, Float64 b) => new(Math.Max(a.Value, b.Value));

    /// <inheritdoc/>
    public static Float64 Min(Float64 a, Float64 b) => new(Math.Min(a.Value, b.Value));

    /// <inheritdoc/>
    public static Float64 Abs(Float64 a) => new(Math.Abs(a.Value));

    /// <inheritdoc/>
    public static Float64 Floor(Float64 a) => new(Math.Floor(a.Value));

    /// <inheritdoc/>
    public static Float64 Sqrt(Float64 a) => new(Math.Sqrt(a.Value));

    /// <inheritdoc/>
    public static Float64 Reciprocal(Float64 a) => new(1 / a.Value);

    /// <inheritdoc/>
    public static Float64 Log(Float64 a) => new(Math.Log(a.Value));

    /// <inheritdoc/>
    public static Float64 Exp(Float64 a) => new(Math.Exp(a.Value));

    /// <inheritdoc/>
    public static Float64 Tanh(Float64 a) => new(Math.Tanh(a.Value));

    /// <inheritdoc/>
    public static Float64 IfLess(Float64 a, Float64 b, Float64 then, Float64 otherwise) => a.Value < b.Value ? then : otherwise;

    /// <summary>As everywhere; the table is in the memory of this process.</summary>
    public static Float64 Lookup(BiasTable table, Float64 index) => new(TableLookup.Get(table, (int)index.Value));
}

namespace Engine.Kernels;

/// <summary><see cref="IMath{TV}"/> in float64: the form in which references are computed.</summary>
public readonly struct DoubleMath : IMath<double>
{
    /// <inheritdoc/>
    public static double Constant(double value) => value;

    /// <inheritdoc/>
    public static double Add(double a, double b) => a + b;

    /// <inheritdoc/>
    public static double Subtract(double a, double b) => a - b;

    /// <inheritdoc/>
    public static double Multiply(double a, double b) => a * b;

    /// <inheritdoc/>
    public static double Divide(double a, double b) => a / b;

    /// <inheritdoc/>
    public static double MultiplyAdd(double a, double b, double c) => (a * b) + c;

    /// <inheritdoc/>
    public static double Max(double a, double b) => Math.Max(a, b);

    /// <inheritdoc/>
    public static double Min(double a, double b) => Math.Min(a, b);

    /// <inheritdoc/>
    public static double Abs(double a) => Math.Abs(a);

    /// <inheritdoc/>
    public static double Sqrt(double a) => Math.Sqrt(a);

    /// <inheritdoc/>
    public static double Exp(double a) => Math.Exp(a);

    /// <inheritdoc/>
    public static double Tanh(double a) => Math.Tanh(a);

    /// <inheritdoc/>
    public static double IfLess(double a, double b, double then, double otherwise) => a < b ? then : otherwise;

    /// <summary>As everywhere; the table is in the memory of this process.</summary>
    public static double Lookup(BiasTable table, double index) => TableLookup.Get(table, (int)index);
}

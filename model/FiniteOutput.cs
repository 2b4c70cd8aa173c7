using Dnabert2.Weights;

namespace Dnabert2;

/// <summary>Refuses what a model gives where it is no number: such a row looks like a result and is none.</summary>
internal static class FiniteOutput
{
    private const string Remedy =
        "the weights are damaged or too large, or the numbers leave the range of the precision; check the model, or compute in float32";

    /// <summary>Checks what is given for a record.</summary>
    /// <param name="values">What the model gives.</param>
    /// <param name="what">What that is.</param>
    /// <param name="number">The record's place in its file, from 1.</param>
    /// <param name="id">The record's name.</param>
    /// <exception cref="NotFiniteNumberException">A value is NaN or infinite.</exception>
    public static void Check(ReadOnlySpan<float> values, string what, long number, string id)
    {
        int at = FloatValues.IndexOfNonFinite(values);
        if (at >= 0) throw Fault($"record {number} '{Excerpt.Of(id)}'", what, values[at]);
    }

    /// <summary>The error of a value that is no number.</summary>
    /// <param name="place">Of what it was computed.</param>
    /// <param name="what">What it is.</param>
    /// <param name="value">The value.</param>
    public static NotFiniteNumberException Fault(string place, string what, double value) =>
        new(FormattableString.Invariant($"{place}: the model gives {value} for {what}: {Remedy}"), value);
}

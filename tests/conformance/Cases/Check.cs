namespace Conformance.Cases;

/// <summary>Something is not as it must be.</summary>
internal sealed class CheckFailedException(string message) : Exception(message);

/// <summary>Checks that the tests and the program that measures GPUs have in common.</summary>
internal static class Check
{
    public static void That(bool holds, string message)
    {
        if (!holds) throw new CheckFailedException(message);
    }

    /// <summary>Two numbers differ by no more than the tolerance.</summary>
    public static void Near(double expected, double actual, double tolerance, string what) =>
        That(expected.Equals(actual) || Math.Abs(expected - actual) <= tolerance,
            $"{what} is {actual:R}, expected {expected:R} (tolerance {tolerance:G3})");

    /// <summary>The numbers of two arrays differ by no more than the tolerance.</summary>
    public static void Near(ReadOnlySpan<double> expected, ReadOnlySpan<float> actual, double tolerance, string what)
    {
        That(expected.Length == actual.Length, $"{what} has {actual.Length} elements, expected {expected.Length}");
        for (int i = 0; i < expected.Length; i++)
        {
            if (expected[i].Equals(actual[i]) || Math.Abs(expected[i] - actual[i]) <= tolerance) continue;
            throw new CheckFailedException($"{what}: element {i} is {actual[i]:R}, expected {expected[i]:R} (tolerance {tolerance:G3})");
        }
    }

    /// <summary>Numbers differ by no more than the tolerance, relative to the largest magnitude expected, at least 1.</summary>
    public static void NearRelative(ReadOnlySpan<double> expected, ReadOnlySpan<float> actual, double tolerance, string what)
    {
        double scale = 1;
        foreach (double e in expected) scale = double.IsFinite(e) ? Math.Max(scale, Math.Abs(e)) : scale;
        Near(expected, actual, tolerance * scale, what);
    }
}

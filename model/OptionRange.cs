using System.Globalization;
using System.Numerics;

namespace Dnabert2;

/// <summary>Holds the values of options against their ranges.</summary>
internal static class OptionRange
{
    /// <summary>Of tokens or bases that are computed together: far more than any memory holds.</summary>
    public const int MostTogether = 1 << 24;

    /// <summary>Of steps and other things that are counted.</summary>
    public const int MostCounted = 1_000_000_000;

    /// <summary>Of parts of a step.</summary>
    public const int MostShards = 1024;

    /// <summary>Of learning rates, norms and weights.</summary>
    public const double Largest = 1e9;

    /// <summary>Of what must not be 0, as a float.</summary>
    public const double Smallest = 1e-30;

    /// <summary>Of what is below 1.</summary>
    public const double BelowOne = 1 - 1e-7;

    /// <exception cref="ArgumentException">The value is below, above or no number; the message names it.</exception>
    public static void Check<T>(string name, T value, T least, T most)
        where T : struct, INumber<T>
    {
        if (!(value >= least && value <= most))
            throw new ArgumentException(
                string.Create(CultureInfo.InvariantCulture, $"{name} is {value}: it must be from {least} to {most}"));
    }

    /// <exception cref="ArgumentException">It is not one of the defined values.</exception>
    public static void Check<T>(string name, T value)
        where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
            throw new ArgumentException($"{name} is {value}: it must be one of {string.Join(", ", Enum.GetNames<T>())}");
    }
}

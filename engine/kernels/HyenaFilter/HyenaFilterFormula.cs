namespace Engine.Kernels;

/// <summary>The formulas of Hyena's implicit filter, one source for CPU and GPU.</summary>
internal static class HyenaFilterFormula
{
    /// <summary>|δ| of the first and of the last channel: −ln 0.01 / 1.5 and −ln 0.01 / 0.3.</summary>
    public const float Slowest = 3.070113457325394f, Fastest = 15.35056728662697f;

    // What is added to the decay, so that no position is forgotten.
    private const float Shift = 0.05f, LowestFrequency = 1e-4f;

    /// <summary>|δ| from channel to channel.</summary>
    public static float DecayStep(int channels) => channels > 1 ? (float)((15.35056728662697 - 3.070113457325394) / (channels - 1)) : 0;

    /// <summary>The angle f w of a band.</summary>
    public static T Angle<T>(T position, int band, int bands, int longest)
        where T : unmanaged, IReal<T>
    {
        float frequency = bands > 1 ? LowestFrequency + (band * ((bands - 1 - LowestFrequency) / (bands - 1))) : LowestFrequency;
        return position * (6.28318530717958648f / longest) * frequency;
    }

    /// <summary>The decay at a position, t, of channels with the given |δ|.</summary>
    public static T Decay<T>(T t, T delta)
        where T : unmanaged, IReal<T>
        => T.Exp(-(t * delta)) + Shift;

    public static void CheckLongest(int longest, int positions)
    {
        if (longest < 2 || positions > longest)
            throw new ArgumentException($"the filter was made for {longest} positions (at least 2), and {positions} are asked for");
    }
}

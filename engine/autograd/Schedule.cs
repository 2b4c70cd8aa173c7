namespace Engine.Autograd;

/// <summary>What follows the warm-up.</summary>
public enum Decay
{
    /// <summary>The peak, to the end.</summary>
    Constant,

    /// <summary>In a straight line to 0 at the last step.</summary>
    Linear,

    /// <summary>Along half a cosine to 0 at the last step.</summary>
    Cosine,
}

/// <summary>A learning rate that rises in a straight line from 0 to its peak, and then follows a <see cref="Decay"/>.</summary>
/// <param name="Peak">The highest learning rate.</param>
/// <param name="Warmup">The step, counted from 0, at which it is reached.</param>
/// <param name="Total">The number of steps.</param>
/// <param name="Decay">What follows.</param>
public sealed record Schedule(double Peak, int Warmup, int Total, Decay Decay = Decay.Linear)
{
    /// <summary>The learning rate of a step, counted from 0.</summary>
    public double At(int step)
    {
        if (step < Warmup) return Peak * step / Warmup;
        double progress = Total <= Warmup ? 1 : Math.Min(1, (step - Warmup) / (double)(Total - Warmup));
        return Decay switch
        {
            Decay.Linear => Peak * (1 - progress),
            Decay.Cosine => Peak * (1 + Math.Cos(Math.PI * progress)) / 2,
            _ => Peak,
        };
    }
}

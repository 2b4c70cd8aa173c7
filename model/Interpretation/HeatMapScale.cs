namespace Dnabert2.Interpretation;

/// <summary>The scale of colours of a picture: from −<see cref="End"/> to <see cref="End"/>.</summary>
/// <param name="End">The magnitude of the full colour; 0 where all effects are 0.</param>
/// <param name="Lowest">The lowest effect.</param>
/// <param name="Highest">The highest effect.</param>
/// <param name="Beyond">Effects beyond the scale.</param>
internal readonly record struct HeatMapScale(double End, double Lowest, double Highest, int Beyond)
{
    /// <summary>The scale that so large a share of the magnitudes does not exceed; where these are all 0, the one of all effects.</summary>
    public static HeatMapScale Of(IEnumerable<SubstitutionEffects> all, double covered)
    {
        var magnitudes = new List<double>();
        double lowest = 0, highest = 0;
        foreach (SubstitutionEffects effects in all)
        {
            for (int i = 0; i < effects.Effects.Length; i++)
            {
                double effect = effects.Effects.Span[i];
                // The base that stands there has no effect; it is no measure of the others.
                if (!double.IsFinite(effect) || effects.Bases.Span[i / 4] == Substitutions.Bases[i % 4]) continue;
                magnitudes.Add(Math.Abs(effect));
                (lowest, highest) = (Math.Min(lowest, effect), Math.Max(highest, effect));
            }
        }

        if (magnitudes.Count == 0) return default;
        magnitudes.Sort();
        double end = magnitudes[(int)Math.Ceiling(covered * magnitudes.Count) - 1];
        if (end == 0) end = magnitudes[^1];
        return new HeatMapScale(end, lowest, highest, magnitudes.Count(magnitude => magnitude > end));
    }
}

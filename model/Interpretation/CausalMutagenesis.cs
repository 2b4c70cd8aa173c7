namespace Dnabert2.Interpretation;

/// <summary>
/// The effects of substitutions on the likelihood under a causal model, Σ ln p(token | those before it) over the window. What stands before
/// a substitution is as probable as without it, so the sums begin with the substituted token.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="room">The most tokens that it takes, special ones not counted; null: no limit.</param>
internal sealed class CausalMutagenesis(SequenceModel model, int? room) : MutantPasses(model, room, PassOutputs.Likelihood)
{
    public override double[] Probabilities() => [];

    public override StrandEffects Finish(int label)
    {
        float[] effects = Empty();
        foreach ((int place, ForwardPass pass) in Mutants)
            effects[place] = (float)(pass.LogLikelihood(..) - OfReference.LogLikelihood(^pass.Questions.Count..));
        return new StrandEffects(effects, []);
    }

    protected override void Ask(ForwardPass pass, ReadOnlySpan<int> tokens, int first) => pass.AskNext(tokens, first);
}

using Dnabert2.FineTuning;

namespace Dnabert2.Interpretation;

/// <summary>
/// The effects of substitutions on a class of a fine-tuned model, or on its value: each substituted sequence is classified.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="room">The most tokens of a sequence, special ones not counted, to which it is cut; null: no limit.</param>
internal sealed class ClassMutagenesis(InterpretedModel model, int? room) : MutantPasses(model.Model, room, PassOutputs.Logits)
{
    private readonly TaskKind _kind = model.Task!.Value;

    public override double[] Probabilities()
    {
        double[] all = new double[OfReference.Logits.Length];
        for (int i = 0; i < all.Length; i++) all[i] = ClassScores.Probability(OfReference.Logits, i, _kind);
        return all;
    }

    public override StrandEffects Finish(int label)
    {
        float[] effects = Empty(), logits = [.. effects];
        double probability = ClassScores.Probability(OfReference.Logits, label, _kind);
        double odds = ClassScores.LogOdds(OfReference.Logits, label, _kind);
        foreach ((int place, ForwardPass pass) in Mutants)
        {
            effects[place] = (float)(ClassScores.Probability(pass.Logits, label, _kind) - probability);
            logits[place] = (float)(ClassScores.LogOdds(pass.Logits, label, _kind) - odds);
        }

        return new StrandEffects(effects, _kind == TaskKind.Regression ? [] : logits);
    }
}

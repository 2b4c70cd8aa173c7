using Dnabert2.FineTuning;

namespace Dnabert2.Interpretation;

/// <summary>
/// The effects of substitutions on a class of a fine-tuned model, or on its value: each substituted sequence is classified.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="room">The most tokens of a sequence, special ones not counted, to which it is cut; null: no limit.</param>
internal sealed class ClassMutagenesis(InterpretedModel model, int? room) : IMutagenesis
{
    private readonly List<int> _reference = [], _starts = [];
    private readonly ForwardPass _ofReference = new(PassOutputs.Logits);
    private readonly List<(int At, int Base, ForwardPass Pass)> _mutants = [];
    private readonly int _room = room ?? int.MaxValue;
    private readonly TaskKind _kind = model.Task!.Value;
    private byte[] _bases = [];
    private int _from, _to;

    public int Passes => _mutants.Count + 1;

    public int Prepare(byte[] bases, int from, int to, CancellationToken cancellation)
    {
        _bases = bases;
        model.Model.Tokenizer.EncodeSequence(bases, _reference, _starts);
        // As in training, a sequence is cut to the most tokens; a substitution past them would show no effect where none was looked for.
        int seen = SeenBases.Of(bases.Length, _starts, _room, model.Model.Tokenizer.Overlap);
        (_from, _to) = (from, Math.Clamp(seen, from, to));
        cancellation.ThrowIfCancellationRequested();
        for (int at = from; at < _to; at++)
        {
            if (!Substitutions.IsKnown(bases[at])) continue;
            for (int b = 0; b < 4; b++)
                if (Substitutions.Bases[b] != bases[at]) _mutants.Add((at, b, new ForwardPass(PassOutputs.Logits)));
        }

        return seen;
    }

    public ForwardPass Pass(int index, List<int> tokens)
    {
        if (index == 0)
        {
            Encode(tokens);
            return _ofReference;
        }

        (int at, int b, ForwardPass pass) = _mutants[index - 1];
        byte original = _bases[at];
        _bases[at] = Substitutions.Bases[b];
        Encode(tokens);
        _bases[at] = original;
        return pass;
    }

    public double[] Probabilities()
    {
        double[] all = new double[_ofReference.Logits.Length];
        for (int i = 0; i < all.Length; i++) all[i] = ClassScores.Probability(_ofReference.Logits, i, _kind);
        return all;
    }

    public StrandEffects Finish(int label)
    {
        float[] effects = Substitutions.Empty(_bases.AsSpan(_from, _to - _from)), logits = [.. effects];
        double probability = ClassScores.Probability(_ofReference.Logits, label, _kind);
        double odds = ClassScores.LogOdds(_ofReference.Logits, label, _kind);
        foreach ((int at, int b, ForwardPass pass) in _mutants)
        {
            int place = (4 * (at - _from)) + b;
            effects[place] = (float)(ClassScores.Probability(pass.Logits, label, _kind) - probability);
            logits[place] = (float)(ClassScores.LogOdds(pass.Logits, label, _kind) - odds);
        }

        return new StrandEffects(effects, _kind == TaskKind.Regression ? [] : logits);
    }

    private void Encode(List<int> tokens)
    {
        model.Model.Tokenizer.EncodeSequence(_bases, tokens);
        if (tokens.Count > _room) tokens.RemoveRange(_room, tokens.Count - _room);
    }
}

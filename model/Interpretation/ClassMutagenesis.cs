using System.Runtime.InteropServices;
using Dnabert2.FineTuning;
using Dnabert2.Sequences;

namespace Dnabert2.Interpretation;

/// <summary>The effects of substitutions on a class of a fine-tuned model, or on its value: each substituted sequence is classified.</summary>
/// <param name="model">The model.</param>
/// <param name="label">The class; null: the most probable one of the sequence as it stands.</param>
internal sealed class ClassMutagenesis(InterpretedModel model, int? label) : IMutagenesis
{
    private readonly List<int> _reference = [], _starts = [];
    private readonly ForwardPass _ofReference = new(PassOutputs.Logits);
    private readonly List<(int At, int Base, ForwardPass Pass)> _mutants = [];
    private readonly int _room = (model.MaxTokens ?? int.MaxValue) - 2;
    private byte[] _bases = [];
    private int _from, _to, _unseen;

    public int Passes => _mutants.Count + 1;

    public void Prepare(byte[] bases, int from, int to, CancellationToken cancellation)
    {
        _bases = bases;
        model.Model.Tokenizer.EncodeSequence(bases, _reference, _starts);
        // As in training, a sequence is cut to the most tokens; a substitution past them would show no effect where none was looked for.
        int seen = _reference.Count > _room ? Math.Clamp(_starts[_room], from, to) : to;
        (_from, _to, _unseen) = (from, seen, to - seen);
        cancellation.ThrowIfCancellationRequested();
        for (int at = from; at < seen; at++)
        {
            if (!Substitutions.IsKnown(bases[at])) continue;
            for (int b = 0; b < 4; b++)
                if (Substitutions.Bases[b] != bases[at]) _mutants.Add((at, b, new ForwardPass(PassOutputs.Logits)));
        }
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

    public SubstitutionEffects Finish(SequenceRecord record, AttributionWindow window)
    {
        TaskKind kind = model.Task!.Value;
        byte[] bases = _bases[_from.._to];
        float[] effects = Substitutions.Empty(bases), logits = Substitutions.Empty(bases);
        int of = label ?? System.Numerics.Tensors.TensorPrimitives.IndexOfMax<float>(_ofReference.Logits);
        double probability = ClassScores.Probability(_ofReference.Logits, of, kind), odds = ClassScores.LogOdds(_ofReference.Logits, of, kind);
        foreach ((int at, int b, ForwardPass pass) in _mutants)
        {
            int place = (4 * (at - _from)) + b;
            effects[place] = (float)(ClassScores.Probability(pass.Logits, of, kind) - probability);
            logits[place] = (float)(ClassScores.LogOdds(pass.Logits, of, kind) - odds);
        }

        return kind == TaskKind.Regression
            ? new SubstitutionEffects(record.Id, record.Number, window.From, bases, null, effects, default, _unseen)
            : new SubstitutionEffects(record.Id, record.Number, window.From, bases, model.Labels[of], effects, logits, _unseen);
    }

    private void Encode(List<int> tokens)
    {
        model.Model.Tokenizer.EncodeSequence(_bases, tokens);
        if (tokens.Count > _room) tokens.RemoveRange(_room, tokens.Count - _room);
    }
}

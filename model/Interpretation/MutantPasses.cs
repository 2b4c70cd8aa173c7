using System.Runtime.InteropServices;

namespace Dnabert2.Interpretation;

/// <summary>
/// The sequence as it stands and each substituted one, whole, in a pass of its own: what effects on these are made of.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="room">The most tokens of a sequence, special ones not counted, to which it is cut; null: no limit.</param>
/// <param name="outputs">What is wanted of each pass.</param>
internal abstract class MutantPasses(SequenceModel model, int? room, PassOutputs outputs) : IMutagenesis
{
    private readonly List<int> _reference = [], _starts = [];
    private readonly List<(int At, int Base, ForwardPass Pass)> _mutants = [];
    private readonly int _room = room ?? int.MaxValue;
    private byte[] _bases = [];
    private int _from, _to;

    public int Passes => _mutants.Count + 1;

    /// <summary>The pass of the sequence as it stands.</summary>
    protected ForwardPass OfReference { get; } = new(outputs);

    /// <summary>The substitutions: their places among the effects, and their passes.</summary>
    protected IEnumerable<(int Place, ForwardPass Pass)> Mutants =>
        _mutants.Select(mutant => ((4 * (mutant.At - _from)) + mutant.Base, mutant.Pass));

    public int Prepare(byte[] bases, int from, int to, CancellationToken cancellation)
    {
        _bases = bases;
        model.Tokenizer.EncodeSequence(bases, _reference, _starts);
        // As in training, a sequence is cut to the most tokens; a substitution past them would show no effect where none was looked for.
        int seen = SeenBases.Of(bases.Length, _starts, _room, model.Tokenizer.Overlap);
        (_from, _to) = (from, Math.Clamp(seen, from, to));
        cancellation.ThrowIfCancellationRequested();
        for (int at = from; at < _to; at++)
        {
            if (!Substitutions.IsKnown(bases[at])) continue;
            for (int b = 0; b < 4; b++)
                if (Substitutions.Bases[b] != bases[at]) _mutants.Add((at, b, new ForwardPass(outputs)));
        }

        return seen;
    }

    public ForwardPass Pass(int index, List<int> tokens)
    {
        if (index == 0)
        {
            Encode(tokens);
            Ask(OfReference, CollectionsMarshal.AsSpan(tokens), 0);
            return OfReference;
        }

        (int at, int b, ForwardPass pass) = _mutants[index - 1];
        byte original = _bases[at];
        _bases[at] = Substitutions.Bases[b];
        Encode(tokens);
        _bases[at] = original;
        ReadOnlySpan<int> mutant = CollectionsMarshal.AsSpan(tokens);
        Ask(pass, mutant, mutant.CommonPrefixLength(CollectionsMarshal.AsSpan(_reference)));
        return pass;
    }

    public abstract double[] Probabilities();

    public abstract StrandEffects Finish(int label);

    /// <summary>Asks questions of a pass.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="first">The first of them that is not that of the sequence as it stands; of that itself, 0.</param>
    protected virtual void Ask(ForwardPass pass, ReadOnlySpan<int> tokens, int first)
    {
    }

    /// <summary>Effects before they are known.</summary>
    protected float[] Empty() => Substitutions.Empty(_bases.AsSpan(_from, _to - _from));

    private void Encode(List<int> tokens)
    {
        model.Tokenizer.EncodeSequence(_bases, tokens);
        if (tokens.Count > _room) tokens.RemoveRange(_room, tokens.Count - _room);
    }
}

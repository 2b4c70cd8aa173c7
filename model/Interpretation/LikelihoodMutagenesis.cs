using System.Runtime.InteropServices;

namespace Dnabert2.Interpretation;

/// <summary>The effects of substitutions on the likelihood of masked tokens; see <see cref="Attribution"/> for the formula.</summary>
/// <param name="model">The model.</param>
/// <param name="room">The most tokens that it takes, special ones not counted; null: no limit.</param>
internal sealed class LikelihoodMutagenesis(SequenceModel model, int? room) : IMutagenesis
{
    private readonly List<int> _reference = [], _starts = [];
    private readonly int _overlap = model.Tokenizer.Overlap;
    private readonly List<(TokenDifference Difference, int Masks, ForwardPass Pass)> _passes = [];
    private readonly Dictionary<(int Prefix, int Reference, int Masks), int> _places = [];
    private readonly List<Mutant> _mutants = [];
    private byte[] _bases = [];
    private int _from, _to;

    public int Passes => _passes.Count;

    public int Prepare(byte[] bases, int from, int to, CancellationToken cancellation)
    {
        model.Tokenizer.EncodeSequence(bases, _reference, _starts);
        int seen = SeenBases.Of(bases.Length, _starts, room ?? int.MaxValue, _overlap);
        if (seen < bases.Length)
        {
            bases = bases[..seen];
            _reference.RemoveRange(room!.Value, _reference.Count - room.Value);
        }

        (_bases, _from, _to) = (bases, from, to = Math.Clamp(seen, from, to));
        ReadOnlySpan<int> reference = CollectionsMarshal.AsSpan(_reference);
        var alternative = new List<int>();
        for (int at = from; at < to; at++)
        {
            cancellation.ThrowIfCancellationRequested();
            byte original = bases[at];
            if (!Substitutions.IsKnown(original)) continue;
            for (int b = 0; b < 4; b++)
            {
                if (Substitutions.Bases[b] == original) continue;
                bases[at] = Substitutions.Bases[b];
                alternative.Clear();
                model.Tokenizer.EncodeSequence(bases, alternative);
                Add(4 * (at - from) + b, reference, CollectionsMarshal.AsSpan(alternative));
            }

            bases[at] = original;
        }

        return bases.Length;
    }

    public ForwardPass Pass(int index, List<int> tokens)
    {
        (TokenDifference difference, int masks, ForwardPass pass) = _passes[index];
        difference.AppendMasked(CollectionsMarshal.AsSpan(_reference), masks, model.Tokenizer.MaskId!.Value, tokens);
        return pass;
    }

    public double[] Probabilities() => [];

    public StrandEffects Finish(int label)
    {
        float[] effects = Substitutions.Empty(_bases.AsSpan(_from, _to - _from));
        foreach (Mutant mutant in _mutants)
        {
            double reference = _passes[mutant.ReferencePass].Pass.LogLikelihood(mutant.Reference);
            double alternative = _passes[mutant.AlternativePass].Pass.LogLikelihood(mutant.Alternative);
            effects[mutant.Place] = (float)((alternative - reference) / mutant.TokensOfABase);
        }

        return new StrandEffects(effects, []);
    }

    private void Add(int place, ReadOnlySpan<int> reference, ReadOnlySpan<int> alternative)
    {
        TokenDifference difference = TokenDifference.Between(reference, alternative, _overlap);
        int ofReference = PassOf(difference, difference.Reference), ofAlternative = PassOf(difference, difference.Alternative);
        Range here = _passes[ofReference].Pass.Ask(difference.Prefix, reference.Slice(difference.Prefix, difference.Reference));
        Range there = _passes[ofAlternative].Pass.Ask(difference.Prefix, alternative.Slice(difference.Prefix, difference.Alternative));
        _mutants.Add(new Mutant(place, ofReference, here, ofAlternative, there, difference.TokensOfABase(_overlap)));
    }

    /// <summary>
    /// The pass with so many masks in place of the tokens that differ; substitutions with the same masked tokens share it.
    /// </summary>
    private int PassOf(TokenDifference difference, int masks)
    {
        (int, int, int) key = (difference.Prefix, difference.Reference, masks);
        if (_places.TryGetValue(key, out int place)) return place;
        _places.Add(key, _passes.Count);
        _passes.Add((difference, masks, new ForwardPass(PassOutputs.Likelihood)));
        return _passes.Count - 1;
    }

    private readonly record struct Mutant(
        int Place, int ReferencePass, Range Reference, int AlternativePass, Range Alternative, int TokensOfABase);
}

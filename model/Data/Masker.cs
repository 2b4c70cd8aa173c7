using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Kernels;

namespace Dnabert2.Data;

/// <summary>
/// Masks tokens for the language-model objective: each token of a window is chosen on its own with a probability; of the chosen ones a
/// part becomes [MASK], a part a random token that is not special, and the rest stay. A pure function of seed and sample number.
/// </summary>
/// <remarks>
/// Where k-mers overlap, a single one could be read off its neighbours, and k of them in a row hide a base. In training, DNABERT's own
/// program is followed: each token is a centre with a k-th of the probability, and chosen with it are those around it, k together, as
/// far as the window goes; each of them is masked, replaced or kept by itself. In evaluation the window is divided into stretches of k
/// tokens, and each of these is chosen with the probability, so that rounds choose different ones.
/// </remarks>
internal sealed class Masker : ITargets
{
    private readonly ulong _seed, _probability, _maskShare, _randomShare;
    private readonly uint _site;
    private readonly int[] _ordinary;
    private readonly SpecialTokenFrame _frame;
    private readonly int _mask, _span;
    private readonly bool _inStretches;

    private Masker(
        ISequenceTokenizer tokenizer, ulong seed, uint site, double probability, double maskShare, double randomShare, bool inStretches)
    {
        (_seed, _site, _span, _inStretches, Share) = (seed, site, tokenizer.Overlap + 1, inStretches, probability);
        _probability = Threshold(inStretches ? probability : probability / _span);
        (_maskShare, _randomShare) = (Threshold(maskShare), Threshold(maskShare + randomShare));
        _ordinary = [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(id => !tokenizer.IsSpecial(id))];
        (_mask, _frame) = (WindowFrame.MaskOf(tokenizer), WindowFrame.Of(tokenizer));
    }

    /// <inheritdoc/>
    public int Before => _frame.Before.Length;

    /// <inheritdoc/>
    public int SpecialTokens => _frame.Before.Length + _frame.After.Length;

    /// <inheritdoc/>
    public int Ahead => 0;

    /// <inheritdoc/>
    public double Share { get; }

    /// <summary>The masks of training.</summary>
    public static Masker ForTraining(ISequenceTokenizer tokenizer, PretrainOptions options) =>
        new(tokenizer, options.Seed, 0x4D41534B, options.MaskProbability, options.MaskShare, options.RandomShare, inStretches: false);

    /// <summary>
    /// The masks of evaluation: every chosen token becomes [MASK], so that no score is had for a token that is in sight. They depend on
    /// neither step nor seed of the run: figures of different runs compare.
    /// </summary>
    public static Masker ForEvaluation(ISequenceTokenizer tokenizer, double probability) =>
        new(tokenizer, 0, 0x4556414C, probability, 1, 0, inStretches: true);

    /// <summary>Masks tokens of a window and asks for them.</summary>
    /// <inheritdoc/>
    public int Choose(
        long number, ReadOnlySpan<ushort> window, Span<int> ids, int first, Span<int> rows, Span<int> labels, int round = 0)
    {
        var random = new Philox(_seed, (uint)(number >> 32), _site);
        ulong place = (ulong)(uint)number << 32, from = (ulong)round * _probability;
        int count = 0, before = Before, centre = int.MinValue, next = 0;
        _frame.Before.Span.CopyTo(ids);
        _frame.After.Span.CopyTo(ids[(before + window.Length)..]);
        for (int i = 0; i < window.Length; i++)
        {
            ids[before + i] = window[i];
            // Every centre whose stretch begins no later than this token is known; the last one reaches furthest.
            for (; !_inStretches && next < window.Length && next <= i + ((_span - 1) / 2); next++)
                if (IsHit(random, place + (uint)next, from)) centre = next;
            if (_inStretches ? !IsHit(random, place + (uint)(i / _span), from) : centre < i - (_span / 2)) continue;
            (_, uint y, uint z, _) = random.Block(place + (uint)i);
            rows[count] = first + before + i;
            labels[count++] = window[i];
            if (y < _maskShare) ids[before + i] = _mask;
            else if (y < _randomShare) ids[before + i] = _ordinary[(int)(((ulong)z * (ulong)_ordinary.Length) >> 32)];
        }

        return count;
    }

    private bool IsHit(in Philox random, ulong place, ulong from) => random.Block(place).X is var x && x >= from && x - from < _probability;

    private static ulong Threshold(double probability) => (ulong)Math.Round(probability * 4294967296.0);
}

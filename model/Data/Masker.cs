using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Kernels;

namespace Dnabert2.Data;

/// <summary>
/// Masks tokens for the language-model objective: each token of a window is chosen on its own with a probability; of the chosen ones a
/// part becomes [MASK], a part a random token that is not special, and the rest stay. A pure function of seed and sample number.
/// </summary>
internal sealed class Masker
{
    private readonly ulong _seed, _probability, _maskShare, _randomShare;
    private readonly uint _site;
    private readonly int[] _ordinary;
    private readonly int _mask, _cls, _sep;

    private Masker(BpeTokenizer tokenizer, ulong seed, uint site, double probability, double maskShare, double randomShare)
    {
        (_seed, _site) = (seed, site);
        (_probability, _maskShare, _randomShare) = (Threshold(probability), Threshold(maskShare), Threshold(maskShare + randomShare));
        _ordinary = [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(id => !tokenizer.IsSpecial(id))];
        (_mask, _cls, _sep) = (Special(tokenizer.MaskId, "[MASK]"), Special(tokenizer.ClsId, "[CLS]"), Special(tokenizer.SepId, "[SEP]"));
    }

    /// <summary>The masks of training.</summary>
    public static Masker ForTraining(BpeTokenizer tokenizer, PretrainOptions options) =>
        new(tokenizer, options.Seed, 0x4D41534B, options.MaskProbability, options.MaskShare, options.RandomShare);

    /// <summary>
    /// The masks of evaluation: every chosen token becomes [MASK], so that no score is had for a token that is in sight. They depend on
    /// neither step nor seed of the run: figures of different runs compare.
    /// </summary>
    public static Masker ForEvaluation(BpeTokenizer tokenizer, double probability) => new(tokenizer, 0, 0x4556414C, probability, 1, 0);

    /// <summary>Writes <c>[CLS] tokens [SEP]</c> with masked tokens.</summary>
    /// <param name="number">The number of the sample.</param>
    /// <param name="window">The tokens.</param>
    /// <param name="ids">Receives the ids, two more than there are tokens.</param>
    /// <param name="first">The row of [CLS] in its batch.</param>
    /// <param name="rows">Receives the rows of the chosen tokens; room for all.</param>
    /// <param name="labels">Receives what they are.</param>
    /// <param name="round">Rounds 0, 1, … below 1 / probability choose disjoint sets of tokens.</param>
    /// <returns>The number of chosen tokens.</returns>
    public int Mask(
        long number, ReadOnlySpan<ushort> window, Span<int> ids, int first, Span<int> rows, Span<int> labels, int round = 0)
    {
        var random = new Philox(_seed, (uint)(number >> 32), _site);
        ulong place = (ulong)(uint)number << 32, from = (ulong)round * _probability;
        int count = 0;
        ids[0] = _cls;
        for (int i = 0; i < window.Length; i++)
        {
            ids[i + 1] = window[i];
            (uint x, uint y, uint z, _) = random.Block(place + (uint)i);
            if (x < from || x - from >= _probability) continue;
            rows[count] = first + i + 1;
            labels[count++] = window[i];
            if (y < _maskShare) ids[i + 1] = _mask;
            else if (y < _randomShare) ids[i + 1] = _ordinary[(int)(((ulong)z * (ulong)_ordinary.Length) >> 32)];
        }

        ids[window.Length + 1] = _sep;
        return count;
    }

    private static ulong Threshold(double probability) => (ulong)Math.Round(probability * 4294967296.0);

    private static int Special(int? id, string token) =>
        id ?? throw new InvalidDataException($"the tokenizer has no {token}, which masked language modelling needs; " +
            "train one with the usual special tokens");
}

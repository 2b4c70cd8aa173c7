namespace Dnabert2.Tokenizers;

/// <summary>What a vocabulary of one size does to a text.</summary>
/// <param name="VocabularySize">The number of ids.</param>
/// <param name="MeanTokenLength">The mean length of its tokens in bases, special tokens left out.</param>
/// <param name="MaxTokenLength">The length of its longest token in bases.</param>
/// <param name="BasesPerToken">Known bases of the sample over the tokens they became.</param>
/// <param name="RelativeFlops">The cost of the model on one sequence, over the cost with 4096 ids.</param>
public sealed record VocabularyReportRow(
    int VocabularySize, double MeanTokenLength, int MaxTokenLength, double BasesPerToken, double RelativeFlops);

/// <summary>
/// Compares the sizes a vocabulary could have had, as figure 3 of the DNABERT-2 paper does (2^8 to 2^15), from one training.
/// </summary>
public static class VocabularyReport
{
    private const int ReferenceSize = 4096;
    private const double Layers = 12, Hidden = 768, Intermediate = 3072;

    /// <summary>
    /// Measures each size on a sample. The first merges of a trained tokenizer are the tokenizer of the smaller vocabulary, so one
    /// training to the largest size serves all.
    /// </summary>
    /// <param name="tokenizer">The tokenizer with the largest vocabulary, as trained.</param>
    /// <param name="sizes">The sizes to compare, none above the tokenizer's.</param>
    /// <param name="sample">The sequences to encode, ASCII in upper case; read once.</param>
    /// <param name="sequenceLength">The length of the sequence whose cost is compared, in bases.</param>
    /// <returns>A row for each size, in the order given. The costs are relative to 4096 ids, or to all ids where there are fewer.</returns>
    /// <exception cref="ArgumentException">A size is out of range, or the sample has no bases.</exception>
    /// <exception cref="InvalidOperationException">
    /// The ids of the tokenizer do not follow its merges, so it has no smaller form.
    /// </exception>
    public static IReadOnlyList<VocabularyReportRow> Measure(
        BpeTokenizer tokenizer, IReadOnlyList<int> sizes, IEnumerable<ReadOnlyMemory<byte>> sample, int sequenceLength = 500)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentOutOfRangeException.ThrowIfLessThan(sequenceLength, 1);
        int reference = Math.Min(ReferenceSize, tokenizer.VocabularySize);
        BpeTokenizer[] tokenizers = [.. sizes.Append(reference).Select(tokenizer.WithVocabularySize)];
        double[] ratios = BasesPerToken(tokenizers, sample);
        double referenceCost = Flops(reference, sequenceLength / ratios[^1]);

        var rows = new VocabularyReportRow[sizes.Count];
        for (int i = 0; i < rows.Length; i++)
        {
            int[] lengths =
                [.. Enumerable.Range(0, sizes[i]).Where(id => !tokenizer.IsSpecial(id)).Select(id => tokenizer.Token(id).Length)];
            double cost = Flops(sizes[i], sequenceLength / ratios[i]);
            rows[i] = new VocabularyReportRow(sizes[i], lengths.Average(), lengths.Max(), ratios[i], cost / referenceCost);
        }
        return rows;
    }

    /// <summary>
    /// The forward cost of DNABERT-2 with its masked-language head on one sequence: n tokens and the two around them.
    /// Linear layers 2n·12(4h² + 3hi), attention scores and values 12·4n²h, head 2n(h² + hV); h = 768, i = 3072.
    /// </summary>
    private static double Flops(int vocabulary, double tokens)
    {
        double n = tokens + 2;
        double linear = 2 * n * Layers * (4 * Hidden * Hidden + 3 * Hidden * Intermediate);
        double attention = Layers * 4 * n * n * Hidden;
        double head = 2 * n * (Hidden * Hidden + Hidden * vocabulary);
        return linear + attention + head;
    }

    private static double[] BasesPerToken(BpeTokenizer[] tokenizers, IEnumerable<ReadOnlyMemory<byte>> sample)
    {
        var tokens = new long[tokenizers.Length];
        long bases = 0;
        var ids = new List<int>();
        foreach (ReadOnlyMemory<byte> sequence in sample)
        {
            for (int i = 0; i < tokenizers.Length; i++)
            {
                ids.Clear();
                tokenizers[i].EncodeSequence(sequence.Span, ids);
                foreach (int id in ids)
                {
                    if (id == tokenizers[i].UnknownId) continue;
                    tokens[i]++;
                    if (i == 0) bases += tokenizers[i].Token(id).Length;
                }
            }
        }
        if (bases == 0) throw new ArgumentException("the sample has no bases", nameof(sample));
        return Array.ConvertAll(tokens, count => (double)bases / count);
    }
}

namespace Dnabert2.Tokenizers;

/// <summary>What a BPE tokenizer is trained to.</summary>
public sealed record BpeTrainerOptions
{
    /// <summary>The number of ids to reach, special tokens and the four bases included. At most 65,535; DNABERT-2 has 4096.</summary>
    public int VocabularySize { get; init; } = 4096;

    /// <summary>A pair that occurs less often than this is not merged, even if the vocabulary stays smaller. At least 0.</summary>
    public int MinimumCount { get; init; } = 1;

    /// <summary>
    /// The longest token to make, in bases, at least 1. Hugging Face's <c>max_token_length</c> is one more than this: there a token must be
    /// shorter.
    /// </summary>
    public int MaxTokenLength { get; init; } = int.MaxValue;

    /// <summary>
    /// The tokens with the first ids, each of at most 256 characters and not of bases alone. [UNK] among them stands for unknown
    /// characters; with [CLS] and [SEP] the template <c>[CLS] A [SEP]</c>, <c>[CLS] A [SEP] B:1 [SEP]:1</c> is written.
    /// </summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"];
}

/// <summary>How far a training is.</summary>
/// <param name="MergesDone">The merges found.</param>
/// <param name="MergesTotal">The merges to find; fewer are found where the sequences have no more pairs.</param>
public readonly record struct BpeTrainingProgress(int MergesDone, int MergesTotal);

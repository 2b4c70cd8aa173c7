namespace Dnabert2.Tokenizers;

/// <summary>What a model needs of its tokenizer, whichever it is. Immutable; any number of threads may use one.</summary>
public interface ISequenceTokenizer
{
    /// <summary>The number of ids: they run from 0 to one below it.</summary>
    int VocabularySize { get; }

    /// <summary>The id of the token that stands for what is unknown, or null where there is none.</summary>
    int? UnknownId { get; }

    /// <summary>The id of the token that begins a sequence, or null where there is none.</summary>
    int? ClsId { get; }

    /// <summary>The id of the token that ends a sequence, or null where there is none.</summary>
    int? SepId { get; }

    /// <summary>The id of padding, or null where there is none.</summary>
    int? PadId { get; }

    /// <summary>The id of the mask, or null where there is none.</summary>
    int? MaskId { get; }

    /// <summary>
    /// Encodes a sequence of ASCII characters, such as a record of a sequence file, without special tokens around it. Once the lists have
    /// grown to their size nothing is allocated.
    /// </summary>
    /// <param name="sequence">The characters, <c>[n]</c>; bases in upper case.</param>
    /// <param name="ids">Receives the token ids, after what it holds.</param>
    /// <param name="starts">Receives for each token the index of its first character; may be null.</param>
    void EncodeSequence(ReadOnlySpan<byte> sequence, List<int> ids, List<int>? starts = null);

    /// <summary>The special tokens around the tokens of <see cref="EncodeSequence"/>.</summary>
    /// <param name="pair">Whether it is for a pair of sequences.</param>
    SpecialTokenFrame Frame(bool pair);

    /// <summary>
    /// How many characters a token shares with the one before it: 0 where tokens lie one after the other, k − 1 where each of them is a
    /// k-mer that begins one character further on.
    /// </summary>
    int Overlap { get; }

    /// <summary>Whether an id is of a special token, such as the mask: of no bases, or of unknown ones.</summary>
    bool IsSpecial(int id);

    /// <summary>The token with an id.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    string Token(int id);

    /// <summary>The number of characters that a token stands for; of an unknown one, so many as it stands for at least.</summary>
    int LengthOf(int id);

    /// <summary>
    /// How many bases from the start of a sequence decide what its first tokens are; null where the vocabulary sets no such limit.
    /// </summary>
    /// <param name="tokens">How many tokens.</param>
    int? BasesThatDecide(int tokens);

    /// <summary>
    /// How many bases always fit into so many tokens, if all of them are A, C, G or T; null where that is for the bases to say.
    /// </summary>
    /// <param name="tokens">How many tokens, special ones not counted.</param>
    int? BasesThatFit(int tokens);

    /// <summary>Writes the content of the file that the tokenizer is read from: the same tokenizer always gives the same bytes.</summary>
    /// <exception cref="IOException">The stream cannot be written to.</exception>
    void Save(Stream stream);
}

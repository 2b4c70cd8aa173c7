using Dnabert2.Sequences;
using Dnabert2.Tokenizers;

namespace Dnabert2.Embeddings;

/// <summary>A stretch of a record's tokens that goes through the encoder together.</summary>
/// <param name="Start">The first token.</param>
/// <param name="Count">The number of tokens.</param>
/// <param name="KeepStart">
/// Of these, the first one that is reported: overlaps are reported once, by the chunk that saw more context.
/// </param>
/// <param name="KeepEnd">One past the last one that is reported.</param>
internal readonly record struct Chunk(int Start, int Count, int KeepStart, int KeepEnd);

/// <summary>The tokens of one strand of a record, cut into chunks.</summary>
/// <param name="givesStarts">Whether <see cref="StartOf"/> is asked for: places take as much memory as tokens.</param>
/// <param name="special">The special tokens around a chunk.</param>
/// <param name="padding">See <see cref="SequenceModel.Padding"/>.</param>
internal sealed class TokenisedRecord(bool givesStarts, int special, RowPadding? padding = null)
{
    private readonly List<int> _starts = [];
    private readonly List<SequenceFragment> _used = [];

    /// <summary>The token ids of all fragments.</summary>
    public List<int> Ids { get; } = [];

    /// <summary>The chunks, in order.</summary>
    public List<Chunk> Chunks { get; } = [];

    /// <summary>Tokens of all chunks, with overlaps and special tokens: what is to be computed.</summary>
    public long ChunkTokens { get; private set; }

    /// <summary>Whether tokens of the record were left out.</summary>
    public bool Truncated { get; private set; }

    /// <summary>Tokenises a record and cuts it.</summary>
    /// <exception cref="InvalidDataException">
    /// The record holds nothing to embed, is a pair, or is too long under <see cref="TooLong.Error"/>.
    /// </exception>
    public void Set(SequenceRecord record, ISequenceTokenizer tokenizer, EmbedOptions options)
    {
        if (record.HasSecond)
            throw Fault(record, "it is a pair of sequences, and vectors are of single ones", "give a file with one column 'sequence'");
        Clear();
        _used.Clear();
        Truncated = false;
        bool isEmpty = true;
        List<int>? starts = givesStarts || options.OnTooLong == TooLong.Truncate ? _starts : null;
        foreach (SequenceFragment fragment in record.Fragments)
        {
            isEmpty = false;
            int first = Ids.Count;
            tokenizer.EncodeSequence(record.Sequence.Slice(fragment.Start, fragment.Length), Ids, starts);
            for (int i = first; i < _starts.Count; i++) _starts[i] += fragment.Start;
            int room = options.MaxTokens - special;
            Truncated = options.OnTooLong == TooLong.Truncate && Ids.Count - first > room;
            if (Ids.Count == first) continue;
            int last = first + room - 1;
            _used.Add(Truncated ? fragment with { Length = _starts[last] + tokenizer.LengthOf(Ids[last]) - fragment.Start } : fragment);
            if (Truncated) Ids.RemoveRange(first + room, Ids.Count - first - room);
            Cut(first, record, "", options);
            if (Truncated) break;
        }

        if (isEmpty)
            throw Fault(record, "it has no A, C, G or T", "take it out, or leave such records out: OnAmbiguous = Drop");
        if (Chunks.Count == 0)
            throw Fault(record, "it is shorter than a token of this model, or its pieces between unknown bases are", "take it out");
        Count();
    }

    /// <summary>
    /// Tokenises the other strand of the record that was set: the reverse complement of the same bases, fragment by fragment. Under
    /// <see cref="TooLong.Truncate"/> it is not cut again: it goes through the encoder whole, even with more tokens than the limit.
    /// </summary>
    /// <exception cref="InvalidDataException">This strand is too long under <see cref="TooLong.Error"/>.</exception>
    public void SetReverseComplement(SequenceRecord record, ISequenceTokenizer tokenizer, EmbedOptions options)
    {
        Clear();
        for (int i = _used.Count - 1; i >= 0; i--)
        {
            int first = Ids.Count;
            tokenizer.EncodeSequence(ReverseComplement.Of(record.Sequence.Slice(_used[i].Start, _used[i].Length)), Ids);
            Cut(first, record, "of its reverse complement, ", options);
        }

        Count();
    }

    /// <summary>The first base of token <paramref name="index"/> of the record that was set.</summary>
    public int StartOf(int index) => _starts[index];

    private void Clear()
    {
        Ids.Clear();
        _starts.Clear();
        Chunks.Clear();
    }

    private void Count()
    {
        ChunkTokens = 0;
        foreach (Chunk chunk in Chunks) ChunkTokens += chunk.Count + special;
    }

    /// <summary>Cuts the tokens from <paramref name="first"/> on, unless they were truncated.</summary>
    private void Cut(int first, SequenceRecord record, string strand, EmbedOptions options)
    {
        int room = options.MaxTokens - special, end = Ids.Count, count = end - first;
        if (count <= room || options.OnTooLong == TooLong.Truncate)
        {
            if (padding?.FaultOf(count + special) is { } fault)
                throw Fault(record, $"{strand}it, or a piece of it between unknown bases, has {fault}", "give sequences of that length");
            Chunks.Add(new Chunk(first, count, first, end));
            return;
        }

        if (options.OnTooLong == TooLong.Error)
            throw Fault(record, $"{strand}{count + special} tokens are more than the {options.MaxTokens} allowed",
                "raise MaxTokens, or set OnTooLong = Chunk or OnTooLong = Truncate");
        int step = room - options.Overlap;
        for (int start = first; ; start += step)
        {
            // The last chunk is moved back to be full: a short one would have little context.
            bool last = start + room >= end;
            int from = last ? end - room : start;
            int keepFrom = Chunks.Count > 0 && start > first ? Chunks[^1].KeepEnd : first;
            Chunks.Add(new Chunk(from, room, keepFrom, last ? end : from + room - (options.Overlap / 2)));
            if (last) return;
        }
    }

    private static InvalidDataException Fault(SequenceRecord record, string what, string remedy) =>
        new($"{record.Place}: {what}; {remedy}");
}

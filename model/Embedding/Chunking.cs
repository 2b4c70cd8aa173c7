using Dnabert2.Sequences;
using Dnabert2.Tokenizers;

namespace Dnabert2;

/// <summary>A stretch of a record's tokens that goes through the encoder together.</summary>
/// <param name="Start">The first token.</param>
/// <param name="Count">The number of tokens.</param>
/// <param name="KeepStart">Of these, the first one that is reported: overlaps are reported once, by the chunk that saw more context.</param>
/// <param name="KeepEnd">One past the last one that is reported.</param>
internal readonly record struct Chunk(int Start, int Count, int KeepStart, int KeepEnd);

/// <summary>The tokens of one record, cut into chunks.</summary>
internal sealed class TokenisedRecord
{
    private readonly List<int> _starts = [];

    /// <summary>The token ids of all fragments.</summary>
    public List<int> Ids { get; } = [];

    /// <summary>The chunks, in order.</summary>
    public List<Chunk> Chunks { get; } = [];

    /// <summary>Tokens of all chunks, with overlaps and special tokens: what is to be computed.</summary>
    public long ChunkTokens { get; private set; }

    /// <summary>Whether tokens were left out.</summary>
    public bool Truncated { get; private set; }

    /// <summary>Tokenises a record and cuts it.</summary>
    /// <exception cref="InvalidDataException">The record holds nothing to embed, is a pair, or is too long under <see cref="TooLong.Error"/>.</exception>
    public void Set(SequenceRecord record, BpeTokenizer tokenizer, EmbedOptions options)
    {
        if (record.HasSecond)
            throw Fault(record, "it is a pair of sequences, and vectors are of single ones", "give a file with one column 'sequence'");
        Set(record, record.Sequence, record.Fragments, tokenizer, options);
    }

    /// <summary>Tokenises the reverse complement of a record and cuts it.</summary>
    public void SetReverseComplement(SequenceRecord record, BpeTokenizer tokenizer, EmbedOptions options)
    {
        byte[] reverse = record.Sequence.ToArray();
        ReverseComplement(reverse);
        Set(record, reverse, options.OnAmbiguous == AmbiguousBases.Split ? SequenceFragments.Split(reverse) : SequenceFragments.Whole(reverse), tokenizer, options);
    }

    /// <summary>The first base of token <paramref name="index"/>.</summary>
    public int StartOf(int index) => _starts[index];

    private void Set(SequenceRecord record, ReadOnlySpan<byte> sequence, SequenceFragments fragments, BpeTokenizer tokenizer, EmbedOptions options)
    {
        Ids.Clear();
        _starts.Clear();
        Chunks.Clear();
        Truncated = false;
        ChunkTokens = 0;
        foreach (SequenceFragment fragment in fragments)
        {
            int first = Ids.Count;
            tokenizer.EncodeSequence(sequence.Slice(fragment.Start, fragment.Length), Ids, _starts);
            for (int i = first; i < _starts.Count; i++) _starts[i] += fragment.Start;
            Cut(first, Ids.Count, record, options);
            if (Truncated) break;
        }

        foreach (Chunk chunk in Chunks) ChunkTokens += chunk.Count + 2;
        if (Chunks.Count == 0)
            throw Fault(record, "it has no A, C, G or T", "take it out, or leave such records out with --on-n drop");
    }

    private void Cut(int first, int end, SequenceRecord record, EmbedOptions options)
    {
        int room = options.MaxTokens - 2, count = end - first;
        if (count <= room)
        {
            Chunks.Add(new Chunk(first, count, first, end));
            return;
        }

        switch (options.OnTooLong)
        {
            case TooLong.Error:
                throw Fault(record, $"{count + 2} tokens are more than the {options.MaxTokens} allowed", "raise --max-tokens, or use --on-too-long chunk or truncate");
            case TooLong.Truncate:
                Truncated = true;
                Chunks.Add(new Chunk(first, room, first, first + room));
                return;
        }

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

    private static void ReverseComplement(Span<byte> bases)
    {
        bases.Reverse();
        for (int i = 0; i < bases.Length; i++)
            bases[i] = bases[i] switch { (byte)'A' => (byte)'T', (byte)'C' => (byte)'G', (byte)'G' => (byte)'C', (byte)'T' => (byte)'A', _ => bases[i] };
    }

    private static InvalidDataException Fault(SequenceRecord record, string what, string remedy) =>
        new($"{record.Source}: record {record.Number} '{record.Id}', line {record.Line}: {what}; {remedy}");
}

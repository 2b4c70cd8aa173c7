namespace Dnabert2.Data;

/// <summary>
/// Masked samples, packed one after the other and cut into micro-batches of a token budget. Its memory is allocated once.
/// </summary>
internal sealed class MaskedBatch
{
    // The borders of more sequences than this would be put together on the heap.
    private const int MostSequences = 1000;
    private readonly ITargets _targets;
    private readonly int _budget;
    // The number of micro-batches before each shard, as far as there are samples.
    private readonly int[] _before;
    private readonly int[] _ids, _rows, _labels, _lengths;
    private readonly Part[] _ends;
    private Part _end;
    private int _shards;

    /// <summary>An empty batch.</summary>
    /// <param name="targets">What is asked of the samples.</param>
    /// <param name="sequences">The most samples.</param>
    /// <param name="maxTokens">The most tokens of a sample, special ones included.</param>
    /// <param name="budget">The most tokens of a micro-batch, unless a single sample has more.</param>
    /// <param name="shards">Parts of the samples, none of which shares a micro-batch with another.</param>
    public MaskedBatch(ITargets targets, int sequences, int maxTokens, int budget, int shards = 1)
    {
        _before = new int[shards];
        (_targets, _budget) = (targets, budget);
        int tokens = checked(sequences * maxTokens);
        (_ids, _rows, _labels) = (new int[tokens], new int[tokens], new int[tokens]);
        (_lengths, _ends) = (new int[sequences], new Part[sequences]);
    }

    /// <summary>Samples.</summary>
    public int Sequences => _end.Sequences;

    /// <summary>Tokens, special ones included.</summary>
    public int Tokens => _end.Tokens;

    /// <summary>Chosen tokens: the labels.</summary>
    public int Masked => _end.Masked;

    /// <summary>The sum of the squares of the samples' lengths, which attention's work is proportional to.</summary>
    public long SquaredLengths { get; private set; }

    /// <summary>The number of micro-batches.</summary>
    public int MicroBatches { get; private set; }

    /// <summary>Empties the batch.</summary>
    public void Clear()
    {
        _end = default;
        MicroBatches = _shards = 0;
        SquaredLengths = 0;
    }

    /// <summary>Adds a sample.</summary>
    /// <param name="number">Its number, which decides its masks.</param>
    /// <param name="window">Its tokens, without special ones around them.</param>
    /// <param name="round">Which of the disjoint sets of its tokens is chosen.</param>
    public void Add(long number, ReadOnlySpan<ushort> window, int round = 0)
    {
        Part start = MicroBatches > 1 ? _ends[MicroBatches - 2] : default;
        int length = window.Length + _targets.SpecialTokens;
        bool begins = _shards < _before.Length && _end.Sequences == (long)_lengths.Length * _shards / _before.Length;
        if (begins) _before[_shards++] = MicroBatches;
        if (begins || _end.Tokens - start.Tokens + length > _budget || _end.Sequences - start.Sequences == MostSequences)
        {
            start = _end;
            MicroBatches++;
        }

        int masked = _targets.Choose(
            number, window, _ids.AsSpan(_end.Tokens, length), _end.Tokens - start.Tokens,
            _rows.AsSpan(_end.Masked), _labels.AsSpan(_end.Masked), round);
        _lengths[_end.Sequences] = length;
        SquaredLengths += (long)length * length;
        _end = _ends[MicroBatches - 1] = new Part(_end.Sequences + 1, _end.Tokens + length, _end.Masked + masked);
    }

    /// <summary>The micro-batches of a full batch that lie before a shard; of the number of shards: all.</summary>
    public int MicroBatchesBefore(int shard) => shard == _before.Length ? MicroBatches : _before[shard];

    /// <summary>A micro-batch.</summary>
    public MicroBatch this[int index]
    {
        get
        {
            Part start = index == 0 ? default : _ends[index - 1], end = _ends[index];
            return new MicroBatch
            {
                FirstSequence = start.Sequences,
                Ids = _ids.AsSpan(start.Tokens, end.Tokens - start.Tokens),
                Lengths = _lengths.AsSpan(start.Sequences, end.Sequences - start.Sequences),
                Rows = _rows.AsSpan(start.Masked, end.Masked - start.Masked),
                Labels = _labels.AsSpan(start.Masked, end.Masked - start.Masked),
            };
        }
    }

    private readonly record struct Part(int Sequences, int Tokens, int Masked);
}

/// <summary>Packed sequences that go through the model together.</summary>
internal readonly ref struct MicroBatch
{
    /// <summary>The number of its first sequence in the batch.</summary>
    public required int FirstSequence { get; init; }

    /// <summary>[tokens].</summary>
    public required ReadOnlySpan<int> Ids { get; init; }

    /// <summary>[sequences], the number of tokens of each.</summary>
    public required ReadOnlySpan<int> Lengths { get; init; }

    /// <summary>[masked], rows among the tokens; empty where nothing is masked.</summary>
    public ReadOnlySpan<int> Rows { get; init; }

    /// <summary>[masked], their ids before masking.</summary>
    public ReadOnlySpan<int> Labels { get; init; }
}

namespace Engine.Kernels;

/// <summary>
/// A table of rows of floats, one for each head or sequence, in a backend's memory: what a score modification with learned parameters looks
/// up (<see cref="IReal{T}.Lookup"/>). It owns nothing; the tensor it was made of must outlive it.
/// </summary>
public readonly struct BiasTable
{
    private readonly long _address;
    private readonly int _rows, _entries;

    /// <param name="address">The first number.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="entries">Numbers of a row; at least 1.</param>
    internal BiasTable(long address, int rows, int entries) => (_address, _rows, _entries) = (address, rows, entries);

    /// <summary>The numbers of a head.</summary>
    public int Entries => _entries;

    /// <summary>The rows.</summary>
    internal int Rows => _rows;

    /// <summary>The first number, in the backend's address space.</summary>
    internal long Address => _address;

    /// <summary>The table of one head.</summary>
    /// <param name="head">The head.</param>
    /// <param name="heads">The heads of the attention.</param>
    /// <exception cref="ArgumentException">The table has another number of heads.</exception>
    public BiasTable ForHead(int head, int heads) => heads == _rows && head >= 0 && head < heads
        ? new(_address + (sizeof(float) * (long)head * _entries), 1, _entries)
        : throw new ArgumentException($"a table for {_rows} heads serves no attention with {heads}");

    /// <summary>
    /// One row as a table of its own, for <see cref="IScoreModification{TSelf}.ForSequence"/>: a row before the first is the first, one
    /// past the last the last, so that none leads outside.
    /// </summary>
    public BiasTable Row(int row)
    {
        int last = _rows - 1, held = row < 0 ? 0 : row > last ? last : row;
        return new(_address + (sizeof(float) * (long)held * _entries), 1, _entries);
    }
}

namespace Dnabert2.Tokenizers;

/// <summary>A pair of tokens that waits for its turn, and where its places are in the block of the younger one.</summary>
internal readonly record struct QueuedPair(int Count, ushort Left, ushort Right, int Offset)
{
    /// <summary>Whether this pair goes before another: the higher count, then the smaller left and right token.</summary>
    public bool Precedes(in QueuedPair other)
        => Count != other.Count ? Count > other.Count : ((uint)Left << 16 | Right) < ((uint)other.Left << 16 | other.Right);
}

/// <summary>A binary heap of pairs, the first to merge on top.</summary>
internal sealed class PairQueue
{
    private QueuedPair[] _pairs = new QueuedPair[1024];
    private int _count;

    public bool TryPeek(out QueuedPair top)
    {
        top = _pairs[0];
        return _count > 0;
    }

    public void Push(in QueuedPair pair)
    {
        if (_count == _pairs.Length) Array.Resize(ref _pairs, checked(_count * 2));
        int i = _count++;
        while (i > 0 && pair.Precedes(_pairs[(i - 1) / 2]))
        {
            _pairs[i] = _pairs[(i - 1) / 2];
            i = (i - 1) / 2;
        }
        _pairs[i] = pair;
    }

    public void Pop() => SiftDown(_pairs[--_count]);

    /// <summary>Gives the top a lower count and its new place.</summary>
    public void LowerTop(int count) => SiftDown(_pairs[0] with { Count = count });

    private void SiftDown(in QueuedPair pair)
    {
        QueuedPair moved = pair;
        int i = 0;
        for (int child = 1; child < _count; child = 2 * i + 1)
        {
            if (child + 1 < _count && _pairs[child + 1].Precedes(_pairs[child])) child++;
            if (!_pairs[child].Precedes(moved)) break;
            _pairs[i] = _pairs[child];
            i = child;
        }
        _pairs[i] = moved;
    }
}

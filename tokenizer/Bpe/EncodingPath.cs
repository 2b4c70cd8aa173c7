using System.Buffers;

namespace Dnabert2.Tokenizers;

/// <summary>
/// For each prefix of a text the last token of its encoding, as far back as it is still needed, in rented memory.
/// </summary>
/// <param name="margin">The length of the longest token: how far back a token may begin.</param>
/// <param name="capacity">The entries to make room for at first.</param>
internal struct EncodingPath(int margin, int capacity)
{
    private EndingToken[] _tokens = ArrayPool<EndingToken>.Shared.Rent(capacity);
    private EndingToken[] _other = ArrayPool<EndingToken>.Shared.Rent(capacity);

    /// <summary>Entry i is the prefix of <c>_origin + i</c> characters.</summary>
    private int _origin;
    private int _count;

    /// <summary>Begins with the empty prefix; what is looked up before it is the same.</summary>
    public void Start(EndingToken token)
    {
        _origin = -margin;
        _count = margin + 1;
        _tokens.AsSpan(0, _count).Fill(token);
    }

    /// <summary>Room for the next prefixes. The margin can be read before its start.</summary>
    public Span<EndingToken> Extend(int length)
    {
        if (_count + length > _tokens.Length)
        {
            int capacity = checked((_count + length) * 2);
            EndingToken[] larger = ArrayPool<EndingToken>.Shared.Rent(capacity);
            _tokens.AsSpan(0, _count).CopyTo(larger);
            Return();
            _tokens = larger;
            _other = ArrayPool<EndingToken>.Shared.Rent(capacity);
        }
        _count += length;
        return _tokens.AsSpan(_count - length, length);
    }

    /// <summary>The last border that the encoding has whatever comes next.</summary>
    /// <param name="known">A border it has; returned where there is no later one.</param>
    public readonly int CommonBorder(int known)
    {
        // Some border is less than a token's length from the end, and the known one is before it on its way back. Follow the furthest
        // until all that keep to the known one have come to the same.
        int end = _origin + _count - 1, count = Math.Min(margin, end - known + 1);
        int[] rented = ArrayPool<int>.Shared.Rent(count);
        Span<int> borders = rented.AsSpan(0, count);
        for (int i = 0; i < count; i++) borders[i] = end - count + 1 + i;
        while (count > 1)
        {
            int furthest = borders[--count];
            int border = furthest - _tokens[furthest - _origin].Length;
            if (border < known) continue;
            int at = count;
            while (at > 0 && borders[at - 1] > border) at--;
            if (at > 0 && borders[at - 1] == border) continue;
            borders[at..count].CopyTo(borders[(at + 1)..]);
            borders[at] = border;
            count++;
        }
        int common = borders[0];
        ArrayPool<int>.Shared.Return(rented);
        return common;
    }

    /// <summary>
    /// Takes out the tokens between two borders, each with its start, counted from the first border, in place of its row.
    /// </summary>
    public Span<EndingToken> Take(int from, int to)
    {
        // What later tokens look back at moves to the other half, so that the way back can be gathered in place.
        int kept = Math.Min(to - _origin, _count - 1 - margin);
        _tokens.AsSpan(kept, _count - kept).CopyTo(_other);
        int first = to - _origin + 1;
        for (int end = to; end > from;)
        {
            EndingToken token = _tokens[end - _origin];
            end -= token.Length;
            _tokens[--first] = new EndingToken(end - from, token.Token, 0);
        }
        Span<EndingToken> taken = _tokens.AsSpan(first, to - _origin + 1 - first);
        (_tokens, _other) = (_other, _tokens);
        _origin += kept;
        _count -= kept;
        return taken;
    }

    /// <summary>Gives the memory back.</summary>
    public readonly void Return()
    {
        ArrayPool<EndingToken>.Shared.Return(_tokens);
        ArrayPool<EndingToken>.Shared.Return(_other);
    }
}

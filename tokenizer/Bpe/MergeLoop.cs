using System.Buffers;

namespace Dnabert2.Tokenizers;

/// <summary>
/// The definition of BPE encoding: of all adjacent pairs that have a rule, the one of lowest rank is merged, the leftmost of equals,
/// until none is left. Kept in a heap: O(n log n) for any vocabulary.
/// </summary>
internal static class MergeLoop
{
    /// <summary>Merges <paramref name="symbols"/> in place.</summary>
    /// <param name="model">The rules.</param>
    /// <param name="symbols">The ids of single characters on entry; the tokens in its first elements on return.</param>
    /// <param name="lengths">Receives, for each token, the number of symbols it covers; as long as <paramref name="symbols"/>.</param>
    /// <param name="lastRank">The rank of the last merge, or -1.</param>
    /// <returns>The number of tokens.</returns>
    public static int Run(BpeModel model, Span<int> symbols, Span<int> lengths, out int lastRank)
    {
        int n = symbols.Length;
        int[] next = ArrayPool<int>.Shared.Rent(n);
        int[] previous = ArrayPool<int>.Shared.Rent(n);
        var queue = new MergeQueue(n);
        lastRank = -1;
        for (int i = 0; i < n; i++)
        {
            lengths[i] = 1;
            next[i] = i + 1;
            previous[i] = i - 1;
            if (i + 1 < n) queue.Push(model.Rank(symbols[i], symbols[i + 1]), i);
        }
        while (queue.TryPop(out int queuedRank, out int at))
        {
            int right = next[at];
            if (lengths[at] == 0 || right == n) continue;
            // An entry is stale once either side has changed; a rule that makes the same token may still stand.
            int rank = model.Rank(symbols[at], symbols[right]);
            if (rank < 0 || model.Merges[rank].Product != model.Merges[queuedRank].Product) continue;
            lastRank = rank;
            symbols[at] = model.Merges[rank].Product;
            lengths[at] += lengths[right];
            lengths[right] = 0;
            int after = next[right];
            next[at] = after;
            if (after < n)
            {
                previous[after] = at;
                queue.Push(model.Rank(symbols[at], symbols[after]), at);
            }
            int before = previous[at];
            if (before >= 0) queue.Push(model.Rank(symbols[before], symbols[at]), before);
        }
        int count = 0;
        for (int i = 0; i < n; i = next[i], count++)
        {
            symbols[count] = symbols[i];
            lengths[count] = lengths[i];
        }
        queue.Return();
        ArrayPool<int>.Shared.Return(next);
        ArrayPool<int>.Shared.Return(previous);
        return count;
    }

    /// <summary>A binary heap of (rank, position) in rented memory.</summary>
    private struct MergeQueue(int capacity)
    {
        private ulong[] _keys = ArrayPool<ulong>.Shared.Rent(Math.Max(capacity, 16));
        private int _count;

        public void Push(int rank, int position)
        {
            if (rank < 0) return;
            if (_count == _keys.Length) Grow();
            ulong key = (ulong)(uint)rank << 32 | (uint)position;
            int i = _count++;
            while (i > 0 && key < _keys[(i - 1) / 2])
            {
                _keys[i] = _keys[(i - 1) / 2];
                i = (i - 1) / 2;
            }
            _keys[i] = key;
        }

        public bool TryPop(out int rank, out int position)
        {
            if (_count == 0)
            {
                rank = position = -1;
                return false;
            }
            rank = (int)(_keys[0] >> 32);
            position = (int)(uint)_keys[0];
            ulong moved = _keys[--_count];
            int i = 0;
            for (int child = 1; child < _count; child = 2 * i + 1)
            {
                if (child + 1 < _count && _keys[child + 1] < _keys[child]) child++;
                if (moved <= _keys[child]) break;
                _keys[i] = _keys[child];
                i = child;
            }
            _keys[i] = moved;
            return true;
        }

        public readonly void Return() => ArrayPool<ulong>.Shared.Return(_keys);

        private void Grow()
        {
            ulong[] larger = ArrayPool<ulong>.Shared.Rent(checked(_keys.Length * 2));
            _keys.AsSpan(0, _count).CopyTo(larger);
            ArrayPool<ulong>.Shared.Return(_keys);
            _keys = larger;
        }
    }
}

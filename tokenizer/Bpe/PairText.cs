using System.Runtime.InteropServices;

namespace Dnabert2.Tokenizers;

/// <summary>
/// The training sequences as tokens that grow together, with the places of every pair of adjacent tokens.
/// </summary>
/// <remarks>
/// One cell a base. The first and the last cell of a token hold its number (1 to 4 for the bases, then the merges), those between hold
/// 0, and so does a cell between sequences: from a token's start the next one is its length away, and the cell before it names the
/// one that ends there.
/// A pair comes into being when the younger of its two tokens does, at all its places at once; after that it only loses places. So
/// its list of places is written once, in the block of the younger token, and the queue holds counts that may be too high: the list is
/// checked when its turn comes.
/// </remarks>
internal sealed class PairText
{
    private readonly PairQueue _queue = new();
    private ushort[] _cells = new ushort[1 << 16];
    private int _end = 1;
    private int[] _lengths = [];
    private int[][] _blocks = [];
    private Neighbours _before = new(0);
    private Neighbours _after = new(0);
    private ushort[] _scratch = [];
    private int _tokens;
    private int _minimumCount;
    private int _maxLength;
    private QueuedPair _taken;

    /// <summary>Adds the stretches of bases in a sequence.</summary>
    /// <returns>The number of bases.</returns>
    public int Add(ReadOnlySpan<byte> sequence)
    {
        Reserve(sequence.Length + 1);
        int bases = 0;
        foreach (byte b in sequence)
        {
            ushort cell = b switch { (byte)'A' => 1, (byte)'C' => 2, (byte)'G' => 3, (byte)'T' => 4, _ => 0 };
            if (cell != 0) bases++;
            else if (_cells[_end - 1] == 0) continue;
            _cells[_end++] = cell;
        }
        _cells[_end] = 0;
        if (_cells[_end - 1] != 0) _end++;
        return bases;
    }

    /// <summary>Finds all pairs of bases. To be called once, after the last sequence.</summary>
    public void Index(BpeTrainerOptions options)
    {
        _tokens = 4;
        _minimumCount = Math.Max(options.MinimumCount, 1);
        _maxLength = options.MaxTokenLength;
        _lengths = new int[options.VocabularySize + 1];
        _blocks = new int[options.VocabularySize + 1][];
        _before = new Neighbours(options.VocabularySize + 1);
        _after = new Neighbours(options.VocabularySize + 1);
        _lengths.AsSpan(1, 4).Fill(1);
        if (_maxLength < 2) return;

        var counts = new int[5 * 5];
        for (int i = 1; i < _end; i++) counts[_cells[i - 1] * 5 + _cells[i]]++;
        var at = new int[5 * 5];
        for (int younger = 1; younger <= 4; younger++)
        {
            int size = 0;
            for (int older = 1; older <= younger; older++)
            {
                Place(older, younger);
                if (older != younger) Place(younger, older);
            }
            _blocks[younger] = new int[size];

            void Place(int left, int right)
            {
                int pair = left * 5 + right;
                at[pair] = size;
                if (counts[pair] >= _minimumCount) _queue.Push(new QueuedPair(counts[pair], (ushort)left, (ushort)right, size));
                size += counts[pair];
            }
        }
        for (int i = 1; i < _end; i++)
        {
            int left = _cells[i - 1], right = _cells[i];
            if (left != 0 && right != 0) _blocks[Math.Max(left, right)][at[left * 5 + right]++] = i - 1;
        }
    }

    /// <summary>Takes the most frequent pair out of the queue; false where none is left.</summary>
    public bool TryTakeMostFrequent(out int left, out int right)
    {
        while (_queue.TryPeek(out QueuedPair pair))
        {
            int live = DropLostPlaces(pair);
            if (live == pair.Count)
            {
                _queue.Pop();
                _taken = pair;
                (left, right) = (pair.Left, pair.Right);
                return true;
            }
            if (live >= _minimumCount) _queue.LowerTop(live);
            else _queue.Pop();
        }
        left = right = 0;
        return false;
    }

    /// <summary>Makes the taken pair a token wherever it stands, from left to right, and queues the pairs the new token is in.</summary>
    public void MergeTaken()
    {
        int token = ++_tokens;
        _lengths[token] = _lengths[_taken.Left] + _lengths[_taken.Right];
        Span<int> places = Replace((ushort)token);

        if (_scratch.Length < 2 * places.Length) _scratch = new ushort[2 * places.Length];
        Span<ushort> before = _scratch.AsSpan(0, places.Length), after = _scratch.AsSpan(places.Length, places.Length);
        int length = _lengths[token];
        for (int i = 0; i < places.Length; i++)
        {
            before[i] = Neighbour(_cells[places[i] - 1], length);
            after[i] = Neighbour(_cells[places[i] + length], length);
            // Two new tokens side by side are one pair: the right one's.
            if (after[i] == token) after[i] = 0;
            _before.Count(before[i]);
            _after.Count(after[i]);
        }
        int size = _before.Allot(0, _minimumCount);
        size = _after.Allot(size, _minimumCount);
        int[] block = GC.AllocateUninitializedArray<int>(size);
        for (int i = 0; i < places.Length; i++)
        {
            _before.Write(block, before[i], places[i] - _lengths[before[i]]);
            _after.Write(block, after[i], places[i]);
        }
        _blocks[token] = block;
        foreach ((int other, int count, int offset) in _before.Drain())
            _queue.Push(new QueuedPair(count, (ushort)other, (ushort)token, offset));
        foreach ((int other, int count, int offset) in _after.Drain())
            _queue.Push(new QueuedPair(count, (ushort)token, (ushort)other, offset));
    }

    /// <summary>A neighbour as far as it may merge with a token of some length, else 0.</summary>
    private ushort Neighbour(ushort cell, int length) => _lengths[cell] <= _maxLength - length ? cell : (ushort)0;

    private Span<int> PlacesOf(in QueuedPair pair) => _blocks[Math.Max(pair.Left, pair.Right)].AsSpan(pair.Offset, pair.Count);

    private int DropLostPlaces(in QueuedPair pair)
    {
        ReadOnlySpan<ushort> cells = _cells;
        Span<int> places = PlacesOf(pair);
        int length = _lengths[pair.Left], live = 0;
        foreach (int place in places)
        {
            places[live] = place;
            if (cells[place] == pair.Left && cells[place + length] == pair.Right) live++;
        }
        return live;
    }

    /// <summary>Writes the new token over the taken pair; returns its places.</summary>
    private Span<int> Replace(ushort token)
    {
        Span<ushort> cells = _cells;
        Span<int> places = PlacesOf(_taken);
        int length = _lengths[_taken.Left], whole = _lengths[token], made = 0;
        foreach (int place in places)
        {
            // In a run of one token every other pair is gone by the time it is reached.
            if (cells[place] != _taken.Left || cells[place + length] != _taken.Right) continue;
            cells[place + length - 1] = 0;
            cells[place + length] = 0;
            cells[place] = token;
            cells[place + whole - 1] = token;
            places[made++] = place;
        }
        return places[..made];
    }

    private void Reserve(int cells)
    {
        long needed = (long)_end + cells + 1;
        if (needed > Array.MaxLength) throw new InvalidOperationException($"a trainer holds at most {Array.MaxLength:N0} bases");
        if (needed > _cells.Length) Array.Resize(ref _cells, (int)Math.Clamp(_cells.Length * 3L / 2, needed, Array.MaxLength));
    }

    /// <summary>Counts the tokens on one side of the new one and gives each its part of the new block.</summary>
    private sealed class Neighbours(int tokens)
    {
        private readonly int[] _counts = new int[tokens];
        private readonly int[] _next = new int[tokens];
        private readonly List<int> _seen = [];
        private readonly List<(int Token, int Count, int Offset)> _kept = [];

        public void Count(int token)
        {
            if (token != 0 && _counts[token]++ == 0) _seen.Add(token);
        }

        public int Allot(int offset, int minimumCount)
        {
            foreach (int token in _seen)
            {
                int count = _counts[token];
                _next[token] = count >= minimumCount ? offset : -1;
                if (count < minimumCount) continue;
                _kept.Add((token, count, offset));
                offset = checked(offset + count);
            }
            return offset;
        }

        public void Write(int[] block, int token, int place)
        {
            if (token != 0 && _next[token] >= 0) block[_next[token]++] = place;
        }

        public ReadOnlySpan<(int Token, int Count, int Offset)> Drain()
        {
            foreach (int token in _seen) _counts[token] = 0;
            _seen.Clear();
            Span<(int, int, int)> kept = CollectionsMarshal.AsSpan(_kept);
            _kept.Clear();
            return kept;
        }
    }
}

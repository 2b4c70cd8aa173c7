using System.Collections;
using System.Numerics;
using Dnabert2.Tokenizers;

namespace Dnabert2.Data;

/// <summary>
/// Which held-out windows share a run of bases with a training window, on either strand: what is learned by heart there is no sign of
/// understanding. Exact. First all held-out windows are added, then training windows compared, then questions asked. Memory: up to 13
/// bytes for each held-out base.
/// </summary>
internal sealed class SharedRuns
{
    /// <summary>The longest run: two bits a base.</summary>
    public const int Longest = 32;

    private readonly int _length, _overlap;
    private readonly ulong _mask;
    private readonly byte[][] _codes;
    private readonly ulong[] _heldOut;
    private int _count;
    private BitArray _shared = new(0);
    // A bit for each hash that a held-out run has: most runs of training windows are told from all of these by it alone.
    private ulong[] _filter = [];
    private int _filterShift;

    /// <param name="length">The bases of a run, at most <see cref="Longest"/>.</param>
    /// <param name="tokenizer">Of the windows; these hold tokens of A, C, G and T, and special ones, which end a run.</param>
    /// <param name="heldOutBases">The most bases of all held-out windows.</param>
    /// <exception cref="ArgumentException">These are more than can be compared.</exception>
    public SharedRuns(int length, ISequenceTokenizer tokenizer, long heldOutBases)
    {
        if (heldOutBases > Array.MaxLength)
            throw new ArgumentException($"{heldOutBases:N0} bases are held out, more than can be compared with those to train on; " +
                "hold out a smaller part, or set RepeatBases = 0");
        (_length, _mask, _heldOut) = (length, ulong.MaxValue >> (64 - (2 * length)), new ulong[heldOutBases]);
        _overlap = tokenizer.Overlap;
        _codes = [.. Enumerable.Range(0, tokenizer.VocabularySize).Select(id => tokenizer.IsSpecial(id) ? [] : Codes(tokenizer.Token(id)))];
    }

    /// <summary>Adds the runs of a held-out window.</summary>
    public void AddHeldOut(ReadOnlySpan<ushort> window)
    {
        foreach (ulong run in Runs(window)) _heldOut[_count++] = run;
    }

    /// <summary>Marks the held-out runs that a training window has, too.</summary>
    public void Compare(ReadOnlySpan<ushort> training)
    {
        if (_filter.Length == 0) Prepare();
        foreach (ulong run in Runs(training))
        {
            ulong hash = Hash(run);
            if ((_filter[hash >> 6] & (1UL << (int)(hash & 63))) != 0 && Find(run) is >= 0 and int place) _shared[place] = true;
        }
    }

    /// <summary>Whether a held-out window shares a run with one that was compared.</summary>
    public bool IsShared(ReadOnlySpan<ushort> heldOut)
    {
        foreach (ulong run in Runs(heldOut))
            if (_shared[Find(run)]) return true;
        return false;
    }

    // Of equal runs always the same one.
    private int Find(ulong run) => Array.BinarySearch(_heldOut, 0, _count, run);

    private void Prepare()
    {
        Array.Sort(_heldOut, 0, _count);
        _shared = new BitArray(_count);
        // 16 to 32 bits a run.
        int bits = Math.Max(6, BitOperations.Log2((ulong)_count + 1) + 5);
        (_filter, _filterShift) = (new ulong[1L << (bits - 6)], 64 - bits);
        for (int i = 0; i < _count; i++)
        {
            ulong hash = Hash(_heldOut[i]);
            _filter[hash >> 6] |= 1UL << (int)(hash & 63);
        }
    }

    private ulong Hash(ulong run) => (run * 0x9E3779B97F4A7C15) >> _filterShift;

    private static byte[] Codes(string token) =>
        token.All("ACGT".Contains) ? [.. token.Select(c => (byte)"ACGT".IndexOf(c, StringComparison.Ordinal))] : [];

    private RunEnumerator Runs(ReadOnlySpan<ushort> window) => new(this, window);

    /// <summary>Each run of a window as a number, the same for both strands.</summary>
    private ref struct RunEnumerator(SharedRuns owner, ReadOnlySpan<ushort> window)
    {
        private readonly ReadOnlySpan<ushort> _window = window;
        private ReadOnlySpan<byte> _rest;
        private ulong _forward, _reverse;
        private int _token, _bases;
        private bool _follows;

        public readonly RunEnumerator GetEnumerator() => this;

        public readonly ulong Current => Math.Min(_forward, _reverse);

        public bool MoveNext()
        {
            do
            {
                while (_rest.IsEmpty)
                {
                    if (_token == _window.Length) return false;
                    _rest = owner._codes[_window[_token++]];
                    bool ends = _rest.IsEmpty;
                    if (ends) _bases = 0;
                    else if (_follows) _rest = _rest[owner._overlap..];
                    _follows = !ends;
                }

                _forward = ((_forward << 2) | _rest[0]) & owner._mask;
                _reverse = (_reverse >> 2) | ((ulong)(3 - _rest[0]) << (2 * (owner._length - 1)));
                _rest = _rest[1..];
            }
            while (++_bases < owner._length);
            return true;
        }
    }
}

using System.Numerics;
using Dnabert2.Tokenizers;

namespace Dnabert2.Training;

/// <summary>
/// Which held-out windows share a run of bases with a training window, on either strand: what is learned by heart there is no sign of
/// understanding. Exact; about 20 bytes of memory for each held-out base.
/// </summary>
internal sealed class SharedRuns
{
    /// <summary>The longest run: two bits a base.</summary>
    public const int Longest = 32;

    private readonly int _length;
    private readonly ulong _mask;
    private readonly byte[][] _codes;
    private readonly HashSet<ulong> _heldOut = [], _shared = [];
    // A bit for each hash that a held-out run has: most runs of training windows are told from all of these by it alone, within the cache.
    private ulong[] _filter = [];
    private int _filterShift;

    /// <param name="length">The bases of a run, at most <see cref="Longest"/>.</param>
    /// <param name="tokenizer">Of the windows; these hold tokens of A, C, G and T alone.</param>
    public SharedRuns(int length, BpeTokenizer tokenizer)
    {
        (_length, _mask) = (length, ulong.MaxValue >> (64 - (2 * length)));
        _codes = [.. Enumerable.Range(0, tokenizer.VocabularySize).Select(id => tokenizer.IsSpecial(id) ? [] : Codes(tokenizer.Token(id)))];
    }

    /// <summary>Adds the runs of a held-out window; all of them come first.</summary>
    public void AddHeldOut(ReadOnlySpan<ushort> window)
    {
        foreach (ulong run in Runs(window)) _heldOut.Add(run);
        _filter = [];
    }

    /// <summary>Marks the held-out runs that a training window has, too.</summary>
    public void Compare(ReadOnlySpan<ushort> training)
    {
        if (_filter.Length == 0) MakeFilter();
        foreach (ulong run in Runs(training))
        {
            ulong hash = Hash(run);
            if ((_filter[hash >> 6] & (1UL << (int)(hash & 63))) != 0 && _heldOut.Contains(run)) _shared.Add(run);
        }
    }

    /// <summary>Whether a held-out window shares a run with one that was compared.</summary>
    public bool IsShared(ReadOnlySpan<ushort> heldOut)
    {
        foreach (ulong run in Runs(heldOut))
            if (_shared.Contains(run)) return true;
        return false;
    }

    private void MakeFilter()
    {
        // 16 to 32 bits a run.
        int bits = Math.Max(6, BitOperations.Log2((ulong)_heldOut.Count + 1) + 5);
        (_filter, _filterShift) = (new ulong[1L << (bits - 6)], 64 - bits);
        foreach (ulong run in _heldOut)
        {
            ulong hash = Hash(run);
            _filter[hash >> 6] |= 1UL << (int)(hash & 63);
        }
    }

    private ulong Hash(ulong run) => (run * 0x9E3779B97F4A7C15) >> _filterShift;

    private static byte[] Codes(string token) => [.. token.Select(c => (byte)"ACGT".IndexOf(c, StringComparison.Ordinal))];

    private RunEnumerator Runs(ReadOnlySpan<ushort> window) => new(this, window);

    /// <summary>Each run of a window as a number, the same for both strands.</summary>
    private ref struct RunEnumerator(SharedRuns owner, ReadOnlySpan<ushort> window)
    {
        private readonly ReadOnlySpan<ushort> _window = window;
        private ReadOnlySpan<byte> _rest;
        private ulong _forward, _reverse;
        private int _token, _bases;

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

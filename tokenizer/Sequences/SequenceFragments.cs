using System.Buffers;

namespace Dnabert2.Sequences;

/// <summary>A stretch of a sequence, in bases from its start.</summary>
/// <param name="Start">The first base, counted from 0.</param>
/// <param name="Length">The number of bases, at least 1.</param>
public readonly record struct SequenceFragment(int Start, int Length)
{
    /// <summary>One past the last base.</summary>
    public int End => Start + Length;
}

/// <summary>The stretches of a sequence that are tokenised on their own, found while enumerating; nothing is copied or allocated.</summary>
public readonly ref struct SequenceFragments
{
    private readonly ReadOnlySpan<byte> _sequence;
    private readonly bool _whole;

    private SequenceFragments(ReadOnlySpan<byte> sequence, bool whole)
    {
        _sequence = sequence;
        _whole = whole;
    }

    /// <summary>The maximal runs of upper-case A, C, G, T; none where the sequence has no such letter.</summary>
    /// <param name="sequence">ASCII letters.</param>
    public static SequenceFragments Split(ReadOnlySpan<byte> sequence) => new(sequence, whole: false);

    /// <summary>The sequence as a single fragment; none where it is empty.</summary>
    /// <param name="sequence">ASCII letters.</param>
    public static SequenceFragments Whole(ReadOnlySpan<byte> sequence) => new(sequence, whole: true);

    /// <summary>Starts at the first fragment.</summary>
    public Enumerator GetEnumerator() => new(_sequence, _whole);

    /// <summary>Walks over the fragments from left to right.</summary>
    public ref struct Enumerator
    {
        private static readonly SearchValues<byte> Bases = SearchValues.Create("ACGT"u8);
        private readonly ReadOnlySpan<byte> _sequence;
        private readonly bool _whole;
        private int _next;

        internal Enumerator(ReadOnlySpan<byte> sequence, bool whole)
        {
            _sequence = sequence;
            _whole = whole;
        }

        /// <summary>The fragment found last.</summary>
        public SequenceFragment Current { get; private set; }

        /// <summary>Finds the next fragment.</summary>
        public bool MoveNext()
        {
            ReadOnlySpan<byte> rest = _sequence[_next..];
            int start = _whole ? (rest.IsEmpty ? -1 : 0) : rest.IndexOfAny(Bases);
            if (start < 0) return false;
            int length = _whole ? rest.Length : rest[start..].IndexOfAnyExcept(Bases);
            if (length < 0) length = rest.Length - start;
            Current = new SequenceFragment(_next + start, length);
            _next = Current.End;
            return true;
        }
    }
}

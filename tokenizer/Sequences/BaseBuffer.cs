using System.Buffers;

namespace Dnabert2.Sequences;

/// <summary>
/// The cleaned bases of the current record, one byte a base, in one array that is used again for every record. It grows by
/// what the input can still hold, so that a chromosome is not copied while it is read.
/// </summary>
internal sealed class BaseBuffer(IBasePosition source, Faults faults, SequenceOptions options, bool blanksAllowed)
{
    // From this size on the array grows by what may still come; pages that are never written cost no memory, but count where it is limited.
    private const int Large = 1 << 20;
    private static readonly SearchValues<byte> Known = SearchValues.Create("ACGT"u8);
    private static readonly long LargestStep = Math.Min(256L << 20, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8);

    private readonly ProteinCheck _protein = new(faults);
    private int _used;
    private int _start;
    private int _ambiguous;
    private int _stretch;
    private bool _full;
    private long _letters;
    private long _allAmbiguous;
    private long _codes;
    private long _lettersAtLine;
    private bool _blankSeen;
    private Kmers _words;
    private InvalidDataException? _gap;

    /// <summary>The array; a record's ranges lie in it until <see cref="Clear"/>.</summary>
    public byte[] Array { get; private set; } = GC.AllocateUninitializedArray<byte>(1 << 16);

    /// <summary>The bases of a stretch after which nothing is kept; null: all are.</summary>
    public int? MostKept { get; set; } = options.KeepBases;

    /// <summary>The bases kept of the sequence that is being read.</summary>
    public int Length => _used - _start;

    /// <summary>Sequences that were written as overlapping k-mers and put together.</summary>
    public long Joined { get; private set; }

    /// <summary>Forgets the record.</summary>
    public void Clear()
    {
        _used = 0;
        Begin();
    }

    /// <summary>Starts a sequence behind those the record has already.</summary>
    public void Begin()
    {
        _start = _stretch = _used;
        _ambiguous = 0;
        _letters = _allAmbiguous = _codes = _lettersAtLine = 0;
        _blankSeen = _full = false;
        _words = default;
        _gap = null;
    }

    /// <summary>Ends the sequence that was read.</summary>
    /// <exception cref="InvalidDataException">It has blanks that it may not have, or looks like protein.</exception>
    public BaseRange End()
    {
        EndLine();
        if (_words.AreOverlapping && blanksAllowed && _words.Count > 2) throw KmersInFasta();
        if (_gap is not null && !_words.AreOverlapping) throw Gap();
        _protein.Add(_letters, _codes);
        if (_gap is not null) Join();
        return new BaseRange(_start, Length, _ambiguous, _letters, _allAmbiguous);
    }

    /// <summary>Ends a line of a sequence that may have several: where blanks separate words, so does it.</summary>
    public void EndLine()
    {
        if (_words.Count > 0) _words.End();
        _lettersAtLine = _letters;
        _blankSeen = false;
    }

    /// <summary>Cleans and appends a piece that the source has just consumed.</summary>
    public void Append(ReadOnlySpan<byte> piece)
    {
        Reserve(piece.Length);
        while (true)
        {
            int n = Nucleotides.Clean(piece, Array.AsSpan(_used), out int ambiguous, out int codes, options.KeepCodes);
            if (n > 0 && _blankSeen) NoteGap(piece);
            if (ambiguous > 0 && options.OnAmbiguous == AmbiguousBases.Error) throw Ambiguous(piece);
            _words.Add(Array.AsSpan(_used, n));
            Count(n, ambiguous, codes);
            if (n == piece.Length) return;
            if (!IsBlank(piece[n])) throw _gap is null || _words.MayOverlap ? Refused(piece[n..], 0) : Gap();
            // Blanks around a sequence are layout; inside they are only in FASTA, where files come in blocks of ten letters.
            _blankSeen = !blanksAllowed && _letters > _lettersAtLine;
            _words.End();
            piece = piece[(n + 1)..];
        }
    }

    private void Count(int letters, int ambiguous, int codes)
    {
        _letters += letters;
        _allAmbiguous += ambiguous;
        _codes += codes;
        if (_full) return;
        _ambiguous += ambiguous;
        _used += letters;
        if (Length > options.MaxRecordBases) throw TooLong();
        if (ambiguous > 0 && options.OnAmbiguous == AmbiguousBases.Split)
            _stretch = _used - letters + Array.AsSpan(_used - letters, letters).LastIndexOfAnyExcept(Known) + 1;
        // As k-mers, a base takes as many letters.
        _full = (_used - _stretch) / (_words.Count > 0 ? Kmers.Longest : 1) > MostKept;
    }

    /// <summary>Letters follow a blank: no sequence, unless the blanks separate overlapping k-mers.</summary>
    private void NoteGap(ReadOnlySpan<byte> piece)
    {
        _blankSeen = false;
        _gap ??= Refused(piece, -1);
        if (!_words.MayOverlap) throw Gap();
    }

    /// <summary>Puts overlapping k-mers together: the first one, then the last letter of each.</summary>
    private void Join()
    {
        int k = _words.Length, kept = Length / k;
        bool unknown = _allAmbiguous == _letters;
        for (int i = 1; i < kept; i++) Array[_start + k - 1 + i] = Array[_start + ((i + 1) * k) - 1];
        _letters = (_letters / k) + k - 1;
        _used = _start + kept + k - 1;
        _ambiguous = 0;
        foreach (byte letter in Array.AsSpan(_start, Length)) _ambiguous += Known.Contains(letter) ? 0 : 1;
        // Of what was not kept, about every k-th N is another base.
        _allAmbiguous = !_full ? _ambiguous : unknown ? _letters : (_allAmbiguous + k - 1) / k;
        Joined++;
    }

    private static bool IsBlank(byte letter) => letter is (byte)' ' or (byte)'\t' or (byte)'\n';

    private void Reserve(int count)
    {
        long needed = (long)_used + count;
        if (needed <= Array.Length) return;
        if (needed > System.Array.MaxLength)
            throw TooLong();
        long capacity = 2L * Array.Length;
        if (Array.Length >= Large)
            capacity = Math.Max(needed + Math.Min(source.Remaining ?? LargestStep, LargestStep), Array.Length + Array.Length / 4L);
        byte[] larger = GC.AllocateUninitializedArray<byte>((int)Math.Clamp(capacity, needed, System.Array.MaxLength));
        Array.AsSpan(0, _used).CopyTo(larger);
        Array = larger;
    }

    private InvalidDataException TooLong() => faults.Record(
        $"the sequence is longer than {Math.Min(options.MaxRecordBases, System.Array.MaxLength)} bases",
        "Cut it into several records, or allow more (MaxRecordBases)");

    private InvalidDataException KmersInFasta() => faults.Record(
        $"each word of {_words.Length} letters repeats all but one of those before: these are overlapping k-mers, as for DNABERT-1",
        "Give the sequence itself, the first k-mer and then the last letter of each; if it is a repeat in blocks, remove the blanks");

    /// <summary>
    /// The error for blanks inside a sequence; with a word for what begins as k-mers, of which to remove the blanks would be wrong.
    /// </summary>
    private InvalidDataException Gap() => _words.Count <= 2 ? _gap! : faults.Record(
        $"the sequence begins with overlapping {_words.Length}-mers, and not all that follows goes on with them",
        "Give overlapping k-mers throughout, or the sequence itself: the first k-mer and then the last letter of each");

    /// <summary>The error for the byte at <paramref name="index"/>, or for the blank before the piece (-1).</summary>
    private InvalidDataException Refused(ReadOnlySpan<byte> piece, int index)
    {
        byte letter = index < 0 ? (byte)' ' : piece[index];
        return letter == '\r'
            ? faults.LoneCarriageReturn(source.Line)
            : faults.NotANucleotide(letter, source.Line, source.Column - piece.Length + index, _letters + 1, _letters == _lettersAtLine);
    }

    private InvalidDataException Ambiguous(ReadOnlySpan<byte> piece)
    {
        int index = Nucleotides.IndexOfAmbiguous(piece);
        return faults.Record(
            source.Line, source.Column - piece.Length + index,
            $"{Faults.Show(piece[index])} at base {_letters + index + 1} is not one exact base, and such bases are refused",
            "Choose what else is done with them (OnAmbiguous), or correct the sequence");
    }
}

namespace Dnabert2.Sequences;

/// <summary>
/// The cleaned bases of the current record, one byte a base, in one array that is used again for every record. It grows by
/// what the input can still hold, so that a chromosome is not copied while it is read.
/// </summary>
internal sealed class BaseBuffer(ByteSource source, Faults faults, AmbiguousBases policy, bool blanksAllowed, bool keepCodes)
{
    // From this size on the array grows by what may still come; pages that are never written cost no memory, but count where it is limited.
    private const int Large = 1 << 20;
    private static readonly long LargestStep = Math.Min(256L << 20, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8);

    private int _used;
    private int _start;
    private int _ambiguous;
    private bool _blankSeen;

    /// <summary>The array; a record's ranges lie in it until <see cref="Clear"/>.</summary>
    public byte[] Array { get; private set; } = GC.AllocateUninitializedArray<byte>(1 << 16);

    /// <summary>The bases of the sequence that is being read.</summary>
    public int Length => _used - _start;

    /// <summary>Forgets the record.</summary>
    public void Clear()
    {
        _used = 0;
        Begin();
    }

    /// <summary>Starts a sequence behind those the record has already.</summary>
    public void Begin()
    {
        _start = _used;
        _ambiguous = 0;
        _blankSeen = false;
    }

    /// <summary>The sequence that has been read.</summary>
    public BaseRange End() => new(_start, Length, _ambiguous);

    /// <summary>Cleans and appends a piece that the source has just consumed.</summary>
    public void Append(ReadOnlySpan<byte> piece)
    {
        Reserve(piece.Length);
        while (true)
        {
            int before = _ambiguous;
            int n = Nucleotides.Clean(piece, Array.AsSpan(_used), ref _ambiguous, keepCodes);
            if (n > 0 && _blankSeen) throw Refused(piece, -1);
            if (_ambiguous > before && policy == AmbiguousBases.Error) throw Ambiguous(piece);
            _used += n;
            if (n == piece.Length) return;
            if (!IsBlank(piece[n])) throw Refused(piece[n..], 0);
            // Blanks around a sequence are layout; inside they are only in FASTA, where files come in blocks of ten letters.
            _blankSeen = !blanksAllowed && Length > 0;
            piece = piece[(n + 1)..];
        }
    }

    private static bool IsBlank(byte letter) => letter is (byte)' ' or (byte)'\t' or (byte)'\n';

    private void Reserve(int count)
    {
        long needed = (long)_used + count;
        if (needed <= Array.Length) return;
        if (needed > System.Array.MaxLength)
            throw faults.Record($"the sequence is longer than {System.Array.MaxLength} bases", "Cut it into several records");
        long capacity = 2L * Array.Length;
        if (Array.Length >= Large)
            capacity = Math.Max(needed + Math.Min(source.Remaining ?? LargestStep, LargestStep), Array.Length + Array.Length / 4L);
        byte[] larger = GC.AllocateUninitializedArray<byte>((int)Math.Clamp(capacity, needed, System.Array.MaxLength));
        Array.AsSpan(0, _used).CopyTo(larger);
        Array = larger;
    }

    /// <summary>The error for the byte at <paramref name="index"/>, or for the blank before the piece (-1).</summary>
    private InvalidDataException Refused(ReadOnlySpan<byte> piece, int index)
    {
        byte letter = index < 0 ? (byte)' ' : piece[index];
        return letter == '\r'
            ? faults.LoneCarriageReturn(source.Line)
            : faults.NotANucleotide(letter, source.Line, source.Column - piece.Length + index, Length + 1L);
    }

    private InvalidDataException Ambiguous(ReadOnlySpan<byte> piece)
    {
        int index = Nucleotides.IndexOfAmbiguous(piece);
        return faults.Record(
            source.Line, source.Column - piece.Length + index,
            $"{Faults.Show(piece[index])} at base {Length + index + 1L} is not one exact base, and such bases are refused",
            "Choose split, unk or drop for them (--on-n, SequenceOptions.OnAmbiguous), or mend the sequence");
    }
}

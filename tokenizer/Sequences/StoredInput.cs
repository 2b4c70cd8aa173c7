namespace Dnabert2.Sequences;

/// <summary>
/// The stored bytes of a gzip file, then the seal. Zeros are held back until it is known whether something follows: those at the very end
/// are given out one by one, so that decompression stops at the first one that belongs to no member.
/// </summary>
internal sealed class StoredInput(RawInput raw, byte[] seal) : ForwardStream
{
    // Small, so that what was read is about what was decompressed, from which the size of the whole is estimated.
    private readonly byte[] _buffer = new byte[1 << 13];
    private readonly byte[] _ring = new byte[Bgzf.LargestBlock];
    private int _start, _end, _sealGiven;

    // Zeros before the bytes in the buffer that are still to be given, and behind them; those that end the file, and of these given.
    private long _zeros, _zerosBehind, _zerosAtEnd, _given;
    private long _remembered;

    /// <summary>Whether all of the file but zeros at its end was read.</summary>
    public bool OnlyZerosLeft { get; private set; }

    /// <summary>Whether some of the seal was read: the file has ended.</summary>
    public bool SealTaken => _sealGiven > 0;

    /// <summary>Whether the last member of the file is a block of bgzip other than the empty one. Known when all was read.</summary>
    public bool LacksLastBlock()
    {
        ReadOnlySpan<byte> rest = LastBytes();
        for (int at; (at = rest.IndexOf(Bgzf.BlockStart)) >= 0; rest = rest[1..])
        {
            rest = rest[at..];
            // The zeros at the end of the file may be of the block, padding, or both.
            int size = Bgzf.BlockSize(rest);
            if (size < rest.Length || size > rest.Length + _zerosAtEnd) continue;
            return size != Bgzf.LastBlock.Length || !Bgzf.LastBlock.StartsWith(rest);
        }
        return false;
    }

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty) return 0;
        if (buffer.Length > _ring.Length) buffer = buffer[.._ring.Length];
        if (_start == _end && _zeros == 0 && !OnlyZerosLeft) Fill();
        if (OnlyZerosLeft) return ReadEnd(buffer);
        int n;
        if (_zeros > 0)
        {
            n = (int)Math.Min(buffer.Length, _zeros);
            buffer[..n].Clear();
            _zeros -= n;
        }
        else
        {
            n = Math.Min(buffer.Length, _end - _start);
            _buffer.AsSpan(_start, n).CopyTo(buffer);
            _start += n;
        }
        Remember(buffer[..n]);
        return n;
    }

    /// <summary>Reads on up to bytes that are not zero, and counts the zeros before and behind them.</summary>
    private void Fill()
    {
        _zeros = _zerosBehind;
        while (true)
        {
            int n = raw.Read(_buffer);
            (_start, _end) = (0, _buffer.AsSpan(0, n).LastIndexOfAnyExcept((byte)0) + 1);
            _zerosBehind = n - _end;
            if (_end > 0) return;
            _zeros += n;
            if (n > 0) continue;
            (OnlyZerosLeft, _zerosAtEnd) = (true, _zeros);
            return;
        }
    }

    private int ReadEnd(Span<byte> buffer)
    {
        if (_given < _zerosAtEnd)
        {
            _given++;
            buffer[0] = 0;
            return 1;
        }
        int n = Math.Min(buffer.Length, seal.Length - _sealGiven);
        seal.AsSpan(_sealGiven, n).CopyTo(buffer);
        _sealGiven += n;
        return n;
    }

    private void Remember(ReadOnlySpan<byte> bytes)
    {
        int at = (int)(_remembered % _ring.Length), first = Math.Min(bytes.Length, _ring.Length - at);
        bytes[..first].CopyTo(_ring.AsSpan(at));
        if (bytes.Length > first) bytes[first..].CopyTo(_ring);
        _remembered += bytes.Length;
    }

    /// <summary>The last bytes of the file up to the last one that is not zero, as many as a block may have.</summary>
    private byte[] LastBytes()
    {
        int at = (int)(_remembered % _ring.Length);
        return _remembered < _ring.Length ? _ring[..at] : [.. _ring.AsSpan(at), .. _ring.AsSpan(0, at)];
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) raw.Dispose();
        base.Dispose(disposing);
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Dnabert2.Weights;

/// <summary>
/// Hands out the elements of a tensor in row-major order, piece by piece through a small buffer: read one after the other where they are
/// one run, gathered from all that the view spans where they are strided.
/// </summary>
internal ref struct ViewReader
{
    /// <summary>Small enough to stay in the second-level cache together with the converted values.</summary>
    private const int PieceBytes = 1 << 17;

    /// <summary>What any strided view may span in the file, and how many times its own bytes if it spans more.</summary>
    private const long FreeSpan = 64 << 20, MaxDilution = 16;

    private readonly PositionedFile _file;
    private readonly WeightView _view;
    private readonly int _elementBytes;
    private readonly byte[] _buffer;
    private readonly byte[] _span;
    private readonly long[] _index;
    private long _remaining;
    private long _position;
    private long _row;

    /// <param name="file">The tensor's file.</param>
    /// <param name="entry">The tensor, not empty.</param>
    /// <exception cref="InvalidDataException">The view picks few elements out of far too many.</exception>
    public ViewReader(PositionedFile file, WeightEntry entry)
    {
        _file = file;
        _view = entry.View!;
        // A run is copied as bytes, so that packed types need no unit of their own.
        _elementBytes = _view.IsRun ? 1 : entry.Type.Bits() / 8;
        _remaining = _view.IsRun ? entry.ByteCount : entry.Count;
        _buffer = new byte[Math.Min(PieceBytes, entry.ByteCount)];
        _span = _view.IsRun ? [] : ReadSpan(file, entry);
        _index = _view.IsRun ? [] : new long[_view.Extents.Length];
    }

    /// <summary>The next piece, a whole number of elements; false at the end.</summary>
    public bool Next(out ReadOnlySpan<byte> piece)
    {
        piece = default;
        if (_remaining == 0) return false;
        piece = _view.IsRun ? NextOfRun() : Gather();
        return true;
    }

    private static byte[] ReadSpan(PositionedFile file, WeightEntry entry)
    {
        long bytes = entry.View!.Reach() * (entry.Type.Bits() / 8);
        if (bytes > Math.Min(Array.MaxLength, Math.Max(FreeSpan, entry.ByteCount * MaxDilution)))
            throw file.Invalid(
                $"tensor {PositionedFile.Quote(entry.Name)} takes {entry.ByteCount} bytes out of {bytes}; call "
                + "contiguous() on it before saving");
        return file.Read(entry.View.Offset, (int)bytes);
    }

    private ReadOnlySpan<byte> NextOfRun()
    {
        Span<byte> piece = _buffer.AsSpan(0, (int)Math.Min(_buffer.Length, _remaining));
        _file.ReadExactly(_view.Offset + _position, piece);
        _position += piece.Length;
        _remaining -= piece.Length;
        return piece;
    }

    private ReadOnlySpan<byte> Gather()
    {
        int capacity = _buffer.Length / _elementBytes, filled = 0;
        long extent = _view.Extents[^1], stride = _view.Strides[^1];
        while (filled < capacity && _remaining > 0)
        {
            int count = (int)Math.Min(capacity - filled, extent - _position);
            Copy(_row + (_position * stride), stride, count, _buffer.AsSpan(filled * _elementBytes));
            filled += count;
            _remaining -= count;
            _position += count;
            if (_position == extent) NextRow();
        }
        return _buffer.AsSpan(0, filled * _elementBytes);
    }

    private void NextRow()
    {
        _position = 0;
        for (int d = _index.Length - 2; d >= 0; d--)
        {
            _row += _view.Strides[d];
            if (++_index[d] < _view.Extents[d]) return;
            _row -= _index[d] * _view.Strides[d];
            _index[d] = 0;
        }
    }

    private readonly void Copy(long first, long stride, int count, Span<byte> destination)
    {
        ReadOnlySpan<byte> source = _span.AsSpan((int)(first * _elementBytes));
        if (stride == 1) source[..(count * _elementBytes)].CopyTo(destination);
        else if (_elementBytes == 1) Copy<byte>(source, stride, count, destination);
        else if (_elementBytes == 2) Copy<ushort>(source, stride, count, destination);
        else if (_elementBytes == 4) Copy<uint>(source, stride, count, destination);
        else Copy<ulong>(source, stride, count, destination);
    }

    private static void Copy<T>(ReadOnlySpan<byte> source, long stride, int count, Span<byte> destination)
        where T : unmanaged
    {
        // Within the span, so that all products fit an int.
        int step = count > 1 ? (int)stride * Unsafe.SizeOf<T>() : 0;
        for (int i = 0; i < count; i++)
            MemoryMarshal.Write(destination[(i * Unsafe.SizeOf<T>())..], MemoryMarshal.Read<T>(source[(i * step)..]));
    }
}

using System.Runtime.CompilerServices;

namespace Engine.Runtime;

/// <summary>
/// Hands out the elements of a tensor in row-major order, piece by piece: straight from the mapped file where they are one run, gathered
/// through a small buffer where they are strided. Memory stays bounded whatever the tensor's size.
/// </summary>
internal unsafe ref struct ViewReader
{
    /// <summary>Small enough to stay in the second-level cache together with the converted values.</summary>
    private const int PieceBytes = 1 << 17;

    private readonly MappedRange _range;
    private readonly WeightView _view;
    private readonly int _elementBytes;
    private readonly byte[] _buffer;
    private readonly long[] _index;
    private long _remaining;
    private long _position;
    private long _row;

    /// <param name="range">The mapped bytes from the view's first element on.</param>
    /// <param name="entry">The tensor, not empty.</param>
    public ViewReader(MappedRange range, WeightEntry entry)
    {
        _range = range;
        _view = entry.View!;
        // A run is copied as bytes, so that packed types need no unit of their own.
        _elementBytes = _view.IsRun ? 1 : entry.Type.Bits() / 8;
        _remaining = _view.IsRun ? entry.ByteCount : entry.Count;
        _buffer = _view.IsRun ? [] : new byte[PieceBytes];
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

    private ReadOnlySpan<byte> NextOfRun()
    {
        int length = (int)Math.Min(PieceBytes, _remaining);
        var piece = new ReadOnlySpan<byte>(_range.Pointer + _position, length);
        _position += length;
        _remaining -= length;
        return piece;
    }

    private ReadOnlySpan<byte> Gather()
    {
        int capacity = _buffer.Length / _elementBytes, filled = 0;
        long extent = _view.Extents[^1], stride = _view.Strides[^1];
        while (filled < capacity && _remaining > 0)
        {
            int count = (int)Math.Min(capacity - filled, extent - _position);
            byte* source = _range.Pointer + ((_row + (_position * stride)) * _elementBytes);
            Copy(source, stride, count, _buffer.AsSpan(filled * _elementBytes));
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

    private readonly void Copy(byte* source, long stride, int count, Span<byte> destination)
    {
        if (stride == 1) new ReadOnlySpan<byte>(source, count * _elementBytes).CopyTo(destination);
        else if (_elementBytes == 1) Copy<byte>(source, stride, count, destination);
        else if (_elementBytes == 2) Copy<ushort>(source, stride, count, destination);
        else if (_elementBytes == 4) Copy<uint>(source, stride, count, destination);
        else Copy<ulong>(source, stride, count, destination);
    }

    private static void Copy<T>(byte* source, long stride, int count, Span<byte> destination)
        where T : unmanaged
    {
        destination = destination[..(count * sizeof(T))];
        fixed (byte* target = destination)
        {
            for (int i = 0; i < count; i++)
                Unsafe.WriteUnaligned(target + ((long)i * sizeof(T)), Unsafe.ReadUnaligned<T>(source + (i * stride * sizeof(T))));
        }
    }
}

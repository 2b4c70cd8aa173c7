using System.Buffers;
using System.Text;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Writes structs in the compact protocol of Thrift (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md), in
/// which Parquet has its headers and its footer.
/// </summary>
internal sealed class ThriftWriter
{
    private const byte Int32Type = 5, Int64Type = 6, BinaryType = 8, ListType = 9, StructType = 12;
    private readonly ArrayBufferWriter<byte> _bytes = new();
    private readonly Stack<short> _outer = new();
    private short _last;

    /// <summary>What was written.</summary>
    public ReadOnlyMemory<byte> Written => _bytes.WrittenMemory;

    /// <summary>A field of 32 bits.</summary>
    public void Int32(short id, int value)
    {
        Header(id, Int32Type);
        ZigZag(value);
    }

    /// <summary>A field of 64 bits.</summary>
    public void Int64(short id, long value)
    {
        Header(id, Int64Type);
        ZigZag(value);
    }

    /// <summary>A field of text.</summary>
    public void Text(short id, string value)
    {
        Header(id, BinaryType);
        Text(value);
    }

    /// <summary>A field that is a list of 32-bit numbers.</summary>
    public void Int32s(short id, params ReadOnlySpan<int> values)
    {
        List(id, Int32Type, values.Length);
        foreach (int value in values) ZigZag(value);
    }

    /// <summary>A field that is a list of texts.</summary>
    public void Texts(short id, params ReadOnlySpan<string> values)
    {
        List(id, BinaryType, values.Length);
        foreach (string value in values) Text(value);
    }

    /// <summary>A field that is a list of structs, each of which is begun and ended.</summary>
    public void Structs(short id, int count) => List(id, StructType, count);

    /// <summary>Begins a field that is a struct.</summary>
    public void Begin(short id)
    {
        Header(id, StructType);
        Begin();
    }

    /// <summary>Begins a struct of a list.</summary>
    public void Begin()
    {
        _outer.Push(_last);
        _last = 0;
    }

    /// <summary>Ends a struct.</summary>
    public void End()
    {
        Byte(0);
        if (_outer.Count > 0) _last = _outer.Pop();
    }

    private void List(short id, byte type, int count)
    {
        Header(id, ListType);
        if (count < 15)
        {
            Byte((byte)((count << 4) | type));
            return;
        }

        Byte((byte)(0xF0 | type));
        Varint((ulong)count);
    }

    /// <summary>Fields come by ascending ids, each less than 16 above the one before.</summary>
    private void Header(short id, byte type)
    {
        Byte((byte)(((id - _last) << 4) | type));
        _last = id;
    }

    private void Text(string value)
    {
        Varint((ulong)Encoding.UTF8.GetByteCount(value));
        Encoding.UTF8.GetBytes(value, _bytes);
    }

    private void ZigZag(long value) => Varint((ulong)((value << 1) ^ (value >> 63)));

    private void Varint(ulong value)
    {
        for (; value >= 0x80; value >>= 7) Byte((byte)(value | 0x80));
        Byte((byte)value);
    }

    private void Byte(byte value) => _bytes.Write([value]);
}

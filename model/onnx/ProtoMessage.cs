using Google.Protobuf;

namespace Dnabert2.Onnx;

/// <summary>
/// A message of protocol buffers, field by field. The messages of ONNX are few and only written, so their field numbers stand where they
/// are written, and no classes are generated: nothing here is reflected on.
/// </summary>
internal sealed class ProtoMessage
{
    private readonly MemoryStream _bytes = new();
    private readonly CodedOutputStream _output;

    public ProtoMessage() => _output = new CodedOutputStream(_bytes, leaveOpen: true);

    /// <summary>What was written.</summary>
    public ReadOnlyMemory<byte> Content
    {
        get
        {
            _output.Flush();
            return _bytes.GetBuffer().AsMemory(0, (int)_bytes.Length);
        }
    }

    public ProtoMessage Number(int field, long value)
    {
        _output.WriteTag(field, WireFormat.WireType.Varint);
        _output.WriteInt64(value);
        return this;
    }

    public ProtoMessage Real(int field, float value)
    {
        _output.WriteTag(field, WireFormat.WireType.Fixed32);
        _output.WriteFloat(value);
        return this;
    }

    public ProtoMessage Text(int field, string value)
    {
        _output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        _output.WriteString(value);
        return this;
    }

    public ProtoMessage Message(int field, ProtoMessage inner)
    {
        _output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        _output.WriteBytes(UnsafeByteOperations.UnsafeWrap(inner.Content));
        return this;
    }

    /// <summary>Begins a field of so many bytes, which are written behind this message.</summary>
    public ProtoMessage Begin(int field, long length)
    {
        _output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        _output.WriteLength(checked((int)length));
        return this;
    }
}

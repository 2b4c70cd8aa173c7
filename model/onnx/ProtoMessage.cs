using System.Buffers;
using Google.Protobuf;

namespace Dnabert2.Onnx;

/// <summary>
/// A message of protocol buffers, field by field. The messages of ONNX are few and only written, so their field numbers stand where they
/// are written, and no classes are generated: nothing here is reflected on.
/// </summary>
internal sealed class ProtoMessage
{
    private const int Buffer = 256;
    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>What was written.</summary>
    public ReadOnlyMemory<byte> Content => _bytes.WrittenMemory;

    public ProtoMessage Number(int field, long value) => Write(field, WireFormat.WireType.Varint, output => output.WriteInt64(value));

    public ProtoMessage Real(int field, float value) => Write(field, WireFormat.WireType.Fixed32, output => output.WriteFloat(value));

    public ProtoMessage Text(int field, string value) =>
        Write(field, WireFormat.WireType.LengthDelimited, output => output.WriteString(value));

    public ProtoMessage Message(int field, ProtoMessage inner) => Write(
        field, WireFormat.WireType.LengthDelimited, output => output.WriteBytes(UnsafeByteOperations.UnsafeWrap(inner.Content)));

    /// <summary>Begins a field of so many bytes, which are written behind this message.</summary>
    public ProtoMessage Begin(int field, long length) =>
        Write(field, WireFormat.WireType.LengthDelimited, output => output.WriteLength(checked((int)length)));

    private ProtoMessage Write(int field, WireFormat.WireType type, Action<CodedOutputStream> value)
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, Buffer, leaveOpen: true))
        {
            output.WriteTag(field, type);
            value(output);
        }

        _bytes.Write(stream.GetBuffer().AsSpan(0, (int)stream.Length));
        return this;
    }
}

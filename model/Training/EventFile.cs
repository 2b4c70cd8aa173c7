using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Dnabert2.Training;

/// <summary>
/// Writes scalars for TensorBoard: a TFRecord file (length U64, masked CRC-32C of it, data, masked CRC-32C of these; little-endian) of
/// protocol-buffer messages <c>Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }</c>,
/// <c>Summary { repeated Value value = 1; }</c>, <c>Value { string tag = 1; float simple_value = 2; }</c>.
/// </summary>
/// <param name="stream">Where records are appended.</param>
internal sealed class EventFile(Stream stream)
{
    private readonly ArrayBufferWriter<byte> _value = new(), _event = new();

    /// <summary>Writes the record with which a file begins.</summary>
    public void Begin(double wallTime)
    {
        StartEvent(wallTime, 0);
        Bytes(_event, 3, "brain.Event:2"u8);
        WriteRecord();
    }

    /// <summary>Writes a scalar.</summary>
    /// <param name="wallTime">Seconds since 1970.</param>
    /// <param name="step">The step.</param>
    /// <param name="tag">Its name; slashes group.</param>
    /// <param name="value">The scalar.</param>
    public void Add(double wallTime, long step, string tag, double value)
    {
        _value.ResetWrittenCount();
        Bytes(_value, 1, Encoding.UTF8.GetBytes(tag));
        Varint(_value, (2 << 3) | 5);
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(number, (float)value);
        _value.Write(number);

        StartEvent(wallTime, step);
        // The summary holds nothing but this value, itself a message.
        int length = _value.WrittenCount;
        Varint(_event, (5 << 3) | 2);
        Varint(_event, (ulong)(1 + VarintLength((ulong)length) + length));
        Bytes(_event, 1, _value.WrittenSpan);
        WriteRecord();
    }

    private void StartEvent(double wallTime, long step)
    {
        _event.ResetWrittenCount();
        Varint(_event, (1 << 3) | 1);
        Span<byte> time = stackalloc byte[8];
        BinaryPrimitives.WriteDoubleLittleEndian(time, wallTime);
        _event.Write(time);
        Varint(_event, 2 << 3);
        Varint(_event, (ulong)step);
    }

    private void WriteRecord()
    {
        ReadOnlySpan<byte> data = _event.WrittenSpan;
        Span<byte> head = stackalloc byte[12], tail = stackalloc byte[4];
        BinaryPrimitives.WriteUInt64LittleEndian(head, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(head[8..], MaskedCrc(head[..8]));
        BinaryPrimitives.WriteUInt32LittleEndian(tail, MaskedCrc(data));
        stream.Write(head);
        stream.Write(data);
        stream.Write(tail);
    }

    private static void Bytes(ArrayBufferWriter<byte> message, int field, ReadOnlySpan<byte> bytes)
    {
        Varint(message, (ulong)((field << 3) | 2));
        Varint(message, (ulong)bytes.Length);
        message.Write(bytes);
    }

    private static void Varint(ArrayBufferWriter<byte> message, ulong value)
    {
        for (; value >= 0x80; value >>= 7) Byte(message, (byte)(value | 0x80));
        Byte(message, (byte)value);
    }

    private static void Byte(ArrayBufferWriter<byte> message, byte value)
    {
        message.GetSpan(1)[0] = value;
        message.Advance(1);
    }

    private static int VarintLength(ulong value) => Math.Max(1, (70 - BitOperations.LeadingZeroCount(value)) / 7);

    private static uint MaskedCrc(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes) crc = BitOperations.Crc32C(crc, b);
        crc = ~crc;
        return BitOperations.RotateRight(crc, 15) + 0xA282EAD8;
    }
}

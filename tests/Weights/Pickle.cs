using System.Buffers.Binary;
using System.Text;

namespace Tests.Weights;

/// <summary>Writes pickles, honest ones and others, opcode by opcode.</summary>
internal sealed class Pickle
{
    private readonly List<byte> _bytes = [];

    /// <summary>The bytes so far, closed with STOP.</summary>
    public byte[] Stop() => [.. Op('.')._bytes];

    public Pickle Op(char opcode) => Raw((byte)opcode);

    public Pickle Raw(params ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public Pickle Proto(byte version = 2) => Raw(0x80, version);

    public Pickle Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return Op('X').U32((uint)utf8.Length).Raw(utf8);
    }

    public Pickle U32(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return Raw(bytes);
    }

    public Pickle Long(long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return Raw(0x8a, 8).Raw(bytes);
    }

    public Pickle Global(string module, string name) => Op('c').Raw(Encoding.UTF8.GetBytes($"{module}\n{name}\n"));

    public Pickle Numbers(params ReadOnlySpan<long> values)
    {
        Op('(');
        foreach (long value in values) Long(value);
        return Op('t');
    }

    public Pickle Storage(string type, string key, long elements) =>
        Op('(').Text("storage").Global("torch", type).Text(key).Text("cpu").Long(elements).Op('t').Op('Q');

    /// <summary>A tensor as PyTorch writes it.</summary>
    public Pickle Tensor(string type, string key, long elements, long offset, long[] extents, long[] strides) =>
        Global("torch._utils", "_rebuild_tensor_v2").Op('(').Storage(type, key, elements).Long(offset).Numbers(extents).Numbers(strides)
            .Raw(0x89).Global("collections", "OrderedDict").Op(')').Op('R').Op('t').Op('R');

    /// <summary>A state dict of one fp32 tensor of 2×3, called <c>w</c>, in the storage <c>0</c> of six elements.</summary>
    public static byte[] Small() =>
        new Pickle().Proto().Op('}').Op('(').Text("w").Tensor("FloatStorage", "0", 6, 0, [2, 3], [3, 1]).Op('u').Stop();

    /// <summary>A checkpoint in the old format, of the tensors of <see cref="Small"/>'s kind.</summary>
    public static byte[] Legacy(byte[] pickle, string[] keys, params byte[][] storages)
    {
        var list = new Pickle().Proto().Op(']').Op('(');
        foreach (string key in keys) list.Text(key);
        return
        [
            .. new Pickle().Proto().Raw(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19).Stop(),
            .. new Pickle().Proto().Op('M').Raw(0xe9, 3).Stop(),
            .. new Pickle().Proto().Op('}').Text("little_endian").Raw(0x88).Op('s').Stop(),
            .. pickle,
            .. list.Op('e').Stop(),
            .. storages.SelectMany(s => (byte[])[.. BitConverter.GetBytes((long)s.Length / 4), .. s]),
        ];
    }

    /// <summary>A checkpoint of this pickle and these storages, keyed 0, 1, ….</summary>
    public static byte[] Checkpoint(byte[] pickle, params byte[][] storages) =>
        StoredZip.Make(
            [("archive/data.pkl", pickle), .. storages.Select((s, i) => ($"archive/data/{i}", s)), ("archive/version", "3\n"u8.ToArray())]);
}

/// <summary>Writes zip archives without compression, as PyTorch does, with or without zip64 fields.</summary>
internal static class StoredZip
{
    public static byte[] Make(IReadOnlyList<(string Name, byte[] Data)> entries, bool zip64 = false, ushort method = 0, ushort flags = 0)
    {
        using var stream = new MemoryStream();
        using var zip = new BinaryWriter(stream);
        using var directoryStream = new MemoryStream();
        using var directory = new BinaryWriter(directoryStream);
        foreach ((string name, byte[] data) in entries)
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(name);
            uint offset = (uint)stream.Position, length = (uint)data.Length;
            zip.Write(0x04034b50u);
            Common(zip, method, flags, length, utf8.Length);
            zip.Write((ushort)3); // An extra field, so that data do not follow the name at once.
            zip.Write(utf8);
            zip.Write("pad"u8);
            zip.Write(data);

            directory.Write(0x02014b50u);
            directory.Write((ushort)45);
            Common(directory, method, flags, zip64 ? uint.MaxValue : length, utf8.Length);
            directory.Write((ushort)(zip64 ? 28 : 0));
            directory.Write(new byte[10]);
            directory.Write(zip64 ? uint.MaxValue : offset);
            directory.Write(utf8);
            if (!zip64) continue;
            directory.Write((ushort)1);
            directory.Write((ushort)24);
            foreach (ulong value in (ulong[])[length, length, offset]) directory.Write(value);
        }
        long start = stream.Position;
        zip.Write(directoryStream.ToArray());
        long size = stream.Position - start;
        if (zip64) End64(zip, entries.Count, size, start);
        zip.Write(0x06054b50u);
        zip.Write(0u);
        zip.Write(zip64 ? ushort.MaxValue : (ushort)entries.Count);
        zip.Write(zip64 ? ushort.MaxValue : (ushort)entries.Count);
        zip.Write(zip64 ? uint.MaxValue : (uint)size);
        zip.Write(zip64 ? uint.MaxValue : (uint)start);
        zip.Write((ushort)0);
        return stream.ToArray();
    }

    private static void Common(BinaryWriter to, ushort method, ushort flags, uint length, int nameLength)
    {
        to.Write((ushort)45);
        to.Write(flags);
        to.Write(method);
        to.Write(0u); // time and date
        to.Write(0u); // checksum
        to.Write(length);
        to.Write(length);
        to.Write((ushort)nameLength);
    }

    private static void End64(BinaryWriter zip, long count, long size, long start)
    {
        long at = start + size;
        zip.Write(0x06064b50u);
        zip.Write(44ul);
        zip.Write(0x002d002du);
        zip.Write(0ul); // disks
        foreach (long value in (long[])[count, count, size, start]) zip.Write(value);
        zip.Write(0x07064b50u);
        zip.Write(0u);
        zip.Write(at);
        zip.Write(1u);
    }
}

using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;

namespace Dnabert2.Weights;

/// <summary>
/// Reads what <c>torch.save</c> wrote. The zip form holds <c>NAME/data.pkl</c>, a pickle that describes the tensors, and
/// <c>NAME/data/KEY</c>, a stored entry for each storage. The old form is five pickles (magic number, version, machine, tensors,
/// storage keys), then for each key eight bytes of element count and the elements (source: torch/serialization.py).
/// </summary>
internal static class TorchFile
{
    /// <summary>The first byte of a pickle of protocol 2 or later.</summary>
    public const byte PickleStart = 0x80;

    /// <summary>The pickles of large models take a few megabytes.</summary>
    private const int MaxPickleBytes = 64 << 20;

    private const long LegacyVersion = 1001;

    private static readonly BigInteger LegacyMagic = BigInteger.Parse("1950a86a20f9469cfc6c", NumberStyles.HexNumber);

    public static WeightTable ReadZip(PositionedFile file)
    {
        ZipDirectory zip = ZipDirectory.Read(file);
        string root = Root(file, zip);
        if (zip.TryLocate(root + "byteorder", out long at, out long length)) CheckByteOrder(file, at, length);
        if (!zip.TryLocate(root + "data.pkl", out at, out length) || length == 0) throw file.Invalid("has an empty data.pkl");
        if (length > MaxPickleBytes) throw file.Invalid($"has a pickle of {length} bytes; at most {MaxPickleBytes} are read");

        var objects = new TorchObjects(file);
        object? value = new Unpickler(file, objects, file.Read(at, (int)length)).Load();
        var places = new Dictionary<string, long>(objects.Storages.Count);
        foreach ((string key, TorchStorage storage) in objects.Storages)
        {
            if (!zip.TryLocate($"{root}data/{key}", out at, out length))
                throw file.Invalid($"lacks the storage {PositionedFile.Quote(key)} that its pickle names");
            if (length != storage.TotalBytes)
                throw file.Invalid(
                    $"has {length} bytes for the storage {PositionedFile.Quote(key)}, which should have {storage.TotalBytes}");
            places.Add(key, at);
        }
        RefuseOverlaps(file, objects, places);
        return new WeightTable(WeightFormat.TorchZip, new StateDict(file, places).Entries(value), []);
    }

    public static WeightTable ReadLegacy(PositionedFile file)
    {
        var objects = new TorchObjects(file);
        var pickles = new Unpickler(file, objects, file.Read(0, (int)Math.Min(file.Length, MaxPickleBytes)));
        if (pickles.Load() is not BigInteger magic || magic != LegacyMagic)
            throw file.Invalid("begins as a pickle, but not as one of PyTorch's checkpoints");
        if (pickles.Load() is not LegacyVersion)
            throw file.Invalid($"is of a version of PyTorch's old format other than {LegacyVersion}");
        if (pickles.Load() is PickleDict machine && machine.Pairs.Exists(p => p is { Key: "little_endian", Value: false }))
            throw BigEndian(file);
        object? value = pickles.Load(), keys = pickles.Load();
        long position = pickles.Position;
        if (keys is not List<object?> list) throw file.Invalid("lacks the list of its storages");
        Dictionary<string, long> places = PlaceStorages(file, objects, list, position);
        return new WeightTable(WeightFormat.TorchLegacy, new StateDict(file, places).Entries(value), []);
    }

    private static Dictionary<string, long> PlaceStorages(PositionedFile file, TorchObjects objects, List<object?> keys, long position)
    {
        var places = new Dictionary<string, long>(objects.Storages.Count);
        Span<byte> prefix = stackalloc byte[sizeof(long)];
        foreach (object? item in keys)
        {
            if (item is not string key || !objects.Storages.TryGetValue(key, out TorchStorage? storage))
                throw file.Invalid("lists a storage that no tensor uses");
            if (file.Length - position < prefix.Length || file.Length - position - prefix.Length < storage.TotalBytes)
                throw file.Invalid($"ends before or within the storage {PositionedFile.Quote(key)}: it is truncated, fetch it again");
            file.ReadExactly(position, prefix);
            long elements = BinaryPrimitives.ReadInt64LittleEndian(prefix);
            if (elements != storage.TotalBytes / (storage.Type.Bits() / 8))
                throw file.Invalid($"has {elements} elements for the storage {PositionedFile.Quote(key)} of {storage.TotalBytes} bytes");
            if (!places.TryAdd(key, position + prefix.Length)) throw file.Invalid($"lists the storage {PositionedFile.Quote(key)} twice");
            position += prefix.Length + storage.TotalBytes;
        }
        if (places.Count != objects.Storages.Count) throw file.Invalid("has tensors whose storage it does not hold");
        return places;
    }

    /// <summary>A few bytes that stand for many storages would grow without bound when they are read.</summary>
    private static void RefuseOverlaps(PositionedFile file, TorchObjects objects, Dictionary<string, long> places)
    {
        long end = 0;
        foreach ((string key, long at) in places.OrderBy(place => place.Value))
        {
            long length = objects.Storages[key].TotalBytes;
            if (length == 0) continue;
            if (at < end) throw file.Invalid($"has a storage {PositionedFile.Quote(key)} that overlaps another one");
            end = at + length;
        }
    }

    /// <summary>The folder of the archive in which the pickle lies, with its slash.</summary>
    private static string Root(PositionedFile file, ZipDirectory zip)
    {
        const string pickle = "data.pkl";
        string? found = null;
        foreach (string name in zip.Names)
        {
            if (!name.EndsWith("/" + pickle, StringComparison.Ordinal) && name != pickle) continue;
            if (found is not null) throw file.Invalid("is a zip archive with more than one data.pkl");
            found = name;
        }
        return found?[..^pickle.Length] ?? throw file.Invalid("is a zip archive, but not a PyTorch checkpoint: it has no data.pkl");
    }

    private static void CheckByteOrder(PositionedFile file, long at, long length)
    {
        Span<byte> order = stackalloc byte[6];
        if (length != order.Length) throw BigEndian(file);
        file.ReadExactly(at, order);
        if (!order.SequenceEqual("little"u8)) throw BigEndian(file);
    }

    private static InvalidDataException BigEndian(PositionedFile file) =>
        file.Invalid("was saved in an order of bytes other than little-endian; save it again on a little-endian machine");
}

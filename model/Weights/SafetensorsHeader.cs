using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;

namespace Dnabert2.Weights;

/// <summary>
/// Reads the header of a safetensors file: eight bytes of length, then JSON (source: huggingface/safetensors, README and tensor.rs, 0.8).
/// Refused are: a header beyond 100 MB or the file's end, more than 131,072 tensors or as many metadata, anything but UTF-8 and strict
/// JSON, names that appear twice, unknown types and fields, a byte range that differs from type times shape, and ranges that overlap, leave
/// holes, or do not cover the file to its last byte. The format does not ask for alignment, and neither does this reader: values are
/// copied, never used in place.
/// </summary>
internal static class SafetensorsHeader
{
    public const string MetadataKey = "__metadata__";

    /// <summary>The reference's own bound.</summary>
    public const int MaxBytes = 100_000_000;

    private readonly record struct Found(string Name, WeightType Type, long[] Extents, long Begin, long End);

    /// <summary>Reads the table of a file whose ninth byte is <c>{</c>.</summary>
    public static WeightTable Read(PositionedFile file)
    {
        Span<byte> prefix = stackalloc byte[8];
        file.ReadExactly(0, prefix);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxBytes)
            throw file.Invalid($"is no safetensors file, or damaged: the header claims {length} bytes, at most {MaxBytes} are allowed");
        if ((long)length > file.Length - prefix.Length)
            throw file.Invalid($"ends within its header of {length} bytes: the file is truncated, fetch it again");
        if (length < 2) throw file.Invalid($"claims a header of {length} bytes, which holds no JSON object");

        var found = new List<Found>();
        var metadata = new Dictionary<string, string>();
        Parse(file, file.Read(prefix.Length, (int)length), found, metadata);
        long dataStart = prefix.Length + (long)length;
        return new WeightTable(WeightFormat.Safetensors, Place(file, found, dataStart), metadata);
    }

    private static void Parse(PositionedFile file, ReadOnlySpan<byte> json, List<Found> found, Dictionary<string, string> metadata)
    {
        if (!Utf8.IsValid(json)) throw file.Invalid("has a header that is not UTF-8");
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 4 });
        var names = new HashSet<string>();
        try
        {
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = reader.GetString()!;
                if (!names.Add(name)) throw file.Invalid($"lists {PositionedFile.Quote(name)} twice in its header");
                if (names.Count > WeightTable.MaxTensors) throw file.Invalid($"lists more than {WeightTable.MaxTensors} tensors");
                if (name == MetadataKey) ReadMetadata(file, ref reader, metadata);
                else found.Add(ReadTensor(file, ref reader, name));
            }
            reader.Read(); // What follows the object, spaces excepted, is an error.
        }
        catch (JsonException e)
        {
            throw file.Invalid($"has a header that is not valid JSON at line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}", e);
        }
        catch (InvalidOperationException e)
        {
            // The JSON reader's answer to an escaped half of a surrogate pair.
            throw file.Invalid("has a header with an invalid escape in a string", e);
        }
    }

    private static void ReadMetadata(PositionedFile file, ref Utf8JsonReader reader, Dictionary<string, string> metadata)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) throw file.Invalid($"has a {MetadataKey} that is not an object of strings");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw file.Invalid($"has a {MetadataKey} whose {PositionedFile.Quote(key)} is not a string");
            if (metadata.Count == WeightTable.MaxTensors) throw file.Invalid($"has a {MetadataKey} of more than {metadata.Count} entries");
            if (!metadata.TryAdd(key, reader.GetString()!))
                throw file.Invalid($"has a {MetadataKey} that lists {PositionedFile.Quote(key)} twice");
        }
    }

    private static Found ReadTensor(PositionedFile file, ref Utf8JsonReader reader, string name)
    {
        if (name.Length == 0) throw file.Invalid("lists a tensor without a name");
        WeightType? type = null;
        long[]? extents = null, offsets = null;
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) throw Wrong(file, name, "is not described by an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (type is null && reader.ValueTextEquals("dtype"u8)) type = ReadType(file, ref reader, name);
            else if (extents is null && reader.ValueTextEquals("shape"u8)) extents = ReadNumbers(file, ref reader, name);
            else if (offsets is null && reader.ValueTextEquals("data_offsets"u8)) offsets = ReadNumbers(file, ref reader, name);
            else throw Wrong(file, name, $"has the field {PositionedFile.Quote(reader.GetString()!)}, which is unknown or there twice");
        }
        if (type is null || extents is null || offsets is null) throw Wrong(file, name, "lacks one of dtype, shape and data_offsets");
        if (offsets.Length != 2 || offsets[1] < offsets[0]) throw Wrong(file, name, "has data_offsets that are not [begin, end]");
        return new Found(name, type.Value, extents, offsets[0], offsets[1]);
    }

    private static WeightType ReadType(PositionedFile file, ref Utf8JsonReader reader, string name)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.String) throw Wrong(file, name, "has a dtype that is not a string");
        string text = reader.GetString()!;
        return WeightTypes.TryParse(text, out WeightType type)
            ? type
            : throw Wrong(file, name, $"has the unknown dtype {PositionedFile.Quote(text)}");
    }

    private static long[] ReadNumbers(PositionedFile file, ref Utf8JsonReader reader, string name)
    {
        Span<long> numbers = stackalloc long[WeightEntry.MaxRank];
        int count = 0;
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray) throw Wrong(file, name, "has a shape or data_offsets that is not an array");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0)
                throw Wrong(file, name, "has a shape or data_offsets that is not made of integers from 0 to 2^63-1");
            if (count == numbers.Length) throw Wrong(file, name, $"has more than {WeightEntry.MaxRank} dimensions");
            numbers[count++] = number;
        }
        return numbers[..count].ToArray();
    }

    /// <summary>Holds the ranges against the file and each other; the entries come in the order of their data.</summary>
    private static List<WeightEntry> Place(PositionedFile file, List<Found> found, long dataStart)
    {
        long dataLength = file.Length - dataStart;
        var entries = new List<WeightEntry>(found.Count);
        long expected = 0;
        foreach (Found tensor in found.OrderBy(t => t.Begin).ThenBy(t => t.End))
        {
            (string name, WeightType type, long[] extents, long begin, long end) = tensor;
            if (end > dataLength)
                throw Wrong(
                    file, name, $"ends at byte {end} of the data, but there are {dataLength}: the file is truncated, fetch it again");
            if (begin < expected) throw Wrong(file, name, $"begins at byte {begin} of the data, within the tensor before it");
            if (begin > expected) throw Wrong(file, name, $"begins at byte {begin} of the data and leaves a hole from byte {expected}");
            if (!WeightTable.TryCount(extents, out long count) || (Int128)count * type.Bits() != (Int128)(end - begin) * 8)
                throw Wrong(file, name, $"is {type.Name()} [{string.Join(", ", extents)}], which does not fill its {end - begin} bytes");
            entries.Add(new WeightEntry(name, type, extents, count, WeightView.Run(dataStart + begin)));
            expected = end;
        }
        if (expected != dataLength) throw file.Invalid($"holds {dataLength} bytes of data, but its tensors cover {expected}");
        return entries;
    }

    private static InvalidDataException Wrong(PositionedFile file, string name, string fault) =>
        file.Invalid($"tensor {PositionedFile.Quote(name)} {fault}");
}

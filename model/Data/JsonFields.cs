using System.Text.Json;
using System.Text.Unicode;
using Dnabert2.Files;

namespace Dnabert2.Data;

/// <summary>
/// The fields of a JSON object, looked up in constant time; every fault is an <see cref="InvalidDataException"/> that names file and key.
/// </summary>
internal sealed class JsonFields
{
    private const int MaxBytes = 16 << 20, MaxKeys = 1 << 17, MaxItems = 1 << 20;
    private const int LongestShown = 40, LongestFault = 400;
    private readonly string _path, _place, _remedy;
    private readonly Dictionary<string, JsonElement> _values = new(StringComparer.Ordinal);

    private JsonFields(string path, string place, string remedy, JsonElement element)
    {
        (_path, _place, _remedy) = (path, place, remedy);
        if (element.ValueKind != JsonValueKind.Object)
        {
            string what = place.Length == 0 ? "it" : place.TrimEnd('.');
            throw new InvalidDataException($"{path}: {what} is {element.ValueKind}, expected an object; {remedy}");
        }

        if (element.GetPropertyCount() is > MaxKeys and int count) throw Fault("", $"has {count} keys, at most {MaxKeys} are read");
        foreach (JsonProperty property in element.EnumerateObject())
            if (!_values.TryAdd(property.Name, property.Value)) throw Fault(property.Name, "appears twice");
    }

    /// <summary>The keys in their order.</summary>
    public IEnumerable<string> Keys => _values.Keys;

    /// <summary>The number of keys.</summary>
    public int Count => _values.Count;

    /// <summary>Reads a JSON file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="remedy">What to do when it is damaged.</param>
    /// <param name="read">Takes what it needs from the outermost object.</param>
    /// <exception cref="InvalidDataException">It is damaged, too large or not a regular file.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static T Read<T>(StoredFile file, string remedy, Func<JsonFields, T> read) =>
        Read(file.Path, file.Read(MaxBytes), remedy, read);

    /// <summary>The bytes of a JSON file. Its errors are those of reading one.</summary>
    public static byte[] Bytes(string path) => RegularFile.Read(path, MaxBytes);

    /// <summary>Reads the content of a JSON file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="json">Its content.</param>
    /// <param name="remedy">What to do when it is damaged.</param>
    /// <param name="read">Takes what it needs from the outermost object.</param>
    public static T Read<T>(string path, ReadOnlyMemory<byte> json, string remedy, Func<JsonFields, T> read)
    {
        if (json.Span.StartsWith("\uFEFF"u8)) json = json[3..];
        if (!Utf8.IsValid(json.Span)) throw new InvalidDataException($"{path}: not valid JSON: it is not text in UTF-8; {remedy}");
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return read(new JsonFields(path, "", remedy, document.RootElement));
        }
        catch (JsonException e)
        {
            throw new InvalidDataException(
                $"{path}: not valid JSON at line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}; {remedy}", e);
        }
        catch (InvalidOperationException e)
        {
            // Half of a surrogate pair, escaped: text by its form, but not Unicode.
            throw new InvalidDataException($"{path}: it holds text that is not Unicode; {remedy}", e);
        }
    }

    /// <summary>The first key of an object that has another value, or none, in another object, in words, or null.</summary>
    /// <exception cref="InvalidDataException">One of them is no JSON object.</exception>
    public static string? Difference(byte[] was, byte[] now, IReadOnlySet<string> besides) =>
        Read("it", was, "", left => Read("it", now, "", right =>
    {
        foreach ((string key, JsonElement value) in left._values)
        {
            string before = value.GetRawText(), after = right._values.TryGetValue(key, out JsonElement other)
                ? other.GetRawText() : "absent";
            if (before != after && !besides.Contains(key))
                return $"{Cut(key, LongestShown)} was {Cut(before, LongestShown)} and is {Cut(after, LongestShown)}";
        }

        return null;
    }));

    public bool Has(string key) => _values.TryGetValue(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

    public long Integer(string key, long least, long most = long.MaxValue)
    {
        JsonElement value = Find(key);
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number >= least && number <= most
            ? number
            : throw Fault(key, $"is {Shown(value)}, expected a whole number from {least}{(most == long.MaxValue ? "" : $" to {most}")}");
    }

    public int Small(string key, int least, int most = int.MaxValue) => (int)Integer(key, least, most);

    public ulong Unsigned(string key)
    {
        JsonElement value = Find(key);
        return value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out ulong number)
            ? number : throw Fault(key, $"is {Shown(value)}, expected a whole number from 0");
    }

    public double Number(string key, double least, double most = double.MaxValue)
    {
        JsonElement value = Find(key);
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= least && number <= most
            ? number
            : throw Fault(key, $"is {Shown(value)}, expected a number from {least}{(most == double.MaxValue ? "" : $" to {most}")}");
    }

    public bool Truth(string key)
    {
        JsonElement value = Find(key);
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw Fault(key, $"is {Shown(value)}, expected true or false");
    }

    public string Text(string key)
    {
        JsonElement value = Find(key);
        return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Fault(key, $"is {Shown(value)}, expected a text");
    }

    public string[] Texts(string key, int most = MaxItems)
    {
        JsonElement array = Find(key);
        if (array.ValueKind == JsonValueKind.Array && array.GetArrayLength() > most)
            throw Fault(key, $"has {array.GetArrayLength()} entries, at most {most} are read");
        if (array.ValueKind != JsonValueKind.Array || array.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String))
            throw Fault(key, $"is {Shown(array)}, expected an array of texts");
        return [.. array.EnumerateArray().Select(item => item.GetString()!)];
    }

    /// <summary>A value as JSON of its own.</summary>
    public byte[] Json(string key, JsonWriterOptions options)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, options)) Find(key).WriteTo(json);
        return stream.ToArray();
    }

    /// <summary>The index of a text among the allowed ones.</summary>
    public int Choice(string key, string[] words) => Array.IndexOf(words, Text(key)) is >= 0 and int index
        ? index : throw Fault(key, $"is '{Text(key)}', expected one of {string.Join(", ", words)}");

    /// <summary>The name of a file in the same folder.</summary>
    public string FileName(string key)
    {
        string name = Text(key);
        return name.Length is > 0 and <= 255 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_') && name[0] != '.'
            ? name : throw Fault(key, "is not a plain file name");
    }

    /// <summary>The name of a file, whatever people call theirs, without a folder.</summary>
    public string PlainName(string key)
    {
        string name = Text(key);
        return name.Length is > 0 and <= 255 && name is not ("." or "..") && !name.AsSpan().ContainsAny('/', '\\', '\0')
            ? name : throw Fault(key, "is no name of a file without a folder");
    }

    /// <summary>What kind of value a key has; undefined where it is absent.</summary>
    public JsonValueKind KindOf(string key) => _values.TryGetValue(key, out JsonElement value) ? value.ValueKind : JsonValueKind.Undefined;

    /// <summary>Whether a key is absent, or its value asks for nothing: it is null, false, 0, or empty.</summary>
    public bool AsksForNothing(string key) => !_values.TryGetValue(key, out JsonElement value) || value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Number => value.TryGetDouble(out double number) && number == 0,
        JsonValueKind.String => value.GetRawText() == "\"\"",
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => value.GetPropertyCount() == 0,
        _ => false,
    };

    /// <summary>A value as a message shows it.</summary>
    public string Shown(string key) => Shown(Find(key));

    public JsonFields Object(string key) => new(_path, $"{_place}{key}.", _remedy, Find(key));

    /// <summary>The objects of an array, one at a time.</summary>
    public IEnumerable<JsonFields> Objects(string key, int most = MaxItems)
    {
        JsonElement array = Find(key);
        if (array.ValueKind != JsonValueKind.Array) throw Fault(key, $"is {Shown(array)}, expected an array");
        if (array.GetArrayLength() > most) throw Fault(key, $"has {array.GetArrayLength()} entries, at most {most} are read");
        return array.EnumerateArray().Select((item, i) => new JsonFields(_path, $"{_place}{key}[{i}].", _remedy, item));
    }

    /// <summary>What was read of this object, once it is held against its ranges: their error is that of this file.</summary>
    /// <exception cref="InvalidDataException">A value is out of its range.</exception>
    public T Checked<T>(T options, Action<T> validate)
    {
        try
        {
            validate(options);
            return options;
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"{_path}: {Cut(_place, LongestFault)}{Cut(e.Message, LongestFault)}; {_remedy}", e);
        }
    }

    /// <summary>The error for a key.</summary>
    public InvalidDataException Fault(string key, string what) =>
        new($"{_path}: {Cut(_place, LongestFault)}{Cut(key, LongestShown)} {Cut(what, LongestFault)}; {_remedy}");

    /// <summary>The error for a valid value that cannot be used; the message holds the remedy.</summary>
    public InvalidDataException Refusal(string key, string what) =>
        new($"{_path}: {Cut(_place, LongestFault)}{Cut(key, LongestShown)} {what}");

    private JsonElement Find(string key) => _values.TryGetValue(key, out JsonElement value) ? value : throw Fault(key, "is missing");

    private static string Shown(JsonElement value) => Cut(value.GetRawText(), LongestShown);

    private static string Cut(string text, int longest) => text.Length <= longest ? text : string.Concat(text.AsSpan(0, longest), "…");
}

using System.Text.Json;

namespace Dnabert2.Training;

/// <summary>Reads the fields of a JSON object; every fault is an <see cref="InvalidDataException"/> that names file and key.</summary>
internal readonly struct JsonFields
{
    private readonly string _path, _place, _remedy;
    private readonly JsonElement _object;

    private JsonFields(string path, string place, string remedy, JsonElement element)
    {
        (_path, _place, _remedy, _object) = (path, place, remedy, element);
        if (element.ValueKind == JsonValueKind.Object) return;
        string what = place.Length == 0 ? "it" : place.TrimEnd('.');
        throw new InvalidDataException($"{path}: {what} is {element.ValueKind}, expected an object; {remedy}");
    }

    /// <summary>The keys in their order.</summary>
    public IEnumerable<string> Keys => _object.EnumerateObject().Select(property => property.Name);

    /// <summary>Reads a JSON file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="json">Its content.</param>
    /// <param name="remedy">What to do when it is damaged.</param>
    /// <param name="read">Takes what it needs from the outermost object.</param>
    public static T Read<T>(string path, ReadOnlyMemory<byte> json, string remedy, Func<JsonFields, T> read)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return read(new JsonFields(path, "", remedy, document.RootElement));
        }
        catch (JsonException e)
        {
            throw new InvalidDataException(
                $"{path}: not valid JSON at line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}; {remedy}", e);
        }
        catch (InvalidOperationException e)
        {
            // Text that is JSON by its form, but not Unicode.
            throw new InvalidDataException($"{path}: it holds text that is not Unicode; {remedy}", e);
        }
    }

    /// <summary>The first key of two objects of the same keys that has another value, in words, or null.</summary>
    public static string? Difference(byte[] was, byte[] now, IReadOnlySet<string> besides)
    {
        using JsonDocument left = JsonDocument.Parse(was), right = JsonDocument.Parse(now);
        foreach (JsonProperty property in left.RootElement.EnumerateObject())
        {
            string before = property.Value.GetRawText(), after = right.RootElement.GetProperty(property.Name).GetRawText();
            if (before != after && !besides.Contains(property.Name)) return $"{property.Name} was {before} and is {after}";
        }

        return null;
    }

    public bool Has(string key) => _object.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

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

    /// <summary>The index of a text among the ones that are meant.</summary>
    public int Choice(string key, string[] words) => Array.IndexOf(words, Text(key)) is >= 0 and int index
        ? index : throw Fault(key, $"is '{Text(key)}', expected one of {string.Join(", ", words)}");

    /// <summary>The name of a file in the same folder.</summary>
    public string FileName(string key)
    {
        string name = Text(key);
        return name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_') && name[0] != '.'
            ? name : throw Fault(key, "is no plain file name");
    }

    public JsonFields Object(string key) => new(_path, $"{_place}{key}.", _remedy, Find(key));

    public JsonFields[] Objects(string key)
    {
        JsonElement array = Find(key);
        if (array.ValueKind != JsonValueKind.Array) throw Fault(key, $"is {Shown(array)}, expected an array");
        var items = new JsonFields[array.GetArrayLength()];
        for (int i = 0; i < items.Length; i++) items[i] = new JsonFields(_path, $"{_place}{key}[{i}].", _remedy, array[i]);
        return items;
    }

    /// <summary>The error for a key.</summary>
    public InvalidDataException Fault(string key, string what) => new($"{_path}: {_place}{key} {what}; {_remedy}");

    private JsonElement Find(string key) =>
        _object.TryGetProperty(key, out JsonElement value) ? value : throw Fault(key, "is missing");

    private static string Shown(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 40 ? text : string.Concat(text.AsSpan(0, 40), "…");
    }
}

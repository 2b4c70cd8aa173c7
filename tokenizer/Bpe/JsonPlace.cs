using System.Text.Json;

namespace Dnabert2.Tokenizers;

/// <summary>A value in a JSON file together with its place, so that a fault can be told where it is.</summary>
/// <param name="File">The file's name.</param>
/// <param name="Path">The way to the value, such as <c>model.merges[12]</c>.</param>
/// <param name="Value">The value.</param>
internal readonly record struct JsonPlace(string File, string Path, JsonElement Value)
{
    public bool IsNull => Value.ValueKind == JsonValueKind.Null;

    // Objects that are no vocabulary have a handful.
    private const int MaxProperties = 1000;
    private const int LongestPath = 120, LongestFault = 400;

    /// <summary>The error to throw: it names the file and the place.</summary>
    public InvalidDataException Fault(string what) => new($"{File}: {Cut(Path, LongestPath)}: {Cut(what, LongestFault)}");

    /// <summary>The value of a property, or null where it is absent.</summary>
    public JsonPlace? Optional(string name)
    {
        Expect(JsonValueKind.Object, "an object");
        return Value.TryGetProperty(name, out JsonElement value) ? Below(name, value) : null;
    }

    /// <summary>The value of a property that must be there.</summary>
    public JsonPlace Required(string name) => Optional(name) ?? throw Fault($"the property \"{name}\" is missing");

    public string Text()
    {
        Expect(JsonValueKind.String, "a string");
        try
        {
            return Value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException($"{File}: {Cut(Path, LongestPath)}: the string is not valid Unicode", e);
        }
    }

    public int Integer()
    {
        Expect(JsonValueKind.Number, "a number");
        return Value.TryGetInt32(out int number) && number >= 0
            ? number : throw Fault($"{Shown()} is not a whole number from 0 to {int.MaxValue}");
    }

    public bool Flag() => Value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Fault($"true or false is expected, not {Shown()}"),
    };

    /// <summary>Refuses a value that is no object.</summary>
    public void RequireObject() => Expect(JsonValueKind.Object, "an object");

    /// <summary>The items of an array.</summary>
    /// <param name="most">The most there may be.</param>
    public IEnumerable<JsonPlace> Items(int most)
    {
        Expect(JsonValueKind.Array, "an array");
        if (Value.GetArrayLength() > most) throw Fault($"{Value.GetArrayLength()} items: at most {most} are read");
        return Enumerate(this);

        static IEnumerable<JsonPlace> Enumerate(JsonPlace place)
        {
            int i = 0;
            foreach (JsonElement item in place.Value.EnumerateArray()) yield return new JsonPlace(place.File, $"{place.Path}[{i++}]", item);
        }
    }

    /// <summary>The properties of an object.</summary>
    /// <param name="most">The most there may be.</param>
    public IEnumerable<(string Name, JsonPlace Value)> Properties(int most)
    {
        Expect(JsonValueKind.Object, "an object");
        if (Value.GetPropertyCount() > most) throw Fault($"{Value.GetPropertyCount()} properties: at most {most} are read");
        return Enumerate(this);

        static IEnumerable<(string, JsonPlace)> Enumerate(JsonPlace place)
        {
            foreach (JsonProperty property in place.Value.EnumerateObject())
            {
                string name = place.Name(property);
                yield return (name, place.Below(name, property.Value));
            }
        }
    }

    /// <summary>Refuses a property that asks for something; null, false and an empty string or array ask for nothing.</summary>
    private void Refuse(string name)
    {
        if (AsksForNothing()) return;
        bool typed = Value.ValueKind == JsonValueKind.Object && Value.TryGetProperty("type", out _);
        string kind = typed ? $" of type {Required("type").Shown()}" : $" {Shown()}";
        throw Fault($"{name}{kind} is not supported; null is");
    }

    /// <summary>Refuses each property, other than those known, that asks for something.</summary>
    public void RefuseOthers(params ReadOnlySpan<string> known)
    {
        foreach ((string name, JsonPlace place) in Properties(MaxProperties))
            if (!known.Contains(name)) place.Refuse(name);
    }

    /// <summary>The value as a message shows it: shortened.</summary>
    public string Shown()
    {
        bool nested = Value.ValueKind is JsonValueKind.Object or JsonValueKind.Array;
        string raw = nested ? Value.ValueKind.ToString().ToLowerInvariant() : Value.GetRawText();
        return Cut(raw, 60);
    }

    /// <summary>The beginning of a text.</summary>
    public static string Cut(string text, int longest) => text.Length <= longest ? text : string.Concat(text.AsSpan(0, longest), "…");

    private bool AsksForNothing() => Value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.String => Value.GetRawText() == "\"\"",
        JsonValueKind.Array => Value.GetArrayLength() == 0,
        JsonValueKind.Number => Value.TryGetDouble(out double number) && number == 0,
        _ => false,
    };

    private void Expect(JsonValueKind kind, string what)
    {
        if (Value.ValueKind != kind) throw Fault($"{what} is expected, not {Shown()}");
    }

    private JsonPlace Below(string name, JsonElement value) => new(File, Path == "$" ? name : $"{Path}.{name}", value);

    private string Name(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException($"{File}: {Cut(Path, LongestPath)}: the name of a property is not valid Unicode", e);
        }
    }
}

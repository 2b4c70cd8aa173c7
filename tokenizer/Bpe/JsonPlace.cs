using System.Text.Json;

namespace Dnabert2.Tokenizers;

/// <summary>A value in a JSON file together with its place, so that a fault can be told where it is.</summary>
/// <param name="File">The file's name.</param>
/// <param name="Path">The way to the value, such as <c>model.merges[12]</c>.</param>
/// <param name="Value">The value.</param>
internal readonly record struct JsonPlace(string File, string Path, JsonElement Value)
{
    public bool IsNull => Value.ValueKind == JsonValueKind.Null;

    /// <summary>The error to throw: it names the file and the place.</summary>
    public InvalidDataException Fault(string what) => new($"{File}: {Path}: {what}");

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
            throw new InvalidDataException($"{File}: {Path}: the string is not valid Unicode", e);
        }
    }

    public int Integer()
    {
        Expect(JsonValueKind.Number, "a number");
        return Value.TryGetInt32(out int number) && number >= 0 ? number : throw Fault($"{Shown()} is not a whole number from 0 to {int.MaxValue}");
    }

    public bool Flag() => Value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Fault($"true or false is expected, not {Shown()}"),
    };

    public IEnumerable<JsonPlace> Items()
    {
        Expect(JsonValueKind.Array, "an array");
        return Enumerate(this);

        static IEnumerable<JsonPlace> Enumerate(JsonPlace place)
        {
            int i = 0;
            foreach (JsonElement item in place.Value.EnumerateArray()) yield return new JsonPlace(place.File, $"{place.Path}[{i++}]", item);
        }
    }

    public IEnumerable<(string Name, JsonPlace Value)> Properties()
    {
        Expect(JsonValueKind.Object, "an object");
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
    public void Refuse(string name)
    {
        if (Optional(name) is not { } place || place.AsksForNothing()) return;
        bool typed = place.Value.ValueKind == JsonValueKind.Object && place.Value.TryGetProperty("type", out _);
        string kind = typed ? $" of type {place.Required("type").Shown()}" : $" {place.Shown()}";
        throw place.Fault($"{name}{kind} is not supported; null is");
    }

    /// <summary>Refuses each property, other than those known, that asks for something.</summary>
    public void RefuseOthers(params ReadOnlySpan<string> known)
    {
        foreach ((string name, _) in Properties())
            if (!known.Contains(name)) Refuse(name);
    }

    /// <summary>The value as a message shows it: shortened.</summary>
    public string Shown()
    {
        bool nested = Value.ValueKind is JsonValueKind.Object or JsonValueKind.Array;
        string raw = nested ? Value.ValueKind.ToString().ToLowerInvariant() : Value.GetRawText();
        return raw.Length <= 60 ? raw : raw[..60] + "…";
    }

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
            throw new InvalidDataException($"{File}: {Path}: the name of a property is not valid Unicode", e);
        }
    }
}

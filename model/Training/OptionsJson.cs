using System.Text.Json;
using Dnabert2.Data;

namespace Dnabert2.Training;

/// <summary>What the recipes of training, and their JSON forms, have in common.</summary>
internal static class OptionsJson
{
    public const string Remedy = "correct it, or leave it out for its default";

    public static byte[] Bytes<T>(T options, Action<Utf8JsonWriter, T> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true })) write(json, options);
        return stream.ToArray();
    }

    /// <summary>Sets one option after the other and checks them all.</summary>
    public static T Read<T>(JsonFields json, T options, Func<T, JsonFields, string, T> set, Action<T> validate)
    {
        foreach (string key in json.Keys) options = set(options, json, key);
        return json.Checked(options, validate);
    }
}

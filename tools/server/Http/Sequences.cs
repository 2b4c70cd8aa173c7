using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dnabert2.Server.Http;

/// <summary>A sequence or several, as clients write them: a string, or an array of strings.</summary>
/// <param name="All">The sequences.</param>
[JsonConverter(typeof(SequencesConverter))]
internal readonly record struct Sequences(IReadOnlyList<string> All);

/// <summary>Sequences or pairs: a string, a pair of strings, or an array of arrays of one or two strings.</summary>
/// <param name="All">The sequences and, where they are pairs, their second ones.</param>
/// <param name="IsBatch">Whether an array of answers is wanted rather than one.</param>
[JsonConverter(typeof(SequencePairsConverter))]
internal readonly record struct SequencePairs(IReadOnlyList<(string First, string? Second)> All, bool IsBatch);

internal sealed class SequencesConverter : JsonConverter<Sequences>
{
    private const string Expected =
        "expected a sequence of bases or an array of them; token ids are not taken, since those of another vocabulary look the same";

    public override Sequences Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String) return new Sequences([reader.GetString()!]);
        if (reader.TokenType != JsonTokenType.StartArray) throw new JsonException(Expected);
        var all = new List<string>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            all.Add(reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw new JsonException(Expected));
        return new Sequences(all);
    }

    public override void Write(Utf8JsonWriter writer, Sequences value, JsonSerializerOptions options) =>
        throw new NotSupportedException("only requests hold sequences");
}

internal sealed class SequencePairsConverter : JsonConverter<SequencePairs>
{
    private const string Expected = "expected a sequence, a pair [a, b], or a batch [[a], [a, b], …]";

    public override SequencePairs Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String) return new SequencePairs([(reader.GetString()!, null)], IsBatch: false);
        if (reader.TokenType != JsonTokenType.StartArray) throw new JsonException(Expected);
        reader.Read();
        if (reader.TokenType == JsonTokenType.String) return new SequencePairs([One(ref reader)], IsBatch: false);
        var all = new List<(string, string?)>();
        for (; reader.TokenType != JsonTokenType.EndArray; reader.Read())
        {
            if (reader.TokenType != JsonTokenType.StartArray) throw new JsonException(Expected);
            reader.Read();
            all.Add(One(ref reader));
        }

        return new SequencePairs(all, IsBatch: true);
    }

    public override void Write(Utf8JsonWriter writer, SequencePairs value, JsonSerializerOptions options) =>
        throw new NotSupportedException("only requests hold sequences");

    /// <summary>One or two strings, from the first one to the end of their array.</summary>
    private static (string First, string? Second) One(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.String) throw new JsonException(Expected);
        string first = reader.GetString()!;
        string? second = null;
        reader.Read();
        if (reader.TokenType == JsonTokenType.String)
        {
            second = reader.GetString();
            reader.Read();
        }

        return reader.TokenType == JsonTokenType.EndArray ? (first, second) : throw new JsonException(Expected);
    }
}

using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dnabert2.Data;

namespace Dnabert2.FineTuning.Suites;

/// <summary>The data of a task: what identifies them, and what there is to say of them.</summary>
/// <param name="Parts">Train, dev and test.</param>
/// <param name="Notes">What was found in them: rows that are in two parts, rows that were left out.</param>
internal sealed record SuiteData(IReadOnlyList<SuitePart> Parts, IReadOnlyList<string> Notes)
{
    public static SuiteData Of(LabelledTask task) =>
        new([SuitePart.Of("train", task.Train!), SuitePart.Of("dev", task.Dev!), SuitePart.Of("test", task.Test!)],
            [.. task.Notes, .. task.Overlap.Describe()]);
}

/// <summary>A part of the data of a task.</summary>
/// <param name="Name">Train, dev or test.</param>
/// <param name="File">The name of its file, for people.</param>
/// <param name="Rows">Its rows.</param>
/// <param name="Hash">
/// SHA-256 of the rows as they were read: sequences and labels, in their order, whatever the file is otherwise like.
/// </param>
internal sealed record SuitePart(string Name, string File, int Rows, string Hash)
{
    public static SuitePart Of(string name, LabelledSet set)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[][] labels = [.. set.Names.Select(Encoding.UTF8.GetBytes)];
        foreach (LabelledSequence row in set)
        {
            Append(hash, labels[row.Target.Class]);
            Append(hash, row.First);
            Append(hash, row.Second ?? []);
        }

        return new SuitePart(name, Path.GetFileName(set.Path), set.Count, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    private static void Append(IncrementalHash hash, ReadOnlySpan<byte> bytes)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        hash.AppendData(length);
        hash.AppendData(bytes);
    }
}

/// <summary>
/// All that the result of a run depends on, by content and not by name. A result is of use only to a run with the very same identity.
/// </summary>
/// <param name="Data">The data of the task.</param>
/// <param name="Model">The model that training begins with; null where there is none.</param>
/// <param name="Options">How it is fine-tuned; null where nothing is.</param>
/// <param name="Precision">In what it is computed; null where nothing is fine-tuned.</param>
internal sealed record SuiteIdentity(SuiteData Data, ModelContent? Model, FineTuneOptions? Options, string? Precision)
{
    /// <summary>What results are computed and kept in; results of another version are made anew.</summary>
    private const int Version = 2;

    private const int LongestShown = 60;

    private const string VersionKey = "version", OptionsKey = "options", Checksum = "_sha256";

    /// <summary>SHA-256 of its JSON form.</summary>
    public string Hash => FileHash.Of(Write());

    /// <summary>The JSON form.</summary>
    public byte[] Write()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber(VersionKey, Version);
            foreach (SuitePart part in Data.Parts) json.WriteString(part.Name + Checksum, part.Hash);
            if (Model is { } model)
            {
                json.WriteString("weights" + Checksum, model.Weights);
                json.WriteString("config" + Checksum, model.Config);
                json.WriteString("tokenizer" + Checksum, model.Tokenizer);
            }

            if (Precision is not null) json.WriteString("precision", Precision);
            if (Options is { } options)
            {
                json.WritePropertyName(OptionsKey);
                // Does not change results.
                FineTuneOptionsJson.Write(json, options with { MaxNonFinite = new FineTuneOptions().MaxNonFinite });
            }

            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    /// <summary>What is otherwise than in a JSON form that was kept, for people; empty where nothing is.</summary>
    /// <param name="kept">The JSON form.</param>
    /// <exception cref="JsonException">It is damaged.</exception>
    /// <exception cref="InvalidOperationException">It holds text that is not Unicode.</exception>
    public IEnumerable<string> ChangesSince(byte[] kept)
    {
        using JsonDocument before = JsonDocument.Parse(kept), now = JsonDocument.Parse(Write());
        return [.. Changes(before.RootElement, now.RootElement)];
    }

    private IEnumerable<string> Changes(JsonElement before, JsonElement now)
    {
        if (Differs(before, now, VersionKey))
        {
            yield return "another version of the program made it";
            yield break;
        }

        foreach (SuitePart part in Data.Parts)
            if (Differs(before, now, part.Name + Checksum)) yield return $"{part.File} changed since";
        foreach ((string key, string what) in new[]
            { ("weights", "the weights of the model"), ("config", "the model's config.json"), ("tokenizer", "the model's tokenizer.json") })
            if (Differs(before, now, key + Checksum)) yield return what + " changed since";
        if (Differs(before, now, "precision"))
            yield return $"the precision was {Shown(before, "precision")} and is {Shown(now, "precision")}";
        if (!now.TryGetProperty(OptionsKey, out JsonElement options)) yield break;
        before.TryGetProperty(OptionsKey, out JsonElement former);
        foreach (JsonProperty option in options.EnumerateObject())
            if (Differs(former, options, option.Name))
                yield return $"{option.Name.Replace('_', ' ')} was {Shown(former, option.Name)} and is {Shown(options, option.Name)}";
    }

    private static bool Differs(JsonElement before, JsonElement now, string key) => Raw(before, key) != Raw(now, key);

    private static string Shown(JsonElement element, string key) =>
        Raw(element, key) is { } raw and not "null" ? raw[..Math.Min(raw.Length, LongestShown)].Trim('"') : "not set";

    private static string? Raw(JsonElement element, string key) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(key, out JsonElement value) ? value.GetRawText() : null;
}

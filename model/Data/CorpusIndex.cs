using System.Text.Json;

namespace Dnabert2.Data;

/// <summary>A shard of a corpus: windows of one species and one split.</summary>
/// <param name="File">Its name in the corpus' folder.</param>
/// <param name="Windows">The number of windows.</param>
/// <param name="Tokens">Their tokens.</param>
/// <param name="Bases">Their bases.</param>
/// <param name="Sha256">Of the file.</param>
internal sealed record ShardEntry(string File, int Windows, int Tokens, long Bases, string Sha256);

/// <summary>An input as it was when the corpus was built.</summary>
internal sealed record InputEntry(string Species, string File, long Bytes, string Sha256);

/// <summary>What became of a species' sequences.</summary>
internal sealed record SpeciesEntry(
    string Name, long Records, long Bases, long AmbiguousWindows, long AmbiguousBases, long RestBases,
    long RepeatedWindows, long RepeatedBases, ShardEntry[] Training, ShardEntry[] HeldOut);

/// <summary>The file <c>corpus.json</c>: what a corpus was built from and how, and what its shards hold.</summary>
internal sealed record CorpusIndex(CorpusOptions Options, string TokenizerSha256, InputEntry[] Inputs, SpeciesEntry[] Species)
{
    public const string FileName = "corpus.json";
    public const string Remedy = "the corpus is damaged or was made by another program or version: delete its folder and build it again";
    /// <summary>Of 65,535 species and some 100,000 files.</summary>
    public const int MaxBytes = 64 << 20;

    private const string Format = "dnabert2-corpus";
    private const int Version = 2;

    public static CorpusIndex Read(string path, byte[] json) => JsonFields.Read(path, json, Remedy, Read);

    public byte[] Write()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteNumber("version", Version);
            json.WriteString("tokenizer_sha256", TokenizerSha256);
            WriteOptions(json);
            json.WriteStartArray("inputs");
            foreach (InputEntry input in Inputs)
            {
                json.WriteStartObject();
                json.WriteString("species", input.Species);
                json.WriteString("file", input.File);
                json.WriteNumber("bytes", input.Bytes);
                json.WriteString("sha256", input.Sha256);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("species");
            foreach (SpeciesEntry species in Species) WriteSpecies(json, species);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static CorpusIndex Read(JsonFields json)
    {
        if (json.Text("format") != Format) throw json.Fault("format", $"is not {Format}");
        if (json.Integer("version", 0) != Version) throw json.Fault("version", $"is not {Version}, the one this program reads");
        InputEntry[] inputs = [.. json.Objects("inputs").Select(i =>
            new InputEntry(i.Text("species"), i.Text("file"), i.Integer("bytes", 0), i.Text("sha256")))];
        SpeciesEntry[] species = [.. json.Objects("species", ushort.MaxValue).Select(ReadSpecies)];
        if (species.Length == 0) throw json.Fault("species", "has no entries");
        HashSet<string> names = new(StringComparer.Ordinal), files = new(StringComparer.Ordinal);
        foreach (SpeciesEntry entry in species)
        {
            if (!names.Add(entry.Name)) throw json.Fault("species", $"lists '{entry.Name}' twice");
            foreach (ShardEntry shard in entry.Training.Concat(entry.HeldOut))
                if (!files.Add(shard.File)) throw json.Fault("species", $"lists the file {shard.File} twice");
        }

        return new CorpusIndex(ReadOptions(json), json.Text("tokenizer_sha256"), inputs, species);
    }

    private void WriteOptions(Utf8JsonWriter json)
    {
        json.WriteStartObject("options");
        json.WriteNumber("min_bases", Options.MinBases);
        json.WriteNumber("max_bases", Options.MaxBases);
        json.WriteNumber("max_tokens", Options.MaxTokens);
        json.WriteNumber("held_out", Options.HeldOut);
        json.WriteNumber("repeat_bases", Options.RepeatBases);
        json.WriteNumber("seed", Options.Seed);
        json.WriteNumber("shard_tokens", Options.ShardTokens);
        json.WriteEndObject();
    }

    private static CorpusOptions ReadOptions(JsonFields json)
    {
        JsonFields o = json.Object("options");
        var options = new CorpusOptions
        {
            MinBases = o.Small("min_bases", 1),
            MaxBases = o.Small("max_bases", 1),
            MaxTokens = o.Small("max_tokens", 3),
            HeldOut = o.Number("held_out", 0),
            RepeatBases = o.Small("repeat_bases", 0),
            Seed = o.Unsigned("seed"),
            ShardTokens = o.Small("shard_tokens", 1),
        };
        return o.Checked(options, given => given.Validate());
    }

    private static void WriteSpecies(Utf8JsonWriter json, SpeciesEntry species)
    {
        json.WriteStartObject();
        json.WriteString("name", species.Name);
        json.WriteNumber("records", species.Records);
        json.WriteNumber("bases", species.Bases);
        json.WriteNumber("ambiguous_windows", species.AmbiguousWindows);
        json.WriteNumber("ambiguous_bases", species.AmbiguousBases);
        json.WriteNumber("rest_bases", species.RestBases);
        json.WriteNumber("repeated_windows", species.RepeatedWindows);
        json.WriteNumber("repeated_bases", species.RepeatedBases);
        WriteShards(json, "training", species.Training);
        WriteShards(json, "held_out", species.HeldOut);
        json.WriteEndObject();
    }

    private static SpeciesEntry ReadSpecies(JsonFields json) => new(
        json.Text("name"), json.Integer("records", 0), json.Integer("bases", 0), json.Integer("ambiguous_windows", 0),
        json.Integer("ambiguous_bases", 0), json.Integer("rest_bases", 0), json.Integer("repeated_windows", 0),
        json.Integer("repeated_bases", 0), ReadShards(json, "training"), ReadShards(json, "held_out"));

    private static void WriteShards(Utf8JsonWriter json, string key, ShardEntry[] shards)
    {
        json.WriteStartArray(key);
        foreach (ShardEntry shard in shards)
        {
            json.WriteStartObject();
            json.WriteString("file", shard.File);
            json.WriteNumber("windows", shard.Windows);
            json.WriteNumber("tokens", shard.Tokens);
            json.WriteNumber("bases", shard.Bases);
            json.WriteString("sha256", shard.Sha256);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static ShardEntry[] ReadShards(JsonFields json, string key) =>
        [.. json.Objects(key).Select(s => new ShardEntry(
            s.FileName("file"), s.Small("windows", 1, 1 << 29), s.Small("tokens", 1, 1 << 29),
            s.Integer("bases", 1, 1L << 50), s.Text("sha256")))];
}

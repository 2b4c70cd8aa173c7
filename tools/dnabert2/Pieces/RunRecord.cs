using System.CommandLine;
using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dnabert2.Folders;
using Engine.Runtime;

namespace Dnabert2.Tool.Pieces;

/// <summary>
/// What the rows of a result follow from: version, command, options, model and inputs, as JSON. Nothing in it differs between one run, one
/// that was interrupted and gone on with, and pieces that are put together: no time, no machine, no folder, not the name of the result. So
/// two records are equal where the results have to be.
/// </summary>
internal sealed class RunRecord
{
    /// <summary>What is added to the name of a result for that of its record, where the result has no place for it.</summary>
    public const string Extension = ".provenance.json";

    /// <summary>How its JSON is written.</summary>
    public static readonly JsonWriterOptions Form = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// Options that decide nothing about rows: where results go, how the work is done and shown; and those that name files, of which the
    /// record has the content.
    /// </summary>
    private static readonly HashSet<string> LeftOut =
    [
        "--output", "--picture", "--bedgraph", "--bigwig", "--metrics", "--quiet", "--debug", "--threads", "--device", "--shard",
        "--resume", "--help", "--version", "--model", "--base", "--tokenizer", "--genome", "--bed",
    ];

    private readonly byte[] _json;

    /// <param name="json">Its JSON, an object.</param>
    /// <param name="again">Whether all inputs can be read a second time.</param>
    private RunRecord(byte[] json, bool again) => (_json, CanBeReadAgain) = (json, again);

    /// <summary>Its JSON, as UTF-8.</summary>
    public ReadOnlySpan<byte> Json => _json;

    /// <summary>Its JSON.</summary>
    public string Text => Encoding.UTF8.GetString(_json);

    /// <summary>Whether all inputs can be read a second time: none is a pipe.</summary>
    public bool CanBeReadAgain { get; }

    /// <summary>The record of a run that begins.</summary>
    /// <param name="parsed">What was typed.</param>
    /// <param name="backend">Where is computed; null: nothing is.</param>
    /// <param name="model">The model, or what has the tokenizer; null: there is none.</param>
    /// <param name="inputs">All files that are read besides; "-" is standard input.</param>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="InvalidDataException">A config of the model is damaged.</exception>
    public static RunRecord Of(ParseResult parsed, Backend? backend, ModelSource? model, IEnumerable<string> inputs)
    {
        bool again = true;
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, Form))
        {
            json.WriteStartObject();
            json.WriteString("program", "dnabert2");
            json.WriteString("version", Version);
            json.WriteString("command", parsed.CommandResult.Command.Name);
            json.WriteStartObject("options");
            foreach (Option option in parsed.CommandResult.Command.Options.OrderBy(option => option.Name, StringComparer.Ordinal))
                if (!LeftOut.Contains(option.Name)) Write(json, parsed, option);
            json.WriteEndObject();
            if (backend is not null)
                json.WriteString("device", backend.Description.StartsWith("CPU,", StringComparison.Ordinal) ? "cpu" : "cuda");
            if (model is not null)
            {
                json.WriteStartObject("model");
                json.WriteString("name", NameOf(model.Folder));
                json.WriteString("xxh128", Fingerprint.Of(model));
                json.WriteEndObject();
            }

            json.WriteStartArray("inputs");
            foreach (string path in inputs)
            {
                json.WriteStartObject();
                json.WriteString("name", path == "-" ? path : NameOf(path));
                if (path != "-" && Fingerprint.Of(path) is (long bytes, string hash))
                {
                    json.WriteNumber("bytes", bytes);
                    json.WriteString("xxh128", hash);
                }
                else
                {
                    again = false;
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return new RunRecord(stream.ToArray(), again);
    }

    /// <summary>The record of a run that was written.</summary>
    /// <param name="json">Its JSON, an object in <see cref="Form"/>.</param>
    public static RunRecord Of(byte[] json) => new(json, again: true);

    /// <summary>The first thing that differs in another record, in words, or null.</summary>
    /// <param name="here">The other record.</param>
    public string? DifferenceTo(RunRecord here)
    {
        if (Json.SequenceEqual(here.Json)) return null;
        Dictionary<string, string> was = Flat(), now = here.Flat();
        foreach (string name in was.Keys.Union(now.Keys))
        {
            string before = was.GetValueOrDefault(name, "not given"), after = now.GetValueOrDefault(name, "not given");
            if (before != after) return $"{name} was {before}, and is {after}";
        }

        return "the record has another form";
    }

    private static string Version =>
        typeof(RunRecord).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";

    private static string NameOf(string path) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));

    /// <summary>The values by what leads to them: options by their names.</summary>
    private Dictionary<string, string> Flat()
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        using JsonDocument document = JsonDocument.Parse(_json);
        Add("", document.RootElement);
        return values;

        void Add(string name, JsonElement element)
        {
            if (element.ValueKind == JsonValueKind.Object)
                foreach (JsonProperty property in element.EnumerateObject())
                    Add(name is "" or "options" ? property.Name : $"{name} {property.Name}", property.Value);
            else if (element.ValueKind == JsonValueKind.Array && name == "inputs")
                for (int i = 0; i < element.GetArrayLength(); i++) Add($"input {i + 1}", element[i]);
            else values[name] = element.ToString();
        }
    }

    /// <summary>Writes the value that an option has, given or not; of one without, nothing.</summary>
    private static void Write(Utf8JsonWriter json, ParseResult parsed, Option option)
    {
        if (option is Option<string[]> many)
        {
            if (parsed.GetValue(many) is not { Length: > 0 } texts) return;
            json.WriteStartArray(option.Name);
            foreach (string text in texts) json.WriteStringValue(text);
            json.WriteEndArray();
            return;
        }

        string? value = option switch
        {
            Option<string> text => parsed.GetValue(text),
            Option<int> number => parsed.GetValue(number).ToString(CultureInfo.InvariantCulture),
            Option<int?> number => parsed.GetValue(number)?.ToString(CultureInfo.InvariantCulture),
            Option<double> number => parsed.GetValue(number).ToString(CultureInfo.InvariantCulture),
            Option<double?> number => parsed.GetValue(number)?.ToString(CultureInfo.InvariantCulture),
            Option<bool> flag => parsed.GetValue(flag) ? "yes" : null,
            _ => throw new NotSupportedException($"{option.Name} has values of {option.ValueType}, which no record has"),
        };
        // A file by its name, as inputs are, or a rule.
        if (value is not null) json.WriteString(option.Name, option.Name == "--aliases" ? NameOf(value) : value);
    }
}

using System.Text.Json;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.FineTuning.Suites;
using Dnabert2.Metrics;
using Dnabert2.Training;

namespace Dnabert2.FineTuning;

/// <summary>A step of fine-tuning that was done.</summary>
/// <param name="Step">Steps done, of <paramref name="Steps"/>.</param>
/// <param name="Steps">Steps of the run.</param>
/// <param name="Loss">The mean loss of the step's rows.</param>
/// <param name="LearningRate">The step's learning rate.</param>
/// <param name="GradientNorm">The global norm of the gradients before clipping.</param>
/// <param name="Skipped">Whether loss or norm was not finite and the parameters stayed as they were.</param>
/// <param name="Tokens">Tokens of this process so far.</param>
/// <param name="DevLoss">The loss on the dev set after the step, or null.</param>
/// <param name="IsBest">Whether it is the lowest so far.</param>
/// <param name="Checkpoint">The folder of the checkpoint that followed, or null.</param>
public readonly record struct FineTuneProgress(
    int Step, int Steps, double Loss, double LearningRate, double GradientNorm, bool Skipped, long Tokens, double? DevLoss, bool IsBest,
    string? Checkpoint);

/// <summary>A fine-tuning that has come to its end: the model of the lowest dev loss, and how it does.</summary>
/// <param name="Steps">Steps done.</param>
/// <param name="BestStep">The steps after which the dev loss was lowest.</param>
/// <param name="DevLoss">The lowest dev loss.</param>
/// <param name="TestLoss">The loss on the test set.</param>
/// <param name="Dev">The metrics on the dev set by name; NaN where one is not defined.</param>
/// <param name="Test">The metrics on the test set by name.</param>
/// <param name="Seconds">Seconds of training.</param>
public sealed record FineTuneResult(
    int Steps, int BestStep, double DevLoss, double TestLoss, IReadOnlyDictionary<string, double> Dev,
    IReadOnlyDictionary<string, double> Test, double Seconds)
{
    /// <summary>Reads the result of a folder, or null where the run in it has not come to its end.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static FineTuneResult? Of(string folder) => FineTuneRecord.Read(folder)?.Result;

    internal static FineTuneResult Read(JsonFields json) => new(
        json.Small("steps", 1), json.Small("best_step", 1), json.Number("dev_loss", 0), json.Number("test_loss", 0),
        Metrics(json.Object("dev")), Metrics(json.Object("test")), json.Number("seconds", 0));

    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteNumber("steps", Steps);
        json.WriteNumber("best_step", BestStep);
        json.WriteNumber("dev_loss", DevLoss);
        json.WriteNumber("test_loss", TestLoss);
        Write(json, "dev", Dev);
        Write(json, "test", Test);
        json.WriteNumber("seconds", Seconds);
        json.WriteEndObject();
    }

    internal static IReadOnlyDictionary<string, double> Of(TaskScores scores) => scores.Metrics.ToDictionary(m => m.Name(), m => scores[m]);

    private static Dictionary<string, double> Metrics(JsonFields json) =>
        json.Keys.ToDictionary(name => name, name => json.Has(name) ? json.Number(name, double.MinValue) : double.NaN);

    private static void Write(Utf8JsonWriter json, string key, IReadOnlyDictionary<string, double> metrics)
    {
        json.WriteStartObject(key);
        foreach ((string name, double value) in metrics)
        {
            if (double.IsFinite(value)) json.WriteNumber(name, value);
            else json.WriteNull(name);
        }

        json.WriteEndObject();
    }
}

/// <summary>The file <c>finetune.json</c> of a finished run: what was trained, how, and what came of it.</summary>
/// <param name="Data">The hash of data and start.</param>
/// <param name="Start">The folder of the model that training began with.</param>
/// <param name="Task">The folder of the data.</param>
/// <param name="Options">The recipe.</param>
/// <param name="Fresh">What began with new weights.</param>
/// <param name="Rows">Rows of train, dev and test.</param>
/// <param name="Truncated">Of these, truncated ones.</param>
/// <param name="Result">What came of it.</param>
internal sealed record FineTuneRecord(
    string Data, string Start, string Task, FineTuneOptions Options, IReadOnlyList<string> Fresh, int[] Rows, int[] Truncated,
    FineTuneResult Result)
{
    public const string FileName = "finetune.json";
    private const string Format = "dnabert2-fine-tuning-result",
        Remedy = "the file is damaged: fine-tune into another folder, or remove this one";
    private static readonly string[] Parts = ["train", "dev", "test"];

    /// <summary>Whether a folder holds such a file, be it damaged.</summary>
    public static bool IsIn(string folder) => RunKind.BeginsWith(Path.Combine(folder, FileName), Format);

    public static FineTuneRecord? Read(string folder)
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) return null;
        return JsonFields.Read(path, Remedy, json =>
        {
            if (json.Text("format") != Format) throw json.Fault("format", $"is not {Format}");
            JsonFields rows = json.Object("rows"), truncated = json.Object("truncated_rows");
            string fresh = json.Text("new_weights");
            return new FineTuneRecord(
                json.Text("data_sha256"), json.Text("model"), json.Text("data"), FineTuneOptionsJson.Read(json.Object("options")),
                fresh.Length == 0 ? [] : fresh.Split(','), Array.ConvertAll(Parts, p => rows.Small(p, 1)),
                Array.ConvertAll(Parts, p => truncated.Small(p, 0)), FineTuneResult.Read(json.Object("result")));
        });
    }

    public void Write(string folder, FileOperations disk)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteString("model", Start);
            json.WriteString("data", Task);
            json.WriteString("data_sha256", Data);
            json.WriteString("new_weights", string.Join(',', Fresh));
            Write(json, "rows", Rows);
            Write(json, "truncated_rows", Truncated);
            json.WritePropertyName("result");
            Result.Write(json);
            json.WritePropertyName("options");
            FineTuneOptionsJson.Write(json, Options);
            json.WriteEndObject();
        }

        ResultFiles.Write(Path.Combine(folder, FileName), stream.ToArray(), disk);
    }

    private static void Write(Utf8JsonWriter json, string key, int[] counts)
    {
        json.WriteStartObject(key);
        for (int i = 0; i < counts.Length; i++) json.WriteNumber(Parts[i], counts[i]);
        json.WriteEndObject();
    }
}

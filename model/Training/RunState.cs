using System.Text.Json;

namespace Dnabert2.Training;

/// <summary>Where a run stands: the file <c>state.json</c> of a checkpoint.</summary>
internal sealed class RunState
{
    public const string FileName = "state.json";
    private const string Format = "dnabert2-pretraining";
    private const int Version = 1;
    private const string Remedy = "the checkpoint is damaged: delete its folder to resume from the one before";

    /// <summary>Steps done, skipped ones included; with the global batch it is the number of samples taken.</summary>
    public int Step { get; set; }

    /// <summary>Updates of the parameters.</summary>
    public int OptimizerSteps { get; set; }

    /// <summary>Skipped steps.</summary>
    public int Skipped { get; set; }

    /// <summary>Skipped steps since the last update.</summary>
    public int SkippedInRow { get; set; }

    /// <summary>Tokens trained on.</summary>
    public long Tokens { get; set; }

    /// <summary>Seconds of training.</summary>
    public double Seconds { get; set; }

    /// <summary>The checkpoint of the lowest held-out loss; 0 where there is none.</summary>
    public int BestStep { get; set; }

    /// <summary>Its held-out loss.</summary>
    public double BestLoss { get; set; } = double.PositiveInfinity;

    /// <summary>The lengths of the log files, in bytes, to which a resumed run cuts them back.</summary>
    public LogLengths Log { get; set; }

    /// <summary>Reads the state of a checkpoint of this run.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or belongs to a run on other data or with other options.</exception>
    public static RunState Read(string path, string corpusHash, PretrainOptions options)
    {
        const string otherwise = "or begin a new run in another folder";
        (RunState state, string corpus, PretrainOptions was) =
            JsonFields.Read(path, File.ReadAllBytes(path), Remedy, json => Read(path, json));
        if (corpus != corpusHash)
            throw new InvalidDataException(
                $"{path}: the run was begun on another corpus; " +
                $"resume with the same sequence files, tokenizer and corpus options, {otherwise}");
        if (PretrainOptionsJson.Difference(was, options) is { } difference)
            throw new InvalidDataException(
                $"{path}: the run was begun with other options: {difference}; resume with the same ones, {otherwise}");
        return state;
    }

    public byte[] Write(string corpusHash, PretrainOptions options)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteNumber("version", Version);
            json.WriteNumber("step", Step);
            json.WriteNumber("optimizer_steps", OptimizerSteps);
            json.WriteNumber("skipped_steps", Skipped);
            json.WriteNumber("skipped_in_row", SkippedInRow);
            json.WriteNumber("tokens", Tokens);
            json.WriteNumber("seconds", Seconds);
            json.WriteNumber("best_step", BestStep);
            if (double.IsFinite(BestLoss)) json.WriteNumber("best_loss", BestLoss);
            else json.WriteNull("best_loss");
            json.WriteNumber("train_csv_bytes", Log.Train);
            json.WriteNumber("evaluation_csv_bytes", Log.Evaluation);
            json.WriteNumber("events_bytes", Log.Events);
            json.WriteString("corpus_sha256", corpusHash);
            json.WritePropertyName("options");
            PretrainOptionsJson.Write(json, options);
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static (RunState State, string Corpus, PretrainOptions Options) Read(string path, JsonFields json)
    {
        if (json.Text("format") != Format) throw json.Fault("format", $"is not {Format}");
        if (json.Integer("version", 0) != Version) throw json.Fault("version", $"is not {Version}, the one this program reads");
        var state = new RunState
        {
            Step = json.Small("step", 0),
            OptimizerSteps = json.Small("optimizer_steps", 0),
            Skipped = json.Small("skipped_steps", 0),
            SkippedInRow = json.Small("skipped_in_row", 0),
            Tokens = json.Integer("tokens", 0),
            Seconds = json.Number("seconds", 0),
            BestStep = json.Small("best_step", 0),
            BestLoss = json.Has("best_loss") ? json.Number("best_loss", 0) : double.PositiveInfinity,
            Log = new LogLengths(
                json.Integer("train_csv_bytes", 0), json.Integer("evaluation_csv_bytes", 0), json.Integer("events_bytes", 0)),
        };
        return (state, json.Text("corpus_sha256"), PretrainOptionsJson.Read(path, json.Object("options")));
    }
}

using System.Text.Json;
using Dnabert2.Data;

namespace Dnabert2.Training;

/// <summary>What a run is on, and how: a checkpoint is only of use to a run that agrees with it in both.</summary>
/// <param name="Format">The format of the state's file.</param>
/// <param name="DataKey">The key of <paramref name="Data"/> in the state's file.</param>
/// <param name="Data">The hash of the data and the start.</param>
/// <param name="OtherData">What to say of a checkpoint on other data.</param>
/// <param name="Difference">The first option of a checkpoint that differs, in words, or null.</param>
/// <param name="Options">Writes the options.</param>
internal sealed record RunIdentity(
    string Format, string DataKey, string Data, string OtherData, Func<JsonFields, string?> Difference, Action<Utf8JsonWriter> Options)
{
    /// <summary>The format of a pre-training.</summary>
    public const string Pretraining = "dnabert2-pretraining";

    /// <summary>The identity of a pre-training.</summary>
    public static RunIdentity Of(string corpusHash, PretrainOptions options) => new(
        Pretraining, "corpus_sha256", corpusHash,
        "another corpus; resume with the same sequence files, tokenizer and corpus options",
        json => PretrainOptionsJson.Difference(PretrainOptionsJson.Read(json), options),
        json => PretrainOptionsJson.Write(json, options));
}

/// <summary>Where a run stands: the file <c>state.json</c> of a checkpoint.</summary>
internal sealed class RunState
{
    public const string FileName = "state.json";
    private const int Version = 2, WithoutSums = 1;

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

    /// <summary>Whether a folder holds a checkpoint of this format, be it damaged or of another run.</summary>
    public static bool IsIn(string checkpoint, string format) => RunKind.BeginsWith(Path.Combine(checkpoint, FileName), format);

    /// <summary>Whether the checkpoint was written with checksums.</summary>
    public static bool HasSums(string checkpoint) => JsonFields.Read(
        Path.Combine(checkpoint, FileName), CheckpointSums.Remedy, json => json.Integer("version", 0) != WithoutSums);

    /// <summary>Reads the state of a checkpoint of this run.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or belongs to a run on other data or with other options.</exception>
    public static RunState Read(string path, RunIdentity identity)
    {
        const string otherwise = "or begin a new run in another folder";
        (RunState state, string data, string? difference) =
            JsonFields.Read(path, CheckpointSums.Remedy, json => Read(json, identity));
        if (data != identity.Data) throw new InvalidDataException($"{path}: the run was begun on {identity.OtherData}, {otherwise}");
        if (difference is not null)
            throw new InvalidDataException(
                $"{path}: the run was begun with other options: {difference}; resume with the same ones, {otherwise}");
        return state;
    }

    public byte[] Write(RunIdentity identity)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("format", identity.Format);
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
            json.WriteString(identity.DataKey, identity.Data);
            json.WritePropertyName("options");
            identity.Options(json);
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static (RunState State, string Data, string? Difference) Read(JsonFields json, RunIdentity identity)
    {
        if (json.Text("format") != identity.Format) throw json.Fault("format", $"is not {identity.Format}");
        if (json.Integer("version", 0) is not (Version or WithoutSums))
            throw json.Fault("version", $"is not {Version} or {WithoutSums}, which this program reads");
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
        return (state, json.Text(identity.DataKey), identity.Difference(json.Object("options")));
    }
}

using System.Globalization;
using System.Text;
using System.Text.Json;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.Metrics;
using Dnabert2.Weights;

namespace Dnabert2.FineTuning.Suites;

/// <summary>
/// The results of a suite on disk. Each run has a folder with <c>identity.json</c>, all that its result depends on; <c>predictions.tsv</c>,
/// the true label and the outputs of each test row; and, written last, <c>result.json</c>: a run is finished when it is there. What is
/// there of another identity (other data, another model or recipe) is set aside, in a folder beside it, and taken back where that identity
/// returns.
/// </summary>
internal sealed class SuiteStore(string folder)
{
    private const string ResultFile = "result.json", PredictionFile = "predictions.tsv", IdentityFile = "identity.json";
    private const int MostPredictionBytes = 256 << 20;
    private const double LargestLoss = 1e300;
    private const string Remedy = "remove the folder of this run, and it will be run again";

    private static FileOperations Disk => FileOperations.OfMachine;

    /// <summary>The folder of a run.</summary>
    public string FolderOf(SuiteRun run) => Path.Combine(folder, run.Folder);

    /// <summary>
    /// Makes a run's folder ready: afterwards it holds a finished result of this identity, what an interrupted run of this identity has
    /// left, or nothing.
    /// </summary>
    /// <param name="run">The run.</param>
    /// <param name="identity">What its result depends on now.</param>
    /// <returns>Why what was there is of no use, and where it is now; null where it was of use, or nothing was there.</returns>
    /// <exception cref="IOException">The folder holds files that are no run's.</exception>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public string? Prepare(SuiteRun run, SuiteIdentity identity)
    {
        string target = FolderOf(run), file = Path.Combine(target, IdentityFile), aside = Aside(target, identity.Hash);
        string? reason = null;
        if (Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any())
        {
            byte[]? kept = File.Exists(file) ? JsonFields.Bytes(file) : null;
            if (kept is null && !File.Exists(Path.Combine(target, ResultFile))
                && !Directory.Exists(Path.Combine(target, SuiteEvaluation.ModelFolderName)))
                throw new IOException(
                    $"{target}: holds files that are not of an evaluation; move them, or name another folder for the results");
            string[] changes = kept is null
                ? ["an earlier version of the program kept it, without saying of which data"] : Changes(file, kept, identity);
            if (changes.Length == 0) return null;
            string former = Aside(target, FileHash.Of(kept ?? []));
            while (Directory.Exists(former)) former += "-again";
            Disk.MoveFolder(target, former);
            reason = $"{string.Join(", ", changes)}; what was there is kept in {Path.GetRelativePath(folder, former)}";
        }
        else if (Directory.Exists(target)) Directory.Delete(target);

        if (Directory.Exists(aside)) Disk.MoveFolder(aside, target);
        return reason;
    }

    /// <summary>Whether a run whose folder is ready is finished.</summary>
    public bool Has(SuiteRun run) => File.Exists(Path.Combine(FolderOf(run), ResultFile));

    /// <summary>Says of a run that begins, or goes on, what its result will depend on.</summary>
    public void Begin(SuiteRun run, SuiteIdentity identity)
    {
        Disk.CreateFolder(FolderOf(run));
        ResultFiles.Write(Path.Combine(FolderOf(run), IdentityFile), identity.Write());
    }

    /// <summary>Keeps a result.</summary>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a row of the test set.</exception>
    public void Write(SuiteResult result)
    {
        string target = FolderOf(result.Run);
        int at = FloatValues.IndexOfNonFinite(result.Outcome.Logits);
        if (at >= 0)
            throw FiniteOutput.Fault(
                $"{target}: row {1 + (at / result.Names.Count)} of the test set", "its classes", result.Outcome.Logits[at]);
        ResultFiles.Write(Path.Combine(target, PredictionFile), Predictions(result));
        ResultFiles.Write(Path.Combine(target, ResultFile), Summary(result));
    }

    /// <summary>Reads a result.</summary>
    /// <param name="run">The run, which is finished.</param>
    /// <param name="data">The data of its task.</param>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public SuiteResult Read(SuiteRun run, SuiteData data)
    {
        string path = Path.Combine(FolderOf(run), ResultFile);
        (LabelNames names, Target[] targets, float[] logits) =
            ReadPredictions(Path.Combine(FolderOf(run), PredictionFile), run.Task.Classes);
        return JsonFields.Read(path, Remedy, json =>
        {
            DevLoss[] losses =
                [.. json.Objects("dev_losses").Select(o => new DevLoss(o.Integer("step", 0), o.Number("loss", -LargestLoss, LargestLoss)))];
            var outcome = new SuiteOutcome(
                logits, losses, json.Number("best_dev_loss", -LargestLoss, LargestLoss), json.Small("truncated_test_rows", 0),
                json.Small("steps", 0), json.Text("device"));
            return new SuiteResult(run, names, targets, outcome, data);
        });
    }

    private static string Aside(string target, string hash) => $"{target}.former-{hash[..8]}";

    /// <summary>What is otherwise than in an identity that was kept.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    internal static string[] Changes(string path, byte[] kept, SuiteIdentity identity)
    {
        try
        {
            return [.. identity.ChangesSince(kept)];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: is damaged; {Remedy}");
        }
    }

    private static byte[] Predictions(SuiteResult result)
    {
        int classes = result.Names.Count;
        var text = new StringBuilder("label");
        foreach (string name in result.Names) text.Append("\tlogit_").Append(name);
        text.Append('\n');
        for (int i = 0; i < result.Targets.Length; i++)
        {
            text.Append(result.Names[result.Targets[i].Class]);
            foreach (float logit in result.Outcome.Logits.AsSpan(i * classes, classes))
                text.Append('\t').Append(logit.ToString("R", CultureInfo.InvariantCulture));
            text.Append('\n');
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static (LabelNames Names, Target[] Targets, float[] Logits) ReadPredictions(string path, int classes)
    {
        if (!File.Exists(path)) throw new InvalidDataException($"{path} is missing; {Remedy}");
        string[] lines = Encoding.UTF8.GetString(RegularFile.Read(path, MostPredictionBytes))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length < 2) throw new InvalidDataException($"{path}: there are no rows; {Remedy}");
        string[] columns = [
            .. lines[0].Split('\t').Skip(1).Select(column => column.StartsWith("logit_", StringComparison.Ordinal) ? column[6..] : column)];
        if (columns.Length != classes || columns.Any(string.IsNullOrWhiteSpace)
            || columns.Distinct(StringComparer.Ordinal).Count() < columns.Length)
            throw new InvalidDataException(
                $"{path}: its first line does not name the {classes} classes of the task, each in a column; {Remedy}");
        var names = new LabelNames(columns);
        var targets = new Target[lines.Length - 1];
        var logits = new List<float>();
        for (int i = 0; i < targets.Length; i++)
        {
            string[] fields = lines[i + 1].Split('\t');
            int id = names.IdOf(fields[0]);
            bool sound = id >= 0 && fields.Length == names.Count + 1;
            for (int c = 0; sound && c < names.Count; c++)
            {
                sound = float.TryParse(fields[c + 1], NumberStyles.Float, CultureInfo.InvariantCulture, out float logit)
                    && float.IsFinite(logit);
                logits.Add(logit);
            }

            if (!sound) throw new InvalidDataException($"{path}: line {i + 2} is damaged; {Remedy}");
            targets[i] = Target.OfClass(id);
        }

        return (names, targets, [.. logits]);
    }

    private static byte[] Summary(SuiteResult result)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("task", result.Run.Task.Name);
            json.WriteString("method", result.Run.Method.Name());
            json.WriteNumber("seed", result.Run.Seed);
            json.WriteNumber("test_rows", result.Targets.Length);
            json.WriteNumber("truncated_test_rows", result.Outcome.Truncated);
            json.WriteString("device", result.Outcome.Device);
            json.WriteNumber("steps", result.Outcome.Steps);
            json.WriteStartObject("test");
            foreach (Metric metric in result.Scores.Metrics)
                if (double.IsFinite(result.Scores[metric])) json.WriteNumber(metric.Name(), result.Scores[metric]);
            json.WriteEndObject();
            json.WriteNumber("best_dev_loss", result.Outcome.BestDevLoss);
            json.WriteStartArray("dev_losses");
            foreach (DevLoss loss in result.Outcome.DevLosses)
            {
                json.WriteStartObject();
                json.WriteNumber("step", loss.Step);
                json.WriteNumber("loss", loss.Loss);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }
}

using System.Globalization;
using System.Text;
using Dnabert2.Files;

namespace Dnabert2.Training;

/// <summary>The lengths of the files of a log, in bytes.</summary>
internal readonly record struct LogLengths(long Train, long Evaluation, long Events);

/// <summary>What the log of a kind of run is like.</summary>
/// <param name="EventsFile">The name of the TensorBoard events.</param>
/// <param name="Targets">What the loss of a step is the mean of, in the header of <c>train.csv</c>.</param>
/// <param name="EvaluationHeader">The header of <c>evaluation.csv</c>.</param>
internal sealed record LogLayout(string EventsFile, string Targets, string EvaluationHeader)
{
    public static readonly LogLayout Pretraining = new(
        "events.out.tfevents.pretrain", "masked_tokens", "step,species,windows,masked_tokens,bases,loss,accuracy,bits_per_base");

    public static readonly LogLayout FineTuning = new("events.out.tfevents.finetune", "sequences", "step,part,sequences,loss");

    /// <summary>The header of <c>train.csv</c>.</summary>
    public string TrainHeader => $"step,loss,learning_rate,gradient_norm,{Targets},tokens,seconds,tokens_per_second,skipped";
}

/// <summary>
/// The log of a run: <c>train.csv</c> with a line a step, <c>evaluation.csv</c> with a line for each species and one for all, or one for
/// the dev set, and both as a TensorBoard event file. Resumed, the files are cut back to what the checkpoint had seen.
/// </summary>
internal sealed class RunLog : IDisposable
{
    public const string TrainFile = "train.csv", EvaluationFile = "evaluation.csv";
    private readonly FileStream _train, _evaluation, _eventStream;
    private readonly EventFile _events;
    private readonly FileOperations _disk;

    /// <summary>Opens the log.</summary>
    /// <param name="folder">The run's folder, taken for it.</param>
    /// <param name="lengths">What to keep of the files that are there; default: nothing.</param>
    /// <param name="layout">What it is like.</param>
    /// <param name="disk">Where to; null: the disks of this machine.</param>
    public RunLog(string folder, LogLengths lengths, LogLayout layout, FileOperations? disk = null)
    {
        _disk = disk ?? FileOperations.OfMachine;
        try
        {
            _train = Open(folder, TrainFile, lengths.Train);
            _evaluation = Open(folder, EvaluationFile, lengths.Evaluation);
            _eventStream = Open(folder, layout.EventsFile, lengths.Events);
            _events = new EventFile(_eventStream);
            if (_train.Length == 0) Line(_train, layout.TrainHeader + "\n");
            if (_evaluation.Length == 0) Line(_evaluation, layout.EvaluationHeader + "\n");
            if (_eventStream.Length == 0) _events.Begin(Now);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether the <c>train.csv</c> of a folder is the log of such a run.</summary>
    public static bool IsIn(string folder, LogLayout layout) =>
        RunKind.BeginsWith(Path.Combine(folder, TrainFile), layout.TrainHeader + "\n");

    private static double Now => (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds;

    /// <summary>Writes the files to the disk.</summary>
    public LogLengths Flush()
    {
        _disk.Flush(_train);
        _disk.Flush(_evaluation);
        _disk.Flush(_eventStream);
        return new LogLengths(_train.Length, _evaluation.Length, _eventStream.Length);
    }

    /// <summary>Logs a step.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="result">What it did.</param>
    /// <param name="learningRate">Its learning rate.</param>
    /// <param name="total">Seconds of the run.</param>
    /// <param name="seconds">Seconds of the step.</param>
    public void Add(int step, in StepResult result, double learningRate, double total, double seconds)
    {
        double speed = result.Tokens / seconds;
        string skipped = result.Updated ? "no" : "yes";
        Line(_train, string.Create(CultureInfo.InvariantCulture,
            $"{step},{result.Loss},{learningRate},{result.GradientNorm},{result.Targets},{result.Tokens}," +
            $"{total:F3},{speed:F0},{skipped}\n"));
        double now = Now;
        _events.Add(now, step, "train/loss", result.Loss);
        _events.Add(now, step, "train/learning_rate", learningRate);
        _events.Add(now, step, "train/gradient_norm", result.GradientNorm);
        _events.Add(now, step, "train/tokens_per_second", speed);
    }

    /// <summary>Logs an evaluation.</summary>
    public void Add(int step, Evaluation evaluation)
    {
        foreach (SpeciesScore species in evaluation.Species) Add(step, species.Name, species.Score, $"held_out/{species.Name}");
        Add(step, "all", evaluation.Total, "held_out");
    }

    /// <summary>Logs the loss on the dev set.</summary>
    public void Add(int step, int sequences, double loss)
    {
        Line(_evaluation, string.Create(CultureInfo.InvariantCulture, $"{step},dev,{sequences},{loss}\n"));
        _events.Add(Now, step, "dev/loss", loss);
    }

    public void Dispose()
    {
        _train?.Dispose();
        _evaluation?.Dispose();
        _eventStream?.Dispose();
    }

    private void Add(int step, string name, Score score, string tag)
    {
        string quoted = name.AsSpan().ContainsAny(",\"\r\n") ? $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : name;
        Line(_evaluation, string.Create(CultureInfo.InvariantCulture,
            $"{step},{quoted},{score.Windows},{score.Tokens},{score.Bases},{score.Loss},{score.Accuracy},{score.BitsPerBase}\n"));
        double now = Now;
        _events.Add(now, step, tag + "/loss", score.Loss);
        _events.Add(now, step, tag + "/accuracy", score.Accuracy);
        _events.Add(now, step, tag + "/bits_per_base", score.BitsPerBase);
    }

    private static void Line(FileStream file, string line) => file.Write(Encoding.UTF8.GetBytes(line));

    private static FileStream Open(string folder, string name, long length)
    {
        string path = Path.Combine(folder, name);
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        if (!file.CanSeek)
        {
            file.Dispose();
            throw new IOException($"{path}: is not a regular file; remove it");
        }

        file.SetLength(Math.Min(length, file.Length));
        file.Seek(0, SeekOrigin.End);
        return file;
    }
}

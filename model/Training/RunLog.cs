using System.Globalization;
using System.Text;

namespace Dnabert2.Training;

/// <summary>The lengths of the files of a log, in bytes.</summary>
internal readonly record struct LogLengths(long Train, long Evaluation, long Events);

/// <summary>
/// The log of a run: <c>train.csv</c> with a line a step, <c>evaluation.csv</c> with a line for each species and one for all, and both
/// as a TensorBoard event file. Resumed, the files are cut back to what the checkpoint had seen.
/// </summary>
internal sealed class RunLog : IDisposable
{
    public const string TrainFile = "train.csv", EvaluationFile = "evaluation.csv", EventsFile = "events.out.tfevents.pretrain";
    private const string TrainHeader = "step,loss,learning_rate,gradient_norm,masked_tokens,tokens,seconds,tokens_per_second,skipped\n";
    private const string EvaluationHeader = "step,species,windows,masked_tokens,bases,loss,accuracy,bits_per_base\n";
    private readonly FileStream _lock, _train, _evaluation, _eventStream;
    private readonly EventFile _events;

    /// <summary>Opens the log; no other process may write it meanwhile.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="lengths">What to keep of the files that are there; default: nothing.</param>
    public RunLog(string folder, LogLengths lengths)
    {
        // A file of its own: on Unix one is locked only if it is shared with nobody, and the log is to be read while it grows.
        string held = $"{folder}: another process trains in it; wait for its end, or name another folder";
        _lock = AtomicFile.Lock(Path.Combine(folder, ".lock"), held);
        try
        {
            _train = Open(folder, TrainFile, lengths.Train);
            _evaluation = Open(folder, EvaluationFile, lengths.Evaluation);
            _eventStream = Open(folder, EventsFile, lengths.Events);
            _events = new EventFile(_eventStream);
            if (_train.Length == 0) _train.Write(Encoding.UTF8.GetBytes(TrainHeader));
            if (_evaluation.Length == 0) _evaluation.Write(Encoding.UTF8.GetBytes(EvaluationHeader));
            if (_eventStream.Length == 0) _events.Begin(Now);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private static double Now => (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds;

    /// <summary>Writes the files to the disk.</summary>
    public LogLengths Flush()
    {
        _train.Flush(flushToDisk: true);
        _evaluation.Flush(flushToDisk: true);
        _eventStream.Flush(flushToDisk: true);
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
        int skipped = result.Updated ? 0 : 1;
        Line(_train, string.Create(CultureInfo.InvariantCulture,
            $"{step},{result.Loss},{learningRate},{result.GradientNorm},{result.Masked},{result.Tokens}," +
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

    public void Dispose()
    {
        _train?.Dispose();
        _evaluation?.Dispose();
        _eventStream?.Dispose();
        _lock.Dispose();
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
        var file = new FileStream(Path.Combine(folder, name), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        file.SetLength(Math.Min(length, file.Length));
        file.Seek(0, SeekOrigin.End);
        return file;
    }
}

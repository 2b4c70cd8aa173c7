using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Dnabert2.Folders;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Training;

namespace Dnabert2.Tool.Verbs;

/// <summary>What several verbs have in common.</summary>
internal static class Shared
{
    public const string InputKinds =
        "FASTA, FASTQ, CSV or TSV with a column 'sequence', or one sequence a line; gzip, bzip2, zstd or plain; '-' is standard input";

    public static Argument<string> Input() => new("INPUT") { Description = InputKinds };

    /// <summary>One input or several.</summary>
    /// <param name="output">What tells the rows of several apart.</param>
    public static Argument<string[]> Inputs(string output) =>
        new("INPUT") { Description = $"{InputKinds}; of several, one after the other, {output}", Arity = ArgumentArity.OneOrMore };

    public static Choice<AmbiguousBases> OnN(AmbiguousBases preferred)
    {
        (string, AmbiguousBases)[] all = [("split", AmbiguousBases.Split), ("unk", AmbiguousBases.Unknown), ("drop", AmbiguousBases.Drop),
            ("error", AmbiguousBases.Error)];
        return new Choice<AmbiguousBases>(
            "--on-n", "N and IUPAC codes: cut the record there, keep them as [UNK], leave the record out, or stop",
            [.. all.OrderByDescending(choice => choice.Item2 == preferred)]);
    }

    /// <summary>Whether both strands count.</summary>
    /// <param name="what">What is averaged over them.</param>
    public static Option<bool> RcAverage(string what) => new("--rc-average")
    {
        Description = $"average {what} over both strands: the bases and their reverse complement; the column 'strands' says so",
    };

    public static Option<bool> Quiet() =>
        new("--quiet", "-q") { Description = "show only warnings and errors, no progress and no summary" };

    public static Option<int> Threads() => Number("--threads", "threads to compute with; 0: one per core", 0, 0, 1024);

    /// <summary>An option that takes a whole number.</summary>
    public static Option<int> Number(string name, string description, int preferred, int least, int most = int.MaxValue) => new(name)
    {
        Description = description,
        HelpName = "N",
        DefaultValueFactory = _ => preferred,
        CustomParser = result => Parse(result, name, least, most) ?? preferred,
    };

    /// <summary>An option that takes a whole number and has no value of its own.</summary>
    public static Option<int?> OptionalNumber(string name, string description, int least) =>
        new(name) { Description = description, HelpName = "N", CustomParser = result => Parse(result, name, least, int.MaxValue) };

    /// <summary>
    /// The bases of a block of records that is computed by itself: about fifty batches, so that the last one of them, which is not full,
    /// costs little.
    /// </summary>
    public static long BasesOfBlock(int batchTokens) => 256L * batchTokens;

    /// <summary>The variants of such a block, or the bases whose substitutions are computed.</summary>
    public static long ItemsOfBlock(int batchTokens) => Math.Max(1, batchTokens / 4);

    /// <summary>Opens a sequence file, or standard input.</summary>
    public static SequenceReader Open(string path, SequenceOptions options, Terminal terminal)
    {
        if (path == "-")
            return SequenceReader.Open(
                CompressedInput.Open(terminal.Input, "standard input"), "standard input", options, cancellation: terminal.Cancellation);
        CheckThere(path);
        Stream file = OpenFile(path, terminal);
        try
        {
            return SequenceReader.Open(file, path, options, leaveOpen: false, terminal.Cancellation);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Opens a file to read, decompressed where it is of bzip2 or Zstandard. Where it is a pipe, waiting for it, to be opened and for more,
    /// ends when the run is cancelled.
    /// </summary>
    /// <exception cref="IOException">It is a folder, or cannot be opened.</exception>
    public static Stream OpenFile(string path, Terminal terminal)
    {
        if (Directory.Exists(path)) throw new IOException($"{path}: is a folder; name a file in it");
        var how = new FileStreamOptions { BufferSize = 1 << 16, Options = FileOptions.SequentialScan };
        FileStream file = Task.Run(() => new FileStream(path, how)).WaitAsync(terminal.Cancellation).GetAwaiter().GetResult();
        try
        {
            return CompressedInput.Open(file.CanSeek ? file : new InterruptibleStream(file, terminal.Cancellation), path);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Says of an input, before any other is read, that it is not there.</summary>
    public static void CheckThere(string path)
    {
        if (path != "-" && !File.Exists(path) && !Directory.Exists(path))
            throw new FileNotFoundException($"{path}: there is no such file; give {InputKinds}");
    }

    /// <summary>The records that are still to come.</summary>
    public static IEnumerable<SequenceRecord> Records(SequenceReader reader)
    {
        while (reader.TryRead(out SequenceRecord? record)) yield return record;
    }

    /// <summary>The part of the input that was read; null where its size is not known.</summary>
    public static double? ShareOf(SequenceReader reader) =>
        reader.TotalBytes is > 0 and long total ? (double)reader.BytesRead / total : null;

    /// <summary>Says what is wrong with a folder to write to, before any work is done.</summary>
    /// <exception cref="UsageException">It is a file, or lies in one.</exception>
    public static void CheckFolder(string folder)
    {
        for (string? at = Path.GetFullPath(folder); at is not null && !Directory.Exists(at); at = Path.GetDirectoryName(at))
            if (File.Exists(at))
                throw new UsageException($"-o {folder}: {(at == Path.GetFullPath(folder) ? "this" : at)} is a file; name a folder");
    }

    /// <summary>Takes the folder of a run, before anything is read or decided.</summary>
    /// <param name="output">The folder, as <c>-o</c> names it.</param>
    /// <param name="kind">What is to run in it.</param>
    /// <param name="resume">Whether <c>--resume</c> was given.</param>
    /// <param name="inputs">What the run reads.</param>
    /// <exception cref="UsageException">It holds what is not of such a run, an input, or a run that is not to be resumed.</exception>
    public static RunFolder Claim(string output, RunKind kind, bool resume, IEnumerable<string> inputs)
    {
        CheckFolder(output);
        string[] read = [.. inputs];
        if (RunFolder.Refusal(output, kind, resume: true, read) is { } reason) throw new UsageException($"-o {output}: {reason}");
        if (RunFolder.Refusal(output, kind, resume, read) is not null)
            throw new UsageException($"-o {output}: holds a run already; resume it with --resume, or name another folder");
        return RunFolder.Claim(output, kind, resume, read);
    }

    /// <summary>Says which records were left out, if any, and which were not taken as they stand.</summary>
    public static void WarnOfLeftOut(SequenceReader reader, Terminal terminal)
    {
        foreach (string note in reader.Notes()) terminal.Say(note);
    }

    /// <summary>A number of things: "1 record", "2,000 records".</summary>
    public static string Count(long n, string thing) => n == 1 ? $"1 {thing}" : $"{n:N0} {thing}s";

    /// <summary>The tokenizer of the model that comes with the tool.</summary>
    public static BpeTokenizer BuiltInTokenizer() => (BpeTokenizer)ModelSource.Open(ModelSource.BuiltIn).LoadTokenizer();

    private static int? Parse(ArgumentResult result, string name, int least, int most)
    {
        string text = result.Tokens[0].Value;
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= least
            && value <= most) return value;
        result.AddError(
            $"{name} {text}: expected a whole number {(most == int.MaxValue ? $"of at least {least}" : $"from {least} to {most}")}");
        return null;
    }
}

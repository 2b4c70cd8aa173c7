using System.CommandLine;
using Dnabert2.Files;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Tool.Output;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>train-tokenizer</c>: sequences in, a <c>tokenizer.json</c> out.</summary>
internal sealed class TrainTokenizerVerb
{
    private const int LargestReported = 1 << 15, ReportedBases = 500;

    private readonly Terminal _terminal;
    private readonly Argument<string[]> _inputs = new("INPUT") { Description = Shared.InputKinds, Arity = ArgumentArity.OneOrMore };
    private readonly Option<string> _output =
        new("--output", "-o") { Description = "the tokenizer.json to write", HelpName = "OUT", Required = true };
    private readonly Option<int> _vocabularySize =
        Shared.Number("--vocab-size", "size of the vocabulary, including five special tokens and four bases", 4096, 9, ushort.MaxValue);
    private readonly Option<int?> _maxTokenLength =
        Shared.OptionalNumber("--max-token-length", "the longest token to make, in bases [default: any]", 1);
    private readonly Option<bool> _report = new(
        "--report")
    { Description = "report how vocabularies of 256 to 32768 ids would tokenize these sequences; reads the files twice" };
    private readonly Option<string?> _reportOn = new("--report-on")
    {
        Description = "measure that report on other sequences, such as those of a data set that the model will be used on",
        HelpName = "FILE",
    };
    private readonly Reading _reading = new(pairs: true);
    private readonly Option<bool> _quiet = Shared.Quiet();

    public TrainTokenizerVerb(Terminal terminal)
    {
        _terminal = terminal;
        Command = new Verb(
            "train-tokenizer", "Trains a byte-pair encoding on sequences. No token reaches across an N or the end of a record.",
            ("dnabert2 train-tokenizer tools/dnabert2/samples/sample.fa -o tokenizer.json --vocab-size 256",
                "a small vocabulary from one file"),
            ("dnabert2 train-tokenizer tools/dnabert2/samples/*.fa -o tokenizer.json --max-token-length 16 --report",
                "several files, and a table to choose the size by"))
        {
            _inputs, _output, _vocabularySize, _maxTokenLength, _report, _reportOn, _quiet,
        };
        foreach (Option option in _reading.Options) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        string[] inputs = parsed.GetRequiredValue(_inputs);
        string path = parsed.GetRequiredValue(_output);
        string? other = parsed.GetValue(_reportOn);
        bool report = parsed.GetValue(_report) || other is not null, quiet = parsed.GetValue(_quiet);
        if (report && other is null && inputs.Contains("-"))
            throw new UsageException("--report reads the input twice, which '-' does not allow; name a file");
        ResultPaths.Check(_terminal, other is null ? inputs : [.. inputs, other], ("-o", path));

        foreach (string input in inputs) Shared.CheckThere(input);
        if (other is not null) Shared.CheckThere(other);
        int size = parsed.GetValue(_vocabularySize);
        SequenceOptions reading = _reading.Of(parsed, AmbiguousBases.Split);
        var sequences = new TrainingSequences(inputs, reading, _terminal, quiet);
        var options = new BpeTrainerOptions
        {
            VocabularySize = report ? Math.Max(size, LargestReported) : size,
            MaxTokenLength = parsed.GetValue(_maxTokenLength) ?? int.MaxValue,
        };
        var trainer = new BpeTrainer(options);
        BpeTokenizer trained = Train(trainer, sequences, quiet);
        if (report) Print(trained, other is null ? sequences : new TrainingSequences([other], reading, _terminal, quiet));
        _terminal.Cancellation.ThrowIfCancellationRequested();
        BpeTokenizer tokenizer = trained.VocabularySize > size ? trained.WithVocabularySize(size) : trained;
        ResultFiles.Write(path, tokenizer.Save);
        if (tokenizer.VocabularySize < size)
            _terminal.Say(
                $"the vocabulary has only {tokenizer.VocabularySize} ids: the sequences have no more pairs to merge; "
                + $"give more sequences for {size}");
        if (!quiet) _terminal.Say($"{tokenizer.VocabularySize} ids from {trainer.BaseCount:N0} bases to {path}");
        return CommandLineTool.Done;
    }

    private BpeTokenizer Train(BpeTrainer trainer, TrainingSequences sequences, bool quiet)
    {
        try
        {
            sequences.AddTo(trainer);
            using var merges = new MergeProgress(_terminal, quiet);
            return trainer.Train(merges, _terminal.Cancellation);
        }
        catch (InvalidOperationException e)
        {
            // Of the sequences: none with two bases, or too many.
            throw new InvalidDataException($"{sequences}: {e.Message}");
        }
    }

    private void Print(BpeTokenizer trained, TrainingSequences sequences)
    {
        int[] sizes = [.. Enumerable.Range(8, 8).Select(power => 1 << power).Where(size => size <= trained.VocabularySize)];
        if (sizes.Length < 8)
            _terminal.Say($"sizes above {trained.VocabularySize} are left out: the sequences have no more pairs to merge");
        var table = new StringWriter();
        table.WriteLine("vocabulary\tmean_token_length\tlongest_token\tbases_per_token\ttokens_of_500_bases\trelative_flops");
        foreach (VocabularyReportRow row in VocabularyReport.Measure(trained, sizes, sequences.Pieces(), ReportedBases))
            table.WriteLine(
                $"{row.VocabularySize}\t{row.MeanTokenLength:F2}\t{row.MaxTokenLength}\t{row.BasesPerToken:F3}\t"
                + $"{(ReportedBases / row.BasesPerToken) + 2:F1}\t{row.RelativeFlops:F3}");
        _terminal.Output.Write(System.Text.Encoding.UTF8.GetBytes(table.ToString()));
        _terminal.Output.Flush();
    }

    /// <summary>Shows how many merges are found.</summary>
    private sealed class MergeProgress(Terminal terminal, bool quiet) : IProgress<BpeTrainingProgress>, IDisposable
    {
        private readonly ProgressLine _line = new(terminal, quiet, "merges");

        public void Report(BpeTrainingProgress value)
        {
            if (_line.IsDue)
                _line.Show($"{value.MergesDone:N0} of {value.MergesTotal:N0} merges", value.MergesDone,
                    (double)value.MergesDone / value.MergesTotal);
        }

        public void Dispose() => _line.Dispose();
    }
}

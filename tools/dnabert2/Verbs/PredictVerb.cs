using System.CommandLine;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Sequences;
using Dnabert2.Tool.Output;
using Dnabert2.Tool.Pieces;
using Engine.Runtime;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>predict</c>: sequences in, labels out.</summary>
internal sealed class PredictVerb
{
    private readonly Terminal _terminal;
    private readonly Argument<string[]> _inputs = Shared.Inputs("and a last column 'source' names the file of each row");
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "the table: " + RowWriter.Formats,
        HelpName = "OUT",
        DefaultValueFactory = _ => "-",
    };

    private readonly ModelChoice _model = ModelChoice.Required(
        "--model", "a fine-tuned model, whole or a LoRA adapter: the folder that 'dnabert2 finetune', transformers or PEFT writes");

    private readonly Option<int?> _maxTokens = Shared.OptionalNumber("--max-tokens",
        "the most tokens of a sequence, including [CLS] and [SEP]; longer ones are truncated and marked [default: as in training]", 4);
    private readonly Choice<AmbiguousBases> _onN = new(
        "--on-n", "N and IUPAC codes: keep them as [UNK], as in training, leave the record out, or stop",
        ("unk", AmbiguousBases.Unknown), ("drop", AmbiguousBases.Drop), ("error", AmbiguousBases.Error));

    private readonly Option<int> _batchTokens =
        Shared.Number("--batch-tokens", "tokens computed together; larger values need more memory", 4096, 1);
    private readonly Option<bool> _rcAverage = Shared.RcAverage("the probability of each class, or the value,");
    private readonly Compute _compute;
    private readonly Reading _reading = new(pairs: true, windows: true);
    private readonly RegionChoice _regions = new("predict", readsStrands: true);
    private readonly PieceChoice _pieces;
    private readonly Option<bool> _quiet = Shared.Quiet();

    public PredictVerb(Terminal terminal)
    {
        _terminal = terminal;
        _compute = new Compute(terminal, training: false);
        _pieces = new PieceChoice(terminal);
        Command = new Verb(
            "predict", "Says for each record, in the order of the input, which class a fine-tuned model sees in it, and how surely.",
            ("dnabert2 predict tools/dnabert2/samples/sample.fa --model run --on-n drop -o predictions.csv",
                "the columns id, label, the probability of each class, truncated"),
            ("gzip -c tools/dnabert2/samples/sample.fa | dnabert2 predict - --model run --max-tokens 128 | head -n 2",
                "from a pipe into a pipe"))
        {
            _inputs, _output, _maxTokens, _onN.Option, _batchTokens, _rcAverage, _quiet,
        };
        foreach (Option option in _reading.Options.Concat(_regions.Options).Concat(_pieces.Options)) Command.Add(option);
        foreach (Option option in _model.Options.Concat(_compute.Options)) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        string[] inputs = parsed.GetRequiredValue(_inputs);
        string path = _pieces.PathOf(parsed, parsed.GetRequiredValue(_output));
        char separator = RowWriter.Separator(path);
        bool quiet = parsed.GetValue(_quiet);
        ModelSource source = _model.Open(parsed, _terminal, quiet);
        ResultPaths.Check(_terminal, [.. inputs, .. _regions.Files(parsed), .. source.Folders], ("-o", path));
        using Backend backend = _compute.Open(parsed);
        SequenceOptions options =
            _reading.Of(parsed, _onN.Of(parsed), needsKnownBases: true) with { TurnsReverseRegions = _regions.UsesStrand(parsed) };
        using RowResult result = _pieces.Open(
            parsed, path, Shared.BasesOfBlock(parsed.GetValue(_batchTokens)), backend, source, [.. inputs, .. _regions.Files(parsed)]);
        if (result.IsComplete) return CommandLineTool.Done;
        using GenomeRegions? regions = _regions.Open(parsed, _terminal, inputs);
        using var input = new InputFiles(inputs, options, _terminal, givesNames: true, regions);
        using ClassifierModel model = ClassifierModel.Load(source, backend);
        if (!quiet && parsed.GetValue(_maxTokens) is null)
            _terminal.Say($"records are cut at {model.MaxTokens} tokens ({model.MaxTokensSource}); --max-tokens sets another limit");
        bool bothStrands = parsed.GetValue(_rcAverage);
        var predictor = new Predictor(model, parsed.GetValue(_maxTokens), parsed.GetValue(_batchTokens), bothStrands);
        input.KeepBases = model.Model.Tokenizer.BasesThatDecide(predictor.MaxTokens);
        var table = new PredictionTable(
            result.AddTable(path, separator), model, bothStrands, input.AreSeveral, regions is not null || options.Window is not null);
        long records = 0, truncated = 0;
        using var progress = new ProgressLine(_terminal, quiet || (path == "-" && _terminal.OutputIsWatched), "records");
        foreach (IEnumerable<SequenceRecord> block in result.Blocks(input.Records(), record => record.Length + record.SecondLength))
            foreach (Prediction prediction in predictor.Predict(block, _terminal.Cancellation))
            {
                table.Write(prediction);
                records++;
                if (prediction.Truncated) truncated++;
                if (progress.IsDue) progress.Show(Shared.Count(records, "record"), records, input.Share);
            }

        _terminal.Cancellation.ThrowIfCancellationRequested();
        result.Commit();
        progress.Dispose();
        input.Report();
        if (truncated > 0)
            _terminal.Say(
                $"{input.Name}: {Shared.Count(truncated, "record")} longer than {predictor.MaxTokens} tokens were "
                + "truncated (column 'truncated')");
        if (!quiet)
            _terminal.Say(
                $"{Shared.Count(records, "record")} in {progress.Elapsed.TotalSeconds:F1} s to {(path == "-" ? "standard output" : path)}");
        return CommandLineTool.Done;
    }
}

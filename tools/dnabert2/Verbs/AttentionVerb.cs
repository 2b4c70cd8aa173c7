using System.CommandLine;
using System.Globalization;
using Dnabert2.Files;
using Dnabert2.Folders;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Dnabert2.Tool.Output;
using Engine.Runtime;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>attention</c>: sequences in, the attention between their tokens out.</summary>
internal sealed class AttentionVerb
{
    private readonly Terminal _terminal;
    private readonly Argument<string> _input = Shared.Input();
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "the arrays, as NumPy's .npz: that of record 1 is '1'; beside it OUT.tokens.tsv says what their rows and columns are",
        HelpName = "OUT.npz",
        Required = true,
    };

    private readonly Choice<AttentionView> _view = new(
        "--view",
        "heads: each head of each layer, [layers, heads, tokens, tokens]; mean: the mean of the heads, [layers, tokens, tokens]; rollout: "
        + "their product over the layers with the residual connections, [tokens, tokens]",
        ("heads", AttentionView.Heads), ("mean", AttentionView.Mean), ("rollout", AttentionView.Rollout));

    private readonly Option<string?> _picture =
        new("--picture") { Description = "also draw them as SVG, a square for each array", HelpName = "FILE.svg" };
    private readonly ModelChoice _model = ModelChoice.Optional(
        "--model", "a model, whole or a LoRA adapter, or a run of pre-training: its folder; 'default' comes with the tool", "default");

    private readonly Option<int> _maxTokens = Shared.Number(
        "--max-tokens", "the most tokens of a record, including [CLS] and [SEP]; one of more is an error: memory grows with the square",
        512, 3);
    private readonly RegionChoice _regions = new("show", readsStrands: false);
    private readonly Compute _compute;
    private readonly Reading _reading = new(pairs: false, windows: true);
    private readonly Option<bool> _quiet = Shared.Quiet();

    public AttentionVerb(Terminal terminal)
    {
        _terminal = terminal;
        _compute = new Compute(terminal, training: false);
        Command = new Verb(
            "attention",
            "Says for each token of a sequence which tokens it attends to: rows are of the token that looks, columns of those it looks at, "
            + "and a row sums to 1. Unknown bases stay where they are, as [UNK]. Places are bases from start up to but not including end, "
            + "counted from 0; special tokens have none.",
            ("dnabert2 attention tools/dnabert2/samples/sample.fa --max-tokens 1024 -o attention.npz --view rollout --picture maps.svg",
                "one array for each record, and a picture"),
            ("dnabert2 attention tools/dnabert2/samples/sample.fa --region promoter:41-100 -o heads.npz",
                "every head of every layer, of a region"))
        {
            _input, _output, _view.Option, _picture, _maxTokens, _quiet,
        };
        foreach (Option option in _reading.Options.Concat(_regions.Options)) Command.Add(option);
        foreach (Option option in _model.Options.Concat(_compute.Options)) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        string input = parsed.GetRequiredValue(_input), path = parsed.GetRequiredValue(_output);
        string? picture = parsed.GetValue(_picture);
        Expect("-o", path, ".npz", "arrays are NumPy's archives");
        if (picture is not null) Expect("--picture", picture, ".svg", "pictures are SVG");
        string table = Path.ChangeExtension(path, ".tokens.tsv");
        bool quiet = parsed.GetValue(_quiet);
        ModelSource source = _model.Open(parsed, _terminal, quiet);
        ResultPaths.Check(
            _terminal, [input, .. _regions.Files(parsed), .. source.Folders], ("-o", path), ("-o", table), ("--picture", picture));
        using Backend backend = _compute.Open(parsed);
        SequenceOptions reading = _reading.Of(parsed, AmbiguousBases.Unknown, needsKnownBases: false);
        using GenomeRegions? regions = _regions.Open(parsed, _terminal, [input]);
        using var records = new InputFiles([input], reading, _terminal, givesNames: true, regions);
        using SequenceModel model = source.Load(backend, ModelParts.Encoder);
        var maps = new AttentionMaps(model, _view.Of(parsed), parsed.GetValue(_maxTokens));
        using var files = new ResultFiles();
        var rows = new TokenPlaces(
            new RowWriter(files.Add(table), '\t'), model.Tokenizer, regions is not null || reading.Window is not null);
        AttentionPicture? drawn = picture is null ? null : new();
        long count = 0;
        using (var line = new ProgressLine(_terminal, quiet, "records"))
        using (var archive = new NpzWriter(files.Add(path)))
            foreach (AttentionMap map in maps.Run(records.Records(), _terminal.Cancellation))
            {
                archive.Add(map.Number.ToString(CultureInfo.InvariantCulture), map.Shape, map.Values.Span);
                rows.Write(map);
                drawn?.Add(map);
                count++;
                if (line.IsDue) line.Show(map.Id, count, records.Share);
            }

        rows.Flush();
        if (picture is not null) drawn!.Finish(files.Add(picture));
        _terminal.Cancellation.ThrowIfCancellationRequested();
        files.Commit();
        records.Report();
        if (drawn is { RecordsLeftOut: > 0 and int left })
            _terminal.Say(
                $"{picture}: {Shared.Count(left, "record")} not drawn: a picture has {AttentionPicture.MostMaps} squares at most");
        if (!quiet) _terminal.Say($"{Shared.Count(count, "record")} on {backend.Description}: {path} and {table}");
        return CommandLineTool.Done;
    }

    private static void Expect(string option, string path, string extension, string what)
    {
        if (!Path.GetExtension(path).Equals(extension, StringComparison.OrdinalIgnoreCase))
            throw new UsageException($"{option} {path}: {what}; name a file that ends in {extension}");
    }
}

using System.CommandLine;
using Dnabert2.Embeddings;
using Dnabert2.Folders;
using Dnabert2.Sequences;
using Dnabert2.Tool.Output;
using Dnabert2.Tool.Pieces;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>embed</c>: sequences in, vectors out.</summary>
internal sealed class EmbedVerb
{
    private readonly Terminal _terminal;
    private readonly Argument<string[]> _inputs = Shared.Inputs("and a last column 'source' names the file of each row");
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "the result: .npy or .safetensors, with a table .ids.tsv beside it, .parquet, whose column 'vector' they are, "
        + "or a table " + RowWriter.Formats,
        HelpName = "OUT",
        DefaultValueFactory = _ => "-",
    };

    private readonly ModelChoice _model = ModelChoice.Optional(
        "--model", "a model, whole or a LoRA adapter, or a run of pre-training: its folder; 'default' comes with the tool", "default");

    private readonly Choice<Pooling?> _pooling = new(
        "--pooling", "how the vectors of a record's tokens become one; none: a vector for each token",
        ("mean", Pooling.Mean), ("cls", Pooling.Cls), ("max", Pooling.Max), ("none", null));

    private readonly Option<int?> _layer = Shared.OptionalNumber(
        "--layer", "the layer whose vectors they are: 0 is the embedding layer [default: the last]", 0);

    private readonly Choice<bool> _outputDtype = new(
        "--output-dtype", "the numbers of .npy and .safetensors; computed in --dtype, and rounded when they are written",
        ("f32", false), ("f16", true));

    private readonly Choice<TooLong> _onTooLong = new(
        "--on-too-long", "records of more tokens than --max-tokens: embed them in overlapping chunks, embed their beginning, or stop",
        ("chunk", TooLong.Chunk), ("truncate", TooLong.Truncate), ("error", TooLong.Error));

    private readonly Option<int> _maxTokens =
        Shared.Number("--max-tokens", "the most tokens of a chunk, including [CLS] and [SEP]", 512, 3);
    private readonly Option<int?> _overlap =
        Shared.OptionalNumber("--overlap", "tokens that neighbouring chunks share [default: an eighth of --max-tokens]", 0);
    private readonly Choice<AmbiguousBases> _onN = Shared.OnN(AmbiguousBases.Split);
    private readonly Option<int> _batchTokens =
        Shared.Number("--batch-tokens", "tokens computed together; larger values need more memory", 4096, 1);
    private readonly Option<bool> _rcAverage = Shared.RcAverage("the vectors, each pooled on its own,");
    private readonly Compute _compute;
    private readonly Reading _reading = new(pairs: false, windows: true);
    private readonly RegionChoice _regions = new("embed", readsStrands: true);
    private readonly PieceChoice _pieces;
    private readonly Option<bool> _quiet = Shared.Quiet();

    public EmbedVerb(Terminal terminal)
    {
        _terminal = terminal;
        _compute = new Compute(terminal, training: false);
        _pieces = new PieceChoice(terminal);
        Command = new Verb(
            "embed",
            "Turns sequences into vectors, one for each record, in the order of the input. With --pooling none there is one for each "
            + "token, and the table gives its place in the record: index from 0, and the bases from start up to but not including end, "
            + "counted from 0. Where chunks overlap, a token is taken from the one in which it is farther from the border, so each base "
            + "belongs to one vector.",
            ("dnabert2 embed tools/dnabert2/samples/sample.fa -o sample.npy",
                "a NumPy matrix, and sample.ids.tsv that says what each row is"),
            ("dnabert2 embed tools/dnabert2/samples/sample.fa --pooling none --on-n unk -o tokens.safetensors",
                "a vector for each token, with its place in the record"),
            ("dnabert2 embed tools/dnabert2/samples/sample.fa --window 64 --step 32 -o windows.parquet",
                "windows over each record, with their places; the columns of a data frame"),
            ("gzip -c tools/dnabert2/samples/sample.fa | dnabert2 embed - --max-tokens 128 --rc-average | head -n 2",
                "from a pipe into a pipe"))
        {
            _inputs, _output, _outputDtype.Option, _pooling.Option, _layer, _onTooLong.Option, _maxTokens, _overlap, _onN.Option,
            _batchTokens, _rcAverage, _quiet,
        };
        foreach (Option option in _reading.Options.Concat(_regions.Options).Concat(_pieces.Options)) Command.Add(option);
        foreach (Option option in _model.Options.Concat(_compute.Options)) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        string path = _pieces.PathOf(parsed, parsed.GetRequiredValue(_output));
        string[] inputs = parsed.GetRequiredValue(_inputs);
        Pooling? pooling = _pooling.Of(parsed);
        var options = new EmbedOptions
        {
            Pooling = pooling ?? Pooling.Mean,
            Layer = parsed.GetValue(_layer),
            MaxTokens = parsed.GetValue(_maxTokens),
            Overlap = parsed.GetValue(_overlap) ?? parsed.GetValue(_maxTokens) / 8,
            OnTooLong = _onTooLong.Of(parsed),
            OnAmbiguous = _onN.Of(parsed),
            BatchTokens = parsed.GetValue(_batchTokens),
            AverageReverseComplement = parsed.GetValue(_rcAverage),
        };
        Check(path, pooling, options);
        bool half = _outputDtype.Of(parsed);
        if (half && EmbeddingOutput.FormatOf(path) is not (".npy" or ".safetensors"))
            throw new UsageException($"--output-dtype f16 and -o {path}: numbers of 16 bits are in .npy and .safetensors");
        bool quiet = parsed.GetValue(_quiet);
        ModelSource source = _model.Open(parsed, _terminal, quiet);
        ResultPaths.Check(
            _terminal, [.. inputs, .. _regions.Files(parsed), .. source.Folders],
            [.. EmbeddingOutput.FilesOf(path).Select(file => ("-o", file))]);

        using Backend backend = _compute.Open(parsed);
        SequenceOptions reading = _reading.Of(
            parsed, options.OnAmbiguous, needsKnownBases: options.OnAmbiguous == AmbiguousBases.Split)
            with
        { TurnsReverseRegions = _regions.UsesStrand(parsed) };
        using RowResult result = _pieces.Open(
            parsed, path, Shared.BasesOfBlock(options.BatchTokens), backend, source, [.. inputs, .. _regions.Files(parsed)]);
        if (result.IsComplete) return CommandLineTool.Done;
        using GenomeRegions? regions = _regions.Open(parsed, _terminal, inputs);
        using var files = new InputFiles(inputs, reading, _terminal, givesNames: true, regions);
        using SequenceModel model = source.Load(backend, ModelParts.Encoder);
        if (model.MaxTokens is { } most && options.MaxTokens > most)
            throw new UsageException(
                $"--max-tokens {options.MaxTokens}: this model has positions for {most} tokens; give a smaller number");
        if (options.Layer is { } layer && (layer > model.Layers || model.Layers == 0))
            throw new UsageException(
                $"--layer {layer}: this model has "
                + (model.Layers == 0 ? "no layers to choose from" : $"0, its embeddings, to {model.Layers}"));
        if (options.OnTooLong == TooLong.Truncate) files.KeepBases = model.Tokenizer.BasesThatDecide(options.MaxTokens);
        var layout = new EmbeddingLayout(
            model.HiddenSize, OfTokens: pooling is null, options.AverageReverseComplement, files.AreSeveral,
            OfRegions: regions is not null || reading.Window is not null, reading.TurnsReverseRegions, half);
        EmbeddingOutput output = EmbeddingOutput.Create(path, result, layout);
        var run = new EmbedRun(model, options, files, result, output, _terminal);
        using (var line = new ProgressLine(_terminal, quiet || (path == "-" && _terminal.OutputIsWatched), "tokens"))
            run.Run(layout.OfTokens, line);
        _terminal.Cancellation.ThrowIfCancellationRequested();
        result.Commit();
        run.Report(layout, path, quiet);
        return CommandLineTool.Done;
    }

    private static void Check(string path, Pooling? pooling, EmbedOptions options)
    {
        if (options.Overlap < 0 || options.Overlap >= options.MaxTokens - 2)
            throw new UsageException(
                $"--overlap {options.Overlap}: it must be from 0 to {options.MaxTokens - 3}, less than a chunk of --max-tokens "
                + $"{options.MaxTokens} without [CLS] and [SEP]");
        if (pooling is null && options.AverageReverseComplement)
            throw new UsageException(
                "--pooling none and --rc-average: the reverse complement has other tokens, so their vectors cannot be averaged");
        if (path != "-" && EmbeddingOutput.FormatOf(path) is null)
            throw new UsageException($"-o {path}: the extension decides the format: .npy, .safetensors, .parquet, {RowWriter.Formats}");
    }
}

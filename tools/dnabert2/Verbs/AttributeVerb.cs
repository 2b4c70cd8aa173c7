using System.CommandLine;
using System.Globalization;
using Dnabert2.Folders;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Dnabert2.Tool.Output;
using Dnabert2.Tool.Pieces;
using Engine.Runtime;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>attribute</c>: sequences in, the effect of every substitution out.</summary>
internal sealed class AttributeVerb
{
    private readonly Terminal _terminal;
    private readonly Argument<string> _input = Shared.Input();
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "the table, with the columns id, pos (from 1), ref, alt, effect, and of a class also effect_logit and class: "
        + RowWriter.Formats,
        HelpName = "OUT",
        DefaultValueFactory = _ => "-",
    };

    private readonly Option<string?> _picture =
        new("--picture") { Description = "also draw a heat map as SVG, with a panel for each record", HelpName = "FILE.svg" };
    private readonly Option<string?> _bedGraph = new("--bedgraph")
    {
        Description = "also write the mean effect of the three substitutions of each base as bedGraph, in the order of the regions",
        HelpName = "FILE.bedgraph",
    };

    private readonly Option<string?> _bigWig = new("--bigwig")
    {
        Description = "also write these means as bigWig, compressed and with summaries; regions have to be in order",
        HelpName = "FILE.bw",
    };

    private readonly ModelChoice _model = ModelChoice.Optional(
        "--model",
        "a fine-tuned model, whole or a LoRA adapter, or a pre-trained one: its folder; 'default' comes with the tool, and is pre-trained",
        "default");

    private readonly Choice<AttributionTarget> _target = new(
        "--target",
        "measure the change of a class's probability, or of the log-likelihood in nats, of masked tokens or with HyenaDNA of the "
        + "sequence; auto: the class if the model has one",
        ("auto", AttributionTarget.Auto), ("class", AttributionTarget.Class), ("likelihood", AttributionTarget.Likelihood));

    private readonly Option<string?> _class =
        new("--class") { Description = "the class [default: the predicted class of each sequence]", HelpName = "NAME" };
    private readonly RegionChoice _regions = new(
        "substitute (the model still sees what is around; START-END alone is of every record)", readsStrands: false);

    private readonly Option<int> _window = Shared.Number(
        "--window",
        "the most bases that the model sees at once; longer records are cut into windows that overlap by half; for the likelihood, "
        + "no more than the model has positions for", 1000, 8);
    private readonly Option<int> _batchTokens =
        Shared.Number("--batch-tokens", "tokens computed together; larger values need more memory", 4096, 1);
    private readonly Option<bool> _rcAverage = Shared.RcAverage("effects");
    private readonly Compute _compute;
    private readonly PieceChoice _pieces;
    private readonly Reading _reading = new(pairs: false);
    private readonly Option<bool> _quiet = Shared.Quiet();

    public AttributeVerb(Terminal terminal)
    {
        _terminal = terminal;
        _compute = new Compute(terminal, training: false);
        _pieces = new PieceChoice(terminal);
        Command = new Verb(
            "attribute",
            "Says for each base what every substitution changes: the model's answer for the substituted sequence minus that for the "
            + "sequence as it is. Each base takes three passes through a classifier, about one through a language model. At N nothing is "
            + "substituted.",
            ("dnabert2 attribute tools/dnabert2/samples/sample.fa --region promoter:40-80 -o effects.tsv --picture effects.svg",
                "the bases around a TATA box, as a table and as a picture"),
            ("dnabert2 attribute tools/dnabert2/samples/sample.fa --region promoter:40-80 -o effects.tsv --bedgraph effects.bedgraph "
                + "--bigwig effects.bw",
                "a value for each base, for genome browsers"),
            ("dnabert2 attribute tools/dnabert2/samples/sample.fa --region 1-5 --window 64 | head -n 9",
                "the first bases of each record, seen in windows of 64 bases"))
        {
            _input, _output, _picture, _bedGraph, _bigWig, _target.Option, _class, _window, _rcAverage, _batchTokens, _quiet,
        };
        foreach (Option option in _regions.Options.Concat(_reading.Options).Concat(_pieces.Options)) Command.Add(option);
        foreach (Option option in _model.Options.Concat(_compute.Options)) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        string input = parsed.GetRequiredValue(_input), path = _pieces.PathOf(parsed, parsed.GetRequiredValue(_output));
        string? picture = parsed.GetValue(_picture);
        string? bedGraph = parsed.GetValue(_bedGraph) is { } graph ? _pieces.PathOf(parsed, graph) : null;
        string? bigWig = parsed.GetValue(_bigWig);
        char separator = RowWriter.Separator(path);
        if (bedGraph == "-") throw new UsageException("--bedgraph -: bedGraph needs a file; name one");
        if (bigWig == "-") throw new UsageException("--bigwig -: bigWig needs a file; name one");
        if (picture == "-") throw new UsageException("--picture -: a picture needs a file; name one");
        if (picture is not null && !Path.GetExtension(picture).Equals(".svg", StringComparison.OrdinalIgnoreCase))
            throw new UsageException($"--picture {picture}: pictures are SVG; name it {Path.ChangeExtension(picture, ".svg")}");
        bool quiet = parsed.GetValue(_quiet);
        ModelSource source = _model.Open(parsed, _terminal, quiet);
        ResultPaths.Check(_terminal, [input, .. _regions.Files(parsed), .. source.Folders], ("-o", path), ("--picture", picture),
            ("--bedgraph", bedGraph), ("--bigwig", bigWig));
        bool ofGenome = IsOfGenome(input, _regions.Named(parsed), _regions.Bed(parsed), _regions.HasAliases(parsed));
        var options = new AttributionOptions
        {
            Target = _target.Of(parsed),
            Class = parsed.GetValue(_class),
            Window = parsed.GetValue(_window),
            Region = !ofGenome && _regions.Named(parsed) is [{ } region] ? ParseRegion(region) : null,
            AverageReverseComplement = parsed.GetValue(_rcAverage),
            BatchTokens = parsed.GetValue(_batchTokens),
        };
        using Backend backend = _compute.Open(parsed);
        using RowResult result = _pieces.Open(
            parsed, path, Shared.ItemsOfBlock(options.BatchTokens), backend, source, [input, .. _regions.Files(parsed)]);
        if (result.IsComplete) return CommandLineTool.Done;
        // Unknown bases stay where they are, as [UNK], as in training: cutting the sequence would change what is classified.
        using GenomeRegions? regions = ofGenome ? _regions.Open(parsed, _terminal, input) : null;
        if (regions is not null && (bigWig is not null || bedGraph is not null))
            CheckRegions(regions, bigWig is null ? "--bedgraph" : "--bigwig", inOrder: bigWig is not null);
        using InputFiles? records = ofGenome ? null : new InputFiles(
            [input], _reading.Of(parsed, AmbiguousBases.Unknown, needsKnownBases: true), _terminal, givesNames: true);
        using InterpretedModel model = InterpretedModel.Load(source, backend);
        var attribution = new Attribution(model, options);
        var run = new AttributeRun(model, attribution, options, records, regions, _terminal, quiet, keepsLengths: bigWig is not null);
        using (var line = new ProgressLine(_terminal, quiet || (path == "-" && _terminal.OutputIsWatched), "tokens"))
        {
            RowWriter row = result.AddTable(path, separator);
            Stream? drawing = picture is null ? null : result.AddWhole(picture, "a picture");
            List<IBaseTrack> tracks = [];
            if (bedGraph is not null) tracks.Add(new BedGraphTrack(result.AddTable(bedGraph, '\t')));
            if (bigWig is not null) tracks.Add(new BigWigTrack(result.AddWhole(bigWig, "a bigWig"), run.LengthOf));
            run.Run(result, row, drawing, tracks, line);
        }

        _terminal.Cancellation.ThrowIfCancellationRequested();
        result.Commit();
        run.Report(path, picture, bedGraph, bigWig);
        return CommandLineTool.Done;
    }

    /// <summary>bedGraph and bigWig have one value a base, and readers refuse more; bigWig has them in order.</summary>
    private static void CheckRegions(GenomeRegions regions, string option, bool inOrder)
    {
        if (regions.Bases is null)
            throw new UsageException($"{option} and a BED file from a pipe: name a file, which is looked at before");
        if (new RegionSet(regions.Genome, regions.All()).Overlap is { } overlap)
            throw new UsageException(
                $"{option}: two regions hold {overlap}, and a base has one value in it; put them together, as 'bedtools merge' does");
        if (!inOrder) return;
        var done = new HashSet<string>(StringComparer.Ordinal);
        GenomeRegion? last = null;
        foreach (GenomeRegion region in regions.All())
        {
            bool goesOn = last?.Contig == region.Contig;
            if (goesOn ? region.Start < last!.Start : !done.Add(region.Contig))
                throw new UsageException(
                    $"{option}: {region} comes behind {last}, and bigWig has bases in order; put the regions in order: "
                    + "sort -k1,1 -k2,2n old.bed > new.bed");
            last = region;
        }
    }

    /// <summary>
    /// Whether regions are read where they lie in a genome: several, those of BED and by aliases, and one of a file that has an index,
    /// needs none or is large. One of a small file or a pipe, of any format, is found while the records are read.
    /// </summary>
    private static bool IsOfGenome(string input, string[] regions, string? bed, bool hasAliases)
    {
        if (bed is not null || hasAliases || regions.Length > 1) return true;
        if (regions.Length == 0 || input == "-" || new FileInfo(input) is not { Exists: true, Length: > 0 } file) return false;
        return TryParseRegion(regions[0]) is not { } region
            || (region.Record is not null
                && (File.Exists(input + ".fai") || file.Length > Genome.LargestUnindexed || Genome.IsTwoBit(input)));
    }

    /// <summary>Reads <c>[ID:]START-END</c>; an id may itself hold colons.</summary>
    /// <exception cref="UsageException">It is no region.</exception>
    internal static SequenceRegion ParseRegion(string text) => TryParseRegion(text) ?? throw new UsageException(
        $"--region {text}: expected START-END or ID:START-END, such as 40-80 or chr1:1000-1200; bases are counted from 1");

    private static SequenceRegion? TryParseRegion(string text)
    {
        int colon = text.LastIndexOf(':');
        string[] ends = text[(colon + 1)..].Split('-');
        if (ends.Length == 2 && int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out int start)
            && int.TryParse(ends[1], NumberStyles.None, CultureInfo.InvariantCulture, out int end) && start >= 1 && end >= start
            && colon != 0)
            return new SequenceRegion(colon < 0 ? null : text[..colon], start - 1, end);
        return null;
    }
}

using System.CommandLine;
using Dnabert2.Folders;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Dnabert2.Tool.Output;
using Dnabert2.Tool.Pieces;
using Engine.Runtime;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>variants</c>: variants and a genome in, a score for each out.</summary>
internal sealed class VariantsVerb
{
    private const string VariantKinds =
        "VCF, or a table with tabs and the columns chrom, pos (from 1), ref, alt; gzip, bzip2, zstd or plain; '-' is standard input";
    private readonly Terminal _terminal;
    private readonly Argument<string> _input = new("VARIANTS") { Description = VariantKinds };
    private readonly Option<string> _genome = new("--genome", "-g")
    {
        Description = "the genome, FASTA or .2bit; with the index that 'dnabert2 index' makes, what is needed of it is read; without, it "
        + "is kept in memory with a quarter of a byte per base, 0.8 GB for a human genome",
        HelpName = "FASTA",
        Required = true,
    };

    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "the table, one row per alternative allele, in the order of the input: " + VariantOutput.Formats,
        HelpName = "OUT",
        DefaultValueFactory = _ => "-",
    };

    private readonly ModelChoice _model = ModelChoice.Optional(
        "--model",
        "a fine-tuned model, whole or a LoRA adapter, or a pre-trained one: its folder; 'default' comes with the tool, and is pre-trained",
        "default");

    private readonly Choice<bool> _onMismatch = new(
        "--on-mismatch",
        "variants that contradict the genome (another base, an unknown chromosome, a position past its end): "
        + "leave them out and say so, or stop",
        ("skip", false), ("error", true));

    private readonly Option<int?> _window = Shared.OptionalNumber("--window",
        "bases that the model sees around a variant [default: 512, or what the model's limit of tokens holds if that is less]",
        8);
    private readonly Option<int?> _step = Shared.OptionalNumber("--step",
        "windows begin every N bases, so that variants near each other share one and what is the same for them is computed once; up to "
        + "half of the window [default: each variant is in the middle of its own]",
        1);
    private readonly ScoreChoice _scores = new();
    private readonly LabelChoice _labels = new();
    private readonly Option<int> _batchTokens =
        Shared.Number("--batch-tokens", "tokens computed together; larger values need more memory", 4096, 1);
    private readonly Option<bool> _rcAverage = Shared.RcAverage("vectors, probabilities and likelihoods");
    private readonly RegionChoice _regions = new("score the variants that touch", readsStrands: false, needsRegions: false);
    private readonly Compute _compute;
    private readonly PieceChoice _pieces;
    private readonly Option<bool> _quiet = Shared.Quiet();

    public VariantsVerb(Terminal terminal)
    {
        _terminal = terminal;
        _compute = new Compute(terminal, training: false);
        _pieces = new PieceChoice(terminal);
        Command = new Verb(
            "variants",
            "Scores variants: what the alternative allele changes. Columns: status and reason; unknown_bases, N in the window; the "
            + "cosine and the Euclidean distance of the mean vectors; likelihood_change, in nats, where the model has a "
            + "head of a language model (of an insertion or deletion it is also of more or fewer bases), and the same _per_base, which "
            + "is not; pseudo_likelihood_change of the window, if asked for; of a fine-tuned model p_CLASS "
            + "for the genome as it is and change_CLASS; normalized, the variant as 'bcftools norm' writes it, chrom:pos:ref:alt. A "
            + "variant has one score however it is written: the window lies around that form. <DEL>, <DUP> and <INV> with END or SVLEN "
            + "are made from the genome where a window holds them.",
            ("dnabert2 variants tools/dnabert2/samples/sample.vcf --genome tools/dnabert2/samples/sample.fa -o scores.tsv",
                "a score for each allele, and what was left out"),
            ("dnabert2 variants tools/dnabert2/samples/sample.vcf -g tools/dnabert2/samples/sample.fa -o scored.vcf",
                "the VCF as it is, with the scores in its column INFO; as .vcf.gz it is compressed and indexed as bcftools wants it"),
            ("gzip -c tools/dnabert2/samples/sample.vcf | dnabert2 variants - -g tools/dnabert2/samples/sample.fa "
            + "--window 128 --quiet | cut -f 2-7,11", "from a pipe into a pipe"),
            ("dnabert2 variants tools/dnabert2/samples/labelled.tsv -g tools/dnabert2/samples/sample.fa --window 128 --step 32 "
            + "--rc-average -o scores.tsv --label effect --by kind --metrics metrics.tsv",
                "both strands in shared windows, and how well each score tells the variants whose effect is 1"))
        {
            _input, _genome, _output, _onMismatch.Option, _scores.Option, _window, _step, _rcAverage, _batchTokens, _quiet,
        };
        foreach (Option option in _labels.Options.Concat(_regions.Options).Concat(_pieces.Options)) Command.Add(option);
        foreach (Option option in _model.Options.Concat(_compute.Options)) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        string input = parsed.GetRequiredValue(_input), path = _pieces.PathOf(parsed, parsed.GetRequiredValue(_output)),
            genomePath = parsed.GetRequiredValue(_genome);
        if (input == "-" && genomePath == "-")
            throw new UsageException("VARIANTS - and --genome -: only one of them can be standard input");
        using var output = new VariantOutput(path, _terminal, input == "-" ? "standard input" : input);
        output.Check();
        string? metrics = _labels.PathOf(parsed);
        string[] fields = _labels.FieldsOf(parsed);
        if (metrics is not null && RowWriter.SeparatorOf(metrics) is null)
            throw new UsageException($"--metrics {metrics}: the extension decides the format: {RowWriter.Formats}");
        if (metrics == "-" && path == "-") throw new UsageException("-o - and --metrics -: only one of them can be standard output");
        bool quiet = parsed.GetValue(_quiet);
        ModelSource source = _model.Open(parsed, _terminal, quiet);
        ResultPaths.Check(_terminal, [input, genomePath, .. _regions.Files(parsed), .. source.Folders],
            [.. output.Files.Select(file => ("-o", (string?)file)), ("--metrics", metrics)]);
        var options = new VariantOptions
        {
            Window = parsed.GetValue(_window),
            Step = parsed.GetValue(_step),
            Scores = _scores.Of(parsed),
            AverageReverseComplement = parsed.GetValue(_rcAverage),
            BatchTokens = parsed.GetValue(_batchTokens),
        };
        using Backend backend = _compute.Open(parsed);
        using RowResult result = _pieces.Open(
            parsed, path, Shared.ItemsOfBlock(options.BatchTokens), backend, source, [input, genomePath, .. _regions.Files(parsed)]);
        if (result.IsComplete) return CommandLineTool.Done;
        if (metrics is not null && result.IsPieced)
            throw new UsageException(
                $"--metrics {metrics}: is of all variants at once, not piece by piece; leave it out with --shard and --resume");
        using VariantReader reader = OpenVariants(input, output.Copy, fields);
        using GenomeRegions? regions = _regions.Open(parsed, _terminal, genomePath);
        RegionSet? wanted = regions is null ? null : new RegionSet(regions.Genome, regions.All());
        using InterpretedModel model = InterpretedModel.Load(source, backend);
        using Genome? own = regions is null ? OpenGenome(genomePath, _regions.Aliases(parsed, _terminal), quiet) : null;
        Genome genome = regions?.Genome ?? own!;
        var contradictions = new VariantContradictions(reader, genome, _terminal, _onMismatch.Of(parsed));
        contradictions.SayLengths();
        var scorer = new VariantScorer(model, genome, options);
        VariantEvaluation? evaluation = _labels.Of(parsed, scorer);
        var run = new VariantsRun(
            scorer, reader, _terminal, contradictions, options.AverageReverseComplement, wanted, evaluation);
        using (var line = new ProgressLine(_terminal, quiet || (path == "-" && _terminal.OutputIsWatched), "tokens"))
            run.Run(result, output.Open(result, options.AverageReverseComplement), line);
        output.Finish(result);
        if (evaluation is not null) _labels.Write(evaluation, parsed, result, _terminal);
        _terminal.Cancellation.ThrowIfCancellationRequested();
        result.Commit();
        output.RemoveFormer();
        if (!quiet) run.Report(path);
        return CommandLineTool.Done;
    }

    /// <summary>Opens the variants.</summary>
    /// <param name="path">The file; "-" is standard input.</param>
    /// <param name="copy">Receives the content as it is read; null: nothing does.</param>
    /// <param name="fields">What else is wanted of each line.</param>
    private VariantReader OpenVariants(string path, Stream? copy, string[] fields)
    {
        if (path == "-") return VariantReader.Open(
            CompressedInput.Open(_terminal.Input, "standard input"), "standard input", copy, leaveOpen: true, fields,
            _terminal.Cancellation);
        if (!File.Exists(path) && !Directory.Exists(path))
            throw new FileNotFoundException($"{path}: there is no such file; give {VariantKinds}");
        return VariantReader.Open(Shared.OpenFile(path, _terminal), path, copy, leaveOpen: false, fields, _terminal.Cancellation);
    }

    /// <summary>Opens a genome of which parts are read, or reads it whole.</summary>
    private Genome OpenGenome(string path, ContigAliases? aliases, bool quiet)
    {
        bool isFile = new FileInfo(path) is { Exists: true, Length: > 0 };
        return isFile && (File.Exists(path + ".fai") || Genome.IsTwoBit(path))
            ? Genome.Open(path, aliases, _terminal.Cancellation) : ReadGenome(path, aliases, quiet);
    }

    private Genome ReadGenome(string path, ContigAliases? aliases, bool quiet)
    {
        using SequenceReader reader = Shared.Open(
            path, new SequenceOptions { OnAmbiguous = AmbiguousBases.Unknown, KeepCodes = true }, _terminal);
        using var line = new ProgressLine(_terminal, quiet, "bases");
        Genome genome = Genome.Read(reader, new GenomeProgress(line, reader), aliases);
        Shared.WarnOfLeftOut(reader, _terminal);
        if (genome.Unnamed > 0)
            _terminal.Say(
                $"{reader.Name}: {Shared.Count(genome.Unnamed, "sequence")} without a name left out: no variant can refer to them");
        return genome;
    }

    private sealed class GenomeProgress(ProgressLine line, SequenceReader reader) : IProgress<long>
    {
        public void Report(long value)
        {
            if (line.IsDue) line.Show($"{Shared.Count(reader.RecordsRead, "sequence")} of the genome", value, Shared.ShareOf(reader));
        }
    }
}

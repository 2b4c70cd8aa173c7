using System.CommandLine;
using Dnabert2.Folders;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Tool.Output;
using Dnabert2.Tool.Pieces;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>tokenize</c>: sequences in, a line of tokens for each out.</summary>
internal sealed class TokenizeVerb
{
    private const long BasesOfBlock = 1 << 20;
    private readonly Terminal _terminal;
    private readonly Argument<string[]> _inputs = Shared.Inputs("in this order; a table has a last column 'source' then");
    private readonly Option<string> _output = new("--output",
        "-o")
    {
        Description = "the result: a line for each record in a file of any name, a row for each token in a .tsv or .csv table; "
        + "'-' prints lines on standard output",
        HelpName = "OUT",
        DefaultValueFactory = _ => "-"
    };
    private readonly Option<string?> _tokenizer = new(
        "--tokenizer")
    {
        Description = "a tokenizer.json, or the folder of a model, an adapter or a run [default: that of the "
        + "model that comes with the tool]",
        HelpName = "FILE"
    };
    private readonly Option<bool> _tokens = new("--tokens") { Description = "print tokens, as '[CLS] TGCA A [SEP]' (the default)" };
    private readonly Option<bool> _ids = new("--ids") { Description = "print token ids, as '1 94 5 2'" };
    private readonly Option<bool> _offsets = new("--offsets")
    {
        Description = "print the bases that each token covers, counted from 0, as '0-0 0-4 4-5 0-0'; 0-0 is a special token",
    };
    private readonly Choice<AmbiguousBases> _onN = Shared.OnN(AmbiguousBases.Unknown);
    private readonly Reading _reading = new(pairs: true, windows: true);
    private readonly RegionChoice _regions = new("tokenize", readsStrands: true);
    private readonly PieceChoice _pieces;
    private readonly Option<bool> _quiet = Shared.Quiet();

    public TokenizeVerb(Terminal terminal)
    {
        _terminal = terminal;
        _pieces = new PieceChoice(terminal);
        Command = new Verb(
            "tokenize",
            "Turns each sequence into a line of tokens, as Hugging Face's tokenizer does; of pairs, both on one line. As in all verbs, "
            + "letters are read in upper case, U as T, and IUPAC codes as N.",
            ("dnabert2 tokenize tools/dnabert2/samples/sample.fa", "a line of tokens for each record"),
            ("dnabert2 tokenize tools/dnabert2/samples/sample.fa --ids -o sample.ids", "token ids, for another program"),
            ("dnabert2 tokenize tools/dnabert2/samples/sample.fa --region promoter:41-80 -o tokens.tsv",
                "the tokens of a region, with their places in the sequence"),
            ("dnabert2 tokenize tools/dnabert2/samples/sample.fa --offsets --on-n split --tokenizer tools/dnabert2/samples/tokenizer.json",
                "where each token lies, by a tokenizer of your own"))
        {
            _inputs, _output, _tokenizer, _tokens, _ids, _offsets, _onN.Option, _quiet,
        };
        foreach (Option option in _reading.Options.Concat(_regions.Options).Concat(_pieces.Options)) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        bool ids = parsed.GetValue(_ids), offsets = parsed.GetValue(_offsets);
        if ((ids ? 1 : 0) + (offsets ? 1 : 0) + (parsed.GetValue(_tokens) ? 1 : 0) > 1)
            throw new UsageException("--tokens, --ids, --offsets: choose one of them");
        string[] inputs = parsed.GetRequiredValue(_inputs);
        string path = _pieces.PathOf(parsed, parsed.GetRequiredValue(_output));
        bool isTable = path != "-" && RowWriter.SeparatorOf(path) is not null;
        if (isTable && (ids || offsets || parsed.GetValue(_tokens)))
            throw new UsageException(
                $"-o {path}: a table holds tokens, ids and places; leave out --tokens, --ids and --offsets, or name another kind of file");
        string? source = parsed.GetValue(_tokenizer);
        ResultPaths.Check(
            _terminal, [.. inputs, .. _regions.Files(parsed), .. source is null ? Array.Empty<string>() : [source]], ("-o", path));
        BpeTokenizer tokenizer = source is null or ModelSource.BuiltIn ? Shared.BuiltInTokenizer() : Load(source);
        SequenceOptions options = _reading.Of(parsed, _onN.Of(parsed)) with { TurnsReverseRegions = _regions.UsesStrand(parsed) };
        using RowResult result = OpenResult(parsed, path, source, [.. inputs, .. _regions.Files(parsed)]);
        if (result.IsComplete) return CommandLineTool.Done;
        using GenomeRegions? regions = _regions.Open(parsed, _terminal, inputs);
        using var input = new InputFiles(inputs, options, _terminal, givesNames: isTable, regions);
        ITokenOutput tokens = isTable
            ? new TokenTable(
                tokenizer, result.AddTable(path, RowWriter.Separator(path)), input.ArePairs, input.AreSeveral,
                regions is not null || options.Window is not null, options.TurnsReverseRegions)
            : new TokenLines(tokenizer, result.AddTable(path, ' '), ids, offsets);
        using (var progress = new ProgressLine(_terminal, parsed.GetValue(_quiet) || (path == "-" && _terminal.OutputIsWatched), "bases"))
        {
            long bases = 0;
            foreach (SequenceRecord record in result.Blocks(input.Records(), record => record.Length + record.SecondLength)
                .SelectMany(block => block))
            {
                tokens.Write(record);
                bases += record.Length + record.SecondLength;
                if (progress.IsDue) progress.Show(Shared.Count(input.RecordsRead, "record"), bases, input.Share);
            }
        }

        _terminal.Cancellation.ThrowIfCancellationRequested();
        result.Commit();
        input.Report();
        return CommandLineTool.Done;
    }

    /// <summary>Begins the result; a tokenizer alone is an input of it, and a folder a model.</summary>
    private RowResult OpenResult(ParseResult parsed, string path, string? source, string[] inputs)
    {
        string name = source ?? ModelSource.BuiltIn;
        bool isFile = name != ModelSource.BuiltIn && (File.Exists(name) || File.Exists(Path.Combine(name, ModelSource.TokenizerFile)));
        string file = File.Exists(name) ? name : Path.Combine(name, ModelSource.TokenizerFile);
        return _pieces.Open(
            parsed, path, BasesOfBlock, backend: null, isFile ? null : ModelSource.Open(name), isFile ? [file, .. inputs] : inputs);
    }

    private static BpeTokenizer Load(string path)
    {
        if (Directory.Exists(path) && !File.Exists(Path.Combine(path, "tokenizer.json")))
            return ModelSource.Open(path).LoadTokenizer() as BpeTokenizer
                ?? throw new UsageException($"{path}: its tokens are not of byte-pair encoding, which alone is shown");
        if (Directory.Exists(path)) path = Path.Combine(path, "tokenizer.json");
        if (!File.Exists(path)) throw new FileNotFoundException($"{path}: there is no such file; give a tokenizer.json with --tokenizer");
        return BpeTokenizer.Load(path);
    }
}

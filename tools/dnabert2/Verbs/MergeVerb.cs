using System.CommandLine;
using Dnabert2.Tool.Output;
using Dnabert2.Tool.Pieces;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>merge</c>: the pieces of a result in, the result out.</summary>
internal sealed class MergeVerb
{
    private readonly Terminal _terminal;
    private readonly Argument<string[]> _pieces = new("PIECE")
    {
        Description = "all pieces of one result, in any order: the files that runs with --shard have written, .I-of-N in their names",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "the result, of the same format; files beside the pieces, such as .ids.tsv, are merged too",
        HelpName = "OUT",
        Required = true,
    };

    private readonly Option<bool> _quiet = Shared.Quiet();

    public MergeVerb(Terminal terminal)
    {
        _terminal = terminal;
        Command = new Verb(
            "merge",
            "Joins what runs with --shard have written to the bytes that one run without it writes. Pieces that are missing, given twice, "
            + "changed, or of another version, model, option or input are named, and nothing is written.",
            ("for i in 1 2 3; do dnabert2 embed tools/dnabert2/samples/sample.fa --shard $i/3 -o sample.npy; done; "
            + "dnabert2 merge sample.*-of-3.npy -o sample.npy", "three pieces, which three machines might have computed"))
        {
            _pieces, _output, _quiet,
        };
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        string path = parsed.GetRequiredValue(_output);
        bool quiet = parsed.GetValue(_quiet);
        if (path == "-") throw new UsageException("-o -: the result is a file, which is completed at its end; name one");
        PieceSet set = PieceSet.Open(parsed.GetRequiredValue(_pieces));
        string extension = Path.GetExtension(set.Pieces[0].Record.Files[0].Name);
        if (!Path.GetExtension(path).Equals(extension, StringComparison.OrdinalIgnoreCase))
            throw new UsageException($"-o {path}: the pieces are '{extension}' files, and so is what they make");
        var merger = new Merger(set, _terminal.Cancellation);
        string[] files = merger.FilesOf(path);
        ResultPaths.Check(
            _terminal, [.. set.Pieces.SelectMany(piece => Enumerable.Range(0, files.Length).Select(piece.FileOf))],
            [.. files.Select(file => ("-o", (string?)file))]);
        if (set.OtherDevices() is { } devices)
            _terminal.Say(
                $"the pieces were computed on different devices, so their last digits may differ from those of one run: {devices}");
        using (var line = new ProgressLine(_terminal, quiet, "bytes"))
            merger.Write(files, bytes =>
            {
                if (line.IsDue) line.Show("merging", bytes, share: null);
            });
        if (!quiet) _terminal.Say($"{Shared.Count(set.Pieces.Count, "piece")} to {string.Join(" and ", files)}");
        return CommandLineTool.Done;
    }
}

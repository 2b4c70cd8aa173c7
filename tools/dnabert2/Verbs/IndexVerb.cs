using System.CommandLine;
using Dnabert2.Files;
using Dnabert2.Sequences;
using Dnabert2.Tool.Output;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>index</c>: a genome in, its indexes beside it.</summary>
internal sealed class IndexVerb
{
    private readonly Terminal _terminal;
    private readonly Argument<string> _input = new("GENOME") { Description = "a FASTA file, plain or compressed with bgzip" };
    private readonly Option<bool> _quiet = Shared.Quiet();

    public IndexVerb(Terminal terminal)
    {
        _terminal = terminal;
        Command = new Verb(
            "index",
            "Writes GENOME.fai and, of a genome that bgzip compressed, GENOME.gzi, the same as 'samtools faidx' does. With them --region, "
            + "--bed and 'variants' read only the parts of a genome that they need.",
            ("dnabert2 index tools/dnabert2/samples/sample.fa", "sample.fa.fai beside it"))
        {
            _input, _quiet,
        };
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        string path = parsed.GetRequiredValue(_input), fai = path + ".fai", gzi = path + ".gzi";
        bool quiet = parsed.GetValue(_quiet);
        if (path == "-") throw new UsageException("GENOME -: an index is of a file; name one");
        Shared.CheckThere(path);
        if (Genome.IsTwoBit(path)) throw new InvalidDataException($"{path}: is .2bit, of which regions are read without an index");
        bool isBgzip = BgzfIndex.IsOf(path);
        ResultPaths.Check(_terminal, [path], ("GENOME.fai", fai), ("GENOME.gzi", isBgzip ? gzi : null));
        using var files = new ResultFiles();
        FastaIndex index;
        using (var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan))
        using (var line = new ProgressLine(_terminal, quiet, "bytes"))
            index = FastaIndex.Build(file, path, new Progress(line, file.Length), _terminal.Cancellation);
        index.Write(files.Add(fai));
        if (isBgzip) BgzfIndex.Build(path, _terminal.Cancellation).Write(files.Add(gzi));
        files.Commit();
        if (index.Empty > 0) _terminal.Say($"{path}: {Shared.Count(index.Empty, "record")} without bases, which are not in the index");
        if (!quiet) _terminal.Say($"{Shared.Count(index.Names.Count, "sequence")}: {fai}{(isBgzip ? " and " + gzi : "")}");
        return CommandLineTool.Done;
    }

    private sealed class Progress(ProgressLine line, long total) : IProgress<long>
    {
        public void Report(long value)
        {
            if (line.IsDue) line.Show("index", value, total > 0 ? (double)value / total : null);
        }
    }
}

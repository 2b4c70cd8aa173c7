using System.CommandLine;
using Dnabert2.Sequences;

namespace Dnabert2.Tool.Verbs;

/// <summary>The options by which parts of a genome are asked for.</summary>
/// <param name="what">What is done with them, for the help.</param>
/// <param name="readsStrands">Whether regions may be read on their strand.</param>
/// <param name="needsRegions">Whether the genome is read by its regions alone.</param>
internal sealed class RegionChoice(string what, bool readsStrands, bool needsRegions = true)
{
    private const string Prefix = "chr";

    private readonly Option<string[]> _regions = new("--region")
    {
        Description = $"{what} only this region of a FASTA or .2bit file: NAME, NAME:START-END or NAME:START-, counted from 1, both ends "
        + "included; may be given several times; read where it lies, by the index that 'dnabert2 index' makes",
        HelpName = "REGION",
        DefaultValueFactory = _ => [],
    };

    private readonly Option<string?> _bed = new("--bed")
    {
        Description = $"{what} only the regions of a BED file; '-' is standard input",
        HelpName = "FILE",
    };

    private readonly Option<bool> _useStrand = new("--use-strand")
    {
        Description = "read regions of the strand '-' as their reverse complement; otherwise all are read as the genome stands",
    };

    private readonly Option<string?> _aliases = new("--aliases")
    {
        Description = "other names of the genome's sequences: a table, chromAlias.txt of UCSC or assembly_report.txt of NCBI; 'chr': names "
        + "with chr before them and without are the same",
        HelpName = "FILE|chr",
    };

    /// <summary>All of them.</summary>
    public IEnumerable<Option> Options => readsStrands ? [_regions, _bed, _useStrand, _aliases] : [_regions, _bed, _aliases];

    /// <summary>The regions that were named, as they were typed.</summary>
    public string[] Named(ParseResult parsed) => parsed.GetValue(_regions) ?? [];

    /// <summary>The BED file, or null.</summary>
    public string? Bed(ParseResult parsed) => parsed.GetValue(_bed);

    /// <summary>The files that are read besides the inputs.</summary>
    public string[] Files(ParseResult parsed) =>
        [.. new[] { Bed(parsed), parsed.GetValue(_aliases) is { } table and not Prefix ? table : null }.OfType<string>()];

    /// <summary>Whether sequences have other names.</summary>
    public bool HasAliases(ParseResult parsed) => parsed.GetValue(_aliases) is not null;

    /// <summary>Other names of the genome's sequences; null: they have none.</summary>
    /// <exception cref="IOException">The table is missing or cannot be opened.</exception>
    /// <exception cref="InvalidDataException">The table is at fault.</exception>
    public ContigAliases? Aliases(ParseResult parsed, Terminal terminal)
    {
        if (parsed.GetValue(_aliases) is not { } table) return null;
        if (table == Prefix) return ContigAliases.Prefix;
        if (!File.Exists(table) && !Directory.Exists(table))
            throw new FileNotFoundException($"--aliases {table}: there is no such file; give a table of names, or 'chr' for the rule");
        using Stream file = Shared.OpenFile(table, terminal);
        return ContigAliases.Read(file, table, terminal.Cancellation);
    }

    /// <summary>Whether regions of the other strand are turned around.</summary>
    public bool UsesStrand(ParseResult parsed) => readsStrands && parsed.GetValue(_useStrand);

    /// <summary>The regions that are asked for; null: none are, and the inputs are read as a whole.</summary>
    /// <exception cref="UsageException">There are several inputs, or a region is none of the genome.</exception>
    public GenomeRegions? Open(ParseResult parsed, Terminal terminal, params string[] inputs)
    {
        string[] named = Named(parsed);
        string? bed = Bed(parsed);
        if (named.Length == 0 && bed is null)
            return UsesStrand(parsed)
                ? throw new UsageException("--use-strand: strands are of the regions of --bed, which is missing")
                : needsRegions && HasAliases(parsed)
                ? throw new UsageException("--aliases: names are of the regions of --region and --bed, which are missing") : null;
        if (inputs.Length > 1) throw new UsageException("--region and --bed: regions are of one genome; give one input");
        if (bed == "-" && inputs[0] == "-") throw new UsageException("--bed - and INPUT -: only one of them can be standard input");
        return new GenomeRegions(inputs[0], named, bed, Aliases(parsed, terminal), terminal);
    }
}

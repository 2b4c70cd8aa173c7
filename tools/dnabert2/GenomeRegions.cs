using Dnabert2.Sequences;
using Dnabert2.Tool.Verbs;

namespace Dnabert2.Tool;

/// <summary>The regions of a genome that a run is about: those of options, then those of a BED file, line by line.</summary>
internal sealed class GenomeRegions : IDisposable
{
    private readonly List<GenomeRegion> _named = [];
    private readonly string? _bed;
    private readonly Terminal _terminal;

    /// <summary>
    /// Opens a genome and holds all regions against it, those of a pipe left out, so that what cannot be read is told before anything is
    /// computed.
    /// </summary>
    /// <param name="genome">The genome, a FASTA file.</param>
    /// <param name="named">Regions as samtools writes them.</param>
    /// <param name="bed">A BED file, "-" for standard input, or null.</param>
    /// <param name="aliases">Other names of the genome's sequences, or null.</param>
    /// <param name="terminal">Standard input.</param>
    /// <exception cref="UsageException">A region is none of the genome, or the genome is no file.</exception>
    /// <exception cref="IOException">A file is missing or cannot be opened.</exception>
    /// <exception cref="InvalidDataException">The genome, an index or a line of the BED file is at fault.</exception>
    public GenomeRegions(string genome, IEnumerable<string> named, string? bed, ContigAliases? aliases, Terminal terminal)
    {
        (_bed, _terminal) = (bed, terminal);
        if (genome == "-")
            throw new UsageException("--region and --bed: regions are read where they lie, in a file and not in a pipe; name a FASTA file");
        if (bed is not null && bed != "-" && !File.Exists(bed) && !Directory.Exists(bed))
            throw new FileNotFoundException($"--bed {bed}: there is no such file");
        Shared.CheckThere(genome);
        Genome = Genome.Open(genome, aliases, terminal.Cancellation);
        try
        {
            foreach (string text in named) _named.Add(Parse(text));
            Bases = _named.Sum(region => region.Length);
            if (bed is null) return;
            if (bed == "-" || new FileInfo(bed) is not { Exists: true, Length: > 0 }) Bases = null;
            else foreach (GenomeRegion region in OfBed()) Bases += region.Length;
        }
        catch
        {
            Genome.Dispose();
            throw;
        }
    }

    /// <summary>The genome.</summary>
    public Genome Genome { get; }

    /// <summary>The bases of all regions; null where those of a pipe are not known yet.</summary>
    public long? Bases { get; }

    /// <summary>All regions, in order.</summary>
    public IEnumerable<GenomeRegion> All() => _bed is null ? _named : _named.Concat(OfBed());

    /// <summary>What to do about a name that a genome does not have, to stand behind what is wrong; empty where it has it.</summary>
    public static string NameRemedy(Genome genome, string name) => genome.NameOf(name) is not null ? ""
        : genome.TryGetOtherName(name, out _) ? "; --aliases chr takes them as they are"
        : "; where another table of names has it, --aliases FILE takes it from there";

    /// <summary>Closes the genome.</summary>
    public void Dispose() => Genome.Dispose();

    private GenomeRegion Parse(string text)
    {
        try
        {
            return Genome.ParseRegion(text);
        }
        catch (ArgumentException e)
        {
            throw new UsageException("--" + e.Message);
        }
    }

    private IEnumerable<GenomeRegion> OfBed()
    {
        bool isInput = _bed == "-";
        string name = isInput ? "standard input" : _bed!;
        Stream stream = isInput ? CompressedInput.Open(_terminal.Input, name) : Shared.OpenFile(name, _terminal);
        using BedReader reader = BedReader.Open(stream, name, leaveOpen: isInput, _terminal.Cancellation);
        bool isEmpty = true;
        while (reader.TryRead(out GenomeRegion? region))
        {
            isEmpty = false;
            if (Genome.FaultOf(region) is { } fault)
                throw new InvalidDataException($"{name}: line {region.Line}: {fault}{NameRemedy(Genome, region.Contig)}");
            yield return Genome.Named(region);
        }

        if (isEmpty) throw new InvalidDataException($"{name}: there are no regions in it; a line of BED is contig, start and end");
    }
}

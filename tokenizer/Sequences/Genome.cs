using System.Diagnostics.CodeAnalysis;

namespace Dnabert2.Sequences;

/// <summary>
/// The sequences of a FASTA or .2bit file, read at any place: from the disk, FASTA by its index (<see cref="Open"/>), or from memory
/// (<see cref="Read(SequenceReader, IProgress{long}?, ContigAliases?)"/>), which takes any FASTA. In memory a base takes a quarter of a
/// byte, half a byte around N and other ambiguity codes (0.8 GB for a human genome); while it is read, the longest sequence is also held at
/// a byte a base. Immutable; several threads may use one at once.
/// </summary>
public sealed class Genome : IDisposable
{
    private readonly Dictionary<string, PackedBases> _sequences = new(StringComparer.Ordinal);
    private readonly List<string> _names = [];
    private readonly IGenomeFile? _file;
    private readonly ContigAliases? _aliases;

    private Genome(string name, ContigAliases? aliases) => (Name, _aliases) = (name, aliases);

    internal Genome(IGenomeFile file, ContigAliases? aliases = null)
    {
        (_file, Name, _aliases) = (file, file.Name, aliases);
        foreach (string name in file.Names)
        {
            file.TryGetLength(name, out long length);
            _names.Add(name);
            Bases += length;
        }

        aliases?.CheckAgainst(this);
    }

    /// <summary>The file's name in messages.</summary>
    public string Name { get; }

    /// <summary>The names of the sequences, in the order of the file.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>Sequences without a name, which are not held: nothing can refer to them, their places in the file are no names.</summary>
    public int Unnamed { get; private set; }

    /// <summary>Bases of the sequences that can be read.</summary>
    public long Bases { get; private set; }

    /// <summary>Bytes of the file that were read from the disk so far, those of indexes left out; 0 of a genome in memory.</summary>
    public long BytesRead => _file?.BytesRead ?? 0;

    /// <summary>The largest file, in bytes as stored, that <see cref="Open"/> reads once where it has no index: 64 MB.</summary>
    public const long LargestUnindexed = 64 << 20;

    /// <summary>
    /// Opens a FASTA file, plain or of bgzip, of which the parts that are asked for are read, by its index <c>FILE.fai</c> and, of bgzip,
    /// <c>FILE.gzi</c>; or a .2bit file, which needs none. FASTA of at most 64 MB that has no index is read once, and indexed in memory.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="aliases">Other names by which its sequences may be asked for; null: their own alone.</param>
    /// <param name="cancellation">Ends the reading of indexes with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="IOException">There is no such file, or reading failed.</exception>
    /// <exception cref="InvalidDataException">
    /// It is of gzip but not of bgzip, it is no FASTA or cannot be indexed, it has no index and is larger, or an index is damaged, older
    /// than the file or of another one, or the aliases are of another assembly; the message names the file and the remedy.
    /// </exception>
    public static Genome Open(string path, ContigAliases? aliases = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        IGenomeFile file = IsTwoBit(path) ? OpenTwoBit(path) : FastaFile.Open(path, cancellation);
        try
        {
            return new Genome(file, aliases);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whether a file is a genome in UCSC's .2bit, of which parts are read without an index.</summary>
    /// <param name="path">A regular file.</param>
    /// <exception cref="IOException">There is no such file, or reading failed.</exception>
    public static bool IsTwoBit(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var bytes = new RandomFile(path);
        return TwoBitFile.IsOne(bytes);
    }

    private static TwoBitFile OpenTwoBit(string path)
    {
        var bytes = new RandomFile(path);
        try
        {
            return new TwoBitFile(bytes, path);
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    /// <summary>Reads a whole FASTA file.</summary>
    /// <param name="reader">
    /// An open FASTA file, from its beginning; with <see cref="SequenceOptions.KeepCodes"/> ambiguity codes are held as they are.
    /// </param>
    /// <param name="progress">Told the number of bases after each sequence, on this thread.</param>
    /// <param name="aliases">Other names by which its sequences may be asked for; null: their own alone.</param>
    /// <exception cref="InvalidDataException">
    /// The content is at fault, it is not FASTA, two sequences have one name, or the aliases are of another assembly; the message says
    /// which.
    /// </exception>
    public static Genome Read(SequenceReader reader, IProgress<long>? progress = null, ContigAliases? aliases = null)
    {
        ArgumentNullException.ThrowIfNull(reader);
        if (reader.Format != SequenceFormat.Fasta)
            throw new InvalidDataException($"{reader.Name}: this is {reader.Format}, not FASTA. Give the genome as FASTA, gzipped or not.");
        var genome = new Genome(reader.Name, aliases);
        while (reader.TryRead(out SequenceRecord? record))
        {
            if (!record.HasName)
            {
                genome.Unnamed++;
                continue;
            }

            if (!genome._sequences.TryAdd(record.Id, new PackedBases(record.Sequence)))
                throw new InvalidDataException(
                    $"{reader.Name}: record {record.Number}, line {record.Line}: '{Faults.Show(record.Id)}' occurs "
                    + "twice. Rename one of the two.");
            genome._names.Add(record.Id);
            genome.Bases += record.Length;
            progress?.Report(genome.Bases);
        }

        if (genome._names.Count == 0)
            throw new InvalidDataException(
                $"{reader.Name}: no sequence of it has a name. Write one after the '>' of each, as the variants name it.");
        aliases?.CheckAgainst(genome);
        return genome;
    }

    /// <summary>
    /// The genome's own name of a sequence that is asked for by it or, where the genome was opened with them, by an alias; null: there is
    /// none.
    /// </summary>
    /// <param name="name">The name.</param>
    public string? NameOf(string name) =>
        Has(name) ? name : _aliases is not null && _aliases.TryFind(name, this, out string? own) ? own : null;

    /// <summary>Whether there is a sequence of this name, or alias, and its number of bases.</summary>
    public bool TryGetLength(string name, out long length) =>
        TryGetOwnLength(name, out length) || (NameOf(name) is { } own && TryGetOwnLength(own, out length));

    /// <summary>Whether a sequence has this name itself.</summary>
    internal bool Has(string name) => TryGetOwnLength(name, out _);

    private bool TryGetOwnLength(string name, out long length)
    {
        if (_file is not null) return _file.TryGetLength(name, out length);
        bool found = _sequences.TryGetValue(name, out PackedBases? bases);
        length = bases?.Length ?? 0;
        return found;
    }

    /// <summary>
    /// Reads bases: A, C, G, T, N, and the other IUPAC codes, unless the genome is in memory and its reader did not keep them.
    /// </summary>
    /// <param name="name">The sequence.</param>
    /// <param name="start">The first base, counted from 0.</param>
    /// <param name="destination">Receives as many bases as it has room for.</param>
    /// <exception cref="ArgumentException">There is no such sequence, or it ends before.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or its index is of another one.</exception>
    public void Read(string name, long start, Span<byte> destination)
    {
        if (NameOf(name) is not { } own || !TryGetOwnLength(own, out long length))
            throw new ArgumentException($"{Name} has no sequence '{name}'");
        if (start < 0 || start > length - destination.Length)
            throw new ArgumentException($"'{name}' has {length} bases: there are no {destination.Length} of them from {start} on");
        if (_file is not null) _file.Read(own, start, destination);
        else _sequences[own].Read((int)start, destination);
    }

    /// <summary>
    /// Whether a reference allele says what the genome has: a letter is matched by itself, a base also by an ambiguity code that allows it
    /// (R is A or G), N by any code. An N of the genome, of which nothing is known, is matched by N alone.
    /// </summary>
    /// <param name="name">The sequence.</param>
    /// <param name="start">The first base, counted from 0.</param>
    /// <param name="reference">The allele, IUPAC letters in upper case; any other letter matches nothing.</param>
    /// <exception cref="ArgumentException">There is no such sequence, or it ends before.</exception>
    public bool Matches(string name, long start, ReadOnlySpan<byte> reference)
    {
        const int Any = 15;
        Span<byte> piece = stackalloc byte[256];
        for (int done = 0; done < reference.Length; done += piece.Length)
        {
            ReadOnlySpan<byte> asked = reference[done..Math.Min(reference.Length, done + piece.Length)];
            Read(name, start + done, piece[..asked.Length]);
            for (int i = 0; i < asked.Length; i++)
            {
                int here = Nucleotides.SetOf(piece[i]), there = Nucleotides.SetOf(asked[i]);
                bool isCode = here != Any && !int.IsPow2(here);
                if (there <= 0 || (here != there && !(isCode && ((here & there) == there || there == Any)))) return false;
            }
        }

        return true;
    }

    /// <summary>
    /// The name that this genome may have for what others call differently: '7' for 'chr7', 'MT' for 'chrM'; and the reverse.
    /// </summary>
    /// <returns>Whether there is one.</returns>
    public bool TryGetOtherName(string name, [NotNullWhen(true)] out string? other)
    {
        ArgumentNullException.ThrowIfNull(name);
        string bare = name.StartsWith("chr", StringComparison.OrdinalIgnoreCase) ? name[3..] : name;
        string[] candidates = bare.ToUpperInvariant() is "M" or "MT" ? ["chrM", "MT", "M", "chrMT"] : ["chr" + bare, bare, "Chr" + bare];
        other = Array.Find(candidates, candidate => candidate != name && Has(candidate));
        return other is not null;
    }

    /// <summary>A region whose sequence goes by the genome's own name, where it has one; of an alias, another region.</summary>
    /// <param name="region">The region.</param>
    public GenomeRegion Named(GenomeRegion region)
    {
        ArgumentNullException.ThrowIfNull(region);
        return NameOf(region.Contig) is { } own && own != region.Contig ? region with { Contig = own } : region;
    }

    /// <summary>A region that is written as for samtools; its sequence goes by the genome's own name.</summary>
    /// <param name="text">
    /// The name of a sequence for all of it, or <c>NAME:START-END</c>, counted from 1 with both ends included, <c>NAME:START</c> and
    /// <c>NAME:START-</c> up to its end, <c>NAME:-END</c> from its beginning. Numbers may have commas. A name that itself holds a colon is
    /// found as it stands; <c>{NAME}:START-END</c> says which part is the name.
    /// </param>
    /// <exception cref="ArgumentException">It is no region, or none of this genome; the message says what to write.</exception>
    public GenomeRegion ParseRegion(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Named(RegionText.Parse(text, this));
    }

    /// <summary>What is wrong with a region, in words: an unknown sequence, or one that ends before; null: it is right.</summary>
    /// <param name="region">The region.</param>
    public string? FaultOf(GenomeRegion region)
    {
        ArgumentNullException.ThrowIfNull(region);
        if (!TryGetLength(region.Contig, out long length)) return UnknownName(region.Contig);
        string shown = Faults.Show(region.ToString());
        if (region.Start < 0 || region.End <= region.Start) return $"the region {shown} has no bases: its end has to be after its start";
        return region.End <= length ? null
            : $"the region {shown} ends past the end of '{Faults.Show(region.Contig)}', which has {length} bases in {Name}: correct it, "
                + "or give the genome (the assembly) that it is of";
    }

    /// <summary>Says that there is no such sequence, and which there are.</summary>
    internal string UnknownName(string name)
    {
        string has = $"{Name} has no sequence '{Faults.Show(name)}'";
        if (TryGetOtherName(name, out string? other))
        {
            string sed = other == "chr" + name ? " (of a BED file: sed 's/^/chr/')"
                : name == "chr" + other ? " (of a BED file: sed 's/^chr//')" : "";
            return $"{has}, but '{Faults.Show(other)}': write names as the genome does{sed}";
        }

        string[] near = NearNames.Of(name, _names);
        string names = string.Join(", ", _names.Take(5).Select(n => $"'{Faults.Show(n, 40)}'")) + (_names.Count > 5 ? ", …" : "");
        return near.Length > 0 ? $"{has}; did you mean {string.Join(" or ", near.Select(n => $"'{Faults.Show(n, 40)}'"))}?"
            : $"{has}; it has {names}";
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file?.Dispose();
}

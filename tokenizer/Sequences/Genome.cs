using System.Diagnostics.CodeAnalysis;

namespace Dnabert2.Sequences;

/// <summary>
/// The sequences of a FASTA file, gzipped or not, held in memory to be read at any place. A base takes a quarter of a byte, three eighths
/// around N (0.8 GB for a human genome); while it is read, the longest sequence is also held at a byte a base. Immutable.
/// </summary>
public sealed class Genome
{
    private readonly Dictionary<string, PackedBases> _sequences = new(StringComparer.Ordinal);
    private readonly List<string> _names = [];

    private Genome(string name) => Name = name;

    /// <summary>The file's name in messages.</summary>
    public string Name { get; }

    /// <summary>The names of the sequences, in the order of the file.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>Bases of all sequences.</summary>
    public long Bases { get; private set; }

    /// <summary>Reads a whole FASTA file.</summary>
    /// <param name="reader">An open FASTA file, from its beginning.</param>
    /// <param name="progress">Told the number of bases after each sequence, on this thread.</param>
    /// <exception cref="InvalidDataException">The content is at fault, it is not FASTA, or two sequences have one name; the message says which.</exception>
    public static Genome Read(SequenceReader reader, IProgress<long>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(reader);
        if (reader.Format != SequenceFormat.Fasta)
            throw new InvalidDataException($"{reader.Name}: this is {reader.Format}, not FASTA. Give the genome as FASTA, gzipped or not.");
        var genome = new Genome(reader.Name);
        while (reader.TryRead(out SequenceRecord? record))
        {
            if (!genome._sequences.TryAdd(record.Id, new PackedBases(record.Sequence)))
                throw new InvalidDataException(
                    $"{reader.Name}: record {record.Number}, line {record.Line}: '{Faults.Show(record.Id)}' is there twice. Rename one of the two.");
            genome._names.Add(record.Id);
            genome.Bases += record.Length;
            progress?.Report(genome.Bases);
        }

        return genome;
    }

    /// <summary>Whether there is a sequence of this name, and its number of bases.</summary>
    public bool TryGetLength(string name, out int length)
    {
        bool found = _sequences.TryGetValue(name, out PackedBases? bases);
        length = bases?.Length ?? 0;
        return found;
    }

    /// <summary>Reads bases: A, C, G, T, and N for all that is not known exactly.</summary>
    /// <param name="name">The sequence.</param>
    /// <param name="start">The first base, counted from 0.</param>
    /// <param name="destination">Receives as many bases as it has room for.</param>
    /// <exception cref="ArgumentException">There is no such sequence, or it ends before.</exception>
    public void Read(string name, int start, Span<byte> destination)
    {
        if (!_sequences.TryGetValue(name, out PackedBases? bases)) throw new ArgumentException($"{Name} has no sequence '{name}'");
        if (start < 0 || start > bases.Length - destination.Length)
            throw new ArgumentException($"'{name}' has {bases.Length} bases: there are no {destination.Length} of them from {start} on");
        bases.Read(start, destination);
    }

    /// <summary>The name that this genome may have for what others call differently: '7' for 'chr7', 'MT' for 'chrM'; and the reverse.</summary>
    /// <returns>Whether there is one.</returns>
    public bool TryGetOtherName(string name, [NotNullWhen(true)] out string? other)
    {
        ArgumentNullException.ThrowIfNull(name);
        string bare = name.StartsWith("chr", StringComparison.OrdinalIgnoreCase) ? name[3..] : name;
        string[] candidates = bare.ToUpperInvariant() is "M" or "MT" ? ["chrM", "MT", "M", "chrMT"] : ["chr" + bare, bare, "Chr" + bare];
        other = Array.Find(candidates, candidate => candidate != name && _sequences.ContainsKey(candidate));
        return other is not null;
    }
}

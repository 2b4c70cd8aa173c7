using System.Diagnostics.CodeAnalysis;

namespace Dnabert2.Sequences;

/// <summary>
/// The sequences of a FASTA file, gzipped or not, held in memory to be read at any place. A base takes a quarter of a byte, half a
/// byte around N and other ambiguity codes (0.8 GB for a human genome); while it is read, the longest sequence is also held at a byte a
/// base. Immutable.
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

    /// <summary>Sequences without a name, which are not held: nothing can refer to them, their places in the file are no names.</summary>
    public int Unnamed { get; private set; }

    /// <summary>Bases of the sequences that are held.</summary>
    public long Bases { get; private set; }

    /// <summary>Reads a whole FASTA file.</summary>
    /// <param name="reader">
    /// An open FASTA file, from its beginning; with <see cref="SequenceOptions.KeepCodes"/> ambiguity codes are held as they are.
    /// </param>
    /// <param name="progress">Told the number of bases after each sequence, on this thread.</param>
    /// <exception cref="InvalidDataException">
    /// The content is at fault, it is not FASTA, or two sequences have one name; the message says which.
    /// </exception>
    public static Genome Read(SequenceReader reader, IProgress<long>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(reader);
        if (reader.Format != SequenceFormat.Fasta)
            throw new InvalidDataException($"{reader.Name}: this is {reader.Format}, not FASTA. Give the genome as FASTA, gzipped or not.");
        var genome = new Genome(reader.Name);
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
        return genome;
    }

    /// <summary>Whether there is a sequence of this name, and its number of bases.</summary>
    public bool TryGetLength(string name, out int length)
    {
        bool found = _sequences.TryGetValue(name, out PackedBases? bases);
        length = bases?.Length ?? 0;
        return found;
    }

    /// <summary>Reads bases: A, C, G, T, N, and the other IUPAC codes if the reader kept them.</summary>
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

    /// <summary>
    /// Whether a reference allele says what the genome has: a letter is matched by itself, a base also by an ambiguity code that allows it
    /// (R is A or G), N by any code. An N of the genome, of which nothing is known, is matched by N alone.
    /// </summary>
    /// <param name="name">The sequence.</param>
    /// <param name="start">The first base, counted from 0.</param>
    /// <param name="reference">The allele, IUPAC letters in upper case; any other letter matches nothing.</param>
    /// <exception cref="ArgumentException">There is no such sequence, or it ends before.</exception>
    public bool Matches(string name, int start, ReadOnlySpan<byte> reference)
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
        other = Array.Find(candidates, candidate => candidate != name && _sequences.ContainsKey(candidate));
        return other is not null;
    }
}

using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Dnabert2.Files;

namespace Dnabert2.Sequences;

/// <summary>
/// The names that one sequence has in different places: chr1 for UCSC, 1 for Ensembl, CM000663.2 in GenBank, NC_000001.11 in RefSeq. A
/// genome that is opened with them is asked by any of these names. Immutable.
/// </summary>
public sealed class ContigAliases
{
    private const int MostNames = 1 << 22;
    private const string Remedy = "Give the chromAlias.txt of UCSC or the assembly_report.txt of NCBI that is of this assembly";

    // The third column of UCSC's table of aliases says where a name is used.
    private static readonly string[] Sources = ["ucsc", "ensembl", "genbank", "refseq", "ncbi", "assembly", "flybase", "wormbase"];

    // Of each name, the sequence that has it; of each sequence its names, and its length where the table says it.
    private readonly Dictionary<string, int> _sequences = new(StringComparer.Ordinal);
    private readonly List<(List<string> Names, long? Length, long Line)> _all = [];

    private ContigAliases(string name) => Name = name;

    /// <summary>
    /// The rule without a table: names with <c>chr</c> before them and without are the same, and so are <c>chrM</c> and <c>MT</c>.
    /// </summary>
    public static ContigAliases Prefix { get; } = new("chr");

    /// <summary>The file's name in messages.</summary>
    public string Name { get; }

    /// <summary>Reads a table.</summary>
    /// <param name="path">The file; see <see cref="Read(Stream, string, CancellationToken)"/>.</param>
    /// <param name="cancellation">Ends the reading with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="IOException">There is no such file, or reading failed.</exception>
    /// <exception cref="InvalidDataException">The content is at fault; the message names file, line and remedy.</exception>
    public static ContigAliases Read(string path, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using FileStream file = RegularFile.Open(path);
        return Read(file, path, cancellation);
    }

    /// <summary>Reads a table.</summary>
    /// <param name="stream">
    /// A table with tabs, gzipped or not: UCSC's <c>chromAlias.txt</c>, each line the names of one sequence, or a name, the one of UCSC and
    /// where it is used; NCBI's <c>assembly_report.txt</c>. It is left open.
    /// </param>
    /// <param name="name">The file's name in messages.</param>
    /// <param name="cancellation">Ends the reading with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InvalidDataException">
    /// It is no such table, or gives one name to two sequences; the message names file, line and remedy.
    /// </exception>
    public static ContigAliases Read(Stream stream, string name, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var faults = new Faults(name, new RecordDraft());
        using var source = new ByteSource(stream, leaveOpen: true, faults, cancellation);
        var text = new LineText(source, faults);
        var aliases = new ContigAliases(name);
        string[] header = [];
        bool? namesSources = null;
        while (source.HasMore)
        {
            long line = source.Line;
            string row = text.ReadLine("a line");
            if (row.StartsWith('#'))
            {
                header = row.TrimStart('#', ' ').Split('\t');
                continue;
            }

            if (string.IsNullOrWhiteSpace(row)) continue;
            string[] fields = Array.ConvertAll(row.Split('\t'), field => field.Trim());
            if (fields.Length < 2) throw faults.Line(line, "one column, and a table of names has two or more, separated by tabs", Remedy);
            if (header is ["Sequence-Name", ..]) aliases.AddReported(header, fields, line, faults);
            else
            {
                namesSources ??= fields.Length == 3 && Array.TrueForAll(fields[2].Split(','), word => Sources.Contains(word));
                if (namesSources.Value && fields.Length < 3)
                    throw faults.Line(line, "two columns, and the lines before it have three", Remedy);
                // Of a line with its source, the second name is there on each line of the sequence.
                if (namesSources.Value) aliases.Add(fields[..2], null, line, faults, joins: true);
                else aliases.Add(fields, null, line, faults, joins: false);
            }
        }

        return aliases._all.Count > 0 ? aliases : throw faults.File("there are no names in it", Remedy);
    }

    /// <summary>The name among those that a genome has by which it has the sequence of this name.</summary>
    /// <param name="name">Any name.</param>
    /// <param name="genome">Asked for names.</param>
    /// <param name="own">The genome's own.</param>
    internal bool TryFind(string name, Genome genome, [NotNullWhen(true)] out string? own)
    {
        own = null;
        if (ReferenceEquals(this, Prefix)) return genome.TryGetOtherName(name, out own);
        if (!_sequences.TryGetValue(name, out int sequence)) return false;
        own = _all[sequence].Names.Find(genome.Has);
        return own is not null;
    }

    /// <summary>Refuses a table that is of another assembly than a genome.</summary>
    /// <exception cref="InvalidDataException">
    /// None of its names is the genome's, it gives two of the genome's sequences as one, or the length of one differs.
    /// </exception>
    internal void CheckAgainst(Genome genome)
    {
        if (ReferenceEquals(this, Prefix)) return;
        bool fits = false;
        foreach ((List<string> names, long? expected, long line) in _all)
        {
            List<string> own = names.FindAll(genome.Has);
            fits |= own.Count > 0;
            if (own.Count > 1)
                throw Fault(
                    $"line {line}: '{Faults.Show(own[0])}' and '{Faults.Show(own[1])}' are one sequence in it, and two in {genome.Name}");
            if (own.Count == 1 && expected is { } length && genome.TryGetLength(own[0], out long bases) && bases != length)
                throw Fault($"line {line}: '{Faults.Show(own[0])}' has {length} bases in it, and {bases} in {genome.Name}");
        }

        if (!fits)
            throw Fault($"{genome.Name} has none of its names, such as '{Faults.Show(_all[0].Names[0])}'; it has "
                + $"'{Faults.Show(genome.Names[0])}'");

        InvalidDataException Fault(string what) => new($"{Faults.Show(Name, 260)}: {what}: it is of another assembly. {Remedy}.");
    }

    /// <summary>A line of NCBI's report; the molecule is a name of the whole chromosome, and other parts are said to be of it.</summary>
    private void AddReported(string[] header, string[] fields, long line, Faults faults)
    {
        if (fields.Length < header.Length)
            throw faults.Line(line, $"{fields.Length} columns, and the header names {header.Length}", Remedy);
        List<string> names = [fields[0]];
        if (Of("Sequence-Role") == "assembled-molecule") names.Add(Of("Assigned-Molecule"));
        names.Add(Of("GenBank-Accn"));
        names.Add(Of("RefSeq-Accn"));
        names.Add(Of("UCSC-style-name"));
        names.RemoveAll(name => name == "na");
        string said = Of("Sequence-Length");
        bool hasLength = long.TryParse(said, NumberStyles.None, CultureInfo.InvariantCulture, out long length);
        if (!hasLength && said is not ("" or "na"))
            throw faults.Line(line, $"the length '{Faults.Show(said)}' is not a whole number", Remedy);
        Add(names, hasLength ? length : null, line, faults, joins: false);

        string Of(string column)
        {
            int at = Array.IndexOf(header, column);
            return at < 0 ? "" : fields[at];
        }
    }

    /// <summary>Adds names of one sequence.</summary>
    /// <param name="names">The names; empty ones are none.</param>
    /// <param name="length">Its bases, if they are said.</param>
    /// <param name="line">The line they stand on.</param>
    /// <param name="faults">Words the error.</param>
    /// <param name="joins">Whether a sequence may have several lines, which the last of the names tells.</param>
    private void Add(IReadOnlyList<string> names, long? length, long line, Faults faults, bool joins)
    {
        int sequence = joins && _sequences.TryGetValue(names[^1], out int known) ? known : _all.Count;
        foreach (string name in names)
        {
            if (name.Length == 0) continue;
            if (sequence == _all.Count) _all.Add(([], length, line));
            if (_sequences.TryAdd(name, sequence)) _all[sequence].Names.Add(name);
            else if (_sequences[name] != sequence)
                throw faults.Line(
                    line, $"'{Faults.Show(name)}' is a name of another sequence, too, of line {_all[_sequences[name]].Line}", Remedy);
            if (_sequences.Count > MostNames) throw faults.File($"it has more than {MostNames:N0} names", Remedy);
        }
    }
}

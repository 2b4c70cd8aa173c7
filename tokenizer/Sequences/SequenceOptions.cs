
namespace Dnabert2.Sequences;

/// <summary>The layout of a sequence file. Compression is not part of it: gzip is recognised by its first bytes.</summary>
public enum SequenceFormat
{
    /// <summary>Found from the first bytes of the content; the file's extension decides only where the content leaves it open.</summary>
    Detect,

    /// <summary><c>&gt;id description</c>, then the sequence on any number of lines. Lines that start with <c>;</c> are comments.</summary>
    Fasta,

    /// <summary><c>@id description</c>, sequence, <c>+</c>, quality; four lines or wrapped. Qualities are checked and not kept.</summary>
    Fastq,

    /// <summary>
    /// RFC 4180 with a header line that names a column <c>sequence</c> (or <c>sequence1</c>), and <c>sequence2</c> for pairs.
    /// </summary>
    Csv,

    /// <summary>As <see cref="Csv"/>, separated by tabs.</summary>
    Tsv,

    /// <summary>One sequence a line, without names; blank lines are skipped.</summary>
    Lines,
}

/// <summary>
/// What happens to a letter that names more than one base: N, X and the IUPAC codes R Y S W K M B D H V.
/// All of them become <c>N</c> in <see cref="SequenceRecord.Sequence"/>.
/// </summary>
public enum AmbiguousBases
{
    /// <summary>The record is cut there: <see cref="SequenceRecord.Fragments"/> yields the runs of A, C, G, T between them.</summary>
    Split,

    /// <summary>They stay in the sequence as <c>N</c>, which the tokenizer turns into [UNK]; the record is one fragment.</summary>
    Unknown,

    /// <summary>A record that holds one is left out and counted in <see cref="SequenceReader.Dropped"/>.</summary>
    Drop,

    /// <summary>The first one ends the reading with an error that names its place.</summary>
    Error,
}

/// <summary>
/// What happens to a record without a sequence: no letter, a cell of a table that is empty, <c>NA</c> or <c>NaN</c>, and under
/// <see cref="SequenceOptions.NeedsKnownBases"/> also one of N alone. A pair is such a record if one of its halves is.
/// </summary>
public enum EmptyRecords
{
    /// <summary>It is left out and counted in <see cref="SequenceReader.Empty"/>; a file of such records alone is an error.</summary>
    Skip,

    /// <summary>The first one ends the reading with an error that names its place.</summary>
    Error,
}

/// <summary>How a sequence file is read.</summary>
public sealed record SequenceOptions
{
    /// <summary>The layout of the file; found from its content unless given.</summary>
    public SequenceFormat Format { get; init; } = SequenceFormat.Detect;

    /// <summary>What happens to bases that are not known exactly.</summary>
    public AmbiguousBases OnAmbiguous { get; init; } = AmbiguousBases.Split;

    /// <summary>
    /// Whether the IUPAC codes R Y S W K M B D H V stay in <see cref="SequenceRecord.Sequence"/>, in upper case, rather than becoming N:
    /// for a <see cref="Genome"/> that variants are compared with. To the model such letters are unknown.
    /// </summary>
    public bool KeepCodes { get; init; }

    /// <summary>What happens to records without a sequence.</summary>
    public EmptyRecords OnEmpty { get; init; }

    /// <summary>Whether a sequence of N alone counts as none.</summary>
    public bool NeedsKnownBases { get; init; }

    /// <summary>
    /// The column of a table that holds the sequences, in any case; null: <c>sequence</c>, or <c>sequence1</c> and <c>sequence2</c> for
    /// pairs. Where it is given, pairs are read only if <see cref="SecondSequenceColumn"/> is too.
    /// </summary>
    public string? SequenceColumn { get; init; }

    /// <summary>
    /// The column of a table that holds the second sequences of pairs, in any case; null: <c>sequence2</c>, if there is one.
    /// </summary>
    public string? SecondSequenceColumn { get; init; }

    /// <summary>The most bases of a sequence; a longer one is an error. Memory is about a byte for each base of the longest one.</summary>
    public int MaxRecordBases { get; init; } = Array.MaxLength;

    /// <summary>
    /// Where only the beginning of long sequences is used: how many bases of it are kept. What follows a stretch of so many bases is still
    /// checked and counted, in <see cref="SequenceRecord.TotalLength"/>, but takes no memory. Under <see cref="AmbiguousBases.Split"/> a
    /// stretch ends at N; otherwise it is the sequence from its first base on. Null: all are kept.
    /// </summary>
    public int? KeepBases { get; init; }

    /// <summary>
    /// The bases of the windows that records are cut into, each a record of its own with its <see cref="SequenceRecord.Region"/>; null:
    /// records are whole. The last window of a record is moved back to be full; a shorter record is one window. A record is in memory as a
    /// whole meanwhile, and <see cref="KeepBases"/> has no effect.
    /// </summary>
    public int? Window { get; init; }

    /// <summary>
    /// From the beginning of a window to that of the next, from 1 to <see cref="Window"/>, so that every base is in one; null: a window.
    /// </summary>
    public int? Step { get; init; }

    /// <summary>
    /// Whether a region on the reverse strand is read as its reverse complement; otherwise all regions are read as the genome stands.
    /// </summary>
    public bool TurnsReverseRegions { get; init; }

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        if (MaxRecordBases < 1) throw new ArgumentOutOfRangeException(null, MaxRecordBases, "MaxRecordBases is less than 1");
        if (KeepBases < 1) throw new ArgumentOutOfRangeException(null, KeepBases, "KeepBases is less than 1");
        if (Window < 1) throw new ArgumentOutOfRangeException(null, Window, "Window is less than 1");
        if (Step is { } step && (step < 1 || step > (Window ?? 0)))
            throw new ArgumentOutOfRangeException(
                null, step, $"Step is not from 1 to Window, {(Window is { } window ? $"{window}" : "which is not given")}");
        Expect(nameof(Format), Format);
        Expect(nameof(OnAmbiguous), OnAmbiguous);
        Expect(nameof(OnEmpty), OnEmpty);

        static void Expect<T>(string name, T value)
            where T : struct, Enum
        {
            if (!Enum.IsDefined(value)) throw new ArgumentException($"{name} is {value}, expected {string.Join(", ", Enum.GetNames<T>())}");
        }
    }
}

using System.Text;

namespace Dnabert2.Sequences;

/// <summary>Words the errors of one file: where, what, and the way out.</summary>
internal sealed class Faults(string name, RecordDraft draft)
{
    /// <summary>A fault of the file as a whole.</summary>
    public InvalidDataException File(string what, string remedy) => new($"{Show(name, 260)}: {what}. {remedy}.");

    /// <summary>A fault at a line outside any record.</summary>
    public InvalidDataException Line(long line, string what, string remedy) => File($"line {line}: {what}", remedy);

    /// <summary>A fault of the current record as a whole; the line is where it starts.</summary>
    public InvalidDataException Record(string what, string remedy) => File($"{RecordPlace}: {what}", remedy);

    /// <summary>A fault at a place inside the current record.</summary>
    public InvalidDataException Record(long line, long column, string what, string remedy) =>
        line == 0 ? Record(what, remedy) : File(
            $"{PlaceOf(draft.Number, draft.Id, 0, null)}, line {line}, column {column}: {what}", remedy);

    /// <summary>A CR that does not belong to a CR LF.</summary>
    public InvalidDataException LoneCarriageReturn(long line) => Line(
        line, "a carriage return without a line feed (line ends of old Macintosh files)",
        "Convert the line ends: tr '\\r' '\\n' < old > new");

    /// <summary>A byte in a sequence that is no nucleotide; <paramref name="position"/> is its place in the sequence, from 1.</summary>
    public InvalidDataException NotANucleotide(byte letter, long line, long column, long position, bool afterBlanks) => Record(
        line, column, $"{Show(letter)} at base {position} is not a nucleotide",
        afterBlanks && letter is (byte)'>' ? "A header begins its line: remove the blanks before it" : RemedyFor(letter));

    /// <summary>The same of a sequence that is read at a place of its own.</summary>
    public InvalidDataException NotANucleotide(string contig, byte letter, long position) =>
        File($"'{Show(contig)}': {Show(letter)} at base {position} is not a nucleotide", RemedyFor(letter));

    /// <summary>The current record: its number, its name if it has one, and the line where it starts or its place in a genome.</summary>
    public string RecordPlace => PlaceOf(draft.Number, draft.Id, draft.Line, draft.Region);

    /// <summary>The place of a record in words.</summary>
    /// <param name="number">The record's number.</param>
    /// <param name="id">Its name; empty where it has none.</param>
    /// <param name="line">The line where it starts; 0 where it is of no line.</param>
    /// <param name="region">Where it lies in a genome; null: it is a whole record.</param>
    public static string PlaceOf(long number, string id, long line, GenomeRegion? region)
    {
        string place = id.Length > 0 ? $"record {number} '{Show(id)}'" : $"record {number}";
        if (region is not null && region.ToString() is { } bases && bases != id) place += $" ({Show(bases)})";
        return line > 0 ? $"{place}, line {line}" : place;
    }

    /// <summary>Text from the file, made fit to print: shortened, and without control characters.</summary>
    public static string Show(string text, int most = 60)
    {
        var shown = new StringBuilder();
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, most)))
            shown.Append(char.IsControl(c) ? '?' : c);
        return text.Length > most ? shown.Append('…').ToString() : shown.ToString();
    }

    /// <summary>A byte from the file: itself where it is printable, else in hexadecimal.</summary>
    public static string Show(byte letter) => letter is > 0x20 and < 0x7F ? $"'{(char)letter}'" : $"byte 0x{letter:X2}";

    private const string Allowed = "allowed are A C G T U, N, X and the IUPAC codes R Y S W K M B D H V";

    private static string RemedyFor(byte letter) => (char)letter switch
    {
        '-' or '.' => "Remove the gaps of the alignment first",
        '>' or '@' => "A header must start a line: put a line break before it",
        '*' => "This looks like protein; give the DNA or RNA sequence",
        ' ' or '\t' => "Letters of one sequence stand together: remove the blanks, or put each sequence on a line of its own",
        >= '0' and <= '9' => "Remove the numbers; only the letters of the sequence are read",
        >= 'A' and <= 'Z' or >= 'a' and <= 'z' => "This looks like protein or text; " + Allowed,
        < ' ' or >= '\x7F' => "This looks like binary data; give FASTA, FASTQ, CSV, TSV or plain lines, gzipped or not",
        _ => "Remove it; " + Allowed,
    };
}

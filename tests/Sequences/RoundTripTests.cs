using System.Text;
using Dnabert2.Sequences;
using FsCheck;
using FsCheck.Fluent;

namespace Tests.Sequences;

public class RoundTripTests
{
    private static readonly Config Many = Config.QuickThrowOnFailure.WithMaxTest(400);

    /// <summary>A file to write and read back.</summary>
    public sealed record Written(
        SequenceFormat Format, Entry[] Entries, int Width, bool Crlf, bool FinalNewline, bool Bom, int Members, int Drip)
    {
        public override string ToString() =>
            $"{Format} width {Width} crlf {Crlf} final {FinalNewline} bom {Bom} members {Members} drip {Drip}\n"
            + string.Join('\n', Entries.Select(e => e.ToString()));
    }

    public sealed record Entry(string Id, string Description, string Bases, string Second, string Label);

    private static Gen<string> Letters(string alphabet, int least, int most) =>
        from length in Gen.Choose(least, most)
        from letters in Gen.Elements(alphabet.ToCharArray()).ArrayOf(length)
        select new string(letters);

    private static Gen<Written> Cases(params SequenceFormat[] formats) =>
        from format in Gen.Elements(formats)
        from count in Gen.Choose(1, 8)
        from entries in (
            from id in Letters("abcXYZ019|.:>@_", 1, 12)
            from description in Letters("ab>@;+-=[]", 0, 9)
            from bases in Letters("ACGTacgtACGTacgtUuNnRyX", 1, 150)
            from second in Letters("ACGTN", 1, 40)
            from label in Letters("a1 ,\t\"\n>@;'", 0, 8)
            select new Entry(id, description, Present(bases), Present(second), label)).ArrayOf(count)
        from width in Gen.Choose(1, 90)
        from crlf in Gen.Elements(false, true)
        from final in Gen.Elements(false, true)
        from bom in Gen.Elements(false, true)
        from members in Gen.Choose(0, 3)
        from drip in Gen.Choose(0, 7)
        select new Written(format, entries, width, crlf, final, bom, members, drip);

    [Fact]
    public void Fasta_and_Fastq_come_back_as_they_were_written() =>
        Check.One(Many, Prop.ForAll(Cases(SequenceFormat.Fasta, SequenceFormat.Fastq).ToArbitrary(), written =>
        {
            List<SequenceRecord> read = Read(written);
            Assert.Equal(
                written.Entries.Select(e => (e.Id, e.Description, Clean(e.Bases))), read.Select(r => (r.Id, r.Description, r.Text())));
            Assert.Equal(Enumerable.Range(1, read.Count), read.Select(r => (int)r.Number));
        }));

    [Fact]
    public void Csv_and_Tsv_come_back_with_pairs_and_columns() =>
        Check.One(Many, Prop.ForAll(Cases(SequenceFormat.Csv, SequenceFormat.Tsv).ToArbitrary(), written =>
        {
            List<SequenceRecord> read = Read(written);
            Assert.Equal(
                written.Entries.Select(e => (e.Id, Clean(e.Bases), Clean(e.Second), e.Label)),
                read.Select(r => (r.Id, r.Text(), r.SecondText(), r.Column("label")!)));
        }));

    [Fact]
    public void Plain_lines_come_back_in_order() =>
        Check.One(Many, Prop.ForAll(Cases(SequenceFormat.Lines).ToArbitrary(), written =>
            Assert.Equal(written.Entries.Select(e => Clean(e.Bases)), Read(written).Select(r => r.Text()))));

    [Fact]
    public void Every_record_knows_the_line_it_starts_on() =>
        Check.One(Many, Prop.ForAll(Cases(SequenceFormat.Fasta, SequenceFormat.Lines).ToArbitrary(), written =>
        {
            string[] lines = Encoding.UTF8.GetString(Content(written with { Bom = false })).Split('\n');
            foreach (SequenceRecord record in Read(written))
            {
                string line = lines[record.Line - 1].TrimEnd('\r');
                Assert.StartsWith(
                    written.Format == SequenceFormat.Fasta ? '>' + record.Id : written.Entries[record.Number - 1].Bases, line);
            }
        }));

    private static List<SequenceRecord> Read(Written written)
    {
        byte[] content = Content(written);
        if (written.Members > 0)
        {
            int part = content.Length / written.Members + 1;
            content = [.. content.Chunk(part).SelectMany(chunk => SequenceFiles.Gzip(chunk))];
        }
        using Stream stream = written.Drip == 0 ? new MemoryStream(content) : new DripStream(content, written.Drip);
        using SequenceReader reader = SequenceReader.Open(stream, "test");
        Assert.Equal(written.Format, reader.Format);
        var records = new List<SequenceRecord>();
        while (reader.TryRead(out SequenceRecord? record)) records.Add(record.Copy());
        return records;
    }

    private static byte[] Content(Written written)
    {
        string end = written.Crlf ? "\r\n" : "\n";
        char delimiter = written.Format == SequenceFormat.Tsv ? '\t' : ',';
        var text = new StringBuilder(written.Bom ? "\uFEFF" : "");
        if (written.Format is SequenceFormat.Csv or SequenceFormat.Tsv)
            text.Append($"ID{delimiter}Sequence1{delimiter}\"label\"{delimiter}sequence2").Append(end);
        foreach (Entry e in written.Entries)
            text.Append(written.Format switch
            {
                SequenceFormat.Fasta => '>' + Header(e) + end + Wrap(e.Bases, written.Width, end),
                SequenceFormat.Fastq => '@' + Header(e) + end + Wrap(e.Bases, written.Width, end) + '+'
                + (e.Label.Length > 4 ? Header(e) : "") + end
                    + Wrap(string.Concat(e.Bases.Select((_, i) => "@+>!~I"[(i + e.Id.Length) % 6])), written.Width, end),
                SequenceFormat.Lines => e.Bases + end + (e.Label.Length > 4 ? end : ""),
                _ => string.Join(delimiter, Field(e.Id, delimiter), e.Bases, Field(e.Label, delimiter), '"' + e.Second + '"') + end,
            });
        if (!written.FinalNewline) text.Length -= end.Length;
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>In a table NA and NaN say that there is nothing, and what is mostly codes for several bases is taken for protein.</summary>
    private static string Present(string bases) =>
        Clean(bases) is "NA" or "NAN" || 2 * bases.Count(c => c is 'R' or 'y') > bases.Length ? "AN" : bases;

    private static string Header(Entry e) => e.Description.Length > 0 ? $"{e.Id} {e.Description}" : e.Id;

    private static string Wrap(string letters, int width, string end) =>
        string.Concat(letters.Chunk(width).Select(line => new string(line) + end));

    private static string Field(string text, char delimiter) =>
        text.Contains(delimiter) || text.AsSpan().ContainsAny('"', '\n') ? $"\"{text.Replace("\"", "\"\"")}\"" : text;

    private static string Clean(string bases) =>
        string.Concat(bases.ToUpperInvariant().Select(c => c == 'U' ? 'T' : "ACGT".Contains(c) ? c : 'N'));
}

using System.IO.Compression;
using System.Text;
using Dnabert2.Sequences;

namespace Tests.Sequences;

public class RealSequenceFileTests
{
    [Theory]
    [InlineData("MG1655-K12.fasta.gz"), InlineData("MT-human.fa.gz"), InlineData("MT-orang.fa.gz"),
        InlineData("P_falciparum_smalt_genome_1.fa.gz")]
    [InlineData("SARS-CoV-2_MN908947.3.fasta"), InlineData("S_cerevisiae.fasta.gz"), InlineData("Umaydis.fasta.gz")]
    [InlineData("human_GRCh37_chr20_30000001-40000000.fa.gz"), InlineData("lambda_virus.fa.gz")]
    public void A_genome_is_read_letter_for_letter(string name)
    {
        string path = SharedData.Path("genomes/" + name);
        List<(string Id, StringBuilder Bases)> expected = ReadNaively(path);
        int record = 0;
        foreach (SequenceRecord read in SequenceReader.Read(path))
        {
            (string id, StringBuilder bases) = expected[record++];
            string text = bases.ToString();
            Assert.Equal(id, read.Id);
            Assert.Equal(text.Length, read.Length);
            Assert.True(read.Sequence.SequenceEqual(Encoding.ASCII.GetBytes(text)), $"the bases of {id} differ");
            Assert.Equal(text.Count(c => c == 'N'), read.Ambiguous);
            int known = 0;
            foreach (SequenceFragment fragment in read.Fragments) known += fragment.Length;
            Assert.Equal(text.Length - read.Ambiguous, known);
        }
        Assert.Equal(expected.Count, record);
    }

    [Fact]
    public void The_gap_of_50000_N_cuts_chromosome_20_in_two()
    {
        string path = SharedData.Path("genomes/human_GRCh37_chr20_30000001-40000000.fa.gz");
        using SequenceReader reader = SequenceReader.Open(path);
        Assert.True(reader.TryRead(out SequenceRecord? record));
        var fragments = new List<SequenceFragment>();
        foreach (SequenceFragment fragment in record.Fragments) fragments.Add(fragment);
        Assert.Equal(2, fragments.Count);
        Assert.Equal(50_000, fragments[1].Start - fragments[0].End);
        Assert.Equal(record.Length, fragments[1].End);
    }

    [Theory]
    [InlineData("gue/EMP/H3/dev.csv"), InlineData("gue/splice/reconstructed/test.csv"), InlineData("gue/prom/prom_300_tata/train.csv"),
        InlineData("gue/mouse/4/test.csv")]
    public void A_GUE_table_gives_every_row_with_its_label(string name)
    {
        string path = SharedData.Path(name);
        string[] rows = File.ReadAllText(path).Split("\r\n", StringSplitOptions.RemoveEmptyEntries)[1..];
        using SequenceReader reader = SequenceReader.Open(path, new() { OnAmbiguous = AmbiguousBases.Unknown });
        Assert.Equal(["sequence", "label"], reader.Columns);
        foreach (string row in rows)
        {
            Assert.True(reader.TryRead(out SequenceRecord? record));
            Assert.Equal(row, $"{record.Text()},{record.Column("label")}");
        }
        Assert.False(reader.TryRead(out _));
        Assert.Equal(rows.Length, reader.RecordsRead);
    }

    private static List<(string Id, StringBuilder Bases)> ReadNaively(string path)
    {
        using Stream file = File.OpenRead(path);
        using var text =
            new StreamReader(path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionMode.Decompress) : file);
        var records = new List<(string Id, StringBuilder Bases)>();
        while (text.ReadLine() is string line)
            if (line.StartsWith('>')) records.Add((line[1..].Split(' ')[0], new StringBuilder()));
            else records[^1].Bases.Append(line.Trim().ToUpperInvariant());
        return records;
    }
}

using System.Text;
using Dnabert2.Sequences;

namespace Tests.Interpretation;

public class GenomeTests
{
    [Fact]
    public void Bases_are_read_back_at_any_place_across_blocks()
    {
        string bases = SmallModels.Dna(1, 70_000) + new string('N', 65_600) + SmallModels.Dna(2, 66_001) + "NRYSWKMBDHV"
            + SmallModels.Dna(3, 10);
        Genome genome = Of($">a\nACGT\n>b some text\n{bases}\n");
        Assert.Equal(["a", "b"], genome.Names);
        Assert.Equal(4 + bases.Length, genome.Bases);
        Assert.True(genome.TryGetLength("b", out long length));
        Assert.Equal(bases.Length, length);
        var random = new Random(1);
        foreach (int start in (int[])[0, 65_530, 69_990, 131_060, 135_590, 201_560, (int)length - 40,
            .. Enumerable.Range(0, 200).Select(_ => random.Next((int)length - 40))])
        {
            byte[] read = new byte[40];
            genome.Read("b", start, read);
            Assert.Equal(bases.Substring(start, 40), Encoding.ASCII.GetString(read));
        }

        Assert.Throws<ArgumentException>(() => genome.Read("b", length - 39, new byte[40]));
        Assert.Throws<ArgumentException>(() => genome.Read("b", -1, new byte[1]));
        Assert.Throws<ArgumentException>(() => genome.Read("c", 0, new byte[1]));
    }

    [Fact]
    public void A_sequence_without_a_name_is_not_held_under_its_number()
    {
        Genome genome = Of(">\nACGT\n>b\nGGGG\n> \nTTTT\n> c more\nAC\n");
        Assert.Equal(["b", "c"], genome.Names);
        Assert.Equal((2, 6L), (genome.Unnamed, genome.Bases));
        Assert.False(genome.TryGetLength("1", out _) || genome.TryGetLength("3", out _));
    }

    [Fact]
    public void Codes_become_N_where_they_are_not_kept()
    {
        using SequenceReader reader = SequenceReader.Open(new MemoryStream(">\nACRXacryn"u8.ToArray()), "x.fa");
        Assert.True(reader.TryRead(out SequenceRecord? record));
        Assert.Equal(("ACNNACNNN", 5), (Encoding.ASCII.GetString(record.Sequence), record.Ambiguous));
        using SequenceReader keeping = SequenceReader.Open(
            new MemoryStream(">\nACRXacryn"u8.ToArray()), "x.fa", new SequenceOptions { KeepCodes = true });
        Assert.True(keeping.TryRead(out record));
        Assert.Equal(("ACRNACRYN", 5), (Encoding.ASCII.GetString(record.Sequence), record.Ambiguous));
    }

    [Fact]
    public void A_long_reference_is_compared_to_its_last_base()
    {
        string bases = SmallModels.Dna(4, 1000);
        Genome genome = Of($">a\n{bases}\n");
        byte[] reference = Encoding.ASCII.GetBytes(bases[100..900]);
        Assert.True(genome.Matches("a", 100, reference));
        Assert.True(genome.Matches("a", 0, []));
        foreach (int at in (int[])[0, 255, 256, 511, 799])
        {
            byte[] other = [.. reference];
            other[at] = other[at] == 'A' ? (byte)'C' : (byte)'A';
            Assert.False(genome.Matches("a", 100, other));
            other[at] = (byte)'?';
            Assert.False(genome.Matches("a", 100, other));
        }
    }

    [Theory]
    [InlineData("chr7", "7")]
    [InlineData("7", "chr7")]
    [InlineData("Chr7", "7")]
    [InlineData("chrM", "MT")]
    [InlineData("MT", "chrM")]
    public void The_other_name_of_a_chromosome_is_found(string asked, string present)
    {
        Assert.True(Of($">x\nACGT\n>{present}\nACGT\n").TryGetOtherName(asked, out string? other));
        Assert.Equal(present, other);
        Assert.False(Of(">x\nACGT\n").TryGetOtherName(asked, out _));
    }

    [Theory]
    [InlineData(">a\nACGT\n>b\nAC\n>a\nGG\n", "test.fa: record 3, line 5: 'a' occurs twice")]
    [InlineData(">\nACGT\n>\nAC\n", "test.fa: no sequence of it has a name")]
    [InlineData("sequence\nACGT\n", "test.fa: this is Csv, not FASTA")]
    [InlineData("ACGT\nACGT\n", "test.fa: line 1: FASTA starts a record with '>'")]
    [InlineData("", "the file is empty")]
    public void A_file_that_is_no_genome_is_refused(string content, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Of(content)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("genomes/SARS-CoV-2_MN908947.3.fasta")]
    [InlineData("genomes/human_GRCh37_chr20_30000001-40000000.fa.gz")]
    public void A_real_genome_is_held_as_it_is_in_less_than_half_a_byte_a_base(string file)
    {
        string path = SharedData.Path(file);
        var options = new SequenceOptions { OnAmbiguous = AmbiguousBases.Unknown };
        using SequenceReader reader = SequenceReader.Open(path, options);
        Genome genome = Genome.Read(reader);
        foreach (SequenceRecord record in SequenceReader.Read(path, options))
        {
            byte[] bases = new byte[record.Length];
            genome.Read(record.Id, 0, bases);
            Assert.True(record.Sequence.SequenceEqual(bases));
        }
    }

    internal static Genome Of(string text)
    {
        using SequenceReader reader = SequenceReader.Open(
            new MemoryStream(Encoding.ASCII.GetBytes(text)), "test.fa",
            new SequenceOptions { OnAmbiguous = AmbiguousBases.Unknown, KeepCodes = true });
        return Genome.Read(reader);
    }
}

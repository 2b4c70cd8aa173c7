using System.Text;
using Dnabert2.Sequences;

namespace Tests.Sequences;

public class ContigAliasesTests
{
    private const string Fasta = ">chr1\nACGTACGTAC\n>chr2\nGGGGG\n>chrM\nTT\n>scaffold_9\nCCC\n";

    private const string Wide = "# ucsc\tassembly\tgenbank\trefseq\r\nchr1\t1\tCM000663.2\tNC_000001.11\r\n"
        + "chr2\t2\tCM000664.2\tNC_000002.12\r\n"
        + "chrM\tMT\tJ01415.2\tNC_012920.1\r\nchrUn\t\tKI1.1\tNT_1.1\r\n";

    private const string WithSources = "CM000663.2\tchr1\tgenbank\n"
        + "1\tchr1\tassembly,ensembl\nNC_000001.11\tchr1\trefseq\nMT\tchrM\tensembl\n";

    private const string Report = "# Assembly name:  made up\n"
        + "# Sequence-Name\tSequence-Role\tAssigned-Molecule\tAssigned-Molecule-Location/Type\t"
        + "GenBank-Accn\tRelationship\tRefSeq-Accn\tAssembly-Unit\tSequence-Length\tUCSC-style-name\n"
        + "1\tassembled-molecule\t1\tChromosome\tCM000663.2\t=\tNC_000001.11\tPrimary Assembly\t10\tchr1\n"
        + "HSCHR1_CTG1\tunlocalized-scaffold\t1\tChromosome\tKI270706.1\t=\tNT_187361.1\tPrimary Assembly\t99\tchr1_KI270706v1_random\n"
        + "MT\tassembled-molecule\tMT\tMitochondrion\tJ01415.2\t=\tNC_012920.1\tnon-nuclear\t2\tchrM\n"
        + "NEW\tunplaced-scaffold\tna\tna\tna\t<>\tNW_1.1\tPrimary Assembly\tna\tna\n";

    [Theory]
    [InlineData(Wide)]
    [InlineData(WithSources)]
    [InlineData(Report)]
    public void A_genome_is_asked_by_any_name_of_the_table(string table)
    {
        using Genome genome = Open(table);
        foreach (string name in (string[])["chr1", "1", "CM000663.2", "NC_000001.11"])
        {
            Assert.Equal("chr1", genome.NameOf(name));
            Assert.True(genome.TryGetLength(name, out long length));
            Assert.Equal(10, length);
            byte[] bases = new byte[3];
            genome.Read(name, 1, bases);
            Assert.Equal("CGT", Encoding.ASCII.GetString(bases));
            Assert.True(genome.Matches(name, 1, "CGT"u8));
            Assert.Equal(new GenomeRegion("chr1", 1, 3), genome.ParseRegion(name + ":2-3"));
        }

        Assert.Equal("chrM", genome.NameOf("MT"));
        Assert.Null(genome.NameOf("KI270706.1"));
        Assert.Null(genome.NameOf("genbank"));
        Assert.Null(genome.NameOf("na"));
        Assert.Equal("scaffold_9", genome.NameOf("scaffold_9"));
        Assert.Contains("has no sequence '3'", genome.FaultOf(new GenomeRegion("3", 0, 1)), StringComparison.Ordinal);
        Assert.Equal(new GenomeRegion("chr1", 0, 9) { Name = "x", Line = 4 },
            genome.Named(new GenomeRegion("1", 0, 9) { Name = "x", Line = 4 }));
        Assert.Equal(4, genome.Names.Count);
    }

    [Fact]
    public void The_rule_takes_names_with_and_without_chr_and_only_where_it_is_asked_for()
    {
        using Genome genome = new(FastaFile.Open(new MemoryBytes(Encoding.ASCII.GetBytes(Fasta)), GenomeFiles.Index(Fasta), "x.fa"),
            ContigAliases.Prefix);
        Assert.Equal(["chr1", "chr2", "chrM", "chrM", null, "scaffold_9"],
            new[] { "1", "chr2", "MT", "M", "3", "scaffold_9" }.Select(genome.NameOf));
        using Genome plain = GenomeFiles.Plain(Fasta);
        Assert.Null(plain.NameOf("1"));
        Assert.False(plain.TryGetLength("1", out _));
    }

    [Theory]
    [InlineData("a\n", "line 1: one column")]
    [InlineData("", "there are no names in it")]
    [InlineData("# only\tnames\n", "there are no names in it")]
    [InlineData("chr1\t1\nchr2\t1\n", "line 2: '1' is a name of another sequence, too, of line 1")]
    [InlineData("1\tchr1\tensembl\n1\tchr2\tensembl\n", "line 2: '1' is a name of another sequence")]
    [InlineData("1\tchr1\tensembl\n2\tchr2\n", "line 2: two columns, and the lines before it have three")]
    [InlineData("# Sequence-Name\tSequence-Length\n1\n", "line 2: one column")]
    [InlineData("# Sequence-Name\tSequence-Role\tSequence-Length\n1\tx\n", "line 2: 2 columns, and the header names 3")]
    [InlineData("# Sequence-Name\tSequence-Length\n1\tmany\n", "line 2: the length 'many' is not a whole number")]
    [InlineData("plasmid1\tp1\n", "x.fa has none of its names, such as 'plasmid1'; it has 'chr1': it is of another assembly")]
    [InlineData("chr1\tchr2\n", "line 1: 'chr1' and 'chr2' are one sequence in it, and two in x.fa: it is of another assembly")]
    [InlineData("# Sequence-Name\tSequence-Length\nchr1\t11\n",
        "line 2: 'chr1' has 11 bases in it, and 10 in x.fa: it is of another assembly")]
    public void A_table_that_is_none_or_of_another_assembly_is_refused_with_the_remedy(string table, string message)
    {
        string told = Assert.Throws<InvalidDataException>(() => Open(table)).Message;
        Assert.StartsWith("x.txt: ", told);
        Assert.Contains(message, told, StringComparison.Ordinal);
        Assert.Contains("chromAlias.txt of UCSC or the assembly_report.txt of NCBI", told, StringComparison.Ordinal);
    }

    private static Genome Open(string table) => new(
        FastaFile.Open(new MemoryBytes(Encoding.ASCII.GetBytes(Fasta)), GenomeFiles.Index(Fasta), "x.fa"),
        ContigAliases.Read(new MemoryStream(Encoding.UTF8.GetBytes(table)), "x.txt"));
}

using System.Text;
using Dnabert2.Sequences;
using Tests.Weights;

namespace Tests.Sequences;

public class TwoBitTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Bases_are_those_of_the_fasta_at_every_place_and_of_every_length(bool isBigEndian)
    {
        var random = new Random(5);
        var sequences = new (string Name, string Bases)[6];
        for (int i = 0; i < sequences.Length; i++)
            sequences[i] = ($"chr{i}", string.Concat(Enumerable.Range(0, random.Next(1, 40)).Select(_ => Stretch())));
        using Genome genome = Open(TwoBits.File(isBigEndian, sequences));
        Assert.Equal(sequences.Select(s => s.Name), genome.Names);
        Assert.Equal(sequences.Sum(s => (long)s.Bases.Length), genome.Bases);
        for (int i = 0; i < 2000; i++)
        {
            (string name, string bases) = sequences[random.Next(sequences.Length)];
            int start = random.Next(bases.Length), length = random.Next(bases.Length - start + 1);
            byte[] read = new byte[length];
            genome.Read(name, start, read);
            Assert.Equal(bases.Substring(start, length).ToUpperInvariant(), Encoding.ASCII.GetString(read));
        }

        // Of up to 70 bases: known, unknown or masked.
        string Stretch()
        {
            string bases = random.Next(4) == 0 ? new string('N', random.Next(1, 70))
                : string.Concat(Enumerable.Range(0, random.Next(1, 70)).Select(_ => "ACGT"[random.Next(4)]));
            return random.Next(3) == 0 ? bases.ToLowerInvariant() : bases;
        }
    }

    [Fact]
    public void Py2bit_reads_the_files_of_these_tests_as_they_are_meant()
    {
        using var folder = new TempFolder();
        string[] bases = ["ACGTNNNacgtnnACGTA", "NNNNN", "acgta", Interpretation.SmallModels.Dna(9, 1001) + "N"];
        folder.Write("x.2bit", TwoBits.File(false, [.. bases.Select((b, i) => ($"c{i}", b))]));
        const string script = """
            import sys
            try:
                import py2bit
            except ImportError:
                print("absent")
                sys.exit()
            f = py2bit.open(sys.argv[1], True)
            for name in sorted(f.chroms()):
                print(f.sequence(name))
            """;
        string[] read = Encoding.ASCII.GetString(GenomeFiles.Run("python3", "-c", script, folder["x.2bit"])).Trim().Split('\n');
        Assert.SkipWhen(read[0] == "absent", "python3-py2bit is not installed");
        Assert.Equal(bases.Select(b => b.Replace('n', 'N')), read.Select(b => b.Replace('n', 'N')));
    }

    [Fact]
    public void A_long_sequence_is_read_in_pieces_and_only_where_it_is_asked_for()
    {
        string bases = Interpretation.SmallModels.Dna(3, 300_000);
        using var folder = new TempFolder();
        using Genome genome = Genome.Open(folder.Write("x.2bit", TwoBits.File(false, ("a", bases), ("empty", ""), ("b", "NNACGT"))));
        Assert.Equal(["a", "b"], genome.Names);
        byte[] read = new byte[250_000];
        genome.Read("a", 12_345, read);
        Assert.Equal(bases.Substring(12_345, read.Length), Encoding.ASCII.GetString(read));
        long before = genome.BytesRead;
        Assert.Equal("NACG", GenomeFiles.Bases(genome, genome.ParseRegion("b:2-5")));
        Assert.InRange(genome.BytesRead - before, 1, 100);
        Assert.True(Genome.IsTwoBit(folder["x.2bit"]));
        Assert.False(Genome.IsTwoBit(folder.Write("x.fa", ">a\nACGT\n"u8)));
    }

    [Theory]
    [InlineData(4, 1, "it is of version 1, and version 0 is read")]
    [InlineData(8, 0, "it cannot have the 0 sequences")]
    [InlineData(8, 200, "it cannot have the 200 sequences")]
    [InlineData(8, 3, "ends past the end of the file")]
    [InlineData(16, 200, "it ends within the index")]
    [InlineData(16, 0, "is no text")]
    [InlineData(17, 'b', "'b' occurs twice")]
    [InlineData(18, 250, "'a' ends past the end of the file")]
    [InlineData(28, 255, "stretch 1 of N is not within the 255 bases", 36, 254)]
    [InlineData(28, 255, "'a' ends past the end of the file")]
    [InlineData(32, 9, "the list of N of 'a' is that of others, too")]
    [InlineData(44, 100, "'a' ends past the end of the file")]
    public void A_damaged_file_is_refused(int at, int value, string message, int secondAt = 16, int second = 1)
    {
        // a lies from byte 28 on: 8 bases, one stretch of N (start at 36, length at 40), none that is masked (44).
        byte[] file = TwoBits.File(false, ("a", "ACNNNACG"), ("b", "AC"));
        Assert.Equal((8, 1, 2, 3, 0), (file[28], file[32], file[36], file[40], file[44]));
        file[at] = (byte)value;
        if (secondAt != 16) file[secondAt] = (byte)second;
        string told = Assert.Throws<InvalidDataException>(() =>
        {
            using Genome genome = Open(file);
            foreach (string name in genome.Names) genome.Read(name, 0, new byte[1]);
        }).Message;
        Assert.StartsWith("x.2bit: ", told);
        Assert.Contains(message, told, StringComparison.Ordinal);
        Assert.EndsWith("or give the genome as FASTA.", told);
    }

    [Fact]
    public void Cut_anywhere_it_is_refused_or_gives_bases_that_are_there()
    {
        byte[] file = TwoBits.File(true, ("a", "ACNNNACGT"), ("b", "ACG"));
        for (int length = 0; length < file.Length; length++)
        {
            byte[] cut = file[..length];
            Assert.Throws<InvalidDataException>(() =>
            {
                using Genome genome = Open(cut);
                foreach (string name in genome.Names)
                {
                    Assert.True(genome.TryGetLength(name, out long bases));
                    GenomeFiles.Bases(genome, new GenomeRegion(name, 0, bases));
                }
            });
        }
    }

    private static Genome Open(byte[] file) => new(new TwoBitFile(new MemoryBytes(file), "x.2bit"));
}

using System.Text;
using Dnabert2.Sequences;
using Tests.Weights;

namespace Tests.Sequences;

public class GenomeIndexTests
{
    [Theory]
    [InlineData(">a one\nACGTAC\nGTACGT\nAC\n>b\nGGGG\n>c\tx\nACGT", "a 14 7 6 7|b 4 27 4 5|c 4 37 4 5|")]
    [InlineData(">a\nACGTAC\nGTACGT\nAC\n\n>e\n>b\nGGGG\n", "a 14 3 6 7|b 4 27 4 5|")]
    [InlineData(">a\r\nACGTAC\r\nGT\r\n", "a 8 4 6 8|")]
    [InlineData("> a\nACGT\n", "a 4 4 4 5|")]
    public void An_index_is_what_samtools_writes(string fasta, string expected)
    {
        string text = GenomeFiles.TextOf(GenomeFiles.Index(fasta).Write);
        Assert.Equal(expected.Replace(' ', '\t').Replace('|', '\n'), text);
        Assert.Equal(text, GenomeFiles.TextOf(FastaIndex.Read(new MemoryStream(Encoding.UTF8.GetBytes(text)), "x.fa.fai").Write));
    }

    [Theory]
    [InlineData(">a\nACGT\nACG\nACGT\n", "record 1 'a', line 1: its lines differ in length or in their ends, first at line 4")]
    [InlineData(">a\nACGT\nACGTA\n", "first at line 3")]
    [InlineData(">a\nACGT\r\nACGT\nA\n", "first at line 3")]
    [InlineData(">a\n\nACGT\n", "first at line 3")]
    [InlineData(">a\nAC GT\n", "there are blanks in the sequence, at line 2")]
    [InlineData(">a\nACGT\n;x\nACGT\n", "line 3: a comment line begins with ';'")]
    [InlineData(">a\nACGT\n>b\nAC\n>a\nGG\n", "line 5: 'a' occurs twice")]
    [InlineData(">\nACGT\n", "it has no name")]
    [InlineData("ACGT\n", "FASTA starts a record with '>'")]
    [InlineData(">a\n>b\n", "there are no sequences in it")]
    public void A_file_whose_places_cannot_be_told_is_refused(string fasta, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => GenomeFiles.Index(fasta)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("", "there is no sequence in it")]
    [InlineData("a\t4\t3\t4\n", "line 1: 4 columns")]
    [InlineData("a\t4\t3\t4\t5\t9\n", "index of a FASTQ file")]
    [InlineData("a\t4\t3\t4\t5\nb\tx\t3\t4\t5\n", "line 2: 'x' is not a whole number")]
    [InlineData("a\t4\t3\t4\t4\n", "are no sequence")]
    [InlineData("a\t4\t3\t0\t1\n", "are no sequence")]
    [InlineData("a\t4\t3\t4\t5\na\t4\t3\t4\t5\n", "line 2: 'a' occurs twice")]
    public void A_damaged_index_is_refused_with_its_line_and_the_remedy(string index, string message)
    {
        string told = Assert.Throws<InvalidDataException>(
            () => FastaIndex.Read(new MemoryStream(Encoding.UTF8.GetBytes(index)), "x.fa.fai")).Message;
        Assert.Contains(message, told, StringComparison.Ordinal);
        Assert.Contains("'samtools faidx'", told, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a\t8\t3\t8\t9\n", ">a\nACGT\n")]
    [InlineData("a\t9223372036854775807\t9223372036854775807\t1\t2\n", ">a\nACGT\n")]
    [InlineData("b\t4\t3\t4\t5\n", ">a\nACGT\n")]
    [InlineData("a\t4\t3\t4\t5\n", ">ab\nACG\nT\n")]
    [InlineData("a\t3\t3\t3\t4\n", ">a\nACGT\n")]
    [InlineData("a\t8\t3\t6\t7\n", ">a\nACGT\nACGT\n")]
    [InlineData("a\t4\t3\t4\t5\n", ">a\nACGT\nACGT\n")]
    [InlineData("b\t4\t11\t4\t5\n", ">a\nACGT\n>a\nACGT\n")]
    public void An_index_of_another_file_is_refused(string index, string fasta)
    {
        string told = Assert.Throws<InvalidDataException>(() =>
        {
            FastaIndex fai = FastaIndex.Read(new MemoryStream(Encoding.UTF8.GetBytes(index)), "x.fa.fai");
            using var genome = new Genome(FastaFile.Open(new MemoryBytes(Encoding.ASCII.GetBytes(fasta)), fai, "x.fa"));
            fai.TryGetLength(fai.Names[0], out long length);
            genome.Read(fai.Names[0], 0, new byte[length]);
        }).Message;
        Assert.Contains("x.fa.fai: line 1: ", told, StringComparison.Ordinal);
        Assert.Contains("it is the index of another file. Make the index anew", told, StringComparison.Ordinal);
    }

    [Fact]
    public void Regions_at_any_place_are_those_of_the_whole_file()
    {
        var random = new Random(5);
        for (int i = 0; i < 60; i++)
        {
            string end = random.Next(2) == 0 ? "\n" : "\r\n";
            var fasta = new StringBuilder();
            var whole = new Dictionary<string, string>();
            for (int c = 0; c < 3; c++)
            {
                int length = random.Next(1, 400), width = random.Next(1, 90);
                string bases = string.Concat(Enumerable.Range(0, length).Select(_ => "ACGTacgtnNuRy"[random.Next(13)]));
                whole.Add($"c{c}:x", bases.ToUpperInvariant().Replace('U', 'T'));
                fasta.Append($">c{c}:x remark{end}");
                for (int at = 0; at < length; at += width) fasta.Append(bases.AsSpan(at, Math.Min(width, length - at))).Append(end);
            }

            string text = random.Next(2) == 0 ? fasta.ToString().TrimEnd('\n', '\r') : fasta.ToString();
            using Genome genome = i % 2 == 0 ? GenomeFiles.Plain(text) : GenomeFiles.Bgzipped(text, random.Next(1, 120));
            foreach ((string name, string bases) in whole)
            {
                Assert.True(genome.TryGetLength(name, out long length));
                Assert.Equal(bases.Length, length);
                for (int j = 0; j < 8; j++)
                {
                    int start = random.Next(bases.Length), stop = random.Next(start + 1, bases.Length + 1);
                    Assert.Equal(bases[start..stop], GenomeFiles.Bases(genome, new GenomeRegion(name, start, stop)));
                }
            }
        }
    }

    [Fact]
    public void Of_a_genome_of_gigabytes_only_what_is_asked_for_is_read()
    {
        const long length = 3_100_000_000, at = 2_900_000_123;
        using var folder = new TempFolder();
        using (FileStream file = File.Create(folder["big.fa"]))
        {
            // Sparse: the bases that nobody asks for are zeros that take no room.
            file.Write(">huge\n"u8);
            file.SetLength(6 + length + 1);
            file.Position = 6 + at;
            file.Write("ACGTTGCA"u8);
            file.Position = 6 + length;
            file.Write("\n"u8);
        }

        Assert.Contains("is too large to be read for each region. Make the index once: 'dnabert2 index'",
            Assert.Throws<InvalidDataException>(() => Genome.Open(folder["big.fa"])).Message, StringComparison.Ordinal);
        File.WriteAllText(folder["big.fa.fai"], $"huge\t{length}\t6\t{length}\t{length + 1}\n");
        using Genome genome = Genome.Open(folder["big.fa"]);
        GenomeRegion region = genome.ParseRegion("huge:2,900,000,124-2,900,000,131");
        Assert.Equal("ACGTTGCA", GenomeFiles.Bases(genome, region));
        Assert.InRange(genome.BytesRead, 8, 1000);
    }

    [Fact]
    public void Of_a_bgzipped_genome_the_blocks_of_a_region_are_read()
    {
        string bases = Interpretation.SmallModels.Dna(3, 200_000);
        using Genome genome = GenomeFiles.Bgzipped($">a\n{bases}\n", 10_000);
        long before = genome.BytesRead;
        Assert.Equal(bases[150_000..150_100], GenomeFiles.Bases(genome, new GenomeRegion("a", 150_000, 150_100)));
        // The block of the header, that of the bases, and the last one, which tells whether a sequence ends where the index says.
        Assert.InRange(genome.BytesRead - before, 100, 20_000);
    }

    [Fact]
    public void An_index_that_is_older_than_its_file_is_refused()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder["x.fa"], ">a\nACGT\n");
        File.WriteAllText(folder["x.fa.fai"], "a\t4\t3\t4\t5\n");
        Genome.Open(folder["x.fa"]).Dispose();
        File.SetLastWriteTimeUtc(folder["x.fa"], DateTime.UtcNow.AddMinutes(1));
        string told = Assert.Throws<InvalidDataException>(() => Genome.Open(folder["x.fa"])).Message;
        Assert.Contains("x.fa.fai: is older than x.fa", told, StringComparison.Ordinal);
        Assert.Contains("'touch' it", told, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("genomes/SARS-CoV-2_MN908947.3.fasta")]
    [InlineData("genomes/S_cerevisiae.fasta.gz")]
    public void Indexes_and_regions_of_real_genomes_are_those_of_samtools(string name)
    {
        using var folder = new TempFolder();
        string fasta = folder["g.fa"], path = fasta;
        using (Stream file = File.OpenRead(SharedData.Path(name)))
        using (Stream plain = name.EndsWith(".gz", StringComparison.Ordinal)
            ? new System.IO.Compression.GZipStream(file, System.IO.Compression.CompressionMode.Decompress) : file)
        using (FileStream copy = File.Create(fasta))
            Beginning(plain, copy);
        if (name.EndsWith(".gz", StringComparison.Ordinal)) File.WriteAllBytes(path = fasta + ".gz", GenomeFiles.Run("bgzip", "-c", fasta));
        GenomeFiles.Run("samtools", "faidx", path);
        using (FileStream file = File.OpenRead(path))
            Assert.Equal(File.ReadAllText(path + ".fai"), GenomeFiles.TextOf(FastaIndex.Build(file, path).Write));
        if (path != fasta)
        {
            using var gzi = new MemoryStream();
            BgzfIndex.Build(path).Write(gzi);
            Assert.Equal(File.ReadAllBytes(path + ".gzi"), gzi.ToArray());
        }

        using Genome genome = Genome.Open(path);
        var random = new Random(2);
        string[] regions = [.. Enumerable.Range(0, 20).Select(_ =>
        {
            string contig = genome.Names[random.Next(genome.Names.Count)];
            genome.TryGetLength(contig, out long length);
            long start = random.NextInt64(1, length - 1);
            return $"{contig}:{start:N0}-{Math.Min(length, start + random.Next(200)):N0}";
        }), genome.Names[0] + ":100-", genome.Names[^1] + ":-20"];
        string[] expected = Encoding.ASCII.GetString(GenomeFiles.Run("samtools", ["faidx", path, .. regions])).Split('>')[1..];
        for (int i = 0; i < regions.Length; i++)
        {
            string bases = string.Concat(expected[i].Split('\n')[1..]).ToUpperInvariant();
            Assert.Equal(bases, GenomeFiles.Bases(genome, genome.ParseRegion(regions[i])));
        }
    }

    /// <summary>Copies whole lines of about a megabyte at most.</summary>
    private static void Beginning(Stream from, Stream to)
    {
        byte[] bytes = new byte[1 << 20];
        int count = from.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        to.Write(bytes, 0, bytes.AsSpan(0, count).LastIndexOf((byte)'\n') + 1);
    }
}

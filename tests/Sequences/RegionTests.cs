using System.Text;
using Dnabert2.Sequences;

namespace Tests.Sequences;

public class RegionTests
{
    private const string Fasta = ">chr1:5\nAAAA\n>chr1\nACGTACGTAN\n>NC_01.2\nNNNN\n>x:1-2\nGG\n";

    [Theory]
    [InlineData("chr1", "chr1:1-10")]
    [InlineData("chr1:3", "chr1:3-10")]
    [InlineData("chr1:3-", "chr1:3-10")]
    [InlineData("chr1:-3", "chr1:1-3")]
    [InlineData("chr1:1,0-1,0", "chr1:10-10")]
    [InlineData("chr1:5-6", "chr1:5-6")]
    [InlineData("{chr1}:5", "chr1:5-10")]
    [InlineData("{chr1:5}", "chr1:5:1-4")]
    [InlineData("chr1:5:2-3", "chr1:5:2-3")]
    [InlineData("x:1-2", "x:1-2:1-2")]
    public void Regions_are_read_as_samtools_reads_them(string text, string region)
    {
        using Genome genome = GenomeFiles.Plain(Fasta);
        Assert.Equal(region, genome.ParseRegion(text).ToString());
    }

    [Theory]
    [InlineData("chr1:5", "both 'chr1:5' and 'chr1' are sequences: write {chr1:5} or {chr1}:5")]
    [InlineData("chr1:2-11", "ends past the end of 'chr1', which has 10 bases in x.fa")]
    [InlineData("chr1:20", "which has 10 bases")]
    [InlineData("chr1:0-5", "bases are counted from 1")]
    [InlineData("chr1:5-2", "has no bases")]
    [InlineData("chr1:a-b", "a region is NAME")]
    [InlineData("chr1:", "a region is NAME")]
    [InlineData("1", "x.fa has no sequence '1', but 'chr1': write names as the genome does (of a BED file: sed 's/^/chr/')")]
    [InlineData("CHR1", "but 'chr1'")]
    [InlineData("NC_01", "did you mean 'NC_01.2'?")]
    [InlineData("chr11:1-2", "did you mean 'chr1' or 'chr1:5'?")]
    [InlineData("plasmid", "it has 'chr1:5', 'chr1', 'NC_01.2', 'x:1-2'")]
    [InlineData("{chr1", "a name in braces is {NAME}")]
    [InlineData("{none}:1-2", "x.fa has no sequence 'none'")]
    [InlineData("chr1:1-99999999999999999999", "a region is NAME")]
    public void A_region_that_is_none_of_the_genome_is_refused_with_the_remedy(string text, string message)
    {
        using Genome genome = GenomeFiles.Plain(Fasta);
        string told = Assert.Throws<ArgumentException>(() => genome.ParseRegion(text)).Message;
        Assert.Contains(message, told, StringComparison.Ordinal);
        Assert.Contains($"'{text}'", told, StringComparison.Ordinal);
    }

    [Fact]
    public void Bed_is_counted_from_0_and_keeps_names_and_strands()
    {
        const string bed = "track name=x\nbrowser position\n#c\n\n"
            + "chr1\t0\t4\tfirst\t0\t+\textra\r\nchr1 2 3 . 9 -\r\nchr1\t1\t2\ntrackless\t0\t1\t\t\t.";
        GenomeRegion[] regions = [.. Bed(bed)];
        Assert.Equal(
            [
                new("chr1", 0, 4) { Name = "first", Strand = RegionStrand.Forward, Line = 5 },
                new("chr1", 2, 3) { Strand = RegionStrand.Reverse, Line = 6 },
                new("chr1", 1, 2) { Line = 7 },
                new("trackless", 0, 1) { Line = 8 },
            ], regions);
        Assert.Equal(regions, Bed(Encoding.Latin1.GetString(SequenceFiles.Gzip(Encoding.ASCII.GetBytes(bed)))));
    }

    [Theory]
    [InlineData("chr1\t0\n", "line 1: 2 columns, and three are needed")]
    [InlineData("#x\nchr1\t-1\t5\n", "line 2: '-1' is not a whole number")]
    [InlineData("chr1\t5\t5\n", "from 5 up to 5, the end left out, there are no bases")]
    [InlineData("chr1\t1,000\t5,000\n", "'1,000' is not a whole number")]
    [InlineData("chr1\t1\t5\tn\t0\tplus\n", "the strand 'plus' is not")]
    [InlineData("\t1\t5\n", "the name of the sequence is empty")]
    public void A_wrong_line_of_bed_is_refused(string bed, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Bed(bed)).Message, StringComparison.Ordinal);

    [Fact]
    public void Regions_are_records_with_the_policies_of_files()
    {
        using Genome genome = GenomeFiles.Plain(">a\nACGTNRAC\n>b\nNNNN\n");
        GenomeRegion[] regions = [new("a", 0, 8) { Strand = RegionStrand.Reverse, Name = "peak" }, new("b", 0, 4), new("a", 2, 6)];
        using SequenceReader plain = SequenceReader.Open(genome, regions, new SequenceOptions { NeedsKnownBases = true });
        SequenceRecord[] records = [.. Records(plain)];
        Assert.Equal(["peak ACGTNNAC a:1-8 1", "a:3-6 GTNN a:3-6 3"],
            records.Select(r => $"{r.Id} {r.Text()} {r.Region} {r.Number}"));
        Assert.Equal("x.fa: record 1 'peak' (a:1-8)", records[0].Place);
        Assert.Contains(
            "1 record of 3 left out for having no sequence: record 2 'b:1-4'", plain.Notes().Single(), StringComparison.Ordinal);
        using SequenceReader turned = SequenceReader.Open(
            genome, regions[..1], new SequenceOptions { TurnsReverseRegions = true, KeepCodes = true });
        Assert.Equal("GTYNACGT", Records(turned).Single().Text());
        using SequenceReader strict = SequenceReader.Open(genome, regions, new SequenceOptions { OnAmbiguous = AmbiguousBases.Error });
        Assert.Contains("record 1 'peak' (a:1-8): 'N' at base 5 is not one exact base",
            Assert.Throws<InvalidDataException>(() => strict.TryRead(out _)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_base_is_in_a_window_and_every_window_is_full()
    {
        var random = new Random(3);
        for (int i = 0; i < 300; i++)
        {
            string bases = Interpretation.SmallModels.Dna(i, random.Next(1, 120));
            int window = random.Next(1, 50), step = random.Next(1, window + 1), from = random.Next(bases.Length);
            bool turned = i % 3 == 0, regions = turned || i % 3 == 1;
            var options = new SequenceOptions { Window = window, Step = step, TurnsReverseRegions = turned };
            using Genome genome = GenomeFiles.Plain($">a\n{bases}\n");
            RegionStrand strand = turned ? RegionStrand.Reverse : RegionStrand.Unknown;
            var region = new GenomeRegion("a", regions ? from : 0, bases.Length) { Strand = strand };
            using SequenceReader reader = regions ? SequenceReader.Open(genome, [region], options)
                : SequenceReader.Open(new MemoryStream(Encoding.ASCII.GetBytes($">a\n{bases}\n")), "x.fa", options);
            var covered = new HashSet<long>();
            long number = 0, last = -1;
            foreach (SequenceRecord record in Records(reader))
            {
                GenomeRegion at = record.Region!;
                Assert.Equal(++number, record.Number);
                Assert.Equal(Math.Min(window, region.Length), at.Length);
                string expected = bases[(int)at.Start..(int)at.End];
                Assert.Equal(turned ? Turned(expected) : expected, record.Text());
                long distance = turned ? region.End - at.End : at.Start - region.Start;
                Assert.True(distance % step == 0 || distance == region.Length - window, $"{at} of {region}, {window}, {step}");
                Assert.True(distance > last, "a window comes twice");
                last = distance;
                for (long b = at.Start; b < at.End; b++) covered.Add(b);
            }

            Assert.Equal(region.Length, covered.Count);
        }
    }

    [Theory]
    [InlineData(0, null, "Window is less than 1")]
    [InlineData(5, 6, "Step is not from 1 to Window, 5")]
    [InlineData(null, 6, "Step is not from 1 to Window, which is not given")]
    public void Windows_that_would_leave_bases_out_are_refused(int? window, int? step, string message) =>
        Assert.Contains(message, Assert.Throws<ArgumentOutOfRangeException>(() => SequenceReader.Open(
            new MemoryStream(), "x", new SequenceOptions { Window = window, Step = step })).Message, StringComparison.Ordinal);

    private static string Turned(string bases) =>
        string.Concat(bases.Reverse().Select(b => b switch { 'A' => 'T', 'C' => 'G', 'G' => 'C', 'T' => 'A', _ => b }));

    private static IEnumerable<SequenceRecord> Records(SequenceReader reader)
    {
        while (reader.TryRead(out SequenceRecord? record)) yield return record.Copy();
    }

    private static List<GenomeRegion> Bed(string text)
    {
        using BedReader reader = BedReader.Open(new MemoryStream(Encoding.Latin1.GetBytes(text)), "x.bed");
        var regions = new List<GenomeRegion>();
        while (reader.TryRead(out GenomeRegion? region)) regions.Add(region);
        return regions;
    }
}

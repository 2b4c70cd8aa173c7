using System.Text;
using Dnabert2.Sequences;
using Tests.Sequences;

namespace Tests.Fuzz;

/// <content>Indexes of genomes, regions and BED.</content>
public sealed partial class FuzzTargets
{
    private const string SmallGenome = ">chr1 x\nACGTNN\nACGTRY\nAC\n>chr1:2\nGGGG\n>e\n>b\r\nAC";

    private static byte[][] Genomes => [Bytes(SmallGenome), Bytes(">a\r\nACGT\r\nAC\r\n\r\n>b\r\nA\r\n")];

    private FuzzTarget IndexOfFasta() => new("index of FASTA", Genomes, Mutation.OfText, input =>
    {
        FastaIndex index = FastaIndex.Build(new MemoryStream(input), "x");
        string text = GenomeFiles.TextOf(index.Write);
        Assert.Equal(text, GenomeFiles.TextOf(FastaIndex.Read(new MemoryStream(Encoding.UTF8.GetBytes(text)), "x").Write));
        using Genome genome = new(FastaFile.Open(new MemoryBytes(input), index, "x"));
        var options = new SequenceOptions { Format = SequenceFormat.Fasta, OnAmbiguous = AmbiguousBases.Unknown, KeepCodes = true };
        (List<SequenceRecord>? whole, InvalidDataException? refused) = Outcome(() => Records(input, options).Records);
        foreach (SequenceRecord record in whole ?? [])
            Assert.Equal(record.Text(), GenomeFiles.Bases(genome, new GenomeRegion(record.Id, 0, record.Length)));
        return refused is null ? text : throw new InvalidDataException(refused.Message, refused);
    })
    { Named = "x", Memory = (16 << 20, 600) };

    private FuzzTarget FastaIndexes() => new(".fai", [Encoding.UTF8.GetBytes(GenomeFiles.TextOf(GenomeFiles.Index(SmallGenome).Write))],
        Mutation.OfText, input =>
        {
            FastaIndex index = FastaIndex.Read(new MemoryStream(input), "x");
            using Genome genome = new(FastaFile.Open(new MemoryBytes(Bytes(SmallGenome)), index, "x"));
            var text = new StringBuilder();
            foreach (string name in genome.Names)
            {
                Assert.True(genome.TryGetLength(name, out long length));
                text.Append(name).Append(GenomeFiles.Bases(genome, new GenomeRegion(name, 0, length)));
            }

            return text.ToString();
        })
    { Named = "x" };

    /// <summary>The first byte is the length of an index, which follows, and then its file.</summary>
    private FuzzTarget BgzfIndexes()
    {
        byte[] file = Bgzip.File(Bytes(SmallGenome), 9), gzi = Index(file);
        return new FuzzTarget("bgzip by its index", [[(byte)gzi.Length, .. gzi, .. file]], Mutation.OfBytes, input =>
        {
            int length = input.Length > 0 ? Math.Min(input[0], input.Length - 1) : 0;
            BgzfIndex index = BgzfIndex.Read(new MemoryBytes(input[Math.Min(1, input.Length)..(Math.Min(1, input.Length) + length)]), "x");
            using var bytes = new BgzfBytes(new MemoryBytes(input[(1 + length)..]), index, "x", "x");
            byte[] content = new byte[Math.Min(bytes.Length, 1 << 16)];
            int read = bytes.Read(0, content);
            byte[] part = new byte[read / 2];
            bytes.Read(read - part.Length, part);
            return Encoding.Latin1.GetString(content, 0, read) + Encoding.Latin1.GetString(part);
        })
        { Named = "x" };

        static byte[] Index(byte[] file)
        {
            using var stream = new MemoryStream();
            BgzfIndex.Build(new MemoryBytes(file), "x").Write(stream);
            return stream.ToArray();
        }
    }

    /// <summary>A frame of Zstandard may ask for a window of 128 MB.</summary>
    private FuzzTarget OtherCompression()
    {
        byte[][] seeds = [.. new[] { "bzip2", "zstd" }.Select(program => Tools.CompressedInputTests.Compress(program, SmallGenome))];
        return new FuzzTarget("bzip2 and zstd", seeds, Mutation.OfBytes, input =>
        {
            using Stream stream = Dnabert2.Tool.CompressedInput.Open(new MemoryStream(input), "x");
            using var content = new MemoryStream();
            stream.CopyTo(content);
            return Encoding.Latin1.GetString(content.ToArray());
        })
        { Named = "x", Memory = (160 << 20, 600) };
    }

    private FuzzTarget Beds() => new("BED", [Bytes("track x\n#c\nchr1\t0\t4\tname\t0\t-\nchr1 2 3\r\n")], Mutation.OfText, input =>
    {
        (string? text, InvalidDataException? refused) = Outcome(() => Read(new MemoryStream(input)));
        Assert.Equal(text, Outcome(() => Read(new DripStream(input, 5))).Read);
        return text ?? throw new InvalidDataException(refused!.Message, refused);

        static string Read(Stream stream)
        {
            using BedReader reader = BedReader.Open(stream, "x");
            var text = new StringBuilder();
            while (reader.TryRead(out GenomeRegion? region))
                text.Append(region).Append(region.Name).Append(region.StrandSign).Append(region.Line).Append('\n');
            return text.ToString();
        }
    })
    { Named = "x" };

    private FuzzTarget Regions()
    {
        Genome genome = GenomeFiles.Plain(SmallGenome);
        _owned.Add(genome);
        byte[][] seeds = [Bytes("chr1:1,0-12"), Bytes("{chr1}:2-"), Bytes("chr1:2:1-4"), Bytes("b")];
        return new FuzzTarget("regions", seeds, Mutation.OfText, input =>
        {
            GenomeRegion region = genome.ParseRegion(Encoding.Latin1.GetString(input));
            Assert.Null(genome.FaultOf(region));
            return region + GenomeFiles.Bases(genome, region);
        })
        { Named = "region", Documented = [typeof(ArgumentException)] };
    }

    private FuzzTarget TwoBit()
    {
        byte[][] seeds =
        [
            TwoBits.File(false, ("chr1", "ACGTNNNacgtnnACGTA"), ("b", "ACG")), TwoBits.File(true, ("chr1", "NACGnnT"), ("c", "T")),
        ];
        return new FuzzTarget(".2bit", seeds, Mutation.OfBytes, input =>
        {
            using Genome genome = new(new TwoBitFile(new MemoryBytes(input), "x"));
            var text = new StringBuilder();
            foreach (string name in genome.Names)
            {
                Assert.True(genome.TryGetLength(name, out long length));
                // Of a length that says more than is there, reading fails, and nothing is allocated for it.
                string first = GenomeFiles.Bases(genome, new GenomeRegion(name, 0, Math.Min(length, 1000)));
                Assert.Equal("", first.Trim('A', 'C', 'G', 'T', 'N'));
                text.Append(name).Append(length).Append(first);
                text.Append(GenomeFiles.Bases(genome, new GenomeRegion(name, length - 1, length)));
            }

            return text.ToString();
        })
        { Named = "x" };
    }

    private FuzzTarget Aliases()
    {
        byte[][] seeds = [Bytes("# ucsc\tensembl\nchr1\t1\nb\t2\r\n"), Bytes("1\tchr1\tensembl\nCM1.1\tchr1\tgenbank\n"),
            Bytes("# Sequence-Name\tSequence-Role\tAssigned-Molecule\tGenBank-Accn\tSequence-Length\n"
                + "1\tassembled-molecule\tI\tchr1\t14\nx\tunplaced\tna\tna\tna\n")];
        return new FuzzTarget("names of sequences", seeds, Mutation.OfText, input =>
        {
            var aliases = ContigAliases.Read(new MemoryStream(input), "x");
            using Genome genome = new(FastaFile.Open(new MemoryBytes(Bytes(SmallGenome)), GenomeFiles.Index(SmallGenome), "y"), aliases);
            return string.Concat(new[] { "1", "I", "chr1", "CM1.1", "2", "b", "na" }.Select(name => $"{name} {genome.NameOf(name)};"));
        })
        { Named = "x" };
    }
}

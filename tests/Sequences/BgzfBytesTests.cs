using System.Text;
using Dnabert2.Sequences;
using Tests.Weights;

namespace Tests.Sequences;

public class BgzfBytesTests
{
    private static readonly byte[] Content = Encoding.ASCII.GetBytes(Interpretation.SmallModels.Dna(1, 5000));

    private static (byte[] File, byte[] Index) Files(int block = 700)
    {
        byte[] file = Bgzip.File(Content, block);
        using var gzi = new MemoryStream();
        BgzfIndex.Build(new MemoryBytes(file), "x.gz").Write(gzi);
        return (file, gzi.ToArray());
    }

    [Fact]
    public void Content_is_found_with_an_index_that_names_some_blocks_alone()
    {
        (byte[] file, byte[] gzi) = Files();
        // The first, the fourth and the seventh block.
        byte[] sparse = [2, 0, 0, 0, 0, 0, 0, 0, .. gzi[(8 + 32)..(8 + 48)], .. gzi[(8 + 80)..(8 + 96)]];
        foreach (byte[] index in (byte[][])[gzi, sparse, new byte[8]])
        {
            using BgzfBytes bytes = Open(file, index);
            Assert.Equal(Content.Length, bytes.Length);
            foreach (int at in (int[])[0, 699, 700, 1399, 3500, 4200, 4990])
            {
                byte[] read = new byte[1500];
                int count = bytes.Read(at, read);
                Assert.Equal(Content[at..Math.Min(at + 1500, Content.Length)], read[..count]);
            }
        }
    }

    [Theory]
    [InlineData("index cut", "it says that it has 7 blocks, which take 120 bytes, and has 110: it is cut short")]
    [InlineData("index of 4 bytes", "it is no index of bgzip, or is cut short (4 bytes)")]
    [InlineData("index descends", "places have to ascend")]
    [InlineData("index of a longer file", "and the file has")]
    [InlineData("index of other blocks", "there is none. The file is damaged, which 'bgzip -t' tells, or the index is of another one")]
    [InlineData("index of other lengths", "has another length than it says: it is the index of another file")]
    [InlineData("block damaged", "x.gz: the bgzip block at byte 0 is damaged. Fetch or compress the file again; 'bgzip -t' checks it")]
    [InlineData("file cut in a block", "ends past the end of the file: it is cut short")]
    [InlineData("file cut between blocks", "ends without its empty last block")]
    public void Damaged_files_and_indexes_are_refused(string fault, string message)
    {
        (byte[] file, byte[] index) = Files();
        switch (fault)
        {
            case "index cut": index = index[..^10]; break;
            case "index of 4 bytes": index = index[..4]; break;
            case "index descends": index[8 + 16] = index[8 + 17] = 0; break;
            case "index of a longer file": index[^12] = 1; break;
            case "index of other blocks": index[8 + 16]++; break;
            case "index of other lengths": index[8 + 24]++; break;
            case "block damaged": file[40] ^= 0x55; break;
            case "file cut in a block": file = file[..^60]; break;
            case "file cut between blocks": file = file[..^28]; break;
            default: throw new ArgumentOutOfRangeException(nameof(fault));
        }

        string told = Assert.Throws<InvalidDataException>(() =>
        {
            using BgzfBytes bytes = Open(file, index);
            bytes.Read(0, new byte[5000]);
        }).Message;
        Assert.Contains(message, told, StringComparison.Ordinal);
        Assert.StartsWith("x.gz", told, StringComparison.Ordinal);
    }

    [Fact]
    public void Gzip_that_is_not_of_bgzip_is_refused_with_the_remedy()
    {
        using var folder = new TempFolder();
        File.WriteAllBytes(folder["x.fa.gz"], SequenceFiles.Gzip(">a\nACGT\n"u8));
        Assert.Contains("gzip -dc old.fa.gz | bgzip > new.fa.gz",
            Assert.Throws<InvalidDataException>(() => Genome.Open(folder["x.fa.gz"])).Message, StringComparison.Ordinal);
        File.WriteAllBytes(folder["y.fa.gz"], Bgzip.File(">a\nACGT\n"u8));
        using Genome genome = Genome.Open(folder["y.fa.gz"]);
        Assert.Equal("CG", GenomeFiles.Bases(genome, genome.ParseRegion("a:2-3")));
    }

    private static BgzfBytes Open(byte[] file, byte[] index) =>
        new(new MemoryBytes(file), BgzfIndex.Read(new MemoryBytes(index), "x.gz.gzi"), "x.gz", "x.gz.gzi");
}

using System.Text;
using Dnabert2.Sequences;
using Tests.Interpretation;
using Tests.Sequences;
using Tests.Weights;

namespace Tests.Tools;

public class AliasToolTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const string Table = "# ucsc\tensembl\trefseq\nchr1\t1\tNC_1.1\nchr2\t2\tNC_2.1\n";

    private static string Bases => SmallModels.Dna(21, 3000);

    [Fact]
    public void Regions_bed_and_variants_of_other_names_give_what_those_of_the_genome_give()
    {
        using var folder = new TempFolder();
        string genome = folder.Write("g.fa", Encoding.ASCII.GetBytes($">chr1\n{Bases}\n>chr2\n{Bases[500..900]}\n"));
        string table = folder.Write("names.txt", Encoding.ASCII.GetBytes(Table));
        foreach ((string other, string aliases) in ((string, string)[])[("1", "chr"), ("1", table), ("NC_1.1", table)])
        {
            string bed = folder.Write("o.bed", Encoding.ASCII.GetBytes($"{other}\t100\t200\nchr2\t0\t80\n")),
                own = folder.Write("g.bed", "chr1\t100\t200\nchr2\t0\t80\n"u8);
            string[] embed = ["embed", genome, "--model", toy.Folder, "--device", "cpu", "--quiet"];
            Assert.Equal(
                ToolRun.Of([.. embed, "--region", "chr1:5-90", "--bed", own]).Succeeds().Text,
                ToolRun.Of([.. embed, "--aliases", aliases, "--region", other + ":5-90", "--bed", bed]).Succeeds().Text);
            string[] attribute = ["attribute", genome, "--model", toy.Folder, "--device", "cpu", "--quiet", "--window", "64"];
            Assert.Equal(
                ToolRun.Of([.. attribute, "--region", "chr1:5-9"]).Succeeds().Text,
                ToolRun.Of([.. attribute, "--aliases", aliases, "--region", other + ":5-9"]).Succeeds().Text);
            string vcf = folder.Write("o.vcf", Vcf(other)), ownVcf = folder.Write("g.vcf", Vcf("chr1"));
            string[] variants = ["-g", genome, "--model", toy.Folder, "--device", "cpu", "--quiet", "--region", "chr1:1-2000"];
            // The names in the table stay those of the file.
            string scores = ToolRun.Of(["variants", ownVcf, .. variants]).Succeeds().Text;
            Assert.Equal(4, scores.Split("\tscored\t").Length);
            Assert.Equal(scores.Replace("chr1", other, StringComparison.Ordinal),
                ToolRun.Of(["variants", vcf, "--aliases", aliases, .. variants]).Succeeds().Text);
            Assert.Equal(scores.Replace("chr1", other, StringComparison.Ordinal),
                ToolRun.Of(["variants", vcf, "--aliases", aliases, .. variants[..^2]]).Succeeds().Text);
        }

        byte[] Vcf(string name) => Encoding.ASCII.GetBytes(
            "chrom\tpos\tref\talt\n" + string.Concat(new[] { 50, 700, 1500 }.Select(at => $"{name}\t{at}\t{Change(Bases[at - 1])}\n")));
    }

    [Fact]
    public void A_bed_of_another_assembly_is_one_line_with_the_remedy()
    {
        using var folder = new TempFolder();
        string genome = folder.Write("g.fa", Encoding.ASCII.GetBytes($">chr1\n{Bases}\n"));
        string bed = folder.Write(
            "x.bed", Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 500).Select(i => $"1\t{i}\t{i + 9}\n"))));
        string[] embed = ["embed", genome, "--model", toy.Folder, "--bed", bed];
        Fails(
            "x.bed: line 1: " + genome + " has no sequence '1', but 'chr1': write names as the genome does (of a BED file: sed "
            + "'s/^/chr/'); --aliases chr takes them as they are", embed);
        folder.Write("x.bed", "NC_1.1\t0\t9\nNC_1.1\t0\t9\n"u8);
        Fails("; where another table of names has it, --aliases FILE takes it from there", embed);
    }

    [Fact]
    public void Of_variants_on_sequences_that_the_genome_does_not_have_the_first_is_said_once()
    {
        using var folder = new TempFolder();
        string genome = folder.Write("g.fa", Encoding.ASCII.GetBytes($">chr1\n{Bases}\n"));
        string lines = "chrom\tpos\tref\talt\n" + string.Concat(Enumerable.Range(0, 300).Select(i => $"{i % 7 + 2}\t5\tA\tC\n"))
            + $"chr1\t9\t{Change(Bases[8])}\n" + string.Concat(Enumerable.Repeat("1\t5\tA\tC\n", 50));
        ToolRun run = ToolRun.Of(lines, ["variants", "-", "-g", genome, "--model", toy.Folder, "--device", "cpu"]).Succeeds();
        Assert.Equal(352, run.Lines.Length);
        string[] said = run.Error.Trim().Split('\n');
        Assert.Equal(2, said.Length);
        Assert.Contains(
            "standard input: line 2: the genome has no '2'; it has chr1; where another table of names has it, --aliases FILE takes it from "
            + "there. Left out, as are all variants of sequences that the genome does not have", said[0], StringComparison.Ordinal);
        Assert.Contains("left out: 350 unknown_chromosome", said[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Variants_of_another_genome_are_refused_when_a_quarter_of_five_hundred_contradicts_it()
    {
        using var folder = new TempFolder();
        string genome = folder.Write("g.fa", Encoding.ASCII.GetBytes($">chr1\n{Bases}\n"));
        string header = "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=2999>\n##contig=<ID=1,length=5>\n"
            + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
        string[] run =
        [
            "variants", folder["x.vcf"], "-g", genome, "--model", toy.Folder, "--device", "cpu", "--window", "16", "-o", folder["o.vcf"],
        ];
        // Every third one is wrong; that is looked at where one is, from the 500th on.
        Write(wrong: i => i % 3 == 0);
        ToolRun refused = ToolRun.Of(run);
        Assert.Equal(1, refused.Code);
        Assert.Matches(
            "error: .*x.vcf: 168 of the first 502 variants of sequences that .*g.fa has contradict it, more than a quarter: they are of "
            + "another genome. The first: line 5: the reference allele is ., the genome has . at chr1:1; 'chr1' has 2,999 bases in its "
            + "header and 3,000 in .*g.fa. Give the genome that the variants refer to, or take such lines out: bcftools norm --check-ref x",
            refused.Error);
        Assert.Equal(10, refused.Error.Split('\n').Count(line => line.EndsWith("left out", StringComparison.Ordinal)));
        Assert.StartsWith(
            $"dnabert2: {folder["x.vcf"]}: 'chr1' has 2,999 bases in its header and 3,000 in {genome}: it may be of another assembly",
            refused.Error);
        Assert.Equal(["g.fa", "x.vcf"], folder.Names);

        // A quarter is not more than a quarter.
        Write(wrong: i => i % 4 == 3);
        ToolRun.Of(run).Succeeds();

        void Write(Func<int, bool> wrong)
        {
            var text = new StringBuilder(header);
            for (int i = 0; i < 700; i++)
            {
                char at = Bases[i], other = at == 'A' ? 'C' : 'A';
                text.Append($"chr1\t{i + 1}\t.\t{(wrong(i) ? other : at)}\t{(wrong(i) ? at : other)}\t.\t.\t.\n");
            }

            folder.Write("x.vcf", Encoding.ASCII.GetBytes(text.ToString()));
        }
    }

    [Theory]
    [InlineData("embed GENOME --aliases chr", 2, "--aliases: names are of the regions of --region and --bed, which are missing")]
    [InlineData("attribute GENOME --aliases chr", 2, "--aliases: names are of the regions of --region and --bed, which are missing")]
    [InlineData("embed GENOME --aliases none.txt --region chr1", 1,
        "--aliases none.txt: there is no such file; give a table of names, or 'chr'")]
    [InlineData("embed GENOME --aliases GENOME --region chr1", 1, "g.fa: line 1: one column")]
    [InlineData("variants GENOME -g GENOME --aliases TABLE", 1, "names.txt: ")]
    [InlineData("index TWOBIT", 1, "g.2bit: is .2bit, of which regions are read without an index")]
    [InlineData("embed TWOBIT", 1, "It is .2bit, of which regions are read: name some")]
    [InlineData("embed BIGTWOBIT", 1, "It is .2bit, of which regions are read: name some")]
    public void What_cannot_be_done_is_told(string line, int code, string message)
    {
        using var folder = new TempFolder();
        folder.Write("g.fa", ">chr1\nACGTACGT\n"u8);
        folder.Write("names.txt", "x\ty\n"u8);
        folder.Write("g.2bit", TwoBits.File(false, ("a", "ACGT")));
        folder.Write("big.2bit", TwoBits.File(true, ("a", "ACGT")));
        string[] args = [.. line.Split(' ').Select(word => word switch
        {
            "GENOME" => folder["g.fa"],
            "TABLE" => folder["names.txt"],
            "TWOBIT" => folder["g.2bit"],
            "BIGTWOBIT" => folder["big.2bit"],
            _ => word,
        })];
        if (args[0] == "variants") args[1] = folder.Write("v.tsv", "chrom\tpos\tref\talt\n"u8);
        ToolRun run = ToolRun.Of([.. args, .. args[0] == "index" ? Array.Empty<string>() : ["--model", toy.Folder]]);
        Assert.True(run.Code == code, $"{run.Code}: {run.Error}");
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_genome_in_2bit_gives_what_its_fasta_gives()
    {
        using var folder = new TempFolder();
        string bases = Bases[..700] + new string('N', 90) + Bases[790..];
        string fasta = folder.Write("g.fa", Encoding.ASCII.GetBytes($">chr1\n{bases}\n"));
        string packed = folder.Write("g.2bit", TwoBits.File(true, ("chr1", bases)));
        string vcf = folder.Write("v.tsv", Encoding.ASCII.GetBytes($"chrom\tpos\tref\talt\nchr1\t650\t{Change(bases[649])}\n"));
        foreach (string[] line in (string[][])[
            ["embed", "GENOME", "--region", "chr1:600-900", "--on-n", "unk"], ["tokenize", "GENOME", "--region", "chr1"],
            ["attribute", "GENOME", "--region", "chr1:698-702", "--window", "64"], ["variants", vcf, "-g", "GENOME"]])
        {
            string[] model = line[0] == "tokenize" ? ["--tokenizer", ToyModel.TokenizerPath] : ["--model", toy.Folder, "--device", "cpu"];
            string[] texts = [.. new[] { fasta, packed }.Select(genome => ToolRun.Of(
                [.. line.Select(word => word == "GENOME" ? genome : word), .. model, "--quiet"]).Succeeds().Text)];
            Assert.Equal(texts[0], texts[1]);
            Assert.True(texts[0].Length > 50);
        }
    }

    /// <summary>A base and another one, as REF and ALT.</summary>
    private static string Change(char reference) => $"{reference}\t{(reference == 'A' ? 'C' : 'A')}";

    private static void Fails(string message, string[] args)
    {
        ToolRun run = ToolRun.Of(args);
        Assert.Equal(1, run.Code);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Trim().Split('\n'));
    }
}

using System.IO.Compression;
using System.Text;
using Dnabert2.Sequences;

namespace Tests.Interpretation;

public class VariantReaderTests
{
    private const string Vcf = "##fileformat=VCFv4.3\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\n";

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public void A_vcf_gives_a_variant_for_each_alternative_allele(string lineEnd)
    {
        string text = (Vcf + "1\t10\trs1\tA\tC,G\t.\t.\t.\tGT\t0/1\n\nchr2\t7\t.\tAT\tA\n")
            .Replace("\n", lineEnd, StringComparison.Ordinal);
        Variant[] expected = [new(4, "1", 10, "rs1", "A", "C"), new(4, "1", 10, "rs1", "A", "G"), new(6, "chr2", 7, ".", "AT", "A")];
        Assert.Equal(expected, Read(text));
        Assert.Equal(expected, Read(Gzip(text)));
        Assert.Equal(expected, Read("\uFEFF" + text));
        Assert.Equal(expected, Read(text.TrimEnd('\r', '\n')));
    }

    [Fact]
    public void A_table_may_have_its_columns_in_any_order_and_case() =>
        Assert.Equal([new(2, "x", 5, ".", "A", "T"), new(3, "y", 6, "n", "C", "<DEL>")],
            Read("note\tAlt\tREF\tpos\tid\tChrom\nq\tT\tA\t5\t\tx\n\t<DEL>\tC\t6\tn\ty\tmore\n"));

    [Theory]
    [InlineData("ref\tmutant")]
    [InlineData("pos\tPOS")]
    [InlineData("#CHROM\tchrom")]
    [InlineData("ALT\tid\tREF")]
    [InlineData("ref\tref")]
    [InlineData("")]
    public void Samples_of_a_vcf_may_have_any_name(string samples)
    {
        string header = $"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}\n";
        string row = string.Concat(Enumerable.Repeat("\t0/1", samples.Split('\t').Length));
        Assert.Equal([new(3, "c1", 300, "x", "T", "A")], Read($"{header}c1\t300\tx\tT\tA\t50\tPASS\t.\tGT{row}\n"));
    }

    [Fact]
    public void A_table_whose_first_line_begins_with_a_number_sign_is_no_vcf()
    {
        Assert.Equal([new(2, "x", 5, ".", "A", "T")], Read("#chrom\tpos\tref\talt\nx\t5\tA\tT\n"));
        Assert.Equal([new(2, "x", 5, "q", "A", "T")], Read("chrom\tpos\tid\tref\talt\tnote\nx\t5\tq\tA\tT\t\n"));
        string error = Assert.Throws<InvalidDataException>(() => Read("chrom\tpos\tid\tref\talt\tref\nx\t5\tq\tA\tT\tC\n")).Message;
        Assert.Contains("two columns are named 'ref'", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_symbolic_allele_has_its_end_and_length_and_others_have_none()
    {
        Variant[] read = Read(Vcf + "1\t10\t.\tA\t<DEL>,G,<DUP>\t.\t.\tIMPRECISE;SVLEN=-5,.,7;END=17;SVLENX=9\tGT\n"
            + "1\t11\t.\tA\t<INV>\t.\t.\tXEND=5;SVLEN=.;END=30\n1\t12\t.\tA\t<DEL>\n1\t13\t.\tA\t<DEL>,<DUP>\t.\t.\tSVLEN=4;END\n");
        Assert.Equal(
            [(17, -5), (null, null), (17, 7), (30, null), (null, null), (1, 4), (1, 4)], read.Select(v => (v.End, v.Length)));
        Assert.All(read, v => Assert.Empty(v.Fields));
    }

    [Theory]
    [InlineData("END=many", "line 4: END of the column INFO is 'many', and not a whole number")]
    [InlineData("SVLEN=1e3", "line 4: SVLEN of the column INFO is '1e3'")]
    public void A_length_that_is_no_number_is_refused_with_its_line(string info, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(
            () => Read(Vcf + $"1\t10\t.\tA\t<DEL>\t.\t.\t{info}\n")).Message, StringComparison.Ordinal);

    [Fact]
    public void Fields_are_keys_of_the_column_info_and_of_a_table_its_columns()
    {
        string[][] fields = Fields(
            Vcf + "1\t10\t.\tA\tC,G\t.\t.\tCLASS=a,b;CLASSES=q;SIG=x,y,z;DB\n1\t11\t.\tA\tC\t.\t.\tNOCLASS=1;SIG=.\n1\t12\t.\tA\tC\n",
            "CLASS", "SIG", "DB");
        Assert.Equal([["a", "x,y,z", "1"], ["b", "x,y,z", "1"], ["", "", ""], ["", "", ""]], fields);
        fields = Fields("chrom\tpos\tref\talt\tLabel\tgroup\n1\t10\tA\tC,G\t1\tx y\n1\t11\tA\tC\n", "label", "Group");
        Assert.Equal([["1", "x y"], ["1", "x y"], ["", ""]], fields);
        // What is not asked for may be in any encoding.
        byte[] latin = [.. Encoding.ASCII.GetBytes(Vcf + "1\t10\t.\tA\t<DEL>\t.\t\u00e9\tNAME="), 0xE9, .. ";END=12\n"u8];
        using var reader = VariantReader.Open(new MemoryStream(latin), "test.vcf");
        Assert.True(reader.TryRead(out Variant? variant));
        Assert.Equal(12, variant.End);
        Assert.Contains("is not UTF-8", Assert.Throws<InvalidDataException>(() => Fields(latin, "NAME")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("chrom\tpos\tref\talt\tnote\n", "there is no column 'label'. It has chrom, pos, ref, alt, note; name one of these")]
    [InlineData("chrom\tpos\tref\talt\tlabel\tLABEL\n", "two columns are named 'label'")]
    [InlineData("#CHROM\tPOS\tID\tREF\tALT\n", "line 1: there is no column INFO, of which 'label' is asked for")]
    public void A_field_that_the_file_cannot_have_is_refused(string text, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Fields(text, "label")).Message, StringComparison.Ordinal);

    [Fact]
    public void A_file_without_variants_has_none() => Assert.Empty(Read(Vcf));

    [Fact]
    public void Long_lines_are_passed_over_without_keeping_them()
    {
        string samples = string.Concat(Enumerable.Repeat("0/1:35:12,23\t", 100_000));
        Assert.Equal([new(4, "1", 10, ".", "A", "C"), new(5, "1", 11, ".", "G", "T")],
            Read(Vcf + $"1\t10\t.\tA\tC\t{samples}\n1\t11\t.\tG\tT\t{samples}\n"));
    }

    [Theory]
    [InlineData("", "test.vcf: the file is empty")]
    [InlineData("\n\n", "no line with the names of the columns")]
    [InlineData("##fileformat=VCFv4.3\n", "no line with the names of the columns")]
    [InlineData("##fileformat=VCFv4.3\n1\t10\t.\tA\tC\n", "line 2: there is no column 'chrom'; the line begins '1 10 . A C'")]
    [InlineData("chr1\t10\tA\tC\n", "line 1: there is no column 'chrom'")]
    [InlineData("chrom,pos,ref,alt\n1,2,A,C\n", "separated by tabs")]
    [InlineData("chrom\tpos\tref\n", "there is no column 'alt'")]
    [InlineData("chrom\tpos\tref\talt\tpos\n", "two columns are named 'pos'")]
    [InlineData("chrom\tpos\tref\talt\n1\t10\tA\n", "line 2: 3 columns, but 4 are needed. Columns are separated by tabs")]
    [InlineData("chrom\tpos\tref\talt\n1 10 A C\n", "line 2: 1 columns, but 4 are needed")]
    [InlineData("chrom\tpos\tref\talt\n1\tten\tA\tC\n", "line 2: the position 'ten' is not a whole number")]
    [InlineData("chrom\tpos\tref\talt\n1\t1e5\tA\tC\n", "the position '1e5'")]
    [InlineData("chrom\tpos\tref\talt\n1\t99999999999999999999\tA\tC\n", "line 2: the position")]
    [InlineData("chrom\tpos\tref\talt\n1\t1\t\tC\n", "the reference allele is empty")]
    [InlineData("chrom\tpos\tref\talt\n\t1\tA\tC\n", "the chromosome")]
    [InlineData("chrom\tpos\tref\talt\n1\t1\tA\tC,\n", "line 2: an alternative allele is empty")]
    [InlineData("chrom\tpos\tref\talt\n1\t1\tA\t\n", "line 2: an alternative allele is empty")]
    [InlineData("chrom\tpos\tref\talt\r1\t1\tA\tC\r", "a carriage return without a line feed")]
    [InlineData("chrom\tpos\tref\talt\n1\t1\tA\0\tC\n", "binary data")]
    public void A_malformed_file_is_refused_with_the_line_and_the_way_out(string text, string message)
    {
        string error = Assert.Throws<InvalidDataException>(() => Read(text)).Message;
        Assert.StartsWith("test.vcf: ", error);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_that_are_cut_or_binary_are_refused()
    {
        byte[] whole = Gzip(Vcf + string.Concat(Enumerable.Range(1, 500).Select(i => $"1\t{i}\t.\tA\tC\n")));
        Assert.Contains("ends too early", Assert.Throws<InvalidDataException>(() => Read(whole[..^12])).Message, StringComparison.Ordinal);
        Assert.Contains("bcftools view", Assert.Throws<InvalidDataException>(() => Read("BCF\u0002\u0002\0\0\0"u8.ToArray())).Message,
            StringComparison.Ordinal);
        string allele = new('A', 2_000_000);
        Assert.Contains("line 4: a field is longer",
            Assert.Throws<InvalidDataException>(() => Read(Vcf + $"1\t10\t.\t{allele}\tC\n")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Random_bytes_are_refused_or_read_and_nothing_else()
    {
        var random = new Random(1);
        byte[] valid = Encoding.ASCII.GetBytes(Vcf + "1\t10\trs1\tA\tC,G\n2\t5\t.\tAC\t<DEL>\n");
        for (int i = 0; i < 2000; i++)
        {
            byte[] broken = [.. valid];
            for (int k = random.Next(1, 5); k > 0; k--) broken[random.Next(broken.Length)] = (byte)random.Next(256);
            try
            {
                Read(broken[..random.Next(broken.Length + 1)]);
            }
            catch (InvalidDataException)
            {
                // Refused, as it may be.
            }
        }
    }

    private static Variant[] Read(string text) => Read(Encoding.UTF8.GetBytes(text));

    private static Variant[] Read(byte[] bytes)
    {
        using var reader = VariantReader.Open(new MemoryStream(bytes), "test.vcf");
        var variants = new List<Variant>();
        while (reader.TryRead(out Variant? variant)) variants.Add(variant);
        Assert.Equal(variants.Count, reader.VariantsRead);
        return [.. variants];
    }

    private static string[][] Fields(string text, params string[] fields) => Fields(Encoding.UTF8.GetBytes(text), fields);

    private static string[][] Fields(byte[] bytes, params string[] fields)
    {
        using var reader = VariantReader.Open(new MemoryStream(bytes), "test.vcf", fields: fields);
        var all = new List<string[]>();
        while (reader.TryRead(out Variant? variant)) all.Add([.. variant.Fields]);
        return [.. all];
    }

    private static byte[] Gzip(string text)
    {
        using var stream = new MemoryStream();
        using (var gzip = new GZipStream(stream, CompressionLevel.Optimal)) gzip.Write(Encoding.UTF8.GetBytes(text));
        return stream.ToArray();
    }
}

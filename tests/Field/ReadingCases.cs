using System.IO.Compression;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary>Files of public bug reports whose reading went wrong.</summary>
public sealed class ReadingCases(ToyModel toy) : IClassFixture<ToyModel>, IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Case_01_the_name_is_the_first_word_after_the_blank_and_a_number_is_no_chromosome()
    {
        string genome = SharedData.Path("cases/01-fasta-blank-after-gt/genome.fa");
        Assert.Equal(["chr2", "chr1"], Column(Embed(genome), "id"));
        Assert.Equal(["scored"], Column(Variants("cases/01-fasta-blank-after-gt/named.vcf", genome), "status"));
        ToolRun numbered = ToolRun.Of(
            "variants", SharedData.Path("cases/01-fasta-blank-after-gt/numbered.vcf"), "-g", genome, "--model", toy.Folder);
        Assert.Contains("'1'", numbered.Error);
        Assert.DoesNotContain("\tscored", numbered.Text);
    }

    [Fact]
    public void Case_02_one_empty_record_is_left_out_and_named()
    {
        string contigs = SharedData.Path("cases/02-fasta-empty-record/contigs.fa");
        foreach (string[] options in new string[][] { [], ["--on-n", "drop"] })
        {
            ToolRun run = Embed([contigs, .. options]);
            Assert.Equal(["contig1", "contig3"], Column(run, "id"));
            Assert.Equal(["1", "4"], Column(run, "record"));
            Assert.Equal(["90", "75"], Column(run, "bases"));
            Assert.Contains(
                "2 records of 4 left out for having no sequence: record 2, line 4; record 3 'contig2_removed', line 6", run.Error);
        }

        Assert.Equal(1, Run("embed", contigs, "--on-empty", "error").Code);
    }

    [Fact]
    public void Case_04_bgzip_cut_at_a_block_is_an_error()
    {
        ToolRun cut = Run("embed", SharedData.Path("cases/04-bgzf-cut-fasta/cut.fa.gz"));
        Assert.Equal(1, cut.Code);
        Assert.Contains("cut.fa.gz: the bgzip data ends without its empty last block", cut.Error);
        Assert.Equal(["30000", "30000", "30000", "30000"],
            Column(Embed(SharedData.Path("cases/04-bgzf-cut-fasta/whole.fa.gz"), "--on-too-long", "truncate"), "bases"));
    }

    [Fact]
    public void Case_07_gzip_padded_with_zeros_is_read() =>
        Assert.NotEmpty(Column(Embed(SharedData.Path("cases/07-gzip-zero-padding/padded.fa.gz")), "id"));

    [Fact]
    public void Case_25_tables_of_pandas_and_of_a_spreadsheet_with_semicolons_are_read()
    {
        string plain = Tokens("cases/25-csv-pandas-excel/plain.csv");
        Assert.Equal(plain, Tokens("cases/25-csv-pandas-excel/pandas.csv"));
        Assert.Equal(plain, Tokens("cases/25-csv-pandas-excel/excel.csv"));
        ToolRun utf16 = ToolRun.Of("tokenize", SharedData.Path("cases/25-csv-pandas-excel/utf16.csv"));
        Assert.Equal(1, utf16.Code);
        Assert.Contains("It is UTF-16 text: save it as UTF-8", utf16.Error);
    }

    [Theory]
    [InlineData("bom.fa", 1), InlineData("mixed.fa", 3), InlineData("blank_inside.fa", 2), InlineData("blank_first.fa", 1)]
    [InlineData("indented.fa", 0, "A header begins its line: remove the blanks before it"), InlineData("utf16.fa", 0, "UTF-16"),
        InlineData("mac.fa", 0, "carriage return")]
    [InlineData("nul.fa", 0, ""), InlineData("ctrlz.fa", 0, ""), InlineData("utf16_nobom.fa", 0, "")]
    public void Case_29_a_Fasta_is_read_or_refused_with_the_reason(string name, int records, string reason = "")
    {
        ToolRun run = Run("embed", SharedData.Path("cases/29-fasta-encodings/" + name));
        if (records > 0) Assert.Equal(Enumerable.Repeat("70", records), Column(run.Succeeds(), "bases"));
        else Assert.Equal((1, true), (run.Code, run.Error.Contains(reason, StringComparison.Ordinal)));
    }

    [Fact]
    public void Case_30_protein_spelt_with_nucleotide_codes_is_refused()
    {
        foreach (string name in new[] { "low_complexity.faa", "ordinary.faa", "aligned.fa", "stop.fa" })
        {
            ToolRun run = Run("embed", SharedData.Path("cases/30-protein-by-mistake/" + name), "--quiet");
            Assert.Equal((1, ""), (run.Code, run.Text.Length > 0 && run.Lines.Length > 1 ? run.Text : ""));
            if (name.StartsWith("low", StringComparison.Ordinal))
                Assert.Contains("codes for several bases (R Y S W K M B D H V): this looks like protein", run.Error);
        }

        Assert.Single(Column(Embed(SharedData.Path("cases/30-protein-by-mistake/rna.fa")), "id"));
    }

    [Fact]
    public void Case_37_bytes_after_the_gzip_data_are_refused_with_a_way_out()
    {
        ToolRun run = ToolRun.Of("tokenize", SharedData.Path("cases/37-gzip-trailing-garbage/genome.fa.gz"));
        Assert.Equal(1, run.Code);
        Assert.Contains("gzip -dc", run.Error);
    }

    [Fact]
    public void Case_39_names_that_are_not_UTF8_are_refused_with_the_way_to_convert_them()
    {
        ToolRun latin = Run("embed", SharedData.Path("cases/39-fasta-latin1-ids/samples.fa"));
        Assert.Equal(1, latin.Code);
        Assert.Contains("line 1: the header line is not UTF-8 text: '\u00E9chantillon_1' if it is Latin-1", latin.Error);
        Assert.Contains("iconv -f LATIN1 -t UTF-8", latin.Error);
        Assert.Equal(["\u00E9chantillon_1", "\u00E8chantillon_1"],
            Column(Embed(SharedData.Path("cases/39-fasta-latin1-ids/samples_utf8.fa")), "id"));
    }

    [Fact]
    public void Case_43_overlapping_kmers_are_the_sequences_they_were_made_from()
    {
        Assert.Equal(Tokens("cases/43-dnabert1-kmer-table/sequences.txt"), Tokens("cases/43-dnabert1-kmer-table/dev.tsv"));
        Assert.Contains("4 sequences were written as overlapping k-mers",
            ToolRun.Of("tokenize", SharedData.Path("cases/43-dnabert1-kmer-table/dev.tsv")).Error);
    }

    [Fact]
    public void Case_50_a_line_break_inside_a_quoted_sequence_is_layout() =>
        Assert.Equal(Tokens("cases/50-csv-quoted-crlf/plain.csv"), Tokens("cases/50-csv-quoted-crlf/cells.csv"));

    [Fact]
    public void Case_52_a_VCF_padded_with_zeros_is_read() =>
        Assert.NotEmpty(
            Column(Variants(
                "cases/52-gzip-zero-padding-vcf/padded.vcf.gz", SharedData.Path("cases/52-gzip-zero-padding-vcf/genome.fa")), "status"));

    /// <summary>The inputs of the case are made by a script: these are the same, smaller, and their memory is counted.</summary>
    [Fact]
    public void Case_r08_a_bomb_and_a_long_line_take_what_is_kept_of_them()
    {
        const int Bases = 200_000_000;
        using (var bomb = new GZipStream(File.Create(_folder["bomb.fa.gz"]), CompressionLevel.SmallestSize))
        {
            bomb.Write(">bomb\n"u8);
            byte[] piece = [.. Enumerable.Repeat((byte)'A', 1_000_000)];
            for (int i = 0; i < Bases; i += piece.Length) bomb.Write(piece);
        }

        Assert.True(new FileInfo(_folder["bomb.fa.gz"]).Length < 500_000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        ToolRun run = Embed(_folder["bomb.fa.gz"], "--on-too-long", "truncate");
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal([$"{Bases}"], Column(run, "bases"));
        Assert.Equal(["yes"], Column(run, "truncated"));
        Assert.True(allocated < 50_000_000, $"{allocated:N0} bytes for a record of which the beginning is used");
        ToolRun limited = Run("embed", _folder["bomb.fa.gz"], "--max-record-bases", "1000000");
        Assert.Equal(1, limited.Code);
        Assert.Contains("the sequence is longer than 1000000 bases", limited.Error);
    }

    [Fact]
    public void Case_r09_a_header_of_150_000_columns_is_refused_at_once()
    {
        File.WriteAllText(_folder["header.csv"], string.Join(',', Enumerable.Range(0, 150_000).Select(i => $"c{i}")) + ",sequence\n");
        ToolRun run = ToolRun.Of("tokenize", _folder["header.csv"]);
        Assert.Equal(1, run.Code);
        Assert.Contains("more than 16384 columns", run.Error);
        Assert.True(run.Error.Length < 1000);
    }

    private static string Tokens(string file) => ToolRun.Of("tokenize", SharedData.Path(file), "--ids").Succeeds().Text;

    private ToolRun Run(params string[] args) => ToolRun.Of([.. args, "--model", toy.Folder, "--device", "cpu"]);

    private ToolRun Embed(params string[] args) => Run(["embed", .. args]).Succeeds();

    private ToolRun Variants(string calls, string genome) => Run("variants", SharedData.Path(calls), "-g", genome).Succeeds();

    private static string[] Column(ToolRun run, string name)
    {
        int at = Array.IndexOf(run.Lines[0].Split('\t'), name);
        Assert.True(at >= 0, $"no column {name} in {run.Lines[0]}");
        return [.. run.Lines[1..].Select(line => line.Split('\t')[at])];
    }
}

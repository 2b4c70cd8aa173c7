using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary>Files of public bug reports whose reading went wrong.</summary>
public sealed class ReadingCases(ToyModel toy) : IClassFixture<ToyModel>, IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SkippableFact]
    public void Case_01_the_name_is_the_first_word_after_the_blank_and_a_number_is_no_chromosome()
    {
        string genome = SharedData.Path("cases/01-fasta-blank-after-gt/genome.fa");
        Assert.Equal(["chr2", "chr1"], Column(Embed(genome), "id"));
        Assert.Equal(["scored"], Column(Variants("cases/01-fasta-blank-after-gt/named.vcf", genome), "status"));
        ToolRun numbered = ToolRun.Of("variants", SharedData.Path("cases/01-fasta-blank-after-gt/numbered.vcf"), "-g", genome, "--model", toy.Folder);
        Assert.Contains("'1'", numbered.Error);
        Assert.DoesNotContain("\tscored", numbered.Text);
    }

    [SkippableFact]
    public void Case_04_bgzip_cut_at_a_block_is_an_error()
    {
        ToolRun cut = Run("embed", SharedData.Path("cases/04-bgzf-cut-fasta/cut.fa.gz"));
        Assert.Equal(1, cut.Code);
        Assert.Contains("cut.fa.gz: the bgzip data ends without its empty last block", cut.Error);
        Assert.Equal(["30000", "30000", "30000", "30000"], Column(Embed(SharedData.Path("cases/04-bgzf-cut-fasta/whole.fa.gz"), "--on-too-long", "truncate"), "bases"));
    }

    [SkippableFact]
    public void Case_07_gzip_padded_with_zeros_is_read() =>
        Assert.NotEmpty(Column(Embed(SharedData.Path("cases/07-gzip-zero-padding/padded.fa.gz")), "id"));

    [SkippableFact]
    public void Case_37_bytes_after_the_gzip_data_are_refused_with_a_way_out()
    {
        ToolRun run = ToolRun.Of("tokenize", SharedData.Path("cases/37-gzip-trailing-garbage/genome.fa.gz"));
        Assert.Equal(1, run.Code);
        Assert.Contains("gzip -dc", run.Error);
    }

    [SkippableFact]
    public void Case_39_names_that_are_not_UTF8_are_refused_with_the_way_to_convert_them()
    {
        ToolRun latin = Run("embed", SharedData.Path("cases/39-fasta-latin1-ids/samples.fa"));
        Assert.Equal(1, latin.Code);
        Assert.Contains("line 1: the header line is not UTF-8 text: '\u00E9chantillon_1' if it is Latin-1", latin.Error);
        Assert.Contains("iconv -f LATIN1 -t UTF-8", latin.Error);
        Assert.Equal(["\u00E9chantillon_1", "\u00E8chantillon_1"], Column(Embed(SharedData.Path("cases/39-fasta-latin1-ids/samples_utf8.fa")), "id"));
    }

    [SkippableFact]
    public void Case_52_a_VCF_padded_with_zeros_is_read() =>
        Assert.NotEmpty(Column(Variants("cases/52-gzip-zero-padding-vcf/padded.vcf.gz", SharedData.Path("cases/52-gzip-zero-padding-vcf/genome.fa")), "status"));

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

using System.Globalization;
using System.IO.Compression;
using Dnabert2.Files;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Tests.Weights;

namespace Tests.Tools;

public class TrainTokenizerTests
{
    [Fact]
    public void The_tokenizer_is_that_of_the_library_over_all_files_of_any_layout()
    {
        using var folder = new TempFolder();
        string csv = folder.Write("more.csv", "sequence1,sequence2\nGATTACAGATTACAGATTACA,ACACACACACACAC\n"u8), gz = folder["sample.fa.gz"];
        using (var gzip = new GZipStream(File.Create(gz), CompressionLevel.Fastest)) gzip.Write(File.ReadAllBytes(ToyModel.SamplePath));
        ToolRun run = ToolRun.Of(
            "train-tokenizer", gz, csv, "-o", folder["t.json"], "--vocab-size", "280", "--max-token-length", "5").Succeeds();

        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = 280, MaxTokenLength = 5 });
        foreach (SequenceRecord record in SequenceReader.Read(ToyModel.SamplePath)) trainer.Add(record.Sequence);
        trainer.Add("GATTACAGATTACAGATTACA"u8);
        trainer.Add("ACACACACACACAC"u8);
        ResultFiles.Write(folder["expected.json"], trainer.Train().Save);
        Assert.Equal(File.ReadAllText(folder["expected.json"]), File.ReadAllText(folder["t.json"]));
        Assert.Empty(run.Output);
        Assert.Contains("280 ids from", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_report_compares_the_sizes_and_the_file_is_that_of_the_size_asked_for()
    {
        using var folder = new TempFolder();
        ToolRun run = ToolRun.Of(
            "train-tokenizer", ToyModel.SamplePath, "-o", folder["r.json"], "--vocab-size", "256", "--report").Succeeds();
        Assert.Equal(File.ReadAllText(ToyModel.TokenizerPath), File.ReadAllText(folder["r.json"]));
        Assert.Equal("vocabulary\tmean_token_length\tlongest_token\tbases_per_token\ttokens_of_500_bases\trelative_flops", run.Lines[0]);
        string[][] rows = [.. run.Lines.Skip(1).Select(line => line.Split('\t'))];
        Assert.Equal(["256", "512", "1024"], rows.Select(row => row[0]));
        double[] basesPerToken = [.. rows.Select(row => double.Parse(row[3], CultureInfo.InvariantCulture))];
        Assert.True(
            basesPerToken[0] < basesPerToken[1] && basesPerToken[1] < basesPerToken[2], "larger vocabularies do not have longer tokens");
        Assert.Contains("are left out: the sequences have no more pairs to merge", run.Error, StringComparison.Ordinal);
        Assert.Equal((500 / basesPerToken[1]) + 2, double.Parse(rows[1][4], CultureInfo.InvariantCulture), 0.1);

        // On other sequences, of tokens of two bases each.
        string other = folder.Write("other.fa", ">a\nACNACNAC\n"u8);
        ToolRun on = ToolRun.Of("train-tokenizer", ToyModel.SamplePath, "-o", folder["o.json"], "--report-on", other).Succeeds();
        Assert.All(on.Lines.Skip(1), line => Assert.Equal("2.000\t252.0", string.Join('\t', line.Split('\t')[3..5])));
        Assert.Equal(4, on.Lines.Length);
    }

    [Fact]
    public void A_vocabulary_that_stays_smaller_than_asked_for_is_said()
    {
        using var folder = new TempFolder();
        ToolRun run = ToolRun.Of("ACGTACGT\n", ["train-tokenizer", "-", "-o", folder["t.json"]]).Succeeds();
        Assert.Contains("the vocabulary has only", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Sequences_without_a_pair_of_bases_are_refused()
    {
        using var folder = new TempFolder();
        string path = folder.Write("a.fa", ">a\nANNNC\n"u8);
        ToolRun run = ToolRun.Of("train-tokenizer", path, "-o", folder["t.json"]);
        Assert.Equal(1, run.Code);
        Assert.Contains($"{path}: no two adjacent bases", run.Error, StringComparison.Ordinal);
        Assert.Equal(["a.fa"], folder.Names);
    }

    [Fact]
    public void An_interruption_leaves_no_file()
    {
        using var folder = new TempFolder();
        using var source = new CancellationTokenSource();
        var input = new EndlessFasta(source.Cancel, afterRecords: 1000);
        ToolRun run = ToolRun.Of(input, ["train-tokenizer", "-", "-o", folder["t.json"]], source.Token);
        Assert.Equal(130, run.Code);
        Assert.Empty(folder.Names);
    }
}

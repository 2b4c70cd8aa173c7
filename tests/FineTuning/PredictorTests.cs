using System.Text;
using Conformance.Cases;
using Dnabert2.FineTuning;
using Dnabert2.Metrics;
using Dnabert2.Sequences;
using Tests.Tools;
using Tests.Weights;

namespace Tests.FineTuning;

public sealed class PredictorTests : IDisposable
{
    private const double Tolerance = 1e-6;
    private readonly TempFolder _folder = new();

    [Fact]
    public void Records_come_in_input_order_with_what_each_has_alone()
    {
        ToyClassifier.Write(_folder["m"], TaskKind.SingleLabel, 16, "cat", "dog", "fox");
        using ClassifierModel model = ClassifierModel.Load(_folder["m"]);
        // Lengths up and down, so that sorting by length would show; many windows.
        string[] sequences = [
            .. Enumerable.Range(0, 300)
            .Select(i => string.Concat(Enumerable.Range(0, 4 + (i * 37 % 90)).Select(j => "ACGT"[(i * i + j * (1 + i % 5) + j * j) % 4])))];
        var stream = new MemoryStream(Encoding.ASCII.GetBytes(string.Join('\n', sequences)));
        Prediction[] found = [.. new Predictor(model, batchTokens: 64).Predict(SequenceReader.Read(stream, "x.txt"))];
        Assert.Equal(Enumerable.Range(1, 300).Select(i => ((long)i, $"{i}")), found.Select(p => (p.Number, p.Id)));
        Assert.Contains(found, p => p.Truncated);
        Assert.True(found.Select(p => p.Label).Distinct().Count() > 1);
        for (int i = 0; i < sequences.Length; i += 13)
        {
            TokenSequences alone = model.NewSequences();
            bool truncated = alone.Add(Encoding.ASCII.GetBytes(sequences[i]));
            float[] logits = model.Logits(alone);
            double[] expected = new double[3];
            Probabilities.Of(TaskKind.SingleLabel, logits, expected);
            Assert.Equal((truncated, model.Names[Probabilities.Likeliest(logits)]), (found[i].Truncated, found[i].Label));
            for (int c = 0; c < 3; c++) Assert.InRange(found[i].Outputs.Span[c] - expected[c], -Tolerance, Tolerance);
        }
    }

    [Fact]
    public void Multi_label_and_regression_have_labels_of_their_kind()
    {
        ToyClassifier.Write(_folder["multi"], TaskKind.MultiLabel, 64, "a", "b", "c", "d");
        // All sequences of four bases: some outputs are near one half.
        string[] rows = Predict(
            _folder["multi"],
            string.Concat(
                Enumerable.Range(0, 256).Select(i => $"{"ACGT"[i >> 6]}{"ACGT"[(i >> 4) & 3]}{"ACGT"[(i >> 2) & 3]}{"ACGT"[i & 3]}\n")));
        Assert.Equal("id\tlabel\tp_a\tp_b\tp_c\tp_d\ttruncated", rows[0]);
        Assert.Contains(rows[1..].SelectMany(r => r.Split('\t')[2..6]), p => float.Parse(p) is > 0.5f and < 0.6f);
        Assert.Contains(rows[1..].SelectMany(r => r.Split('\t')[2..6]), p => float.Parse(p) is > 0.4f and < 0.5f);
        foreach (string[] fields in rows[1..].Select(r => r.Split('\t')))
            Assert.Equal(fields[1], string.Join(';', "abcd".Where((_, c) => float.Parse(fields[2 + c]) > 0.5)));
        ToyClassifier.Write(_folder["number"], TaskKind.Regression, 64);
        rows = Predict(_folder["number"], "ACGTTGCATTGACCA\n");
        Assert.Equal("id\tvalue\ttruncated", rows[0]);
        using ClassifierModel model = ClassifierModel.Load(_folder["number"]);
        TokenSequences alone = model.NewSequences();
        alone.Add("ACGTTGCATTGACCA"u8);
        Assert.InRange(float.Parse(rows[1].Split('\t')[1]) - model.Logits(alone)[0], -Tolerance, Tolerance);
    }

    [Fact]
    public void Every_kind_of_input_gives_the_same_rows()
    {
        ToyClassifier.Write(_folder["m"], TaskKind.SingleLabel, 64, "0", "1");
        string[] expected = Predict(_folder["m"], ">1\nACGTTGCANTGACCA\n>2\nGGGATTACC\n");
        Assert.Equal(3, expected.Length);
        Assert.Equal(expected, Predict(_folder["m"], "acguugcanugacca\r\n\r\ngggauuacc\r\n"));
        Assert.Equal(expected, Predict(_folder["m"], "id\tlabel\tsequence\n1\t7\t\"ACGTTGCANTGACCA\"\n2\t8\tGGGATTACC\n"));
        Assert.Equal(expected, Predict(_folder["m"], "@1\nACGTTGCANTGACCA\n+\nIIIIIIIIIIIIIII\n@2\nGGGATTACC\n+\nIIIIIIIII\n"));
        string gz = _folder.Write("x.fa.gz", SequenceFilesGzip(">1\nACGTTGCANTGACCA\n>2\nGGGATTACC\n"));
        Assert.Equal(expected, ToolRun.Of("predict", gz, "--model", _folder["m"]).Succeeds().Lines);
    }

    [Fact]
    public void A_pair_is_looked_at_as_a_pair()
    {
        ToyClassifier.Write(_folder["m"], TaskKind.SingleLabel, 64, "0", "1");
        string[] rows = Predict(_folder["m"], "sequence1,sequence2\nACGTTGCA,GGGATTACC\nGGGATTACC,ACGTTGCA\n");
        using ClassifierModel model = ClassifierModel.Load(_folder["m"]);
        TokenSequences alone = model.NewSequences();
        alone.Add("ACGTTGCA"u8, "GGGATTACC"u8);
        double[] expected = new double[2];
        Probabilities.Of(TaskKind.SingleLabel, model.Logits(alone), expected);
        Assert.InRange(float.Parse(rows[1].Split('\t')[2]) - expected[0], -Tolerance, Tolerance);
        Assert.NotEqual(rows[1].Split('\t')[2], rows[2].Split('\t')[2]);
    }

    [Fact]
    public void A_csv_file_is_quoted_where_names_need_it_and_is_read_again()
    {
        ToyClassifier.Write(_folder["m"], TaskKind.SingleLabel, 16, "a,b", "c\"d");
        ToolRun.Of(">x,y\nACGTTGCA\n", ["predict", "-", "--model", _folder["m"], "-o", _folder["p.csv"], "-q"]).Succeeds();
        string[] lines = File.ReadAllLines(_folder["p.csv"]);
        Assert.Equal("id,label,\"p_a,b\",\"p_c\"\"d\",truncated", lines[0]);
        Assert.StartsWith("\"x,y\",", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Truncation_is_marked_in_the_row_and_counted()
    {
        ToyClassifier.Write(_folder["m"], TaskKind.SingleLabel, 6, "0", "1");
        string input = $">short\nACGT\n>long\n{string.Concat(Enumerable.Repeat("ACGTTGCA", 20))}\n";
        ToolRun run = ToolRun.Of(input, ["predict", "-", "--model", _folder["m"]]).Succeeds();
        Assert.Equal(["no", "yes"], run.Lines[1..].Select(l => l.Split('\t')[^1]));
        Assert.Contains("1 record longer than 6 tokens were truncated", run.Error, StringComparison.Ordinal);
        run = ToolRun.Of(input, ["predict", "-", "--model", _folder["m"], "--max-tokens", "100"]).Succeeds();
        Assert.Equal(["no", "no"], run.Lines[1..].Select(l => l.Split('\t')[^1]));
    }

    [Fact]
    public void What_goes_wrong_is_named_and_leaves_no_file()
    {
        ToyClassifier.Write(_folder["m"], TaskKind.SingleLabel, 16, "0", "1");
        using var toy = new ToyModel();
        string fine = _folder.Write("x.fa", ">a\nACGT\n>n\nNNNN\n"u8), empty = _folder.Write("empty.fa", ""u8);
        Check(1, "record 2 'n', line 3: the record has no A, C, G or T", fine, "--model", _folder["m"], "-o", _folder["p.csv"],
            "--on-empty", "error");
        Check(1, "nowhere.fa: there is no such file", _folder["nowhere.fa"], "--model", _folder["m"]);
        Check(1, "the file is empty", empty, "--model", _folder["m"]);
        Check(1, "no such folder", fine, "--model", _folder["nothing"]);
        Check(1, "has no pooler and classifier: it was not fine-tuned", fine, "--model", toy.Folder);
        Check(2, "--model", fine);
        Check(2, "the extension decides the format", fine, "--model", _folder["m"], "-o", _folder["p.npy"]);
        Check(2, "this is the input", fine.Replace(".fa", ".csv"), "--model", _folder["m"], "-o", _folder["x.csv"]);
        Assert.Equal(["empty.fa", "x.fa"], _folder.Names);
        ToolRun dropped = ToolRun.Of("predict", fine, "--model", _folder["m"], "--on-n", "drop").Succeeds();
        Assert.Equal(2, dropped.Lines.Length);
        Assert.Contains("1 record of 2 left out", dropped.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_interruption_ends_it_with_130_and_leaves_no_file()
    {
        ToyClassifier.Write(_folder["m"], TaskKind.SingleLabel, 16, "0", "1");
        using var source = new CancellationTokenSource();
        ToolRun run = ToolRun.Of(
            new EndlessFasta(source.Cancel, 5000), ["predict", "-", "--model", _folder["m"], "-o", _folder["p.tsv"]], source.Token);
        Assert.Equal(130, run.Code);
        Assert.Empty(_folder.Names);
    }

    [Fact]
    public void A_real_file_has_a_row_for_each_record()
    {
        ToyClassifier.Write(_folder["m"], TaskKind.SingleLabel, 20, "0", "1");
        string path = Path.Combine(SharedData.Path("gue/prom/prom_core_tata"), "test.csv");
        string[] rows = ToolRun.Of("predict", path, "--model", _folder["m"]).Succeeds().Lines;
        Assert.Equal(614, rows.Length);
        Assert.All(rows[1..], row => Assert.InRange(row.Split('\t')[2..4].Sum(float.Parse), 0.99999f, 1.00001f));
    }

    public void Dispose() => _folder.Dispose();

    private static void Check(int code, string expected, params string[] args)
    {
        ToolRun run = ToolRun.Of(["predict", .. args]);
        Assert.True(run.Code == code && run.Error.Contains(expected, StringComparison.Ordinal), $"{run.Code}: {run.Error}");
    }

    private static string[] Predict(string model, string input) => ToolRun.Of(input, ["predict", "-", "--model", model]).Succeeds().Lines;

    private static byte[] SequenceFilesGzip(string text)
    {
        var stream = new MemoryStream();
        using (var gzip = new System.IO.Compression.GZipStream(stream, System.IO.Compression.CompressionLevel.Fastest))
            gzip.Write(Encoding.UTF8.GetBytes(text));
        return stream.ToArray();
    }
}

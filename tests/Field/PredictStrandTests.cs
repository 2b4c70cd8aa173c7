using System.Text;
using Dnabert2.FineTuning;
using Tests.FineTuning;
using Tests.Interpretation;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary><c>predict --rc-average</c> is the average of the rows of two runs: of the file, and of one with the other strand.</summary>
public sealed class PredictStrandTests : IDisposable
{
    private const int Records = 40;
    private readonly TempFolder _folder = new();

    [Theory]
    [InlineData(TaskKind.SingleLabel)]
    [InlineData(TaskKind.MultiLabel)]
    [InlineData(TaskKind.Regression)]
    public void Each_output_is_the_average_of_those_of_the_two_files_and_the_label_that_of_the_averages(TaskKind kind)
    {
        string[] names = kind == TaskKind.Regression ? [] : ["cat", "dog", "fox"];
        ToyClassifier.Write(_folder["m"], kind, 64, names);
        string forward = string.Concat(Enumerable.Range(0, Records).Select(i => $">r{i}\n{SmallModels.Dna(i, 4 + (i * 37 % 50))}\n"));
        string[][] f = Rows(forward), r = Rows(StrandTests.OtherStrand(forward)), both = Rows(forward, "--rc-average");
        int first = kind == TaskKind.Regression ? 1 : 2, outputs = Math.Max(1, names.Length);
        Assert.Equal([.. f[0], "strands"], both[0]);
        bool strandsDiffer = false;
        for (int row = 1; row <= Records; row++)
        {
            float[] average = [.. Enumerable.Range(first, outputs).Select(c => (float.Parse(f[row][c]) + float.Parse(r[row][c])) / 2)];
            for (int c = 0; c < outputs; c++) Assert.Equal(average[c], float.Parse(both[row][first + c]), 1e-6f);
            string label = kind switch
            {
                TaskKind.SingleLabel => names[Array.IndexOf(average, average.Max())],
                TaskKind.MultiLabel => string.Join(';', names.Where((_, c) => average[c] > 0.5)),
                _ => both[row][1],
            };
            Assert.Equal((label, "both"), (both[row][1], both[row][^1]));
            strandsDiffer |= Math.Abs(float.Parse(f[row][first]) - float.Parse(r[row][first])) > 0.01;
        }

        Assert.True(strandsDiffer, "the two strands have to differ for the average to be seen");
    }

    [Fact]
    public void Of_a_pair_each_sequence_is_turned_around_where_it_stands()
    {
        ToyClassifier.Write(_folder["m"], TaskKind.SingleLabel, 64, "0", "1");
        string a = SmallModels.Dna(1, 30), b = SmallModels.Dna(2, 22);
        string[] f = Rows($"sequence1,sequence2\n{a},{b}\n")[1],
            r = Rows($"sequence1,sequence2\n{StrandTests.Turned(a)},{StrandTests.Turned(b)}\n")[1];
        string[] both = Rows($"sequence1,sequence2\n{a},{b}\n", "--rc-average")[1];
        Assert.Equal((float.Parse(f[2]) + float.Parse(r[2])) / 2, float.Parse(both[2]), 1e-6f);
        Assert.NotEqual(float.Parse(f[2]), float.Parse(r[2]), 1e-3f);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Of_what_is_truncated_the_other_strand_is_of_the_bases_that_were_kept(bool pair)
    {
        ToyClassifier.Write(_folder["m"], TaskKind.SingleLabel, 12, "0", "1");
        string a = SmallModels.Dna(3, 200), b = SmallModels.Dna(4, 300);
        using ClassifierModel model = ClassifierModel.Load(_folder["m"]);
        // 10 tokens beside [CLS] and [SEP]; of a pair 9 beside three, of which the first, no longer than the second, has 4.
        string keptA = Beginning(a, pair ? 4 : 10), keptB = Beginning(b, 5);
        string header = pair ? "sequence1,sequence2" : "sequence";
        string forward = $"{header}\n{(pair ? a + "," + b : a)}\n";
        string kept = $"{header}\n{(pair ? StrandTests.Turned(keptA) + "," + StrandTests.Turned(keptB) : StrandTests.Turned(keptA))}\n";
        string[] f = Rows(forward)[1], r = Rows(kept, "--max-tokens", "1000")[1], both = Rows(forward, "--rc-average")[1];
        Assert.Equal((float.Parse(f[2]) + float.Parse(r[2])) / 2, float.Parse(both[2]), 1e-6f);
        Assert.Equal(["yes", "both"], both[^2..]);
        Assert.NotEqual(Rows(WholeOtherStrand(forward, pair), "--max-tokens", "12")[1][2], r[2]);

        string Beginning(string bases, int tokens)
        {
            List<int> ids = [], starts = [];
            model.Model.Tokenizer.EncodeSequence(Encoding.ASCII.GetBytes(bases), ids, starts);
            return bases[..starts[tokens]];
        }
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>The whole other strand, whose beginning is the end of the record: what must not be looked at.</summary>
    private static string WholeOtherStrand(string csv, bool pair)
    {
        string[] lines = csv.Split('\n');
        string[] fields = lines[1].Split(',');
        string turned = StrandTests.Turned(fields[0]);
        return $"{lines[0]}\n{(pair ? turned + "," + StrandTests.Turned(fields[1]) : turned)}\n";
    }

    private string[][] Rows(string input, params string[] options) =>
        [.. ToolRun.Of(input, ["predict", "-", "--model", _folder["m"], .. options]).Succeeds().Lines.Select(line => line.Split('\t'))];
}

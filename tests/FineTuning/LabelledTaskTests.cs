using System.Text;
using Dnabert2.FineTuning;
using Dnabert2.Sequences;

namespace Tests.FineTuning;

public class LabelledTaskTests
{
    private const string Two = "ACGT,0\nGGCC,1\n";

    [Theory]
    [InlineData("prom/prom_core_tata", 4904, 613, 613)]
    [InlineData("mouse/3", 1904, 239, 239)]
    public void A_gue_task_has_the_rows_of_the_paper(string task, int train, int dev, int test)
    {
        LabelledTask read = LabelledTask.Read(SharedData.Path("gue/" + task));
        Assert.Equal((train, dev, test), (read.Train!.Count, read.Dev!.Count, read.Test!.Count));
        Assert.Equal(["0", "1"], read.Names);
        Assert.False(read.Pairs);
        string[] line = File.ReadLines(Path.Combine(SharedData.Path("gue/" + task), "dev.csv")).ElementAt(7).Split(',');
        LabelledSequence row = read.Dev[6];
        Assert.Equal((line[0], line[1], 8L), (Encoding.ASCII.GetString(row.First), read.Names[row.Target.Class], row.Line));
    }

    [Theory]
    [InlineData("splice/reconstructed", 4562, 3)]
    [InlineData("EMP/H3", 1497, 2)]
    public void A_set_without_train_is_read_for_measuring_and_refused_for_training(string task, int rows, int classes)
    {
        string folder = SharedData.Path("gue/" + task);
        LabelledTask read = LabelledTask.Read(folder, needed: Splits.Dev | Splits.Test);
        Assert.Null(read.Train);
        Assert.Equal((rows, rows, classes), (read.Dev!.Count, read.Test!.Count, read.Names.Count));
        string message = Assert.Throws<FileNotFoundException>(() => LabelledTask.Read(folder)).Message;
        Assert.Contains("train.csv is missing (there is only dev.csv and test.csv); add", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Overlaps_of_a_real_task_are_those_that_a_plain_count_finds()
    {
        string folder = SharedData.Path("gue/mouse/4");
        string[][] parts = [.. new[] { "train", "dev", "test" }.Select(p => File.ReadAllLines(Path.Combine(folder, p + ".csv"))[1..])];
        HashSet<string> trained = [.. parts[0].Select(line => line.Split(',')[0])], rows = [.. parts[0]];
        DataOverlap found = LabelledTask.Read(folder).Overlap;
        Assert.Equal(parts[0].Length - rows.Count, found.Train.Duplicates);
        Assert.Equal(rows.Count - trained.Count, found.Train.Contradictions);
        Assert.Equal(parts[2].Count(line => trained.Contains(line.Split(',')[0])), found.TestInTrain.Rows);
        Assert.Equal(
            parts[2].Count(line => trained.Contains(line.Split(',')[0]) && !rows.Contains(line)), found.TestInTrain.Contradictions);
        Assert.Equal(parts[1].Count(line => trained.Contains(line.Split(',')[0])), found.DevInTrain.Rows);
    }

    [Fact]
    public void Duplicates_contradictions_and_leaks_are_counted_apart()
    {
        using var folder = new TaskFolder(
            "ACGT,0\nacgt,0\nGGCC,1\nGGCC,0\nGGCC,0\nTTTT,1\n", "ACGT,1\nCCCC,0\n", "ACGT,0\nAAAA,0\nCCCC,1\nTTTT,0\n");
        DataOverlap found = LabelledTask.Read(folder.Path).Overlap;
        Assert.Equal(new PartOverlap(6, 2, 1), found.Train);
        Assert.Equal(new SharedRows(1, 1), found.DevInTrain);
        Assert.Equal(new SharedRows(2, 1), found.TestInTrain);
        Assert.Equal(new SharedRows(2, 2), found.TestInDev);
        Assert.Equal(
            [
                "train: 2 of 6 rows repeat an earlier row", "train: sequences with contradictory labels: 1",
                "dev rows that are in train: 1 of 2, 1 with another label",
                "test rows that are in train: 2 of 4, 1 with another label", "test rows that are in dev: 2 of 4, 2 with another label",
            ],
            found.Describe());
    }

    [Fact]
    public void A_sequence_of_three_labels_is_one_contradiction()
    {
        using var folder = new TaskFolder("ACGT,0\nACGT,1\nACGT,2\nACGT,2\n", "AC,0\n", "ACGT,1\n");
        DataOverlap found = LabelledTask.Read(folder.Path).Overlap;
        Assert.Equal((new PartOverlap(4, 1, 1), new SharedRows(1, 0)), (found.Train, found.TestInTrain));
    }

    [Fact]
    public void Every_form_of_file_reads_the_same()
    {
        using var folder = new TaskFolder();
        folder.Write("train.csv", "\uFEFFsequence,label\r\n\"ACGT\",1\r\n\r\nggnu,0\r\n");
        folder.Write("dev.tsv", "id\tsequence\tnote\tlabel\nx\tACGT\t\"a\tb\"\t1\n");
        folder.Write("test.csv.gz", "Label,Sequence\n1,ACGT", gzip: true);
        LabelledTask task = LabelledTask.Read(folder.Path);
        Assert.Equal(["ACGT 1 2", "GGNT 0 4"], task.Train!.Select(r => $"{Encoding.ASCII.GetString(r.First)} {r.Target.Class} {r.Line}"));
        Assert.Equal(("x", 1, 2L), (task.Dev![0].Id, task.Dev[0].Target.Class, task.Dev[0].Line));
        Assert.Equal(1, task.Test![0].Target.Class);
        Assert.Equal([1, 1], task.Train!.CountClasses());
    }

    [Fact]
    public void Names_get_ids_in_sorted_order_and_numbers_in_that_of_their_values()
    {
        using var names = new TaskFolder("AC,virus\nAC,Fungi\nAC,bacteria\n", "AC,virus\n", "AC,Fungi\n");
        LabelledTask task = LabelledTask.Read(names.Path);
        Assert.Equal(["Fungi", "bacteria", "virus"], task.Names);
        Assert.Equal([2, 0, 1], task.Train!.Select(r => r.Target.Class));
        using var numbers = new TaskFolder("AC,10\nAC,9\nAC,+2\nAC,-1\n", "AC,02\n", "AC,9\n");
        Assert.Equal(["-1", "2", "9", "10"], LabelledTask.Read(numbers.Path).Names);
    }

    [Fact]
    public void Pairs_have_both_sequences_and_their_order_counts()
    {
        using var folder = new TaskFolder("AC,GT,0\nGT,AC,1\n", "AC,GT,1\n", "AC,AC,0\n", "sequence1,sequence2,label");
        LabelledTask task = LabelledTask.Read(folder.Path);
        Assert.True(task.Pairs);
        Assert.Equal("GT", Encoding.ASCII.GetString(task.Train![0].Second!));
        Assert.Equal(
            (0, new SharedRows(1, 1), 0), (task.Overlap.Train.Contradictions, task.Overlap.DevInTrain, task.Overlap.TestInTrain.Rows));
    }

    [Fact]
    public void A_multi_label_row_has_any_number_of_classes()
    {
        using var folder = new TaskFolder("AC,2;0\nAC,\nAC,1\n", "AC,0 ; 1\n", "AC,\n");
        LabelledTask task = LabelledTask.Read(folder.Path, TaskKind.MultiLabel);
        Assert.Equal(["0", "1", "2"], task.Names);
        Assert.Equal([0, 2], task.Train![0].Target.Classes.ToArray());
        Assert.Empty(task.Train[1].Target.Classes.ToArray());
        Assert.Equal([0, 1], task.Dev![0].Target.Classes.ToArray());
        Assert.Equal([1, 1, 1], task.Train.CountClasses());
    }

    [Fact]
    public void A_regression_row_has_a_value()
    {
        using var folder = new TaskFolder("AC,0.5\nAC,-1e3\n", "AC,2\n", "AC,.5\n");
        LabelledTask task = LabelledTask.Read(folder.Path, TaskKind.Regression);
        Assert.Equal([0.5f, -1000f], task.Train!.Select(r => r.Target.Values[0]));
        Assert.Empty(task.Names);
    }

    [Fact]
    public void A_regression_row_may_have_several_values_and_every_row_has_as_many()
    {
        using var folder = new TaskFolder("AC,0.5;-1e3;2\nAC,1;2; 3\n", "AC,2;3;4\n", "AC,.5;0;0\n");
        LabelledTask task = LabelledTask.Read(folder.Path, TaskKind.Regression);
        Assert.Equal([0.5f, -1000f, 2f], task.Train![0].Target.Values.ToArray());
        Assert.Equal([1f, 2f, 3f], task.Train[1].Target.Values.ToArray());
        Assert.Equal(["value_1", "value_2", "value_3"], task.Names);
        folder.Write("dev.csv", "sequence,label\nAC,2;3\n");
        Assert.Contains(
            "dev.csv: record 1, line 2: the label '2;3' has 2 values", folder.Refusal(TaskKind.Regression), StringComparison.Ordinal);
    }

    [Fact]
    public void The_names_of_a_fine_tuned_model_decide_the_ids()
    {
        using var folder = new TaskFolder("AC,b\nAC,a\n", "AC,b\n", "AC,a\n");
        LabelledTask task = LabelledTask.Read(folder.Path, names: new LabelNames(["b", "c", "a"]));
        Assert.Equal([0, 2], task.Train!.Select(r => r.Target.Class));
        InvalidDataException e =
            Assert.Throws<InvalidDataException>(() => LabelledTask.Read(folder.Path, names: new LabelNames(["a", "c"])));
        Assert.Contains("train.csv: record 1, line 2: the label 'b' is not one of the classes of the model (a, c)", e.Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sequence,class", Two, Two, Two, "train.csv: line 1: no column is named 'label'; found are 'sequence', 'class'")]
    [InlineData("seq,label", Two, Two, Two, "train.csv: line 1: no column is named 'sequence'")]
    [InlineData("sequence1,label", Two, Two, Two, "train.csv: line 1: there is a column 'sequence1', but none named 'sequence2'")]
    [InlineData("sequence,label", Two, "ACGT,0\nAC,2\n", Two, "dev.csv: record 2, line 3: the label '2' is not one of the classes of ")]
    [InlineData("sequence,label", Two, Two, "ACGT,cat\n", "test.csv: record 1, line 2: the label 'cat' is not one of the classes of ")]
    [InlineData("sequence,label", "ACGT,1\nGG,1\n", Two, Two, "train.csv: all 2 rows have the label '1'")]
    [InlineData("sequence,label", Two, "", Two, "dev.csv: there are no sequences in it")]
    [InlineData("sequence,label", "ACGT,0\nGGCC\n", Two, Two, "train.csv: record 2, line 3: 1 fields, but the header has 2 columns")]
    [InlineData("sequence,label", "ACGT,0\nGGCC,1,1\n", Two, Two, "train.csv: record 2, line 3: more fields than the 2 columns")]
    [InlineData(
        "sequence,label", "ACGT,0\n,1\n", Two, Two, "train.csv: record 2, line 3: column 'sequence' has no sequence", EmptyRecords.Error)]
    [InlineData("sequence,label", ",0\n,1\n", Two, Two, "train.csv: there are no sequences in it, only 2 without any")]
    [InlineData("sequence,label", "ACGT,0\nNNRY,1\n", Two, Two, "train.csv: record 2, line 3: column 'sequence' has no A, C, G or T",
        EmptyRecords.Error)]
    [InlineData("sequence,label", Two, Two, "ACGT,0\nACGT,0.5\n", "test.csv: record 2, line 3: the label "
        + "'0.5' is a number that is no class")]
    [InlineData("sequence,label", "ACGT,1.0\nGG,0.0\n", Two, Two, "train.csv: record 1, line 2: the label "
        + "'1.0' is a number that is no class")]
    [InlineData(
        "sequence,label", "ACGT,nan\nGG,0\n", Two, Two, "train.csv: record 1, line 2: the label 'nan' is a number that is no class")]
    [InlineData("sequence,label", Two, "ACGT,0\nACGT,\n", Two, "dev.csv: record 2, line 3: the label is empty")]
    [InlineData("sequence,label", "ACGT,0;1\n", Two, Two, "train.csv: record 1, line 2: the label '0;1' names several classes")]
    [InlineData("sequence,label", "AC-T,0\n", Two, Two, "train.csv: record 1, line 2, column 3: '-' at base 3 is not a nucleotide")]
    public void Bad_rows_are_named_with_file_line_and_remedy(
        string header, string train, string dev, string test, string expected, EmptyRecords onEmpty = EmptyRecords.Skip)
    {
        using var folder = new TaskFolder(train, dev, test, header);
        string message = folder.Refusal(reading: new() { OnEmpty = onEmpty });
        Assert.StartsWith(folder.Path, message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.EndsWith(".", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_without_a_sequence_are_left_out_of_every_part_and_named()
    {
        using var folder = new TaskFolder("ACGT,0\n,1\nGG,1\n", "ACGT,0\nNN,1\n", "NA,0\nACGT,0\n");
        LabelledTask task = LabelledTask.Read(folder.Path);
        Assert.Equal([2, 1, 1], new[] { task.Train!.Count, task.Dev!.Count, task.Test!.Count });
        Assert.Equal(
            ["line 3", "line 3", "line 2"], task.Notes.Select(note => note[note.LastIndexOf("line ", StringComparison.Ordinal)..]));
        Assert.All(task.Notes, note => Assert.Contains(" left out for having no sequence: record ", note, StringComparison.Ordinal));
    }

    [Fact]
    public void The_columns_may_be_named()
    {
        using var folder = new TaskFolder("x,ACGT,0\ny,GG,1\n", "x,ACGT,0\n", "y,GG,1\n", "label,Bases,Class");
        LabelledTask task = LabelledTask.Read(folder.Path, reading: new() { SequenceColumn = "bases", LabelColumn = "class" });
        Assert.Equal(["0", "1"], task.Names);
        Assert.Equal("GG", System.Text.Encoding.ASCII.GetString(task.Test![0].First));
        Assert.Contains("no column is named 'kind'", folder.Refusal(reading: new() { SequenceColumn = "bases", LabelColumn = "kind" }),
            StringComparison.Ordinal);
        using var pairs = new TaskFolder("AC,GG,0\nTT,GG,1\n", "AC,GG,0\n", "AC,GG,1\n", "p,q,label");
        Assert.True(LabelledTask.Read(pairs.Path, reading: new() { SequenceColumn = "p", SecondSequenceColumn = "q" }).Pairs);
        Assert.False(LabelledTask.Read(pairs.Path, reading: new() { SequenceColumn = "p" }).Pairs);
    }

    [Theory]
    [InlineData(TaskKind.MultiLabel, "AC,0;0\n", "line 2: the label '0;0' names a class twice")]
    [InlineData(TaskKind.MultiLabel, "AC,0;;1\n", "line 2: a class between two ';' is empty")]
    [InlineData(TaskKind.MultiLabel, "AC,0;1\nGT,1;0\n", "all 2 rows have the same classes")]
    [InlineData(TaskKind.Regression, "AC,1\nAC,high\n", "record 2, line 3: the label 'high' is not a finite number")]
    [InlineData(TaskKind.Regression, "AC,1\nAC,inf\n", "record 2, line 3: the label 'inf' is not a finite number")]
    [InlineData(TaskKind.Regression, "AC,1\nAC,1e39\n", "record 2, line 3: the label '1e39' is not a finite number")]
    [InlineData(TaskKind.Regression, "AC,1\nAC,1.0\n", "all 2 rows have the value 1")]
    [InlineData(TaskKind.Regression, "AC,1;2\nAC,3\n", "record 2, line 3: the label '3' has 1 values, and that of the first record has 2")]
    [InlineData(TaskKind.Regression, "AC,1;\nAC,3;4\n", "record 1, line 2: the label '1;' is not a finite number")]
    public void Bad_labels_of_other_kinds_are_named(TaskKind kind, string train, string expected)
    {
        using var folder = new TaskFolder(train, "AC,1\n", "AC,1\n");
        Assert.Contains(expected, folder.Refusal(kind), StringComparison.Ordinal);
    }

    [Fact]
    public void Parts_of_unequal_columns_are_refused()
    {
        using var folder = new TaskFolder(Two, Two, Two);
        folder.Write("dev.csv", "sequence1,sequence2,label\nAC,GT,1\n");
        Assert.Contains("dev.csv: line 1: columns 'sequence1' and 'sequence2', but ", folder.Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_part_that_is_missing_or_there_twice_is_named()
    {
        using var folder = new TaskFolder(Two, Two, Two);
        File.Delete(folder["dev.csv"]);
        string message = Assert.Throws<FileNotFoundException>(() => LabelledTask.Read(folder.Path)).Message;
        Assert.Contains("dev.csv is missing (there is only train.csv and test.csv)", message, StringComparison.Ordinal);
        folder.Write("train.tsv", "");
        Assert.Contains("both train.csv and train.tsv are there", folder.Refusal(), StringComparison.Ordinal);
        Assert.Throws<DirectoryNotFoundException>(() => LabelledTask.Read(folder["nowhere"]));
        using var empty = new TaskFolder();
        Assert.Throws<FileNotFoundException>(() => LabelledTask.Read(empty.Path, needed: Splits.None));
    }

    [Fact]
    public void A_file_of_sequences_without_labels_says_what_to_give()
    {
        using var folder = new TaskFolder(Two, Two, Two);
        folder.Write("train.csv", ">a\nACGT\n");
        Assert.Contains("train.csv: this is Fasta and has no labels. Give CSV or TSV", folder.Refusal(), StringComparison.Ordinal);
    }
}

using System.Text;
using System.Xml.Linq;
using Dnabert2.Adapters;
using Dnabert2.Data;
using Dnabert2.FineTuning;
using Dnabert2.FineTuning.Suites;
using Dnabert2.Folders;
using Dnabert2.Metrics;
using Dnabert2.Training;
using Tests.Files;
using Tests.Sequences;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary>What a run reads back of its own may be another's by then: damaged, no regular file, or made on purpose.</summary>
public sealed class ReadBackTests : IDisposable
{
    private const int FewCharacters = 1000;
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(20);
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_message_never_repeats_a_long_text_of_a_run_s_files_or_of_a_table()
    {
        string huge = new('x', 100_000);
        AssertShort(() => CheckpointSums.Check(Folder("sums", CheckpointSums.FileName, $"{new string('a', 64)}  {huge[..60_000]}\n"), []));
        string marked = Folder("run", RunFolder.MarkerFile, $$"""{"format":"dnabert2-run","version":1,"kind":"{{huge}}","names":[]}""");
        AssertShort(() => RunFolder.Claim(marked, FineTuner.Kind, resume: true).Dispose());
        foreach (string part in new[] { "train", "dev", "test" })
            Folder("task", part + ".csv", $"sequence,label\nACGT,{huge}\nACGG,{huge}\n");
        AssertShort(() => LabelledTask.Read(_folder["task"]));
        AssertShort(() => ModelSource.Open(
            Adapter($$"""{"peft_type":"LORA","r":1,"lora_alpha":1,"base_model_name_or_path":"{{huge}}","target_modules":["x"]}""")));
        AssertShort(() => Config($$"""{"peft_type":"LORA","r":1,"lora_alpha":1,"init_lora_weights":"pissa_niter_{{huge}}"}"""));
        AdapterConfig config = Config(
            $$"""{"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":"{{huge}}","modules_to_save":["{{huge}}","a"]}""");
        Assert.InRange(config.Describe().Length, 0, FewCharacters);

        static void AssertShort(Action act)
        {
            Exception? seen = Record.Exception(act);
            Assert.True(seen is InvalidDataException or IOException, $"{seen?.GetType()}");
            Assert.InRange(seen!.Message.Length, 0, FewCharacters);
        }
    }

    [Fact]
    public void Matching_the_patterns_of_an_adapter_ends_however_long_it_would_take()
    {
        string path = Path.Combine(Adapter("""{"rank_pattern":{"(.*a.{60}b|.*c.{60}d)":4,"Wqkv":2}}"""), AdapterConfig.FileName);
        LayerPatterns<int> patterns = JsonFields.Read(
            path, "", json => LayerPatterns<int>.Read(path, json, "rank_pattern", (fields, key) => fields.Small(key, 1)));
        var random = new Random(1);
        string[] layers =
            [.. Enumerable.Range(0, 500).Select(_ => new string([.. Enumerable.Range(0, 1000).Select(_ => "abcd"[random.Next(4)])]))];
        string message = Assert.Throws<InvalidDataException>(() => patterns.Resolve(layers, TimeSpan.FromMilliseconds(50))).Message;
        Assert.StartsWith($"{path}: rank_pattern: ", message);
        Assert.Contains("names of the layers", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lists_of_a_configuration_have_a_length()
    {
        string many = $"[{string.Join(',', Enumerable.Repeat("\"a\"", 20_000))}]";
        foreach (string key in new[] { "target_modules", "modules_to_save" })
        {
            string message = Assert.Throws<InvalidDataException>(
                () => Config($$"""{"peft_type":"LORA","r":1,"lora_alpha":1,"{{key}}":{{many}}}""")).Message;
            Assert.Contains($"{key} has 20000 entries", message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("1,1e20\n", "1,dev,3,1e20\n")]
    [InlineData("1,1e300\n2,-1e300\n", "2147483647,dev,3,0\n")]
    [InlineData("1,1e301\n2,1e999\n-3,1\n1e300,1\n", "x,dev,3,1\n")]
    [InlineData("", "")]
    public async Task A_picture_of_losses_is_drawn_whatever_the_log_says(string train, string evaluation)
    {
        File.WriteAllText(_folder["train.csv"], train);
        File.WriteAllText(_folder["evaluation.csv"], evaluation);
        await Task.Run(() => LossCurve.Draw(_folder["."], column: 3, "dev")).WaitAsync(AtOnce);
        string svg = File.ReadAllText(_folder[LossCurve.FileName]);
        XDocument.Parse(svg);
        Assert.InRange(svg.Length, 100, 20_000);
        Assert.DoesNotContain("NaN", svg, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_of_a_log_are_read_and_what_is_no_row_is_passed_over()
    {
        string path = _folder["evaluation.csv"];
        string tooLong = new('1', 70_000);
        File.WriteAllText(path, "step,part,sequences,loss\n4,dev,3,0.5\n5,test,3,9\n"
            + $"6,dev,3,{tooLong}\n7,dev,3,NaN\n8,dev\n9,dev,3,0.25\r\n10,dev,3,0.125");
        Assert.Equal([(4, 0.5), (9, 0.25), (10, 0.125)], LogRows.Losses(path, 3, "dev"));
        Assert.Equal([(4, 0.5), (5, 9), (9, 0.25), (10, 0.125)], LogRows.Losses(path, 3, of: null));
    }

    [Theory]
    [InlineData(0.5, 0.5)]
    [InlineData(1e300, 1e300)]
    [InlineData(-1e300, 1e300)]
    public void A_plot_has_a_place_for_every_point(double first, double second)
    {
        string svg = SvgPlot.Lines("t", "x", "y", [new PlotLine("a", [(1, first), (2, second)], 0)], unit: false);
        Assert.DoesNotContain("NaN", svg, StringComparison.Ordinal);
        Assert.DoesNotContain("∞", svg, StringComparison.Ordinal);
    }

    [Fact]
    public void Predictions_of_other_classes_than_the_task_has_are_damaged()
    {
        var store = new SuiteStore(_folder["suite"]);
        var run = new SuiteRun(GueTasks.Find("mouse/0")!, SuiteMethod.Kmer, 0);
        var data = new SuiteData([new SuitePart("test", "test.csv", 1, "a")], []);
        store.Begin(run, new SuiteIdentity(data, null, null, null));
        store.Write(
            new SuiteResult(run, new LabelNames(["0", "1"]), [Target.OfClass(0)], new SuiteOutcome([1, 2], [], 1, 0, 0, "CPU"), data));
        string path = Path.Combine(store.FolderOf(run), "predictions.tsv");
        Assert.Equal(2, store.Read(run, data).Names.Count);
        string columns = string.Join('\t', Enumerable.Range(0, 3000).Select(i => $"logit_{i}"));
        File.WriteAllText(path, $"label\t{columns}\n0\t{string.Join('\t', Enumerable.Repeat("1", 3000))}\n");
        Assert.Contains("the 2 classes of the task", Assert.Throws<InvalidDataException>(() => store.Read(run, data)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("marker")]
    [InlineData("linked marker")]
    [InlineData("log")]
    [InlineData("dev losses")]
    [InlineData("convert")]
    public async Task A_pipe_or_a_link_among_the_files_of_a_run_or_a_model_is_refused_at_once(string place)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there are no pipes in folders on Windows");
        Directory.CreateDirectory(_folder["run"]);
        string name = place switch
        {
            "log" => "train.csv",
            "dev losses" => "evaluation.csv",
            "convert" => "other.json",
            _ => RunFolder.MarkerFile
        };
        string path = Path.Combine(_folder["run"], name);
        if (place == "convert") ToyModel.Write(_folder["run"]);
        if (place == "linked marker") File.CreateSymbolicLink(path, _folder["of-others"]);
        else Shell.Run(_folder["."], $"mkfifo {path}");
        string message = await Task.Run(() => place switch
        {
            "log" => Record.Exception(() => new RunLog(_folder["run"], default, LogLayout.FineTuning).Dispose())!.Message,
            "dev losses" => $"{path}: {LogRows.Losses(path, 3, "dev").Count} is not a regular file",
            "convert" => ToolRun.Of("convert", _folder["run"], "-o", _folder["converted"]).Error,
            _ => Record.Exception(() => RunFolder.Claim(_folder["run"], FineTuner.Kind, resume: true).Dispose())!.Message,
        }).WaitAsync(AtOnce);
        Assert.Contains(path, message, StringComparison.Ordinal);
        Assert.Contains("not a regular file", message, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["of-others"]));
        Assert.False(Directory.Exists(_folder["converted"]));
    }

    [Theory]
    [InlineData(">a\nACGT\n>b\0c\nGG\n")]
    [InlineData("sequence,label\nACGT,\0\n")]
    [InlineData("@a\nAC\n+\nI\0\n")]
    [InlineData("\0ACGT\n")]
    [InlineData("\t\n\n\n\n\n\n\n\n\n\n>a\nACGT\n")]
    [InlineData(" \n\n\n\t\n\n\n\n\n\n\n@a\nACGT\n+\nIIII\n")]
    [InlineData(" \n\n\n \n\n\n\n\n\n\nsequence,label\nACGT,1\n")]
    [InlineData("ACGT\nAC\0GT\n")]
    public void A_file_is_read_alike_whether_it_comes_at_once_or_in_pieces(string text)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(text);
        Assert.Equal(Outcome(new MemoryStream(bytes)), Outcome(new DripStream(bytes, 3)));

        static string Outcome(Stream stream)
        {
            try
            {
                return string.Join(
                    '|', SequenceFiles.ReadAll(stream).Select(record => $"{record.Id} {record.Text()} {record.Column("label")}"));
            }
            catch (InvalidDataException e)
            {
                return e.Message;
            }
        }
    }

    private string Folder(string name, string file, string content)
    {
        Directory.CreateDirectory(_folder[name]);
        File.WriteAllText(Path.Combine(_folder[name], file), content);
        return _folder[name];
    }

    private AdapterConfig Config(string json) => AdapterConfig.Read(Path.Combine(Adapter(json), AdapterConfig.FileName));

    /// <summary>An adapter with a factor of a layer.</summary>
    private string Adapter(string config)
    {
        string folder = Folder("adapter", AdapterConfig.FileName, config);
        var tensors = new Folders.Tensors();
        tensors.Draw("base_model.model.x.lora_A.weight", 1, 1, 1, 2).Draw("base_model.model.x.lora_B.weight", 2, 1, 2, 1)
            .Write(Path.Combine(folder, LoraAdapter.WeightFile));
        return folder;
    }
}

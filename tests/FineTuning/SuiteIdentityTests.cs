using System.IO.Compression;
using System.Text;
using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.FineTuning.Suites;
using Dnabert2.Folders;
using Tests.Weights;

namespace Tests.FineTuning;

/// <summary>A finished run is told by the content of all that its result depends on, and by nothing else.</summary>
public sealed class SuiteIdentityTests : IDisposable
{
    private static readonly SuiteSetup Setup = new(
        "toy", new SuiteModel(Dnabert2.Folders.Architecture.Dnabert2, Dnabert2.Folders.Architecture.Dnabert2, null, null), 1234,
        new ModelContent("weights", "config", "tokenizer"), new SuiteRecipe(), "f32");

    private static readonly SuiteOptions Options = new()
    {
        Tasks = [GueTasks.Find("mouse/0")!, GueTasks.Find("tf/2")!],
        Methods = [SuiteMethod.Full, SuiteMethod.Lora, SuiteMethod.Random, SuiteMethod.Kmer],
        Seeds = [1],
    };

    private readonly TempFolder _folder = new();
    private readonly List<string> _trained = [], _said = [];

    public SuiteIdentityTests()
    {
        foreach (string task in new[] { "mouse/0", "tf/2" })
            foreach (string part in new[] { "train", "dev", "test" }) Write(task, part, "a");
        Run(Setup);
        _trained.Clear();
    }

    public static TheoryData<string> Parts => ["train", "dev", "test"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Parts))]
    public void A_task_whose_data_have_changed_runs_again_by_all_methods_and_no_other_task_does(string part)
    {
        Write("tf/2", part, "b");
        Run(Setup);
        Assert.Equal(["tf/2 full seed 1", "tf/2 lora seed 1", "tf/2 random seed 1", "tf/2 kmer"], _trained);
        Assert.All(
            _said, line => Assert.Contains($": {part}.csv changed since; what was there is kept in ", line, StringComparison.Ordinal));
        Assert.Equal(4, _said.Count);
        Run(Setup);
        Assert.Equal(4, _trained.Count);
    }

    [Fact]
    public void A_change_of_a_label_alone_or_of_the_order_of_rows_is_a_change()
    {
        string path = _folder["data/tf/2/test.csv"], text = File.ReadAllText(path);
        File.WriteAllText(path, text.Replace("GTACA,0", "GTACA,1", StringComparison.Ordinal));
        Assert.NotEqual(text, File.ReadAllText(path));
        Run(Setup);
        Assert.Equal(4, _trained.Count);
        string[] lines = text.Split('\n');
        File.WriteAllText(path, string.Join('\n', [lines[0], lines[2], lines[1], .. lines[3..]]));
        Run(Setup);
        Assert.Equal(8, _trained.Count);
    }

    [Fact]
    public void What_is_read_as_the_same_is_the_same_wherever_it_lies_and_whatever_lies_beside_it()
    {
        string path = _folder["data/tf/2/test.csv"];
        File.WriteAllText(path, File.ReadAllText(path).Replace("\n", "\r\n", StringComparison.Ordinal)
            .Replace("sequence,label", "Sequence,label", StringComparison.Ordinal));
        File.WriteAllText(_folder["data/tf/2/notes.txt"], "nothing");
        File.WriteAllText(_folder["data/readme.md"], "nothing");
        using (var gzip = new GZipStream(File.Create(_folder["data/tf/2/dev.csv.gz"]), CompressionLevel.Fastest))
            gzip.Write(File.ReadAllBytes(_folder["data/tf/2/dev.csv"]));
        File.Delete(_folder["data/tf/2/dev.csv"]);
        Directory.Move(_folder["data"], _folder["moved"]);
        Run(Setup, data: "moved");
        Assert.Empty(_trained);
        Assert.Empty(_said);
    }

    [Fact]
    public void Other_weights_run_again_what_begins_with_them_and_another_configuration_or_tokenizer_all_models()
    {
        Run(Setup with { Content = Setup.Content with { Weights = "others" } });
        Assert.Equal(["mouse/0 full seed 1", "mouse/0 lora seed 1", "tf/2 full seed 1", "tf/2 lora seed 1"], _trained);
        Assert.All(_said, line => Assert.Contains("the weights of the model changed since", line, StringComparison.Ordinal));
        Clear();
        Run(Setup with { Content = Setup.Content with { Config = "another", Weights = "others" } });
        Assert.Equal(6, _trained.Count);
        Assert.All(_said, line => Assert.Contains("the model's config.json changed since", line, StringComparison.Ordinal));
        Clear();
        Run(Setup with { Content = Setup.Content with { Config = "another", Weights = "others", Tokenizer = "another" } });
        Assert.Equal(6, _trained.Count);
        Assert.All(_said, line => Assert.Contains("the model's tokenizer.json changed since", line, StringComparison.Ordinal));
    }

    [Fact]
    public void Another_recipe_runs_again_what_it_changes_and_says_what_it_was()
    {
        Run(Setup with { Recipe = new SuiteRecipe { LoraLearningRate = 5e-4 } });
        Assert.Equal(["mouse/0 lora seed 1", "tf/2 lora seed 1"], _trained);
        Assert.All(_said, line => Assert.Contains("learning rate was 0.0001 and is 0.0005", line, StringComparison.Ordinal));
        Clear();
        Run(Setup with { Precision = "bf16", Recipe = new SuiteRecipe { LoraLearningRate = 5e-4 } });
        Assert.Equal(6, _trained.Count);
        Assert.All(_said, line => Assert.Contains("the precision was f32 and is bf16", line, StringComparison.Ordinal));
        Clear();
        Run(Setup
            with
        {
            Precision = "bf16",
            Recipe = new SuiteRecipe { LoraLearningRate = 5e-4, Common = new FineTuneOptions { Batch = 8, MaxNonFinite = 3 } }
        });
        Assert.Equal(6, _trained.Count);
        Assert.All(_said, line => Assert.Contains(": batch was 32 and is 8;", line, StringComparison.Ordinal));
    }

    [Fact]
    public void A_former_result_is_kept_and_taken_back_where_data_and_recipe_are_those_of_before()
    {
        string test = _folder["data/tf/2/test.csv"], before = File.ReadAllText(test);
        byte[] predictions = File.ReadAllBytes(_folder["out/runs/tf_2/kmer/seed-0/predictions.tsv"]);
        Write("tf/2", "test", "b");
        Run(Setup);
        Assert.NotEqual(predictions, File.ReadAllBytes(_folder["out/runs/tf_2/kmer/seed-0/predictions.tsv"]));
        string former = Assert.Single(Directory.GetDirectories(_folder["out/runs/tf_2/kmer"], "seed-0.former-*"));
        Assert.Equal(predictions, File.ReadAllBytes(Path.Combine(former, "predictions.tsv")));
        Assert.Contains(_said, line => line.EndsWith(Path.GetRelativePath(_folder["out"], former), StringComparison.Ordinal));
        Clear();
        File.WriteAllText(test, before);
        Run(Setup);
        Assert.Empty(_trained);
        Assert.Equal(predictions, File.ReadAllBytes(_folder["out/runs/tf_2/kmer/seed-0/predictions.tsv"]));
    }

    [Fact]
    public void Before_the_first_training_the_table_has_no_result_of_other_data()
    {
        Write("mouse/0", "train", "b");
        var seen = new List<string[]>();
        using var source = new CancellationTokenSource();
        var suite = new Suite(_folder["data"], _folder["out"], Setup.Identify, (_, _, _, _) => throw new OperationCanceledException())
        {
            Changed = results => seen.Add([.. results.Select(result => result.Run.ToString())]),
        };
        Assert.Throws<OperationCanceledException>(() => suite.Run(Options, null, default));
        Assert.Equal(["tf/2 full seed 1", "tf/2 lora seed 1", "tf/2 random seed 1", "tf/2 kmer"], Assert.Single(seen));
    }

    [Fact]
    public void A_result_that_does_not_say_what_it_is_of_is_run_again()
    {
        foreach (string file in Directory.GetFiles(_folder["out/runs/tf_2"], "identity.json", SearchOption.AllDirectories))
            File.Delete(file);
        Run(Setup);
        Assert.Equal(["tf/2 full seed 1", "tf/2 lora seed 1", "tf/2 random seed 1", "tf/2 kmer"], _trained);
        Assert.All(
            _said, line =>
            Assert.Contains("an earlier version of the program kept it, without saying of which data", line, StringComparison.Ordinal));
    }

    [Fact]
    public void Of_another_version_of_the_program_a_result_is_run_again_and_files_of_others_are_left_alone()
    {
        string identity = _folder["out/runs/tf_2/kmer/seed-0/identity.json"];
        File.WriteAllText(identity, File.ReadAllText(identity).Replace("\"version\": ", "\"version\": 1", StringComparison.Ordinal));
        Run(Setup);
        Assert.Equal(["tf/2 kmer"], _trained);
        Assert.Contains("another version of the program made it", Assert.Single(_said), StringComparison.Ordinal);
        Directory.Delete(_folder["out/runs/tf_2/kmer/seed-0"], recursive: true);
        Directory.CreateDirectory(_folder["out/runs/tf_2/kmer/seed-0"]);
        File.WriteAllText(_folder["out/runs/tf_2/kmer/seed-0/mine.txt"], "mine");
        Assert.Contains("seed-0: holds files that are not of an evaluation", Assert.Throws<IOException>(() => Run(Setup)).Message,
            StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(_folder["out/runs/tf_2/kmer/seed-0/mine.txt"]));
    }

    private void Clear()
    {
        _trained.Clear();
        _said.Clear();
    }

    private void Run(SuiteSetup setup, string data = "data") =>
        new Suite(_folder[data], _folder["out"], setup.Identify, Train).Run(Options, new Said(_said), default);

    private SuiteOutcome Train(SuiteRun run, LabelledTask task, string folder, CancellationToken cancellation)
    {
        _trained.Add(run.ToString());
        float[] logits = [.. Enumerable.Range(0, 2 * task.Test!.Count).Select(i => task.Test[i / 2].First[0] == 'A' ? 1f : i % 2)];
        return new SuiteOutcome(logits, [], 0.5, 0, 1, "a device");
    }

    private void Write(string task, string part, string content)
    {
        Directory.CreateDirectory(_folder["data/" + task]);
        var text = new StringBuilder("sequence,label\n");
        foreach ((int i, string row) in new[] { "GTACA", "CCATG", "TTGCA", "GGTAC" }.Index())
            text.Append($"{(content == "a" ? "" : "A")}{row},{i % 2}\n");
        File.WriteAllText(_folder[$"data/{task}/{part}.csv"], text.ToString());
    }

    private sealed class Said(List<string> lines) : IProgress<SuiteProgress>
    {
        public void Report(SuiteProgress value)
        {
            if (value.Again is { } reason) lines.Add($"{value.Run}: {reason}");
        }
    }
}

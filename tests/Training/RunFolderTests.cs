using System.Diagnostics;
using System.Text.Json.Nodes;
using Dnabert2.Data;
using Dnabert2.FineTuning;
using Dnabert2.FineTuning.Suites;
using Dnabert2.Folders;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.FineTuning;
using Tests.Weights;

namespace Tests.Training;

/// <summary>A run owns what it has made, and nothing else in its folder.</summary>
public sealed class RunFolderTests : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly TempFolder _folder = new();

    public void Dispose()
    {
        _folder.Dispose();
        _backend.Dispose();
    }

    public static TheoryData<RunKind> Kinds => [Pretrainer.Kind, FineTuner.Kind, SuiteEvaluation.Kind];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Whatever_lies_under_a_name_that_a_run_would_write_it_is_refused_and_left(RunKind kind)
    {
        foreach (string name in kind.Names)
        {
            foreach (string form in (string[])["file", "folder", "link", "link to nothing"])
            {
                Directory.CreateDirectory(_folder["own"]);
                string path = Path.Combine(_folder["own"], name);
                if (form == "folder") Directory.CreateDirectory(path);
                else if (form == "file") File.WriteAllText(path, "precious");
                else File.CreateSymbolicLink(path, _folder.Write("target", "precious"u8));
                if (form == "link to nothing") File.Delete(_folder["target"]);
                string message = Assert.Throws<IOException>(() => RunFolder.Claim(_folder["own"], kind, resume: true)).Message;
                Assert.Contains($"{_folder["own"]}: holds {name}, which no {kind.Name} has made there", message, StringComparison.Ordinal);
                Assert.Equal([path], Directory.GetFileSystemEntries(_folder["own"]));
                Directory.Delete(_folder["own"], recursive: true);
            }
        }
    }

    [Fact]
    public void Anything_else_in_the_folder_of_a_run_is_left_to_its_end()
    {
        using var toy = new ToyTask(_backend);
        LabelledTask task = toy.Task();
        string[] others = [".lock", "notes.txt", "model.ckpt", "train.csv.tmp", "config.json.tmp", ".git/config", "data/train.csv",
            "step-00000004/state.json"];
        foreach (string other in others) Put(toy["run"], other);
        using (var run = new FineTuner(toy.Start, task, toy["run"], ToyTask.Recipe, _backend))
        {
            run.Run(new Report<FineTuneProgress>(p =>
            {
                // Beside the checkpoints, and in one of them.
                if (p.Step != 4) return;
                foreach (string other in (string[])["epoch1/model.ckpt", ".git/config", ".step-x/y", "step-4/state.json",
                    "step-00000004/notes.txt"])
                    Put(toy["run/checkpoints"], other);
            }));
        }

        Assert.All(others, other => Assert.Equal("precious", File.ReadAllText(Path.Combine(toy["run"], other))));
        Assert.Equal(
            [".git/config", ".step-x/y", "epoch1/model.ckpt", "step-00000004/notes.txt", "step-4/state.json"],
            Toy.Files(toy["run/checkpoints"]).Keys.Where(name => !name.EndsWith(".safetensors", StringComparison.Ordinal)
                && name is not ("step-00000004/state.json" or "step-00000004/SHA256SUMS")));
        FineTuner.Remove(toy["run"]);
        Assert.All(others, other => Assert.Equal("precious", File.ReadAllText(Path.Combine(toy["run"], other))));
        Assert.False(File.Exists(toy["run/model.safetensors"]));
    }

    [Fact]
    public void Pruning_and_cleaning_leave_what_is_not_a_checkpoint()
    {
        using var toy = new Toy();
        using Corpus corpus = toy.Build();
        using (Dnabert2.Dnabert2Model model = Toy.Model(_backend))
        using (var run = new Pretrainer(model, corpus, toy["run"], Toy.Recipe with { Steps = 4, Decay = Engine.Autograd.Decay.Constant }))
            run.Run();
        string[] others = [".git/HEAD", ".hidden/x", "epoch1/model.ckpt", "step-100/state.json", "step-final/x", ".step-00000001/x",
            ".step-00000001.bak/x"];
        string[] leftovers = [
            ".step-00000004.writing/state.json", ".step-00000002.removing/model.safetensors", ".step-00000003.qh2kfy5p.0zx/state.json"];
        foreach (string file in others.Concat(leftovers)) Put(toy["run/checkpoints"], file);
        using (Dnabert2.Dnabert2Model model = Toy.Model(_backend))
        using (var run = new Pretrainer(
            model, corpus, toy["run"], Toy.Recipe with { Decay = Engine.Autograd.Decay.Constant, KeepCheckpoints = 1 }, resume: true))
        {
            Assert.Equal(4, run.Step);
            run.Run();
        }

        Assert.All(others, other => Assert.Equal("precious", File.ReadAllText(Path.Combine(toy["run/checkpoints"], other))));
        Assert.All(leftovers, left => Assert.False(File.Exists(Path.Combine(toy["run/checkpoints"], left)), left));
        Assert.False(Directory.Exists(toy["run/checkpoints/step-00000004"]));
    }

    [Fact]
    public void All_that_runs_leave_in_their_folders_is_under_the_names_they_claim()
    {
        using var toy = new ToyTask(_backend);
        LabelledTask task = toy.Task();
        // Everything that may come along from the folder of the model.
        foreach (string name in ModelOrigin.Names) File.WriteAllText(Path.Combine(toy.Start, name), "{}");
        string config = Path.Combine(toy.Start, "config.json");
        JsonObject json = JsonNode.Parse(File.ReadAllText(config))!.AsObject();
        json["auto_map"] = new JsonObject { ["AutoModel"] = "bert_layers.BertModel" };
        File.WriteAllText(config, json.ToJsonString());
        var made = new SortedSet<string>(StringComparer.Ordinal);
        foreach (FineTuneMethod method in Enum.GetValues<FineTuneMethod>())
        {
            string folder = toy[$"{method}"];
            FineTuneOptions recipe = ToyTask.With(method) with { RandomInitialization = method != FineTuneMethod.Head };
            using var run = new FineTuner(toy.Start, task, folder, recipe, _backend);
            run.Run(new Report<FineTuneProgress>(_ => made.UnionWith(NamesIn(folder))));
            made.UnionWith(NamesIn(folder));
        }

        Assert.Equal(FineTuner.Kind.Names.Append(RunFolder.MarkerFile).Order(StringComparer.Ordinal), made);
        using var genomes = new Toy();
        using Corpus corpus = genomes.Build();
        using (Dnabert2.Dnabert2Model model = Toy.Model(_backend))
        using (var run = new Pretrainer(model, corpus, genomes["run"], Toy.Recipe)) run.Run();
        Assert.Equal(Pretrainer.Kind.Names.Append(RunFolder.MarkerFile).Order(StringComparer.Ordinal), NamesIn(genomes["run"]));
    }

    [Fact]
    public void A_run_that_is_refused_or_fails_before_it_has_made_anything_leaves_no_trace()
    {
        using var toy = new ToyTask(_backend);
        LabelledTask task = toy.Task();
        Assert.Throws<ArgumentException>(
            () => new FineTuner(toy.Start, task, toy["deep/new"], ToyTask.Recipe with { Batch = 0 }, _backend));
        Assert.False(Directory.Exists(toy["deep"]));
        Put(toy["old"], "notes.txt");
        Assert.Throws<ArgumentException>(() => new FineTuner(toy.Start, task, toy["old"], ToyTask.Recipe with { Batch = 0 }, _backend));
        Assert.Equal(["notes.txt"], NamesIn(toy["old"]));
        Assert.Contains("is a file", Assert.Throws<IOException>(() => RunFolder.Claim(toy["old/notes.txt"], FineTuner.Kind)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Runs_of_earlier_versions_which_left_no_marker_go_on_and_end_as_ever()
    {
        using var toy = new ToyTask(_backend);
        LabelledTask task = toy.Task();
        using (var whole = new FineTuner(toy.Start, task, toy["whole"], ToyTask.Recipe, _backend)) whole.Run();
        // Killed before and after the first checkpoint, and finished.
        foreach (int step in (int[])[2, 5, 10])
        {
            using (var run = new FineTuner(toy.Start, task, toy["run"], ToyTask.Recipe, _backend, resume: true))
            {
                if (step == 10) run.Run();
                else Assert.Throws<TimeoutException>(
                    () => run.Run(new Report<FineTuneProgress>(p => _ = p.Step == step ? throw new TimeoutException() : 0)));
            }

            Assert.True(File.Exists(Path.Combine(toy["run"], RunFolder.MarkerFile)));
            File.Delete(Path.Combine(toy["run"], RunFolder.MarkerFile));
            if (step > 4)
                Assert.Contains(
                    "holds a run already",
                    Assert.Throws<IOException>(() => new FineTuner(toy.Start, task, toy["run"], ToyTask.Recipe, _backend)).Message,
                    StringComparison.Ordinal);
        }

        using (var run = new FineTuner(toy.Start, task, toy["run"], ToyTask.Recipe, _backend, resume: true)) run.Run();
        Assert.Equal(File.ReadAllBytes(toy["whole/model.safetensors"]), File.ReadAllBytes(toy["run/model.safetensors"]));
        Assert.True(File.Exists(Path.Combine(toy["run"], RunFolder.MarkerFile)));
    }

    [Fact]
    public void The_folder_of_another_kind_of_run_and_a_damaged_marker_are_refused_by_name()
    {
        using (RunFolder.Claim(_folder["run"], Pretrainer.Kind))
        {
            File.WriteAllText(_folder["run/train.csv"], "");
            // Of this very process, too.
            Assert.Contains("another process", Assert.Throws<IOException>(() => RunFolder.Claim(_folder["run"], Pretrainer.Kind)).Message,
                StringComparison.Ordinal);
        }

        Assert.Contains("another kind (pre-training)",
            Assert.Throws<IOException>(() => RunFolder.Claim(_folder["run"], FineTuner.Kind)).Message, StringComparison.Ordinal);
        string marker = Path.Combine(_folder["run"], RunFolder.MarkerFile);
        foreach (string damage in (string[])["{", "{}", "[1]", "{\"format\":\"dnabert2-run\",\"version\":9}",
            "{\"format\":\"dnabert2-run\",\"version\":1,\"kind\":\"pre-training\",\"names\":[1]}"])
        {
            File.WriteAllText(marker, damage);
            Assert.Contains(
                RunFolder.MarkerFile, Assert.Throws<InvalidDataException>(() => RunFolder.Claim(_folder["run"], Pretrainer.Kind)).Message,
                StringComparison.Ordinal);
            Assert.Equal(damage, File.ReadAllText(marker));
        }

        // One that a killed process had only just made says nothing, and the file is not its own.
        File.WriteAllText(marker, "");
        Assert.Contains("holds train.csv", Assert.Throws<IOException>(() => RunFolder.Claim(_folder["run"], Pretrainer.Kind)).Message,
            StringComparison.Ordinal);
        File.Delete(_folder["run/train.csv"]);
        RunFolder.Claim(_folder["run"], Pretrainer.Kind).Dispose();
    }

    [Theory]
    [InlineData("file")]
    [InlineData("link")]
    [InlineData("folder")]
    [InlineData("linked folder")]
    [InlineData("link in the run")]
    [InlineData("checkpoint")]
    public void An_input_where_the_run_would_write_is_said_to_be_the_input(string form)
    {
        using (RunFolder.Claim(_folder["run"], Pretrainer.Kind)) Put(_folder["run"], "train.csv");
        Put(_folder["run"], "checkpoints/step-00000001/config.json");
        Put(_folder["elsewhere"], "genome.fa");
        File.CreateSymbolicLink(_folder["link.csv"], "run/train.csv");
        Directory.CreateSymbolicLink(_folder["other"], "run");
        File.CreateSymbolicLink(_folder["run/evaluation.csv"], "../elsewhere/genome.fa");
        string input = form switch
        {
            "file" => _folder["run/train.csv"],
            "link" => _folder["link.csv"],
            "folder" => _folder["run"],
            "linked folder" => _folder["other"] + "/",
            "link in the run" => _folder["elsewhere"],
            _ => _folder["other/checkpoints/step-00000001"],
        };
        string message = Assert.Throws<IOException>(() => RunFolder.Claim(_folder["run"], Pretrainer.Kind, resume: true, [input])).Message;
        Assert.Contains("this is the input", message, StringComparison.Ordinal);
        RunFolder.Claim(
            _folder["run"], Pretrainer.Kind, resume: true, [_folder.Write("genome.fa", ">x"u8), _folder["elsewhere/none"]]).Dispose();
    }

    [Fact]
    public void Data_in_other_files_than_a_run_writes_are_not_mixed_with_its_own()
    {
        using var toy = new ToyTask(_backend);
        toy.Task(name: "data");
        foreach (string part in (string[])["train", "dev", "test"])
            File.WriteAllText(toy[$"data/{part}.tsv"], File.ReadAllText(toy[$"data/{part}.csv"]).Replace(',', '\t'));
        foreach (string part in (string[])["train", "dev", "test"]) File.Delete(toy[$"data/{part}.csv"]);
        var before = Toy.Files(toy["data"]);
        string message = Assert.Throws<IOException>(
            () => new FineTuner(toy.Start, LabelledTask.Read(toy["data"]), toy["data"], ToyTask.Recipe, _backend)).Message;
        Assert.Contains("this is the input", message, StringComparison.Ordinal);
        Assert.Equal(before, Toy.Files(toy["data"]));
    }

    private static void Put(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "precious");
    }

    private static IEnumerable<string> NamesIn(string folder) =>
        Directory.GetFileSystemEntries(folder).Select(entry => Path.GetFileName(entry)).Order(StringComparer.Ordinal);
}

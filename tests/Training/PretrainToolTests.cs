using System.Diagnostics;
using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Files;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Kernels;
using Tests.Tools;

namespace Tests.Training;

[Trait("Category", "Slow")]
public sealed class PretrainToolTests : IDisposable
{
    private const string Shape = "--hidden 24 --layers 2 --heads 3 --intermediate 20 --threads 1";
    private const string Cuts = "--min-bases 20 --max-bases 120 --max-tokens 40 --held-out 0.2";
    private const string Recipe =
        "--batch 8 --micro-batch-tokens 200 --lr 2e-3 --warmup 1 --evaluate-every 20 --evaluation-windows 5 --keep 1";
    private readonly Toy _toy = new();

    public PretrainToolTests() => ResultFiles.Write(_toy["tokenizer.json"], Toy.Tokenizer.Save);

    public void Dispose() => _toy.Dispose();

    [Theory]
    [InlineData("overlapping:3", typeof(DnabertTokenizer), 69, 512)]
    [InlineData("non-overlapping:3", typeof(NucleotideTransformerTokenizer), 75, 100)]
    public void A_DNABERT_2_on_k_mers_is_trained_saved_recognised_and_trained_on(
        string tokens, Type tokenizer, int vocabulary, int limit)
    {
        ToolRun.Of(On(tokens, "kmers")).Succeeds();
        using (var model = Assert.IsType<Dnabert2Model>(SequenceModel.Load(_toy["kmers"])))
        {
            Assert.IsType(tokenizer, model.Tokenizer);
            Assert.Equal((vocabulary, "alibi", null), (model.Config.VocabSize, model.Config.Attention.Name, model.MaxTokens));
        }

        // The limits of tokens of a task are those of its tokens.
        Assert.Equal(limit, GueTasks.Find("EMP/H3")!.Apply(new FineTuneOptions(), ModelSource.Open(_toy["kmers"])).MaxTokens);
        string said = ToolRun.Of("info", _toy["kmers"]).Succeeds().Text;
        Assert.Contains("3-mers", said, StringComparison.Ordinal);
        Assert.Contains("attention alibi", said, StringComparison.Ordinal);
        // Goes on by its checkpoint, whatever the tokenizer would be of; and is what a fine-tuning begins with.
        ToolRun resumed = ToolRun.Of(Arguments("kmers", "--steps 2 --resume", files: false)).Succeeds();
        Assert.Contains("going on after step 2", resumed.Error, StringComparison.Ordinal);
        string sample = Path.Combine(Path.GetDirectoryName(ToyModel.SamplePath)!, "task");
        ToolRun.Of(
            "finetune", "--data", sample, "--model", _toy["kmers"], "-o", _toy["tuned"], "--steps", "2", "--batch", "4", "--threads", "1")
            .Succeeds();
        using SequenceModel tuned = SequenceModel.Load(_toy["tuned"]);
        Assert.IsType(tokenizer, Assert.IsType<Dnabert2Model>(tuned).Tokenizer);

        ToolRun refused = ToolRun.Of(On("overlapping:9", "refused"));
        Assert.True(refused.Code == 2 && refused.Error.Contains("k-mers have 1 to 8 letters"), refused.Error);

        string[] On(string named, string run)
        {
            string[] line = Arguments(run, "--steps 2 --architecture dnabert2");
            line[Array.IndexOf(line, "--tokenizer") + 1] = named;
            return line;
        }
    }

    [Fact]
    public async Task Killed_at_any_moment_a_run_goes_on_to_the_same_bits()
    {
        const string length = "--steps 500 --checkpoint-every 7";
        ToolRun.Of(Arguments("whole", length)).Succeeds();
        var random = new Random(3);
        int kills = 0, code;
        do
        {
            using Process process = ToolRun.Start(Arguments("killed", length + " --resume"));
            process.StandardInput.Close();
            Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
            if (kills < 6)
            {
                // On this thread alone: continuations may wait for seconds where other tests keep all threads busy.
                if (kills > 0 && kills % 2 == 0) NewCheckpoint(process);
                if (kills % 2 == 1) BeginningCheckpoint(process);
                Thread.Sleep(random.Next(0, kills == 0 ? 300 : kills % 2 == 0 ? 60 : 4));
                if (!process.HasExited) kills++;
                process.Kill();
            }

            ToolRun.Await(process);
            code = process.ExitCode;
            Assert.True(code is 0 or 137 or -1, await output + await error);
        }
        while (code != 0);

        Assert.True(kills >= 4, $"the run ended after {kills} kills: the test shows little");
        SortedDictionary<string, byte[]> whole = Toy.Files(_toy["whole"]), killed = Toy.Files(_toy["killed"]);
        Assert.Equal(whole.Keys, killed.Keys);
        foreach (string name in (string[])["model.safetensors", "optimizer.safetensors"])
            Assert.Equal(whole["checkpoints/step-00000500/" + name], killed["checkpoints/step-00000500/" + name]);
        Assert.Equal(whole["evaluation.csv"], killed["evaluation.csv"]);
        Assert.Equal(Losses("whole"), Losses("killed"));
        Assert.Equal(501, Losses("killed").Length);
        Assert.Empty(Directory.GetFileSystemEntries(_toy["killed/checkpoints"], ".*"));
    }

    [Fact]
    public void An_interruption_ends_with_a_checkpoint_and_130_and_resume_needs_no_other_options()
    {
        using var cancelled = new CancellationTokenSource();
        ToolRun.Of("", Arguments("corpus-only", "--steps 1")).Succeeds();
        Directory.CreateDirectory(_toy["run"]);
        Directory.Move(_toy["corpus-only/corpus"], _toy["run/corpus"]);
        cancelled.Cancel();
        ToolRun first = ToolRun.Of("", Arguments("run", "--steps 6 --checkpoint-every 4", files: false), cancelled.Token);
        Assert.Equal(130, first.Code);
        Assert.Contains("step-00000001", first.Error, StringComparison.Ordinal);
        Assert.Equal(2, ToolRun.Of(Arguments("run", "--steps 6 --checkpoint-every 4")).Code);
        ToolRun second = ToolRun.Of("pretrain", "-o", _toy["run"], "--resume", "--threads", "1").Succeeds();
        Assert.Contains("going on after step 1", second.Error, StringComparison.Ordinal);
        Assert.Contains("step-00000006", second.Error, StringComparison.Ordinal);
        Assert.True(File.Exists(_toy["run/loss.svg"]));
        ToolRun.Of(Arguments("at-once", "--steps 6 --checkpoint-every 4")).Succeeds();
        Assert.Equal(
            File.ReadAllBytes(_toy["at-once/checkpoints/step-00000006/model.safetensors"]),
            File.ReadAllBytes(_toy["run/checkpoints/step-00000006/model.safetensors"]));
        Assert.Equal(1, ToolRun.Of("pretrain", "-o", _toy["run"], "--resume", "--hidden", "48").Code);
    }

    [Fact]
    public void The_table_compares_the_model_with_baselines_on_the_same_tokens()
    {
        ToolRun run = ToolRun.Of(Arguments("run", "--steps 3 --baselines")).Succeeds();
        string[][] rows = [.. run.Lines.Select(l => l.Split('\t'))];
        Assert.Equal(["model", "species", "windows", "masked_tokens", "loss", "accuracy", "bits_per_base"], rows[0]);
        Assert.Equal(
            from model in new[] { "model", "unigram", "markov2", "unigram_of_species",
                "markov2_of_species" }
            from species in new[] { "alpha", "beta", "all" }
            select (model, species),
            rows.Skip(1).Select(r => (r[0], r[1])));
        Assert.Single(rows.Skip(1).Where(r => r[1] == "all").Select(r => r[3]).Distinct());
    }

    [Fact]
    public void Records_that_are_left_out_of_a_corpus_are_named()
    {
        File.AppendAllText(_toy["beta.fa"], ">hollow\n");
        ToolRun run = ToolRun.Of([.. Arguments("run", "--steps 1"), "--quiet"]).Succeeds();
        Assert.Contains("beta.fa: 1 record of ", run.Error, StringComparison.Ordinal);
        Assert.Contains("left out for having no sequence", run.Error, StringComparison.Ordinal);
        Assert.Contains("hollow", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_record_without_a_sequence_is_an_error_where_that_is_asked_for_and_leaves_nothing()
    {
        File.AppendAllText(_toy["beta.fa"], ">hollow\n");
        ToolRun run = ToolRun.Of(Arguments("run", "--steps 1 --on-empty error"));
        Assert.True(run.Code == 1 && run.Error.Contains("'hollow'", StringComparison.Ordinal), run.Error);
        Assert.False(Directory.Exists(_toy["run/corpus"]));
        // A corpus is what was built, whatever is asked for afterwards.
        ToolRun.Of(Arguments("run", "--steps 1")).Succeeds();
        ToolRun.Of(Arguments("run", "--steps 1 --on-empty error --resume")).Succeeds();
        ToolRun alone = ToolRun.Of("pretrain", "-o", _toy["run"], "--resume", "--on-empty", "error");
        Assert.True(alone.Code == 2 && alone.Error.Contains("need the sequence files", StringComparison.Ordinal), alone.Error);
    }

    [Fact]
    public void Training_continues_from_a_model_folder()
    {
        ToolRun.Of(Arguments("first", "--steps 4")).Succeeds();
        string from = _toy["first/checkpoints/step-00000004"];
        ToolRun.Of("pretrain", _toy["alpha.fa"], "--from", from, "-o", _toy["further"], "--steps", "2", "--batch", "4", "--lr", "0",
            "--warmup", "0", "--held-out", "0", "--threads", "1").Succeeds();
        using Dnabert2Model before = Dnabert2Model.Load(from, trainable: true),
            after = Dnabert2Model.Load(_toy["further/checkpoints/step-00000002"], trainable: true);
        Assert.Equal(Toy.Weights(before), Toy.Weights(after));
    }

    [Fact]
    public void The_keys_of_the_config_that_training_continues_from_come_along_with_the_files_they_name()
    {
        ToolRun.Of(Arguments("first", "--steps 4")).Succeeds();
        string from = _toy["first/checkpoints/step-00000004"], config = Path.Combine(from, "config.json");
        JsonObject json = JsonNode.Parse(File.ReadAllText(config))!.AsObject();
        (json["auto_map"], json["note"]) = (new JsonObject { ["AutoModel"] = "bert_layers.BertModel" }, "kept");
        File.WriteAllText(config, json.ToJsonString());
        File.WriteAllText(Path.Combine(from, "bert_layers.py"), "# the code");
        ToolRun.Of("pretrain", _toy["alpha.fa"], "--from", from, "-o", _toy["further"], "--steps", "2", "--batch", "4", "--lr", "0",
            "--warmup", "0", "--held-out", "0", "--threads", "1").Succeeds();
        ToolRun.Of("convert", _toy["further"], "-o", _toy["plain"]).Succeeds();
        foreach (string folder in (string[])[_toy["further/checkpoints/step-00000002"], _toy["plain"]])
        {
            JsonObject after = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!.AsObject();
            Assert.True(JsonNode.DeepEquals(json["auto_map"], after["auto_map"]), $"{folder}: {after}");
            Assert.Equal("kept", after["note"]!.GetValue<string>());
            Assert.Equal("# the code", File.ReadAllText(Path.Combine(folder, "bert_layers.py")));
        }
    }

    [Theory]
    [InlineData("--steps zero", 2, "--steps")]
    [InlineData("--weight alpha", 2, "NAME=W")]
    [InlineData("--weight gamma=1", 1, "'gamma'")]
    [InlineData("--heads 5", 2, "--heads 5")]
    [InlineData("--lr -1", 1, "--lr is -1")]
    [InlineData("--recipe missing.json", 1, "missing.json")]
    [InlineData("--held-out 1", 1, "--held-out is 1")]
    [InlineData("--repeat-bases 33", 1, "--repeat-bases is 33")]
    public void What_makes_no_sense_is_refused_by_name(string options, int code, string what)
    {
        ToolRun run = ToolRun.Of(Arguments("run", options));
        Assert.Equal(code, run.Code);
        Assert.Contains(what, run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--lr -1", "--lr is -1")]
    [InlineData("--held-out 1", "--held-out is 1")]
    [InlineData("--min-bases 60 --max-bases 50", "--max-bases is 50")]
    [InlineData("--max-tokens 2", "--max-tokens is 2")]
    [InlineData("--batch 1000000 --max-tokens 400", "--batch is 1000000")]
    [InlineData("--steps 5 --warmup 6", "--warmup")]
    [InlineData("--weight gamma=1", "'gamma'")]
    [InlineData("--weight alpha=1", "'beta' has no weight")]
    [InlineData("--weight alpha=0 --weight beta=0", "weights of all species are 0")]
    [InlineData("--heads 5", "--heads 5")]
    [InlineData("--recipe FOLDER/none.json", "none.json")]
    [InlineData("--recipe FOLDER/recipe.json", "recipe.json")]
    [InlineData("--config FOLDER/none.json", "none.json")]
    [InlineData("--config FOLDER/config.json", "vocab_size is 20")]
    [InlineData("--from FOLDER/none", "no such folder")]
    [InlineData("--from FOLDER/none --config FOLDER/config.json", "does not go with --from")]
    [InlineData("--tokenizer FOLDER/none.json", "none.json")]
    [InlineData("--device cuda:x", "--device cuda:x")]
    [InlineData("--baselines --held-out 0", "--baselines")]
    [InlineData("--corpus FOLDER", "which is not of a corpus")]
    [InlineData("-o FOLDER/beta.fa/run", "beta.fa is a file")]
    [InlineData("--resume FOLDER/gamma.fa", "gamma.fa: there is no such file")]
    public void All_options_are_checked_before_a_genome_is_read(string options, string what)
    {
        // Both would be found in reading, and in the first seconds of it.
        File.WriteAllText(_toy["alpha.fa"], "this is no sequence file\n");
        File.WriteAllText(_toy["recipe.json"], """{"steps": -1}""");
        using (FileStream file = File.Create(_toy["config.json"]))
            new Dnabert2Config { VocabSize = 20, HiddenSize = 24, NumAttentionHeads = 3 }.Save(file);
        string[] given = options.Replace("FOLDER", _toy[""].TrimEnd(Path.DirectorySeparatorChar), StringComparison.Ordinal).Split(' ');
        List<string> args = [.. Arguments("run", "--steps 4")];
        foreach (string option in given.Where(word => word.StartsWith('-') && args.Contains(word) && word != "--weight"))
            args.RemoveRange(args.IndexOf(option), 2);
        if (given.Contains("--from"))
            foreach (string shape in Shape.Split(' ').Chunk(2).Select(pair => pair[0]).Where(name => name != "--threads"))
                args.RemoveRange(args.IndexOf(shape), 2);
        ToolRun run = ToolRun.Of([.. args, .. given]);
        Assert.NotEqual(0, run.Code);
        Assert.Contains(what, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("alpha.fa", run.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_toy["run"]));
    }

    [Fact]
    public void Without_a_tokenizer_the_one_that_comes_with_the_tool_is_taken()
    {
        ToolRun.Of("pretrain", _toy["alpha.fa"], "-o", _toy["run"], "--hidden", "8", "--layers", "1", "--heads", "1", "--intermediate", "8",
            "--steps", "1", "--warmup", "0", "--batch", "2", "--held-out", "0", "--threads", "1").Succeeds();
        string builtin = Path.Combine(SharedData.BuiltInFolder, "tokenizer.json");
        Assert.True(BpeTokenizer.Load(_toy["run/checkpoints/step-00000001/tokenizer.json"]).IsSameAs(BpeTokenizer.Load(builtin)));
        Assert.False(BpeTokenizer.Load(builtin).IsSameAs(Toy.Tokenizer));
    }

    [Fact]
    public void A_tokenizer_beside_a_model_is_the_models()
    {
        ToolRun.Of(Arguments("first", "--steps 1")).Succeeds();
        string[] further = ["pretrain", _toy["alpha.fa"], "--from", _toy["first/checkpoints/step-00000001"], "-o", _toy["further"],
            "--steps", "1", "--warmup", "0", "--batch", "2", "--held-out", "0", "--threads", "1", "--tokenizer"];
        ToolRun other = ToolRun.Of([.. further, Path.Combine(SharedData.BuiltInFolder, "tokenizer.json")]);
        Assert.True(other.Code == 2 && other.Error.Contains("is not the one of --from", StringComparison.Ordinal), other.Error);
        Assert.False(Directory.Exists(_toy["further"]));
        ToolRun.Of([.. further, _toy["tokenizer.json"]]).Succeeds();
    }

    [Fact]
    public void A_run_is_resumed_only_with_the_model_it_was_begun_with()
    {
        ToolRun.Of(Arguments("first", "--steps 1")).Succeeds();
        ToolRun.Of(Arguments("second", "--steps 1 --seed 2")).Succeeds();
        string first = _toy["first/checkpoints/step-00000001"], second = _toy["second/checkpoints/step-00000001"];
        ToolRun.Of(Further("further", first)).Succeeds();
        ToolRun other = ToolRun.Of(Further("further", second));
        Assert.True(other.Code == 1 && other.Error.Contains("the run was begun with other weights than those of", StringComparison.Ordinal),
            other.Error);
        ToolRun.Of(Further("further", first)).Succeeds();
        ToolRun.Of("pretrain", "-o", _toy["further"], "--resume", "--threads", "1").Succeeds();

        string[] Further(string run, string from) =>
            ["pretrain", _toy["alpha.fa"], "--from", from, "-o", _toy[run], "--steps", "1", "--warmup", "0", "--batch", "2", "--held-out",
                "0", "--threads", "1", "--resume"];
    }

    private string[] Arguments(string run, string options, bool files = true) =>
    [
        "pretrain", .. files ? new[] { _toy["alpha.fa"], _toy["beta.fa"], "--tokenizer", _toy["tokenizer.json"] } : [], "-o", _toy[run],
        .. options.Split(' '), .. $"{Shape} {Recipe} {(files ? Cuts : "")}".Split(' ', StringSplitOptions.RemoveEmptyEntries).Chunk(2)
        .Where(o => !options.Contains(o[0] + ' ', StringComparison.Ordinal)).SelectMany(o => o),
    ];

    // The run has got on.
    private void NewCheckpoint(Process process)
    {
        string? before = Pretrainer.LastCheckpointOf(_toy["killed"]);
        while (!process.HasExited && Pretrainer.LastCheckpointOf(_toy["killed"]) == before) Thread.Sleep(1);
    }

    // A checkpoint is being written, under whatever name.
    private void BeginningCheckpoint(Process process)
    {
        string folder = _toy["killed/checkpoints"];
        HashSet<string> before = Names();
        while (!process.HasExited && Names().IsSubsetOf(before)) Thread.Yield();

        HashSet<string> Names() => Directory.Exists(folder) ? [.. Directory.EnumerateDirectories(folder)] : [];
    }

    private string[] Losses(string run) => [.. File.ReadAllLines(_toy[run + "/train.csv"]).Select(line => line.Split(',')[1])];
}

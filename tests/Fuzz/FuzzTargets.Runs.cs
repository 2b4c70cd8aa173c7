using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.FineTuning;
using Dnabert2.FineTuning.Suites;
using Dnabert2.Folders;
using Dnabert2.Sequences;
using Dnabert2.Tool.Output;
using Dnabert2.Tool.Pieces;
using Dnabert2.Training;
using Engine.Kernels;
using Tests.FineTuning;
using Tests.Tools;
using Tests.Training;

namespace Tests.Fuzz;

/// <content>What runs and corpora keep, and read back.</content>
public sealed partial class FuzzTargets
{
    private static Training.Toy MakeCorpus()
    {
        var toy = new Training.Toy();
        toy.Build().Dispose();
        return toy;
    }

    private ToyTask MakeAdapter()
    {
        var toy = new ToyTask(_backend);
        using var run = new FineTuner(toy.Start, toy.Task(), toy["run"], ToyTask.With(FineTuneMethod.Lora) with { Steps = 2 }, _backend);
        run.Run();
        return toy;
    }

    private FuzzTarget Record()
    {
        byte[] seed = File.ReadAllBytes(_tuned.Value["run/finetune.json"]);
        Directory.CreateDirectory(_folder["record"]);
        return new FuzzTarget("finetune.json", [seed], Mutation.OfJson, input =>
        {
            _folder.Write("record/finetune.json", input);
            FineTuneResult result = FineTuneResult.Of(_folder["record"])!;
            return $"{result.Steps} {result.DevLoss} {string.Join('|', result.Test)}";
        })
        { Named = "finetune.json" };
    }

    private FuzzTarget Corpus()
    {
        string folder = _corpus.Value["corpus"], path = Path.Combine(folder, "corpus.json");
        byte[] seed = File.ReadAllBytes(path);
        return new FuzzTarget("corpus.json", [seed], Mutation.OfJson, input => Opened(folder, path, seed, input))
        {
            Named = folder,
            Memory = (64 << 20, 2000),
        };
    }

    private FuzzTarget Shard()
    {
        string folder = _corpus.Value["corpus"], path = Path.Combine(folder, "corpus.json");
        byte[] index = File.ReadAllBytes(path);
        JsonNode json = JsonNode.Parse(index)!;
        JsonNode entry = json["species"]![0]!["training"]![0]!;
        string shard = Path.Combine(folder, entry["file"]!.GetValue<string>());
        byte[] seed = File.ReadAllBytes(shard);
        return new FuzzTarget("shard", [seed], Mutation.OfBytes, input =>
        {
            // With an index that was made to fit, so that more than the checksum is asked.
            if (input.Length >= 16)
                (entry["windows"], entry["tokens"]) = (
                    BinaryPrimitives.ReadUInt32LittleEndian(input.AsSpan(8)), BinaryPrimitives.ReadUInt32LittleEndian(input.AsSpan(12)));
            entry["sha256"] = FileHash.Of(input);
            try
            {
                Replace(shard, input);
                return Opened(folder, path, index, Encoding.UTF8.GetBytes(json.ToJsonString()));
            }
            finally
            {
                Replace(shard, seed);
            }
        })
        { Named = folder, Memory = (64 << 20, 2000) };
    }

    /// <summary>Opens a corpus with another index, and reads all of it.</summary>
    private static string Opened(string folder, string path, byte[] sound, byte[] index)
    {
        try
        {
            Replace(path, index);
            using Corpus corpus = Dnabert2.Data.Corpus.Open(folder);
            ulong sum = 0;
            for (int s = 0; s < corpus.Species.Count; s++)
                foreach (Split split in Enum.GetValues<Split>())
                    for (long i = 0; i < corpus.Species[s].Of(split).Windows; i++)
                        foreach (ushort token in corpus.Window(split, s, i)) sum = (sum * 31) + token;
            return $"{corpus.Species.Count} {sum} {corpus.Options}";
        }
        finally
        {
            Replace(path, sound);
        }
    }

    private FuzzTarget State(bool fineTuning)
    {
        RunIdentity identity = fineTuning
            ? new(
                "dnabert2-fine-tuning", "data_sha256", "h", "other data",
                json => FineTuneOptionsJson.Difference(FineTuneOptionsJson.Read(json), new FineTuneOptions()),
                json => FineTuneOptionsJson.Write(json, new FineTuneOptions()))
            : RunIdentity.Of("h", new PretrainOptions());
        byte[] seed = new RunState { Step = 5, Seconds = 1.5, BestStep = 4, BestLoss = 2 }.Write(identity);
        return new FuzzTarget("state.json", [seed], Mutation.OfJson, input =>
        {
            string path = _folder.Write("state.json", input);
            bool sums = RunState.HasSums(_folder["."]);
            RunState state = RunState.Read(path, identity);
            return $"{sums} {Encoding.UTF8.GetString(state.Write(identity))}";
        })
        { Named = "state.json" };
    }

    /// <summary>The marker of a run's folder: whatever it says, nothing but the marker is changed.</summary>
    private FuzzTarget Piece()
    {
        const string begin = """
            {"format":"dnabert2-blocks","format_version":1,"shard":2,"shards":3,"run":{"version":"1","options":{"--a":"b"},
            "inputs":[{"name":"x"}]},"computed_on":"CPU","blocks_of_all_shards":5,"files":[
            """;
        const string matrix = """{"name":"x.npy","head":128,"format":"npy","width":4,"half":true,"both_strands":false}""";
        const string parquet = """{"name":"x.parquet","head":4,"format":"parquet","columns":["Int64 record","Text id","Floats vector"]}""";
        return new FuzzTarget(
            "record",
            [
                Bytes(begin + matrix + """,{"name":"x.ids.tsv","head":9,"format":"text"}],"blocks":["136 ab | 20 cd","144 ab | 31 cd"]}"""),
                Bytes(begin + parquet + """],"blocks":["100 ab 2,10,2,20,2,30,8;","300 ab 1,1,1,1,1,1,4;1,2,1,3,1,4,4;"]}"""),
            ],
            Mutation.OfJson, input =>
            {
                BlockRecord record = BlockRecord.Read("x.shard.json", input);
                Assert.Null(record.Run.DifferenceTo(record.Run));
                byte[] written = record.Write();
                Assert.Equal(written, BlockRecord.Read("x.shard.json", written).Write());
                for (int i = 0; i < record.Files.Count; i++) _ = record.Files[i].Format.Head(record.EndOf(i) - record.Files[i].Head);
                return Encoding.UTF8.GetString(written);
            })
        { Memory = (8 << 20, 3000) };
    }

    private FuzzTarget RowGroups() => new("groups", [Bytes("2,10,2,20,8;"), Bytes("1,1,1,1,4;1,2,1,3,4;")], Mutation.OfText, input =>
    {
        var groups = new List<ParquetGroup>();
        ParquetGroup.Parse(Encoding.Latin1.GetString(input), 2, groups);
        var text = new StringBuilder();
        foreach (ParquetGroup group in groups) group.Write(text);
        return text.ToString();
    })
    { Documented = [typeof(FormatException)] };

    private FuzzTarget Marker()
    {
        string folder = _folder["marked"], path = Path.Combine(folder, RunFolder.MarkerFile);
        Directory.CreateDirectory(folder);
        foreach (string file in new[] { "train.csv", "of-others.txt" }) File.WriteAllText(Path.Combine(folder, file), file);
        File.WriteAllText(
            path, """{"format":"dnabert2-run","version":1,"kind":"fine-tuning","about":"x","names":["train.csv","step-*"]}""");
        return new FuzzTarget("marker", [File.ReadAllBytes(path)], Mutation.OfJson, input =>
        {
            Replace(path, input);
            string? refused = RunFolder.Refusal(folder, FineTuner.Kind, resume: true);
            string claimed = "";
            try
            {
                using RunFolder run = RunFolder.Claim(folder, FineTuner.Kind, resume: true);
                claimed = string.Join('|', run.Files.Order(StringComparer.Ordinal));
            }
            finally
            {
                Assert.Equal(refused is null, claimed.Length > 0);
                foreach (string file in new[] { "train.csv", "of-others.txt" })
                    Assert.Equal(file, File.ReadAllText(Path.Combine(folder, file)));
                if (refused is not null) Assert.Equal(input, File.ReadAllBytes(path));
            }

            return claimed;
        })
        { Named = folder, Documented = [typeof(InvalidDataException), typeof(IOException)] };
    }

    private FuzzTarget Start()
    {
        string model = _folder["model"], path = Path.Combine(_folder["started"], RunStart.FileName);
        if (!Directory.Exists(model)) ToyModel.Write(model);
        ModelSource source = ModelSource.Open(model);
        using (RunFolder run = RunFolder.Claim(
            _folder["started"], Pretrainer.Kind, resume: true)) RunStart.Check(run, source, begun: false);
        return new FuzzTarget("start", [File.ReadAllBytes(path)], Mutation.OfJson, input =>
        {
            Replace(path, input);
            using RunFolder run = RunFolder.Claim(_folder["started"], Pretrainer.Kind, resume: true);
            RunStart.Check(run, source, begun: true);
            return "the same";
        })
        { Named = path };
    }

    private FuzzTarget Sums()
    {
        string folder = _folder["sums"], path = Path.Combine(folder, CheckpointSums.FileName);
        Directory.CreateDirectory(folder);
        foreach (string file in new[] { "state.json", "model.safetensors", "a b.txt" }) File.WriteAllText(Path.Combine(folder, file), file);
        CheckpointSums.Write(folder, FileOperations.OfMachine);
        return new FuzzTarget("sums", [File.ReadAllBytes(path)], Mutation.OfText, input =>
        {
            Replace(path, input);
            string[] files = [.. CheckpointSums.FilesOf(folder)];
            CheckpointSums.Check(folder, ["state.json"]);
            return string.Join('|', files);
        })
        { Named = folder };
    }

    private FuzzTarget CheckpointTensors()
    {
        Dnabert2Model model = Training.Toy.Model(
            _backend, Training.Toy.Config with { NumHiddenLayers = 1, HiddenSize = 12, IntermediateSize = 4 });
        _owned.Add(model);
        List<(string Name, Tensor Tensor)> tensors = TensorFile.Parameters(model.Parameters);
        TensorFile.Write(_folder["sound.safetensors"], _backend, tensors);
        return new FuzzTarget("tensors", [File.ReadAllBytes(_folder["sound.safetensors"])], Mutation.OfBytes, input =>
        {
            TensorFile.Read(_folder.Write("tensors.safetensors", input), _backend, tensors);
            float[] values = Training.Toy.Weights(model);
            Assert.All(values, value => Assert.True(float.IsFinite(value)));
            return $"{values.Sum()}";
        })
        { Named = "tensors.safetensors" };
    }

    /// <summary>The log of a run, of which a picture is drawn. Nothing is refused: rows that make no sense are passed over.</summary>
    private FuzzTarget Log(string file)
    {
        string folder = _folder["log"], path = Path.Combine(folder, file);
        Directory.CreateDirectory(folder);
        const string train = "step,loss,learning_rate,gradient_norm,masked_tokens,tokens,seconds,tokens_per_second,skipped\n"
            + "1,4.5,0.1,2,3,40,0.5,80,no\n2,3.5,0.1,2,3,40,0.5,80,yes\n";
        const string evaluation =
            "step,species,windows,masked_tokens,bases,loss,accuracy,bits_per_base\n2,alpha,3,4,5,6.5,0.5,1.9\n2,all,3,4,5,6.5,0.5,1.9\n"
            + "4,\"a,b\",1,2,3,4,5,6\n4,all,3,4,5,5.5,0.5,1.9\n";
        foreach ((string name, string text) in new[] { ("train.csv", train), ("evaluation.csv", evaluation) })
            File.WriteAllText(Path.Combine(folder, name), text);
        byte[] seed = File.ReadAllBytes(path);
        return new FuzzTarget("log", [seed], Mutation.OfText, input =>
        {
            try
            {
                Replace(path, input);
                LossCurve.Draw(folder, disk: new UnflushedDisk());
                string svg = File.ReadAllText(Path.Combine(folder, LossCurve.FileName));
                Assert.InRange(svg.Length, 100, 100_000);
                Assert.DoesNotContain("NaN", svg, StringComparison.Ordinal);
                XElement drawn = XDocument.Parse(svg).Root!;
                int points = drawn.Descendants().Sum(
                    e => e.Attribute("points")?.Value.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length ?? 0);
                return $"{points} {drawn.Elements().Count()} {RunLog.IsIn(folder, LogLayout.Pretraining)} {svg}";
            }
            finally
            {
                Replace(path, seed);
            }
        })
        { Named = path };
    }

    private FuzzTarget Recipe() => new(
        "recipe",
        [PretrainOptionsJson.Write(new PretrainOptions { SpeciesWeights = new Dictionary<string, double> { ["a"] = 1 }, ClipNorm = 1 }),
            Bytes("{\"steps\":5}")],
        Mutation.OfJson, input =>
        {
            PretrainOptions options = PretrainOptions.Load(_folder.Write("r.json", input));
            byte[] written = PretrainOptionsJson.Write(options);
            Assert.Equal(written, PretrainOptionsJson.Write(PretrainOptionsJson.Read("s.json", written)));
            return Encoding.UTF8.GetString(written);
        })
    { Named = "r.json" };

    /// <summary>A labelled table; its first line says what its labels are, and which columns to read.</summary>
    private FuzzTarget Labelled()
    {
        string folder = _folder["task"];
        Directory.CreateDirectory(folder);
        return new FuzzTarget(
            "labelled",
            [
                Bytes("\nsequence,label\nACGTACGT,0\nGGGTTTAA,1\nACACACAC,0\n"), Bytes("\nlabel,sequence\n1,ACGT\n0,TTTT\n"),
                Bytes("label=class sequence=dna\nclass,dna\n1,ACGT\nb,TTTT\n"), Bytes("multi empty\nsequence,label\nACGT,a;b\nGGGG,\n"),
                Bytes("regression second=s2 sequence=s1\ns1\tlabel\ts2\nACGT\t-1.5\tGG\nGGGG\t1e3\tTT\n"),
            ],
            Mutation.OfText, input =>
            {
                int end = Array.IndexOf(input, (byte)'\n');
                string[] words = Encoding.Latin1.GetString(input, 0, Math.Max(end, 0)).Split(' ');
                string? Word(string name) => words.FirstOrDefault(w => w.StartsWith(name, StringComparison.Ordinal))?[name.Length..];
                var reading = new LabelledReading
                {
                    SequenceColumn = Word("sequence="),
                    SecondSequenceColumn = Word("second="),
                    LabelColumn = Word("label=") ?? "label",
                    OnEmpty = words.Contains("empty") ? EmptyRecords.Error : EmptyRecords.Skip,
                };
                TaskKind kind = words.Contains("multi") ? TaskKind.MultiLabel
                    : words.Contains("regression") ? TaskKind.Regression
                    : TaskKind.SingleLabel;
                foreach (string part in new[] { "train", "dev", "test" }) _folder.Write($"task/{part}.csv", input.AsSpan(end + 1));
                LabelledTask task = LabelledTask.Read(folder, kind, reading: reading);
                return $"{task.Kind} {task.Pairs} {string.Join('|', task.Names)} {task.Train!.Count} "
                    + $"{string.Join('|', task.Overlap.Describe())}";
            })
        { Named = folder };
    }

    private FuzzTarget Suite(string file)
    {
        var store = new SuiteStore(_folder["suite"]);
        var run = new SuiteRun(GueTasks.Find("mouse/0")!, SuiteMethod.Full, 1);
        Target[] targets = [Target.OfClass(0), Target.OfClass(1), Target.OfClass(1)];
        var data = new SuiteData(
            [new SuitePart("train", "train.csv", 3, "a"), new SuitePart("dev", "dev.csv", 3, "b"),
                new SuitePart("test", "test.csv", 3, "c")], []);
        var identity = new SuiteIdentity(data, null, new FineTuneOptions(), "f32");
        store.Begin(run, identity);
        store.Write(
            new SuiteResult(run, new LabelNames(["0", "1"]), targets,
                new SuiteOutcome([1, 2, 3, 4, -1, 0.5f], [new DevLoss(1, 0.5)], 0.5, 0, 4, "CPU"), data));
        string path = Path.Combine(store.FolderOf(run), file);
        byte[] seed = File.ReadAllBytes(path);
        return new FuzzTarget(file, [seed], file.EndsWith(".json", StringComparison.Ordinal) ? Mutation.OfJson : Mutation.OfText, input =>
        {
            try
            {
                Replace(path, input);
                if (file == "identity.json") return string.Join('|', SuiteStore.Changes(path, input, identity));
                SuiteResult result = store.Read(run, data);
                var table = new SuiteTable(
                    [result], new SuiteSetup(
                        "m", new SuiteModel(
                            Dnabert2.Folders.Architecture.Dnabert2, Dnabert2.Folders.Architecture.Dnabert2, null, null), 1,
                        new ModelContent("w", "c", "t"), new SuiteRecipe(), "f32"));
                string page = Encoding.UTF8.GetString(SuitePage.Draw(table));
                Assert.DoesNotContain("NaN,", page, StringComparison.Ordinal);
                XDocument.Parse(page[page.IndexOf("<html", StringComparison.Ordinal)..]
                    .Replace("<meta charset=\"utf-8\">", "", StringComparison.Ordinal));
                return $"{result.Targets.Length} {result.Outcome.Steps} {result.Outcome.DevLosses.Count} "
                    + $"{string.Join(',', result.Outcome.Logits)} {string.Join('|', result.Names)} {Encoding.UTF8.GetString(table.Tsv())}";
            }
            finally
            {
                Replace(path, seed);
            }
        })
        { Named = path };
    }

    private static void CopyTo(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
    }

    /// <summary>A disk that is not waited for.</summary>
    private sealed class UnflushedDisk : FileOperations
    {
        public override void Flush(FileStream file) => file.Flush();
    }
}

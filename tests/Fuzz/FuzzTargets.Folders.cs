using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Training;
using Engine.Kernels;
using Engine.Runtime;
using Tests.FineTuning;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Fuzz;

/// <content>Files that are read as parts of a folder, and weight files.</content>
public sealed partial class FuzzTargets
{
    private static readonly byte[] Six = new byte[24];

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

    private FuzzTarget Weights(string format)
    {
        byte[] pickle = new Pickle().Proto().Op('}').Op('q').Raw(0).Op('(').Text("state_dict").Global("collections", "OrderedDict").Op(')').Op('R').Op('(')
            .Text("a.weight").Tensor("FloatStorage", "0", 6, 0, [3, 2], [1, 3]).Text("a.bias").Tensor("FloatStorage", "1", 6, 2, [2], [2])
            .Text("tied").Tensor("FloatStorage", "0", 6, 0, [3, 2], [1, 3]).Op('u').Op('}').Text("_metadata").Op('N').Op('s').Op('b')
            .Text("epoch").Op('K').Raw(3).Text("list").Op(']').Op('(').Op('K').Raw(1).Text("x").Op('e').Op('u').Stop();
        byte[] Zip(byte[] data, bool zip64 = false) => StoredZip.Make([("a/data.pkl", data), ("a/data/0", Six), ("a/data/1", Six), ("a/byteorder", "little"u8.ToArray())], zip64);
        byte[] seed = format switch
        {
            "safetensors" => Safetensors(),
            "legacy" => Pickle.Legacy(pickle, ["1", "0"], Six, Six),
            "pickle" => pickle,
            _ => Zip(pickle, format == "zip64"),
        };
        return new FuzzTarget(format, [seed], Mutation.OfBytes, input =>
        {
            using WeightFile file = WeightFile.Open(_folder.Write("w.bin", format == "pickle" ? Zip(input) : input));
            var text = new StringBuilder();
            foreach (WeightEntry entry in file.Entries)
            {
                Assert.InRange(entry.ByteCount, 0, Math.Max(input.Length, 64) * 8L);
                text.Append(entry).Append(Convert.ToHexString(file.Bytes(entry.Name)));
                if (entry.DType is DType.F32 or DType.F16 or DType.BF16 or DType.F64) file.Values(entry.Name);
            }

            file.SaveAsSafetensors(_folder["copy"]);
            using WeightFile copy = WeightFile.Open(_folder["copy"]);
            foreach (WeightEntry entry in copy.Entries) Assert.Equal(file.Bytes(entry.Name), copy.Bytes(entry.Name));
            return text.ToString();
        })
        { Named = "w.bin" };
    }

    private byte[] Safetensors()
    {
        WeightEntry[] entries = [new("a", DType.F32, new Shape(2, 3)), new("b", DType.BF16, new Shape(3)), new("c", DType.I32, new Shape(0, 4))];
        using (var writer = new SafetensorsWriter(_folder["base"], entries, new Dictionary<string, string> { ["step"] = "1" }))
        {
            writer.Write("a", Six);
            writer.Write("b", Six.AsSpan(0, 6));
            writer.Commit();
        }

        return File.ReadAllBytes(_folder["base"]);
    }

    /// <summary>A file of a model's or an adapter's folder; the others are sound.</summary>
    private FuzzTarget Folder(string kind, string file)
    {
        string folder = _folder[kind];
        if (kind == "adapter") CopyTo(_tuned.Value["run"], folder);
        else if (!Directory.Exists(folder)) ToyModel.Write(folder);
        string path = Path.Combine(folder, file);
        byte[] seed = File.ReadAllBytes(path);
        return new FuzzTarget(file, [seed], file.EndsWith(".json", StringComparison.Ordinal) ? Mutation.OfJson : Mutation.OfBytes, input =>
        {
            try
            {
                Replace(path, input);
                if (kind == "model")
                {
                    using Dnabert2Model model = Dnabert2Model.Load(folder, _backend);
                    return $"{model.Parameters.Count} {model.Config}";
                }

                using ClassifierModel classifier = ClassifierModel.Load(folder, _backend);
                TokenSequences sequences = classifier.NewSequences();
                sequences.Add("ACGTTGCATTGACCA"u8);
                return string.Join(',', classifier.Logits(sequences));
            }
            finally
            {
                Replace(path, seed);
            }
        })
        { Documented = [typeof(InvalidDataException), typeof(IOException), typeof(FileNotFoundException), typeof(DirectoryNotFoundException)], Memory = (64 << 20, 2000) };
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
        return new FuzzTarget("corpus.json", [seed], Mutation.OfJson, input => Opened(folder, path, seed, input)) { Named = folder, Memory = (64 << 20, 2000) };
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
                (entry["windows"], entry["tokens"]) = (BinaryPrimitives.ReadUInt32LittleEndian(input.AsSpan(8)), BinaryPrimitives.ReadUInt32LittleEndian(input.AsSpan(12)));
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
            using Corpus corpus = Dnabert2.Training.Corpus.Open(folder);
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

    private FuzzTarget State()
    {
        RunIdentity identity = RunIdentity.Of("h", new PretrainOptions());
        byte[] seed = new RunState { Step = 5, Seconds = 1.5, BestStep = 4, BestLoss = 2 }.Write(identity);
        return new FuzzTarget("state.json", [seed], Mutation.OfJson, input =>
        {
            RunState state = RunState.Read(_folder.Write("state.json", input), identity);
            return Encoding.UTF8.GetString(state.Write(identity));
        })
        { Named = "state.json" };
    }

    private FuzzTarget Labelled()
    {
        string folder = _folder["task"];
        Directory.CreateDirectory(folder);
        const string rows = "sequence,label\nACGTACGT,0\nGGGTTTAA,1\nACACACAC,0\n";
        foreach (string part in new[] { "dev", "test" }) File.WriteAllText(Path.Combine(folder, part + ".csv"), rows);
        return new FuzzTarget("labelled", [Bytes(rows), Bytes("label,sequence\n1,ACGT\n0,TTTT\n")], Mutation.OfText, input =>
        {
            _folder.Write("task/train.csv", input);
            LabelledTask task = LabelledTask.Read(folder);
            return $"{task.Kind} {task.Pairs} {string.Join('|', task.Names)} {task.Train!.Count} {string.Join('|', task.Overlap.Describe())}";
        })
        { Named = folder };
    }

    private FuzzTarget Suite(string file)
    {
        var store = new SuiteStore(_folder["suite"]);
        var run = new SuiteRun(GueTasks.Find("mouse/0")!, SuiteMethod.Full, 1);
        Target[] targets = [Target.OfClass(0), Target.OfClass(1), Target.OfClass(1)];
        var data = new SuiteData([new SuitePart("train", "train.csv", 3, "a"), new SuitePart("dev", "dev.csv", 3, "b"), new SuitePart("test", "test.csv", 3, "c")], []);
        var identity = new SuiteIdentity(data, null, new FineTuneOptions(), "f32");
        store.Begin(run, identity);
        store.Write(new SuiteResult(run, new LabelNames(["0", "1"]), targets, new SuiteOutcome([1, 2, 3, 4, -1, 0.5f], [new DevLoss(1, 0.5)], 0.5, 0, 4, "CPU"), data));
        string path = Path.Combine(store.FolderOf(run), file);
        byte[] seed = File.ReadAllBytes(path);
        return new FuzzTarget(file, [seed], file.EndsWith(".json", StringComparison.Ordinal) ? Mutation.OfJson : Mutation.OfText, input =>
        {
            try
            {
                Replace(path, input);
                if (file == "identity.json") return string.Join('|', SuiteStore.Changes(path, input, identity));
                SuiteResult result = store.Read(run, data);
                return $"{string.Join('|', result.Names)} {string.Join(',', result.Outcome.Logits)} {result.Outcome.Device} {result.Scores.Metrics.Count}";
            }
            finally
            {
                Replace(path, seed);
            }
        })
        { Named = path };
    }

    // Faster than overwriting: some file systems flush a file that was cut and written again.
    private static void Replace(string path, byte[] bytes)
    {
        File.Delete(path);
        File.WriteAllBytes(path, bytes);
    }

    private static void CopyTo(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
    }
}

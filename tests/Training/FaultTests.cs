using System.Runtime.CompilerServices;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.FineTuning;

namespace Tests.Training;

/// <summary>
/// Each thing that a run does to the disk fails once: what takes room on a full disk, anything else for want of permission; or because the
/// process is killed, after which nothing more reaches the disk. What takes room, and the flush of a folder, is denied, too, once for each
/// kind of file. Every checkpoint that is there is whole, and the run goes on to the same bits.
/// </summary>
[Trait("Category", "Slow")]
public sealed class FaultTests : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly Toy _toy = new();

    public enum Fault
    {
        None,
        FullOrDenied,
        Denied,
        Killed,
    }

    public void Dispose()
    {
        _toy.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [InlineData(Fault.FullOrDenied)]
    [InlineData(Fault.Denied)]
    [InlineData(Fault.Killed)]
    public void Pre_training_loses_nothing_wherever_it_fails(Fault fault)
    {
        using Corpus corpus = _toy.Build();
        PretrainOptions recipe = Toy.Recipe with
        {
            Steps = 2,
            GlobalBatch = 1,
            CheckpointEvery = 1,
            EvaluationWindows = 1,
            KeepCheckpoints = 1,
            WarmupSteps = 1,
        };
        EachOperation(fault, "pretrain", (folder, disk) =>
        {
            using Dnabert2Model model = Toy.Model(_backend);
            using RunFolder claimed = RunFolder.ClaimOn(disk, folder, Pretrainer.Kind, resume: true);
            using var run = new Pretrainer(model, corpus, claimed, recipe);
            run.Run();
        });
    }

    [Theory]
    [InlineData(Fault.FullOrDenied)]
    [InlineData(Fault.Denied)]
    [InlineData(Fault.Killed)]
    public void Fine_tuning_loses_nothing_wherever_it_fails(Fault fault)
    {
        using var toy = new ToyTask(_backend);
        LabelledTask task = toy.Task(train: 6);
        // With a base of its own: most files.
        FineTuneOptions recipe = ToyTask.With(FineTuneMethod.Lora) with
        {
            RandomInitialization = true,
            Steps = 2,
            Batch = 2,
            EvaluateEvery = 1,
        };
        EachOperation(fault, "finetune", (folder, disk) =>
        {
            using RunFolder claimed = RunFolder.ClaimOn(disk, folder, FineTuner.Kind, resume: true);
            using var run = new FineTuner(ModelSource.Open(toy.Start), task, claimed, recipe, _backend);
            run.Run();
        });
    }

    [Theory]
    [InlineData(Fault.FullOrDenied)]
    [InlineData(Fault.Denied)]
    [InlineData(Fault.Killed)]
    public void A_corpus_is_whole_or_none_wherever_its_building_fails(Fault fault) => EachOperation(fault, "corpus", (folder, disk) =>
    {
        CorpusOptions cuts = Toy.Cuts with { ShardTokens = 2000, RepeatBases = 12 };
        CorpusBuilder.BuildOn(disk, folder, _toy.Sources, Toy.Tokenizer, cuts).Dispose();
    });

    private void EachOperation(Fault fault, string name, Action<string, FileOperations> run)
    {
        var sound = new FaultyDisk(Fault.None, 0, flushesFolders: fault == Fault.Denied);
        run(_toy[name], sound);
        SortedDictionary<string, byte[]> expected = Toy.Files(_toy[name]);
        int failed = 0;
        for (int at = 1; at <= sound.Operations; at++)
        {
            if (fault == Fault.Denied && !sound.IsFirstOfWriting(at)) continue;
            string folder = _toy[$"{name}-{at}"];
            var disk = new FaultyDisk(fault, at, flushesFolders: fault == Fault.Denied);
            Exception? e = Record.Exception(() => run(folder, disk));
            if (!disk.HasFailed) continue;
            failed++;
            // What is tidied up may fail without harm.
            if (e is not null) Assert.True(e is IOException or UnauthorizedAccessException, $"{at}: {e}");
            if (fault == Fault.Denied) Assert.True(e is UnauthorizedAccessException, $"{at}: {e}");
            if (fault == Fault.FullOrDenied && e is IOException) Assert.Contains("No space left", e.Message, StringComparison.Ordinal);
            var checkpoints = new CheckpointStore(folder);
            foreach (int step in checkpoints.Steps) checkpoints.Check(step);
            run(folder, new FaultyDisk(Fault.None, 0, flushesFolders: false));
            SortedDictionary<string, byte[]> actual = Toy.Files(folder);
            Assert.True(expected.Keys.SequenceEqual(actual.Keys), $"{at}: {string.Join(' ', actual.Keys)}");
            foreach (string file in expected.Keys.Where(IsDetermined))
                Assert.True(expected[file].AsSpan().SequenceEqual(actual[file]), $"{at}: {file}");
        }

        Assert.True(failed > (name == "corpus" || fault == Fault.Denied ? 5 : 20),
            $"{failed} of {sound.Operations} operations failed: the test shows little");
    }

    // What holds no seconds, and no speed.
    private static bool IsDetermined(string file) =>
        Path.GetExtension(file) is ".safetensors" or ".bin"
            || Path.GetFileName(file) is "evaluation.csv" or "config.json" or "tokenizer.json" or "corpus.json" or RunFolder.MarkerFile;

    /// <summary>A disk on which one operation fails, counted from 1; after a kill all others do.</summary>
    private sealed class FaultyDisk(Fault fault, int at, bool flushesFolders) : FileOperations
    {
        private readonly List<string> _done = [];

        public int Operations => _done.Count;

        public bool HasFailed { get; private set; }

        /// <summary>Whether the n-th operation takes room, and is the first of its kind on a file of its name.</summary>
        public bool IsFirstOfWriting(int n) => _done[n - 1].Length > 0 && _done.IndexOf(_done[n - 1]) == n - 1;

        public override FileStream Create(string path, long size, UnixFileMode? mode)
        {
            Do(path);
            return base.Create(path, size, mode);
        }

        public override void Flush(FileStream file)
        {
            Do(file.Name);
            // Whether it outlives a loss of power is no matter here.
            file.Flush();
        }

        public override void CopyPermissions(string from, FileStream to)
        {
            Do();
            base.CopyPermissions(from, to);
        }

        public override void Keep(string path, string second)
        {
            Do(path);
            base.Keep(path, second);
        }

        public override void Move(string from, string to)
        {
            Do();
            base.Move(from, to);
        }

        public override void Delete(string path)
        {
            Do();
            base.Delete(path);
        }

        public override void CreateFolder(string path)
        {
            Do(path);
            base.CreateFolder(path);
        }

        public override void FlushFolder(string path)
        {
            // After a rename, so that to be killed here or at the next operation, or to run out of room, is one.
            if (flushesFolders) Do(path);
        }

        public override void MoveFolder(string from, string to)
        {
            Do();
            base.MoveFolder(from, to);
        }

        public override void DeleteFolder(string path)
        {
            // Killed in the middle of it.
            if (fault == Fault.Killed && Operations + 1 == at && Directory.EnumerateFiles(path).FirstOrDefault() is { } first)
                File.Delete(first);
            Do();
            base.DeleteFolder(path);
        }

        /// <param name="written">What takes room; null: it takes none.</param>
        /// <param name="operation">What is done.</param>
        private void Do(string? written = null, [CallerMemberName] string operation = "")
        {
            _done.Add(written is null ? "" : $"{operation} {KindOf(written)}");
            bool fails = fault == Fault.Killed ? Operations >= at : Operations == at;
            if (fault == Fault.None || !fails) return;
            HasFailed = true;
            throw written is not null && fault != Fault.Denied
                ? new IOException("No space left on device") : new UnauthorizedAccessException("Access is denied");
        }

        /// <summary>A name without what differs from step to step, and what makes it a temporary one.</summary>
        private static string KindOf(string path) =>
            string.Concat(Path.GetFileName(path).Split(".dnabert2-")[0].Where(c => !char.IsAsciiDigit(c)));
    }
}

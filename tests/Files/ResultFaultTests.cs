using Dnabert2.Files;
using Dnabert2.Training;
using Tests.Weights;

namespace Tests.Files;

/// <summary>Results are written to a disk on which the n-th operation fails, for every n and every kind of fault.</summary>
[Trait("Category", "Slow")]
public class ResultFaultTests
{
    /// <summary>What goes wrong at the n-th operation.</summary>
    public enum Fault
    {
        /// <summary>The disk is full, or broken, at that moment.</summary>
        Full,

        /// <summary>It may not be done.</summary>
        Denied,

        /// <summary>The user interrupts while it is written.</summary>
        Interrupted,

        /// <summary>The process is killed: nothing is done any more, cleaning up included.</summary>
        Killed,
    }

    public static TheoryData<Fault, int, bool> Cases
    {
        get
        {
            var cases = new TheoryData<Fault, int, bool>();
            foreach (Fault fault in Enum.GetValues<Fault>())
                foreach (int files in (int[])[1, 2, 3])
                    foreach (bool replaces in (bool[])[false, true])
                        cases.Add(fault, files, replaces);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void After_a_fault_the_former_result_is_whole_or_the_new_one_and_nothing_is_left(Fault fault, int files, bool replaces)
    {
        string[] names = [.. Enumerable.Range(0, files).Select(i => $"x{i}")];
        int operations = 0;
        for (int at = 0; at <= operations; at++)
        {
            using var folder = new TempFolder();
            if (replaces)
                foreach (string name in names) folder.Write(name, "former"u8);
            var disk = new FaultyDisk(at, fault);
            bool done = Write(folder, names, disk);
            operations = Math.Max(operations, disk.Operations);
            string place = $"{fault} at operation {at}: {disk.Failed}";
            Assert.True(done == (disk.Failed is null or "delete"), place);
            string[] whole = [.. names.Where(n => File.Exists(folder[n])).Select(n => File.ReadAllText(folder[n]))];
            Assert.True(whole.All(text => text == Former || text == Contents) && (!replaces || whole.Length == files), place);
            // One name cannot be given in the same moment as another: only a process that is killed between the two leaves both.
            if (fault != Fault.Killed || disk.Failed != "move")
                Assert.True(whole.Distinct().Count() < 2 && (whole.Length == 0 || whole.Length == files), place);
            // That the names are on the disk is not known, which is an error; the files are there.
            bool isThere = done || disk.Failed == "flush of folder";
            if (fault != Fault.Killed) Assert.True(isThere ? whole[0] == Contents : whole.Length == 0 || whole[0] == Former, place);
            // What cannot be deleted stays, under a name that tells what it is.
            if (fault != Fault.Killed && disk.Failed != "delete") Assert.Equal(whole.Length == 0 ? [] : names, folder.Names);
            Assert.True(Write(folder, names, new FaultyDisk(int.MaxValue, fault)));
            Assert.Equal(names, folder.Names);
            Assert.All(names, n => Assert.Equal(Contents, File.ReadAllText(folder[n])));
        }

        Assert.True(operations >= 5 * files, $"only {operations} operations were seen");
    }

    [Theory]
    [InlineData(Fault.Full)]
    [InlineData(Fault.Denied)]
    public void After_a_fault_a_new_folder_is_whole_or_not_there_and_nothing_is_left(Fault fault)
    {
        int operations = 0, unsure = 0;
        for (int at = 0; at <= operations; at++)
        {
            using var folder = new TempFolder();
            var disk = new FaultyDisk(at, fault);
            bool done = WriteFolder(folder["new"], disk), isThere = Directory.Exists(folder["new"]);
            operations = Math.Max(operations, disk.Operations);
            string place = $"{fault} at operation {at}: {disk.Failed}";
            Assert.True(done ? disk.Failed is null or "delete" : disk.Failed is not null, place);
            // Where the last flush fails, it is there and yet an error.
            if (isThere && !done && disk.Failed == "flush of folder") unsure++;
            else Assert.True(isThere == done, place);
            string[] whole = isThere ? ["new"] : [];
            if (disk.Failed != "delete") Assert.Equal(whole, Directory.GetFileSystemEntries(folder["."]).Select(Path.GetFileName));
            if (isThere) Assert.Equal(Contents, File.ReadAllText(folder["new/x"]));
            if (!isThere) Assert.True(WriteFolder(folder["new"], new FaultyDisk(int.MaxValue, fault)));
        }

        Assert.Equal(1, unsure);
        Assert.True(operations >= 8, $"only {operations} operations were seen");
    }

    [Fact]
    public void What_is_said_to_be_written_is_on_the_disk_with_its_name()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder["other"]);
        var disk = new FaultyDisk(int.MaxValue, Fault.Full);
        var files = new ResultFiles(disk);
        foreach (string name in (string[])["x", "y", "other/z"]) files.Add(folder[name]);
        files.Commit();
        string[] expected = ["flush", "flush", "flush", "move other/z", "move y", "move x", "flush of folder ", "flush of folder other"];
        Assert.Equal(expected, Of(disk).Where(IsOfCommit));

        disk = new FaultyDisk(int.MaxValue, Fault.Full);
        using (var result = new ResultFolder(folder["new"], disk))
        {
            disk.Log.Clear();
            result.Commit();
        }

        Assert.Equal(["move new", "flush of folder "], Of(disk).Where(IsOfCommit).Skip(1));

        disk = new FaultyDisk(int.MaxValue, Fault.Full);
        new CheckpointStore(folder["run"], disk).Write(7, _ => { });
        string[] done = [.. Of(disk)];
        Assert.Contains("flush of folder ", done);
        Assert.Contains("flush of folder run", done);
        Assert.Equal(["move run/checkpoints/step-00000007", "flush of folder run/checkpoints"], done[^2..]);

        // What is as before, and the temporary names, do not matter.
        IEnumerable<string> Of(FaultyDisk disk) => disk.Log
            .Select(done => done.Replace(
                Path.GetFullPath(folder["."]), "", StringComparison.Ordinal).Replace(" /", " ", StringComparison.Ordinal));

        static bool IsOfCommit(string done) => done.Split(' ')[0] is "flush" or "move";
    }

    [Fact]
    public void A_folder_that_cannot_be_flushed_for_want_of_a_right_or_a_way_is_no_fault()
    {
        using var folder = new TempFolder();
        FileOperations.OfMachine.FlushFolder(folder["."]);
        FileOperations.OfMachine.FlushFolder(folder["absent"]);
        if (Directory.Exists("/proc/self")) FileOperations.OfMachine.FlushFolder("/proc/self");
    }

    [Fact]
    public void What_can_neither_be_completed_nor_taken_back_is_said_with_the_place_of_the_former_file()
    {
        using var folder = new TempFolder();
        foreach (string name in (string[])["x0", "x1"]) folder.Write(name, "former"u8);
        using var files = new ResultFiles(new SecondMoveFails());
        foreach (string name in (string[])["x0", "x1"]) files.Add(folder[name]);
        string message = Assert.Throws<IOException>(files.Commit).Message;
        files.Dispose();
        string kept = Assert.Single(folder.Names, name => name.StartsWith('.'));
        Assert.EndsWith($"{folder["x1"]} is of the result that was not completed: what was there before is {folder[kept]}", message);
        Assert.Equal(Former, File.ReadAllText(folder[kept]));
        Assert.Equal(Former, File.ReadAllText(folder["x0"]));
    }

    private const string Former = "former";

    // Longer than the buffer of a stream, so that writing fails too, not flushing alone.
    private static readonly string Contents = new('n', 200_000);

    private static bool Write(TempFolder folder, string[] names, FaultyDisk disk)
    {
        byte[] contents = System.Text.Encoding.ASCII.GetBytes(Contents);
        var files = new ResultFiles(disk);
        try
        {
            foreach (string name in names) files.Add(folder[name]).Write(contents);
            files.Commit();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            return false;
        }
        finally
        {
            files.Dispose();
            disk.CloseAll();
        }
    }

    private static bool WriteFolder(string path, FaultyDisk disk)
    {
        try
        {
            using var result = new ResultFolder(path, disk);
            ResultFiles.Write(Path.Combine(result.Path, "x"), System.Text.Encoding.ASCII.GetBytes(Contents), disk);
            result.Commit();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
        finally
        {
            disk.CloseAll();
        }
    }

    private sealed class FaultyDisk(int at, Fault fault) : FileOperations
    {
        private readonly List<FileStream> _open = [];

        /// <summary>What was done, and to what.</summary>
        public List<string> Log { get; } = [];

        public int Operations { get; private set; }

        /// <summary>The operation that failed first.</summary>
        public string? Failed { get; private set; }

        public override FileStream Create(string path, long size, UnixFileMode? mode)
        {
            Do("create");
            base.Create(path, size, mode).Dispose();
            var stream = new FaultyStream(path, this);
            _open.Add(stream);
            return stream;
        }

        public override void Flush(FileStream file)
        {
            Do("flush");
            file.Flush();
        }

        public override void CopyPermissions(string from, FileStream to)
        {
            Do("permissions");
            base.CopyPermissions(from, to);
        }

        public override void Keep(string path, string second)
        {
            Do("keep");
            base.Keep(path, second);
        }

        public override void Move(string from, string to)
        {
            Do("move", to);
            base.Move(from, to);
        }

        public override void FlushFolder(string path)
        {
            Do("flush of folder", path);
            base.FlushFolder(path);
        }

        public override void Delete(string path)
        {
            Do("delete");
            base.Delete(path);
        }

        public override void CreateFolder(string path)
        {
            Do("create", path);
            base.CreateFolder(path);
        }

        public override void MoveFolder(string from, string to)
        {
            Do("move", to);
            base.MoveFolder(from, to);
        }

        public override void DeleteFolder(string path)
        {
            Do("delete", path);
            base.DeleteFolder(path);
        }

        public void Do(string operation, string? path = null)
        {
            Log.Add(path is null ? operation : $"{operation} {path}");
            int n = Operations++;
            if (n < at || (n > at && fault != Fault.Killed)) return;
            if (fault == Fault.Interrupted && operation is not ("create" or "write")) return;
            Failed ??= operation;
            throw fault switch
            {
                Fault.Denied => new UnauthorizedAccessException($"{operation} is denied"),
                Fault.Interrupted => new OperationCanceledException(),
                _ => new IOException($"{operation} failed"),
            };
        }

        /// <summary>The system closes the files of a killed process, and so lets go of their locks.</summary>
        public void CloseAll() => _open.ForEach(stream => stream.Dispose());

        private sealed class FaultyStream(string path, FaultyDisk disk)
            : FileStream(path, FileMode.Open, FileAccess.Write, FileShare.None, 1 << 16)
        {
            // Of a class derived from FileStream, the writing of spans comes here, too.
            public override void Write(byte[] buffer, int offset, int count)
            {
                disk.Do("write");
                base.Write(buffer, offset, count);
            }
        }
    }

    private sealed class SecondMoveFails : FileOperations
    {
        private int _moves;

        public override void Move(string from, string to)
        {
            if (_moves++ > 0) throw new IOException("the disk is broken");
            base.Move(from, to);
        }
    }
}

using System.Runtime.Versioning;
using Dnabert2.Files;
using Tests.Weights;

namespace Tests.Files;

public class ResultFilesTests
{
    [Fact]
    public void A_folder_or_a_name_in_no_folder_is_refused()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder["sub"]);
        foreach (string name in (string[])["sub", "new/"])
            Assert.Contains("this is a folder; name the file to write", Refusal<IOException>(folder[name]));
        Assert.Contains("there is no folder", Refusal<DirectoryNotFoundException>(folder["absent/x"]));
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void A_pipe_or_a_device_is_refused_and_stays_what_it_is()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "pipes and devices are those of Unix");
        using var folder = new TempFolder();
        Shell.Run(folder["."], "mkfifo pipe");
        File.CreateSymbolicLink(folder["null"], "/dev/null");
        Assert.Contains("this is a pipe", Refusal<IOException>(folder["pipe"]));
        foreach (string device in (string[])["/dev/null", folder["null"]])
            Assert.Contains("this is a device", Refusal<IOException>(device));
        Shell.Run(folder["."], "test -p pipe && test -c /dev/null && test -L null");
    }

    [Fact]
    public void A_symbolic_link_is_written_through_and_stays_even_where_it_leads_to_nothing_yet()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links are made as on Unix");
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder["deep"]);
        folder.Write("deep/old", "old"u8);
        File.CreateSymbolicLink(folder["link"], "deep/old");
        File.CreateSymbolicLink(folder["chain"], folder["link"]);
        File.CreateSymbolicLink(folder["dangling"], "deep/made");
        File.CreateSymbolicLink(folder["nowhere"], "absent/x");
        ResultFiles.Write(folder["chain"], "new"u8);
        ResultFiles.Write(folder["dangling"], "made"u8);
        Assert.Equal("deep/old", new FileInfo(folder["link"]).LinkTarget);
        Assert.Equal(folder["link"], new FileInfo(folder["chain"]).LinkTarget);
        Assert.Equal("deep/made", new FileInfo(folder["dangling"]).LinkTarget);
        Assert.Equal(("new", "made"), (File.ReadAllText(folder["deep/old"]), File.ReadAllText(folder["deep/made"])));
        Assert.Contains("there is no folder " + folder["absent"], Refusal<DirectoryNotFoundException>(folder["nowhere"]));
        Assert.Equal(["made", "old"], Directory.GetFiles(folder["deep"]).Select(Path.GetFileName).Order());
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public void A_replaced_file_keeps_its_permissions_and_owner_and_the_other_names_keep_what_they_had()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "permissions are those of Unix");
        using var folder = new TempFolder();
        string path = folder.Write("x", "old"u8);
        Shell.Run(folder["."], "ln x hard");
        bool isRoot = Environment.IsPrivilegedProcess;
        if (isRoot) Shell.Run(folder["."], "chown 1234:4321 x");
        foreach (UnixFileMode mode in (UnixFileMode[])[(UnixFileMode)0x1B0, (UnixFileMode)0x180, (UnixFileMode)0x1FF])
        {
            File.SetUnixFileMode(path, mode);
            UnixFileMode written;
            using (var files = new ResultFiles())
            {
                using FileStream stream = files.Add(path);
                written = File.GetUnixFileMode(stream.SafeFileHandle);
                stream.Write("new"u8);
                files.Commit();
            }

            Assert.Equal(mode, File.GetUnixFileMode(path));
            Assert.Equal((UnixFileMode)0, written & ~mode);
            Assert.Equal("new", File.ReadAllText(path));
        }

        if (isRoot) Assert.Equal((1234u, 4321u), (FileStatus.Of(path)!.Value.User, FileStatus.Of(path)!.Value.Group));
        Assert.Equal("old", File.ReadAllText(folder["hard"]));
        Assert.Equal(["hard", "x"], folder.Names);
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public void A_file_that_is_protected_is_refused_before_any_work()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess, "nothing is protected from the administrator");
        using var folder = new TempFolder();
        string path = folder.Write("x", "old"u8);
        File.SetUnixFileMode(path, UnixFileMode.UserRead);
        Assert.Contains("write-protected", Assert.Throws<UnauthorizedAccessException>(() => ResultFiles.Check(path)).Message);
        File.SetUnixFileMode(folder["."], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string refusal = Assert.Throws<UnauthorizedAccessException>(() => ResultFiles.Check(folder["new"])).Message;
        Assert.Contains("its folder may not be written to", refusal);
        File.SetUnixFileMode(folder["."], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Fact]
    public void Two_files_of_a_result_cannot_be_one()
    {
        using var folder = new TempFolder();
        folder.Write("x", "old"u8);
        using (var files = new ResultFiles())
        {
            files.Add(folder["x"]);
            Assert.Contains("by another name", Assert.Throws<IOException>(() => files.Add(folder["./x"])).Message);
            if (!OperatingSystem.IsWindows())
            {
                Shell.Run(folder["."], "ln x y");
                Assert.Contains("by another name", Assert.Throws<IOException>(() => files.Add(folder["y"])).Message);
                File.Delete(folder["y"]);
            }
        }

        Assert.Equal(["x"], folder.Names);
        Assert.Equal("old", File.ReadAllText(folder["x"]));
    }

    [Fact]
    public void What_a_killed_process_has_left_of_a_file_is_removed_and_nothing_else()
    {
        using var folder = new TempFolder();
        using var living = new ResultFiles();
        living.Add(folder["x"]).Write("of another process"u8);
        string live = Assert.Single(folder.Names);
        const string mark = ".dnabert2-0123456789abcdef.tmp";
        foreach (string name in (string[])[".x" + mark, ".x" + mark + ".former"]) folder.Write(name, "left"u8);
        string[] others =
        [
            ".y" + mark, ".xx" + mark, "x" + mark, ".x.dnabert2-0123456789ABCDEF.tmp", ".x.dnabert2-0123.tmp", ".x.tmp", "x.tmp",
            ".x" + mark + "2",
        ];
        foreach (string name in others) folder.Write(name, "not ours"u8);
        ResultFiles.Write(folder["x"], "new"u8);
        Assert.Equal([.. ((string[])[.. others, "x", live]).Order(StringComparer.Ordinal)], folder.Names);
        living.Commit();
        Assert.Equal("of another process", File.ReadAllText(folder["x"]));
        Assert.Equal([.. others.Append("x").Order(StringComparer.Ordinal)], folder.Names);
    }

    [Fact]
    public void Of_several_writers_of_one_file_each_writes_it_whole()
    {
        using var folder = new TempFolder();
        byte[][] contents = [.. Enumerable.Range(0, 8).Select(i => Enumerable.Repeat((byte)i, 100_000).ToArray())];
        Parallel.ForEach(contents, bytes =>
        {
            for (int i = 0; i < 40; i++) ResultFiles.Write(folder["x"], bytes);
        });
        Assert.Contains(File.ReadAllBytes(folder["x"]), contents);
        Assert.Equal(["x"], folder.Names);
    }

    /// <summary>What several writers meet now and then, each time.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_file_that_another_process_takes_for_a_leftover_before_it_is_locked_gets_another_name(bool isLookedAt)
    {
        using var folder = new TempFolder();
        folder.Write("x", "old"u8);
        var disk = new LeftoverDisk { IsLookedAt = isLookedAt };
        using (var files = new ResultFiles(disk))
        {
            files.Add(folder["x"]).Write("new"u8);
            files.Commit();
        }

        Assert.Equal(2, disk.Created);
        Assert.Equal("new", File.ReadAllText(folder["x"]));
        Assert.Equal(["x"], folder.Names);
    }

    [Fact]
    public void A_leftover_is_locked_while_it_is_removed_so_that_no_process_begins_to_write_it()
    {
        using var folder = new TempFolder();
        folder.Write(".x.dnabert2-0123456789abcdef.tmp", "left"u8);
        var disk = new LeftoverDisk();
        using var files = new ResultFiles(disk);
        files.Add(folder["x"]);
        Assert.Equal([(".x.dnabert2-0123456789abcdef.tmp", true)], disk.Deleted);
    }

    [Fact]
    public void The_longest_name_that_a_file_may_have_can_be_written()
    {
        using var folder = new TempFolder();
        string name = new('n', 250);
        folder.Write(name, "old"u8);
        ResultFiles.Write(folder[name], "new"u8);
        Assert.Equal("new", File.ReadAllText(folder[name]));
        Assert.Equal([name], folder.Names);
    }

    [Fact]
    public void A_new_folder_appears_whole_or_leaves_nothing()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder[".new.dnabert2-0123456789abcdef.tmp"]);
        Directory.CreateDirectory(folder[".newer.dnabert2-0123456789abcdef.tmp"]);
        folder.Write(".new.dnabert2-0123456789abcdef.tmp/x", "left by a killed process"u8);
        folder.Write(".new.dnabert2-0123456789abcdef.tmp.lock", ""u8);
        using (var abandoned = new ResultFolder(folder["new"]))
        using (var second = new ResultFolder(folder["new/"]))
        {
            File.WriteAllText(Path.Combine(abandoned.Path, "x"), "x");
            File.WriteAllText(Path.Combine(second.Path, "x"), "second");
            second.Commit();
            Assert.Throws<IOException>(abandoned.Commit);
        }

        IEnumerable<string?> left = Directory.GetFileSystemEntries(folder["."]).Select(Path.GetFileName);
        Assert.Equal([".newer.dnabert2-0123456789abcdef.tmp", "new"], left.Order(StringComparer.Ordinal));
        Assert.Equal("second", File.ReadAllText(folder["new/x"]));
        Assert.Contains("is there already", Assert.Throws<IOException>(() => new ResultFolder(folder["new"])).Message);
    }

    private static string Refusal<TException>(string path)
        where TException : Exception => Assert.Throws<TException>(() => ResultFiles.Write(path, "x"u8)).Message;

    /// <summary>A disk on which another process is just removing leftovers when the first file is made.</summary>
    private sealed class LeftoverDisk : FileOperations
    {
        /// <summary>
        /// Whether that process has the file open for a look; otherwise it has removed it; null: there is no such process.
        /// </summary>
        public bool? IsLookedAt { get; init; }

        public int Created { get; private set; }

        public List<(string Name, bool WasLocked)> Deleted { get; } = [];

        public override FileStream Create(string path, long size, UnixFileMode? mode)
        {
            FileStream made = base.Create(path, size, mode);
            if (Created++ > 0 || IsLookedAt is null) return made;
            if (IsLookedAt == false)
            {
                File.Delete(path);
                return made;
            }

            // The lock is the other process's; the file is gone when it has looked.
            using (made)
            {
                try
                {
                    return new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.None);
                }
                finally
                {
                    File.Delete(path);
                }
            }
        }

        public override void Delete(string path)
        {
            Deleted.Add((Path.GetFileName(path), TemporaryName.IsLocked(path)));
            base.Delete(path);
        }
    }
}

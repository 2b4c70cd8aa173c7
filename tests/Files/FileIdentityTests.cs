using System.Diagnostics;
using Dnabert2.Files;
using Microsoft.Win32.SafeHandles;
using Tests.Weights;

namespace Tests.Files;

public class FileIdentityTests
{
    [Fact]
    public void A_file_is_known_by_every_name_it_has()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links are made as on Unix");
        using var folder = new TempFolder();
        string file = folder.Write("file", "x"u8), other = folder.Write("other", "x"u8);
        Directory.CreateDirectory(folder["deep/er"]);
        File.CreateSymbolicLink(folder["link"], "file");
        File.CreateSymbolicLink(folder["deep/er/up"], "../../link");
        Directory.CreateSymbolicLink(folder["folder"], folder["deep/er"]);
        Shell.Run(folder["."], "ln file hard");
        foreach (string name in (string[])["file", "./file", "deep/../file", "link", "deep/er/up", "folder/up", "folder/./up", "hard"])
        {
            Assert.True(FileIdentity.AreSame(file, folder[name]), name);
            Assert.True(FileIdentity.AreSame(folder[name], file), name);
            Assert.False(FileIdentity.AreSame(other, folder[name]), name);
        }
    }

    [Fact]
    public void Names_that_lead_to_nothing_yet_are_one_if_a_file_written_to_them_would_be()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links are made as on Unix");
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder["deep"]);
        Directory.CreateSymbolicLink(folder["folder"], "deep");
        File.CreateSymbolicLink(folder["dangling"], "deep/new");
        Assert.True(FileIdentity.AreSame(folder["deep/new"], folder["folder/new"]));
        Assert.True(FileIdentity.AreSame(folder["deep/new"], folder["dangling"]));
        Assert.False(FileIdentity.AreSame(folder["deep/new"], folder["deep/newer"]));
        Assert.False(FileIdentity.AreSame(folder["deep/new"], folder["new"]));
        Assert.False(FileIdentity.AreSame(folder["deep/new"], folder["deep"]));
    }

    [Fact]
    public void A_link_of_two_dots_in_a_linked_folder_leads_where_the_system_goes()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links are made as on Unix");
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder["a/b"]);
        folder.Write("a/file", "of a"u8);
        folder.Write("file", "of the root"u8);
        File.CreateSymbolicLink(folder["a/b/up"], "../file");
        Directory.CreateSymbolicLink(folder["short"], "a/b");
        Assert.Equal("of a", File.ReadAllText(folder["short/up"]));
        Assert.True(FileIdentity.AreSame(folder["short/up"], folder["a/file"]));
        Assert.False(FileIdentity.AreSame(folder["short/up"], folder["file"]));
        // In a path that is given, .NET undoes them in the text.
        Assert.Equal("of the root", File.ReadAllText(folder["short/../file"]));
        Assert.True(FileIdentity.AreSame(folder["short/../file"], folder["file"]));
        ResultFiles.Write(folder["short/../file"], "new"u8);
        Assert.Equal(("new", "of a"), (File.ReadAllText(folder["file"]), File.ReadAllText(folder["a/file"])));
    }

    [Fact]
    public void Links_in_a_circle_are_an_error_that_names_the_path()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links are made as on Unix");
        using var folder = new TempFolder();
        File.CreateSymbolicLink(folder["a"], "b");
        File.CreateSymbolicLink(folder["b"], "a");
        Assert.StartsWith(folder["a"], Assert.Throws<IOException>(() => FileIdentity.AreSame(folder["a"], folder["c"])).Message);
    }

    [Fact]
    public void What_the_system_says_of_a_file_is_what_the_command_stat_says()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "'stat' is that of Linux");
        using var folder = new TempFolder();
        string file = folder.Write("x", "x"u8);
        Shell.Run(folder["."], "mkfifo pipe");
        foreach (string path in (string[])[file, folder["."], folder["pipe"], "/dev/null"])
        {
            string[] told = Shell.Run(folder["."], $"stat -L -c '%d %i %f %u %g' '{path}'").Split(' ');
            FileStatus status = FileStatus.Of(path)!.Value;
            Assert.Equal($"{told[0]} {told[1]} {told[3]} {told[4]}", $"{status.Device} {status.Number} {status.User} {status.Group}");
            Assert.Equal(Convert.ToUInt32(told[2], 16), status.Type);
        }

        Assert.Null(FileStatus.Of(folder["absent"]));
        using SafeFileHandle open = File.OpenHandle(file);
        Assert.True(FileIdentity.IsOf(open, file));
        Assert.False(FileIdentity.IsOf(open, folder["absent"]));
    }
}

/// <summary>Lines of a Unix shell.</summary>
internal static class Shell
{
    /// <summary>Runs a line that has to succeed, and returns what it prints.</summary>
    public static string Run(string folder, string line)
    {
        var start = new ProcessStartInfo("sh") { WorkingDirectory = folder, RedirectStandardError = true, RedirectStandardOutput = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(line);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(1)))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{line}\ndid not end within a minute");
        }

        Assert.True(process.ExitCode == 0, $"{line}\n{error.Result}");
        return output.Result.TrimEnd('\n');
    }
}

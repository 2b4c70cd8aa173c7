using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Tool;
using Dnabert2.Tool.Verbs;
using Tests.FineTuning;
using Tests.Weights;

namespace Tests.Tools;

[Trait("Category", "Slow")]
public partial class ProcessTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const int Interrupt = 2, Terminate = 15;

    /// <summary>The verbs that compute or check SHA-256, for which .NET wants OpenSSL.</summary>
    private static readonly string[] Hashing = ["pretrain", "finetune", "evaluate", "convert", "merge-lora", "export"];

    public static TheoryData<string> Examples =>
        [.. CommandLineTool.Commands(new Terminal { Input = Stream.Null, Output = Stream.Null, Error = TextWriter.Null }, new("--debug"))
            .Subcommands.Cast<Verb>().SelectMany(verb => (Verb[])[verb, .. verb.Subcommands.Cast<Verb>()])
            .SelectMany(verb => verb.Examples.Select(e => e.Line))];

    [Theory]
    [InlineData(Interrupt)]
    [InlineData(Terminate)]
    public void An_interrupted_process_removes_its_files_even_while_it_waits_for_input(int signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent as on Unix");
        using var folder = new TempFolder();
        using Process process = ToolRun.Start("embed", "-", "--model", toy.Folder, "-o", folder["x.npy"]);
        process.StandardInput.Write(">a\nACGT\n>b\n");
        process.StandardInput.Flush();
        var waited = Stopwatch.StartNew();
        while (folder.Names.Length < 2 && waited.Elapsed < TimeSpan.FromMinutes(1)) Thread.Sleep(20);
        Assert.Equal(2, folder.Names.Length);
        Assert.Equal(0, Kill(process.Id, signal));
        ToolRun.Await(process);
        Assert.Equal((130, "dnabert2: interrupted"), (process.ExitCode, process.StandardError.ReadToEnd().Trim()));
        Assert.Empty(folder.Names);
    }

    [Fact]
    public async Task A_pipe_that_nobody_reads_on_ends_the_work_in_silence()
    {
        using Process process = ToolRun.Start("tokenize", "-", "--tokenizer", ToyModel.TokenizerPath);
        Task writing = Task.Run(() =>
        {
            byte[] record = Encoding.ASCII.GetBytes(">a\n" + string.Concat(Enumerable.Repeat("GATTACA", 1000)) + "\n");
            try
            {
                while (!process.HasExited) process.StandardInput.BaseStream.Write(record);
            }
            catch (IOException)
            {
                // The tool has ended, as it should.
            }
        });
        Assert.StartsWith("[CLS] ", await process.StandardOutput.ReadLineAsync());
        process.StandardOutput.Close();
        ToolRun.Await(process);
        await writing.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal((0, ""), (process.ExitCode, await process.StandardError.ReadToEndAsync()));
    }

    [Fact]
    public void Two_processes_that_share_a_file_as_output_do_not_overwrite_each_other()
    {
        if (OperatingSystem.IsWindows()) return;
        using var folder = new TempFolder();
        Shell(folder["."], $"(echo ACGT | dnabert2 tokenize - --tokenizer '{ToyModel.TokenizerPath}'; echo TTTT | dnabert2 tokenize - "
            + $"--tokenizer '{ToyModel.TokenizerPath}'; echo end) > out");
        Assert.Equal(["ACGT", "TTTT", "end"], File.ReadAllLines(folder["out"])
            .Select(line => line.Replace("[CLS]", "").Replace("[SEP]", "").Replace(" ", "")));
    }

    [Fact]
    public void Misuse_and_help_have_their_exit_codes_in_a_process_too()
    {
        using Process misused = ToolRun.Start("embed");
        ToolRun.Await(misused);
        Assert.Equal((2, ""), (misused.ExitCode, misused.StandardOutput.ReadToEnd()));
    }

    [Theory]
    [MemberData(nameof(Examples))]
    public void Every_example_of_the_help_works_as_typed(string line)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the examples are lines of a Unix shell");
        bool needsModel = line.Contains(" embed ", StringComparison.Ordinal) || line.EndsWith(" default", StringComparison.Ordinal)
            || (line.Contains(" tokenize ", StringComparison.Ordinal) && !line.Contains("--tokenizer", StringComparison.Ordinal));
        Assert.SkipWhen(needsModel && !File.Exists(Path.Combine(SharedData.BuiltInFolder, "config.json")),
            "the model that comes with the tool is not in this build");
        using var folder = new TempFolder();
        string samples = Path.GetDirectoryName(ToyModel.SamplePath)!;
        foreach (string path in Directory.GetFiles(samples, "*", SearchOption.AllDirectories))
        {
            string copy = folder["tools/dnabert2/samples/" + Path.GetRelativePath(samples, path)];
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(path, copy);
        }

        File.Copy(typeof(AttentionVariant.DistanceDecay).Assembly.Location, folder["my.dll"]);
        ToyModel.Write(folder["DNABERT-2-117M"], "pytorch_model.bin");
        ToyClassifier.Write(folder["run"], TaskKind.SingleLabel, 70, "0", "1");
        // The dynamic linker of glibc writes down what each process of the line opens: what only reads a model has to run where no
        // OpenSSL is, with which .NET would end the process.
        using var opened = new TempFolder();
        Shell(folder["."], $"export LD_DEBUG=files LD_DEBUG_OUTPUT='{opened["ld"]}'\n{line}");
        if (Hashing.Any(verb => line.Contains($"dnabert2 {verb} ", StringComparison.Ordinal))) return;
        Assert.All(opened.Names, name => Assert.DoesNotContain("libssl", File.ReadAllText(opened[name]), StringComparison.Ordinal));
    }

    /// <summary>Runs a line of a shell for which <c>dnabert2</c> is the tool; it has to succeed.</summary>
    private static void Shell(string folder, string line)
    {
        var start = new ProcessStartInfo("sh") { WorkingDirectory = folder, RedirectStandardError = true, RedirectStandardOutput = true };
        start.ArgumentList.Add("-ec");
        start.ArgumentList.Add($"dnabert2() {{ dotnet '{ToolRun.Program}' \"$@\"; }}\n{line}");
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        ToolRun.Await(process);
        Assert.True(process.ExitCode == 0, $"{line}\n{error}{output.Result}");
        Assert.DoesNotContain("error", error, StringComparison.OrdinalIgnoreCase);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}

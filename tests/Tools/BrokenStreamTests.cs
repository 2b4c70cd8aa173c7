using System.Diagnostics;
using Dnabert2.Tool;
using Tests.Files;
using Tests.Weights;

namespace Tests.Tools;

/// <summary>Standard streams that are closed, full, or read by nobody, each in a process of its own.</summary>
[Trait("Category", "Slow")]
public class BrokenStreamTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const string NoUnixShell = "descriptors are closed by a Unix shell";

    [Fact]
    public void Work_goes_on_and_ends_as_usual_where_nothing_can_be_said_about_it()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), NoUnixShell);
        using var folder = new TempFolder();
        string embed = $"dnabert2 embed '{ToyModel.SamplePath}' --model '{toy.Folder}'";
        Assert.Equal(
            "0 0 0 0",
            Codes(
                folder, $"{embed} -o usual.npy", $"{embed} -o closed.npy 2>&-", $"{embed} -o full.npy 2>/dev/full",
                $"{embed} -o none.npy <&- >&- 2>&-"));
        foreach (string name in (string[])["closed", "full", "none"])
            foreach (string end in (string[])[".npy", ".ids.tsv"])
                Assert.Equal(File.ReadAllBytes(folder["usual" + end]), File.ReadAllBytes(folder[name + end]));
        Assert.Equal(12, folder.Names.Length);
    }

    [Fact]
    public void An_error_has_its_exit_code_where_it_cannot_be_said()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), NoUnixShell);
        using var folder = new TempFolder();
        Assert.Equal(
            "1 1 2 1",
            Codes(
                folder, "dnabert2 tokenize no.fa 2>&-", "dnabert2 tokenize no.fa --debug 2>/dev/full", "dnabert2 2>&-",
                "sh -c 'dotnet \"$0\" tokenize no.fa 2>&1 >/dev/null; echo $? > code' \"$program\" | true; (exit $(cat code))"));
    }

    [Fact]
    public void A_result_that_cannot_be_printed_is_an_error_and_names_the_stream()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), NoUnixShell);
        using var folder = new TempFolder();
        string tokenize = $"dnabert2 tokenize '{ToyModel.SamplePath}' --tokenizer '{ToyModel.TokenizerPath}'";
        Assert.Equal(
            "1 1 1", Codes(folder, $"{tokenize} >&- 2>closed", $"{tokenize} >/dev/full 2>full", "dnabert2 --help >/dev/full 2>help"));
        foreach (string name in (string[])["closed", "full", "help"])
            Assert.StartsWith("dnabert2: error: standard output", File.ReadAllText(folder[name]));
    }

    [Fact]
    public void A_closed_input_is_an_error_where_it_is_to_be_read()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), NoUnixShell);
        using var folder = new TempFolder();
        string tokenize = $"--tokenizer '{ToyModel.TokenizerPath}' -o x";
        string file = $"dnabert2 tokenize '{ToyModel.SamplePath}' {tokenize} <&-";
        Assert.Equal("1 0", Codes(folder, $"dnabert2 tokenize - {tokenize} <&- 2>error", file));
        Assert.StartsWith("dnabert2: error: standard input is closed", File.ReadAllText(folder["error"]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Progress_that_cannot_be_shown_does_not_end_the_work(bool watched)
    {
        using var folder = new TempFolder();
        var terminal = new Terminal
        {
            Input = new EndlessFasta(() => { }, 1000, 1001),
            Output = Stream.Null,
            Error = new FullWriter(),
            ErrorIsWatched = watched,
            Time = new Hurried(),
        };
        string[] embed = ["embed", "-", "--model", toy.Folder, "-o", folder["x.npy"], "--batch-tokens", "64"];
        Assert.Equal(0, CommandLineTool.Run(embed, terminal));
        Assert.Equal(1001, new Npy(folder["x.npy"]).Rows);
        Assert.Equal(1, CommandLineTool.Run(["embed", folder["no.fa"], "--debug"], terminal));
        Assert.Equal(2, CommandLineTool.Run(["embed"], terminal));
    }

    /// <summary>Runs lines of a shell for which <c>dnabert2</c> is the tool, and returns their exit codes.</summary>
    private static string Codes(TempFolder folder, params string[] lines)
    {
        string codes = string.Concat(lines.Select(line => $"{line}\necho $? >> codes\n"));
        Shell.Run(folder["."], $"program='{ToolRun.Program}'\ndnabert2() {{ dotnet \"$program\" \"$@\"; }}\n{codes}");
        string[] all = File.ReadAllLines(folder["codes"]);
        File.Delete(folder["codes"]);
        return string.Join(' ', all);
    }

    private sealed class FullWriter : StringWriter
    {
        public override void Write(char value) => throw new IOException("No space left on device");

        public override void Write(string? value) => throw new IOException("No space left on device");

        public override void WriteLine(string? value) => throw new IOException("No space left on device");

        public override void Flush() => throw new IOException("No space left on device");
    }

    /// <summary>A clock on which each look takes a minute.</summary>
    private sealed class Hurried : TimeProvider
    {
        private long _looks;

        public override long GetTimestamp() => Interlocked.Increment(ref _looks) * 60 * Stopwatch.Frequency;
    }
}

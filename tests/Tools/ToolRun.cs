using System.Diagnostics;
using System.Text;
using Dnabert2.Tool;

namespace Tests.Tools;

/// <summary>What the tool printed and returned.</summary>
internal sealed record ToolRun(int Code, byte[] Output, string Error)
{
    public string Text => Encoding.UTF8.GetString(Output);

    public string[] Lines => Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Runs the tool in this process.</summary>
    public static ToolRun Of(params string[] args) => Of("", args);

    /// <summary>Runs the tool in this process with a text on standard input.</summary>
    public static ToolRun Of(string input, string[] args, CancellationToken cancellation = default) =>
        Of(new MemoryStream(Encoding.UTF8.GetBytes(input)), args, cancellation);

    /// <summary>Runs the tool in this process with a stream as standard input.</summary>
    public static ToolRun Of(Stream input, string[] args, CancellationToken cancellation = default)
    {
        using var output = new MemoryStream();
        var error = new StringWriter();
        int code = CommandLineTool.Run(args, new Terminal { Input = input, Output = output, Error = error, Cancellation = cancellation });
        return new ToolRun(code, output.ToArray(), error.ToString());
    }

    /// <summary>A run that has to succeed.</summary>
    public ToolRun Succeeds()
    {
        Assert.True(Code == 0, $"exit code {Code}: {Error}");
        return this;
    }

    /// <summary>Starts the tool as a process of its own.</summary>
    public static Process Start(params string[] args)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(Program);
        foreach (string arg in args) start.ArgumentList.Add(arg);
        return Process.Start(start)!;
    }

    /// <summary>The program, where the tests run.</summary>
    public static string Program => Path.Combine(AppContext.BaseDirectory, "dnabert2.dll");

    /// <summary>Waits for a process that has to end by itself.</summary>
    public static void Await(Process process)
    {
        if (process.WaitForExit(TimeSpan.FromMinutes(1))) return;
        process.Kill();
        Assert.Fail("the tool did not end within a minute");
    }
}

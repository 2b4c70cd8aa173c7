using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Dnabert2.Tool;

/// <summary>What the tool talks to: the streams of its process, or those of a test.</summary>
internal sealed class Terminal
{
    /// <summary>Standard input.</summary>
    public required Stream Input { get; init; }

    /// <summary>Standard output: results, as UTF-8; nowhere where another rank writes them.</summary>
    public required Stream Output { get => Ranks.IsSilent ? Stream.Null : field; init; }

    /// <summary>What <see cref="Input"/> reads, where it is a descriptor of this process.</summary>
    public SafeFileHandle? InputFile { get; init; }

    /// <summary>What <see cref="Output"/> writes to, where it is a descriptor of this process.</summary>
    public SafeFileHandle? OutputFile { get; init; }

    /// <summary>Standard error: everything else. What cannot be written to it is lost, and the work goes on.</summary>
    public required TextWriter Error { get => Ranks.IsSilent ? TextWriter.Null : field; init => field = LogWriter.Over(value); }

    /// <summary>Whether someone watches <see cref="Error"/>, so that a line may be written over.</summary>
    public bool ErrorIsWatched { get; init; }

    /// <summary>Whether <see cref="Output"/> appears where <see cref="Error"/> does, and progress would come between the results.</summary>
    public bool OutputIsWatched { get; init; }

    /// <summary>Characters a line of <see cref="Error"/> has room for.</summary>
    public int Width { get; init; } = 80;

    /// <summary>Cancelled by Ctrl-C.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>The clock that paces progress.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>The processes that work together with this one, once a verb has joined them.</summary>
    public Ranks Ranks { get; } = new();

    /// <summary>The GPUs that can be computed on.</summary>
    public Gpus Gpus { get; init; } = Gpus.OfMachine;

    /// <summary>The terminal of this process.</summary>
    public static Terminal OfProcess(CancellationToken cancellation)
    {
        bool input = StandardStream.WasGiven(0), output = StandardStream.WasGiven(1), error = StandardStream.WasGiven(2);
        bool watched = error && !Console.IsErrorRedirected;
        // Open MPI gives its ranks a terminal of their own as standard output, and .NET would begin with a sequence for its keypad, which
        // would come before the results.
        if (Environment.GetEnvironmentVariable("OMPI_COMM_WORLD_SIZE") is not null) Environment.SetEnvironmentVariable("TERM", "dumb");
        return new Terminal
        {
            Input = new InterruptibleStream(new StandardStream("standard input", input ? Console.OpenStandardInput() : null), cancellation),
            Output = new StandardStream("standard output", output ? StandardOutput() : null),
            InputFile = input && !OperatingSystem.IsWindows() ? new SafeFileHandle(0, ownsHandle: false) : null,
            OutputFile = output && !OperatingSystem.IsWindows() ? new SafeFileHandle(1, ownsHandle: false) : null,
            Error = error ? Console.Error : TextWriter.Null,
            ErrorIsWatched = watched,
            OutputIsWatched = output && !Console.IsOutputRedirected,
            Width = watched && Console.WindowWidth > 0 ? Console.WindowWidth : 80,
            Cancellation = cancellation,
        };
    }

    /// <summary>Whether a write failed because nobody reads on, as with <c>| head</c>.</summary>
    public static bool IsBrokenPipe(Exception e)
    {
        const int brokenPipe = 32; // EPIPE on Linux, macOS and the BSDs.
        return !OperatingSystem.IsWindows() && e.HResult == brokenPipe;
    }

    /// <summary>Writes a line about the work; control characters, which may come from a file's contents, are not passed on.</summary>
    public void Say(string text)
    {
        var shown = new StringBuilder("dnabert2: ", text.Length + 10);
        foreach (char c in text) shown.Append(char.IsControl(c) && c is not '\n' ? '?' : c);
        Error.WriteLine(shown.ToString());
    }

    private static Stream StandardOutput()
    {
        Stream console = Console.OpenStandardOutput();
        if (OperatingSystem.IsWindows()) return console;
        // .NET's own stream passes over a broken pipe in silence, and the work would go on for nobody. A file keeps .NET's stream,
        // which writes where the descriptor stands, as others that share it expect.
        var pipe = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        return pipe.CanSeek ? console : pipe;
    }
}

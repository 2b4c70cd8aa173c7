using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Text;
using Dnabert2.Tool.Verbs;
using Engine.Runtime.Collectives;
using Engine.Runtime.Cuda;

namespace Dnabert2.Tool;

/// <summary>The program <c>dnabert2</c>: picks the verb, and turns whatever goes wrong into a sentence and an exit code.</summary>
internal static class CommandLineTool
{
    public const int Done = 0, Failed = 1, Misused = 2, Interrupted = 130;

    private static readonly (string Name, string Summary, Func<Terminal, Command> Make)[] Verbs =
    [
        ("embed", "sequences to vectors", t => new EmbedVerb(t).Command),
        ("predict", "sequences to labels, by a fine-tuned model", t => new PredictVerb(t).Command),
        ("tokenize", "sequences to tokens", t => new TokenizeVerb(t).Command),
        ("merge", "pieces of a result, of runs with --shard, to one", t => new MergeVerb(t).Command),
        ("convert", "pytorch_model.bin to model.safetensors", t => new ConvertVerb(t).Command),
        ("export", "a model to ONNX, for other runtimes", t => new ExportVerb(t).Command),
        ("pretrain", "a model from genomes", t => new PretrainVerb(t).Command),
        ("finetune", "a classifier or a regression from labelled sequences", t => new FinetuneVerb(t).Command),
        ("train-tokenizer", "a vocabulary from genomes", t => new TrainTokenizerVerb(t).Command),
        ("merge-lora", "an adapter and its base to a plain model", t => new MergeLoraVerb(t).Command),
        ("attribute", "what each base does to the model's answer", t => new AttributeVerb(t).Command),
        ("attention", "which tokens of a sequence attend to which", t => new AttentionVerb(t).Command),
        ("variants", "scores of the variants of a VCF", t => new VariantsVerb(t).Command),
        ("index", "a genome to be read at any place", t => new IndexVerb(t).Command),
        ("info", "this machine, or whether a model folder is sound", t => new InfoVerb(t).Command),
        ("bench", "speed, beside the machine's peaks", t => new BenchVerb(t).Command),
        ("evaluate", "a model on the tasks of GUE, beside the paper", t => new EvaluateVerb(t).Command),
    ];

    /// <summary>The verbs by what one wants, and the first one of each group in the order above.</summary>
    private static readonly (string Title, string First)[] Groups =
        [("Use", "embed"), ("Train", "pretrain"), ("Understand", "attribute"), ("Measure", "bench")];

    /// <summary>Runs the tool.</summary>
    /// <param name="args">What is typed after its name.</param>
    /// <param name="terminal">What it reads from and writes to.</param>
    /// <returns>The exit code.</returns>
    public static int Run(IReadOnlyList<string> args, Terminal terminal)
    {
        var debug = new Option<bool>("--debug")
        {
            Description = "show where in the program an error came from (also DNABERT2_DEBUG=1)",
            Recursive = true,
        };
        ParseResult parsed = Commands(terminal, debug, args.Count > 0 ? args[0] : null)
            .Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        bool trace = parsed.GetValue(debug) || Environment.GetEnvironmentVariable("DNABERT2_DEBUG") == "1";
        try
        {
            if (parsed.Action is ParseErrorAction) return Refuse(parsed, terminal);
            using var help = new StringWriter();
            int code = parsed.Invoke(new InvocationConfiguration
            {
                Output = help,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
            if (help.ToString() is { Length: > 0 } text) terminal.Output.Write(Encoding.UTF8.GetBytes(text));
            terminal.Output.Flush();
            terminal.Ranks.End(code);
            return code;
        }
        catch (Exception e)
        {
            (string message, int code) = Explain(e, ParameterNames.Translate(e.Message, parsed.CommandResult.Command));
            if (message.Length > 0) message = terminal.Ranks.Wait(message, terminal.Cancellation);
            if (message.Length > 0) terminal.Say(message);
            if (trace && message.Length > 0) terminal.Error.WriteLine(e);
            terminal.Ranks.End(code);
            return code;
        }
    }

    /// <summary>The root command; also for tests of the help.</summary>
    /// <param name="terminal">What the verbs read from and write to.</param>
    /// <param name="debug">The option of all verbs.</param>
    /// <param name="first">If this is a verb, the others are left out: making them would only compile what is not run.</param>
    public static RootCommand Commands(Terminal terminal, Option<bool> debug, string? first = null)
    {
        var root = new RootCommand("DNABERT-2, a foundation model of genomes") { debug };
        bool one = Array.Exists(Verbs, v => v.Name == first);
        foreach ((string name, _, Func<Terminal, Command> make) in Verbs)
            if (!one || name == first) root.Add(make(terminal));
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpByExample((HelpAction)help.Action!);
        return root;
    }

    private static int Refuse(ParseResult parsed, Terminal terminal)
    {
        foreach (var error in parsed.Errors) terminal.Say(error.Message);
        string verb = "";
        for (SymbolResult? at = parsed.CommandResult; at is CommandResult { Command: not RootCommand } command; at = at.Parent)
            verb = command.Command.Name + " " + verb;
        terminal.Say($"'dnabert2 {verb}--help' shows how to use it");
        return Misused;
    }

    private static (string Message, int Code) Explain(Exception e, string message) => e switch
    {
        UsageException => (message, Misused),
        OperationCanceledException => ("interrupted", Interrupted),
        IOException io when Terminal.IsBrokenPipe(io) => ("", Done),
        InvalidDataException or IOException or UnauthorizedAccessException or ArgumentException or NotFiniteNumberException =>
            ("error: " + message, Failed),
        CudaException or CollectiveException or NotSupportedException => ("error: " + message, Failed),
        DeviceMemoryException => ("error: there is not enough GPU memory: " + message, Failed),
        OutOfMemoryException => ("error: there is not enough memory: " + message, Failed),
        _ => ($"error: this should not have happened: {message} ({e.GetType().Name}). --debug shows where; please report it", Failed),
    };

    private static void List(TextWriter output)
    {
        output.WriteLine("DNABERT-2, a foundation model of genomes.\n");
        output.WriteLine("Usage: dnabert2 VERB …        'dnabert2 VERB --help' explains a verb by example");
        foreach ((string name, string summary, _) in Verbs)
        {
            if (Array.Find(Groups, group => group.First == name).Title is { } title) output.WriteLine($"\n{title}");
            output.WriteLine($"  {name,-17}{summary}");
        }

        output.WriteLine("\nOptions");
        output.WriteLine("  --version        the version of this program");
        output.WriteLine("  --debug          with any verb: where in the program an error came from");
    }

    /// <summary>A list of all verbs; of a verb the usual help, and its examples under it.</summary>
    private sealed class HelpByExample(HelpAction usual) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parsed)
        {
            TextWriter output = parsed.InvocationConfiguration.Output;
            if (parsed.CommandResult.Command is RootCommand)
            {
                List(output);
                return Done;
            }

            int code = usual.Invoke(parsed);
            if (parsed.CommandResult.Command is not Verb verb) return code;
            output.WriteLine("Examples:");
            foreach ((string line, string what) in verb.Examples) output.WriteLine($"  # {what}\n  {line}");
            return code;
        }
    }
}

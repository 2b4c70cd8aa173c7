using System.CommandLine;
using Dnabert2.Folders;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>merge-lora</c>: an adapter and its base in, a plain model folder out.</summary>
internal sealed class MergeLoraVerb
{
    private readonly Terminal _terminal;
    private readonly ModelChoice _adapter = ModelChoice.Of(new Argument<string?>("ADAPTER")
    {
        Description = "the folder of an adapter, as 'dnabert2 finetune --lora' or the Python library PEFT writes it",
    });
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "the folder of the new model",
        HelpName = "OUT",
        Required = true,
    };
    private readonly Option<bool> _quiet = Shared.Quiet();

    public MergeLoraVerb(Terminal terminal)
    {
        _terminal = terminal;
        Command = new Verb(
            "merge-lora", "Adds the low-rank additions of an adapter to the weights of its base: a plain model folder.",
            ("dnabert2 finetune --data tools/dnabert2/samples/task --model DNABERT-2-117M -o adapter --lora r=4 --steps 2 --batch 8 && " +
                "dnabert2 merge-lora adapter -o merged", "the base is where the adapter says"),
            ("dnabert2 finetune --data tools/dnabert2/samples/task --model DNABERT-2-117M -o adapter --lora r=4 --steps 2 --batch 8 && " +
                "mv DNABERT-2-117M moved && dnabert2 merge-lora adapter --base moved -o merged", "the base was moved"))
        {
            _adapter.Argument, _output, _quiet,
        };
        foreach (Option option in _adapter.Options) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        string output = parsed.GetRequiredValue(_output);
        ModelSource adapter = _adapter.Open(parsed, _terminal, parsed.GetValue(_quiet));
        if (!adapter.IsAdapter)
            throw new UsageException(
                $"{adapter.Folder}: is not an adapter: adapter_config.json is missing; 'dnabert2 convert' copies models");
        adapter.SavePlain(output);
        if (!parsed.GetValue(_quiet)) _terminal.Say($"a plain model: {output}");
        return CommandLineTool.Done;
    }
}

using System.CommandLine;
using Dnabert2.Folders;
using Dnabert2.Onnx;
using Dnabert2.Tool.Output;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>export</c>: a model in, an ONNX file out.</summary>
internal sealed class ExportVerb
{
    private readonly Terminal _terminal;
    private readonly ModelChoice _model = ModelChoice.Of(new Argument<string?>("MODEL")
    {
        Description = "the folder of a model of any architecture, of an adapter, which is merged, or of a run of pre-training; 'default' "
        + "is the model that comes with the tool",
    });
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "the .onnx file; weights of more than 1 GiB are in OUT.data beside it",
        HelpName = "OUT",
        Required = true,
    };

    private readonly Choice<OnnxHead> _head = new(
        "--head", "whose logits are an output besides the vectors: the classifier where there is one, else the language model (auto), or "
        + "that which is named", ("auto", OnnxHead.Auto), ("none", OnnxHead.None), ("classifier", OnnxHead.Classifier),
        ("language-model", OnnxHead.LanguageModel));

    private readonly Option<int?> _length = Shared.OptionalNumber(
        "--length", "the tokens of every row, padding included, for runtimes that want fixed extents [any]", 1);

    private readonly Option<bool> _quiet = Shared.Quiet();

    public ExportVerb(Terminal terminal)
    {
        _terminal = terminal;
        Command = new Verb(
            "export", "Writes a model as ONNX, which ONNX Runtime and others run without this program: inputs input_ids and "
            + "attention_mask, outputs last_hidden_state, embedding (the mean over the attended tokens) and the logits of a head.",
            ("dnabert2 export default -o model.onnx", "the model that comes with the tool, for rows of any length"),
            ("dnabert2 export run -o classifier.onnx", "a fine-tuned model, with the logits of its classes"),
            ("dnabert2 export DNABERT-2-117M -o vectors.onnx --head none --length 128", "vectors alone, of rows of 128 tokens"))
        {
            _model.Argument, _output, _head.Option, _length, _quiet,
        };
        foreach (Option option in _model.Options) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        string output = parsed.GetRequiredValue(_output);
        bool quiet = parsed.GetValue(_quiet);
        if (!output.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase))
            throw new UsageException($"-o {output}: name a .onnx file; 'dnabert2 convert' writes folders and safetensors");
        ModelSource source = _model.Open(parsed, _terminal, quiet);
        ResultPaths.Check(_terminal, source.Folders, ("-o", output), ("-o", output + ".data"));
        var options = new OnnxOptions { Head = _head.Of(parsed), Length = parsed.GetValue(_length) };
        OnnxExportResult result = OnnxExport.Write(source, output, options, _terminal.Cancellation);
        if (quiet) return CommandLineTool.Done;
        string files = result.WeightPath is { } weights ? $"{output} and {weights}, which belong together" : output;
        string head = result.Head switch
        {
            OnnxHead.Classifier => " of the classifier",
            OnnxHead.LanguageModel => " of the language model",
            _ => "",
        };
        _terminal.Say($"{files}: {result.Bytes / 1e6:N1} MB; outputs {string.Join(", ", result.Outputs)}{head}");
        return CommandLineTool.Done;
    }
}

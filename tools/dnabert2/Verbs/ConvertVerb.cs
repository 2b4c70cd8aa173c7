using System.CommandLine;
using Dnabert2.Files;
using Dnabert2.Folders;
using Dnabert2.Tool.Output;
using Dnabert2.Weights;
using Engine.Kernels;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>convert</c>: weights in PyTorch's format in, safetensors out.</summary>
internal sealed class ConvertVerb
{
    private const string SafetensorsName = "model.safetensors";
    private static readonly string[] Companions = ["*.json", "*.py", "vocab.txt", "merges.txt"];

    private readonly Terminal _terminal;
    private readonly ModelChoice _input = ModelChoice.Of(new Argument<string?>("MODEL")
    {
        Description = "a pytorch_model.bin or a safetensors file, or the folder of a model, an adapter or a run of pre-training",
    });
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description =
            "a .safetensors file, or a folder: model.safetensors is written there and, if INPUT is a folder, its .json and .py files and " +
            "vocabularies",
        HelpName = "OUT",
        Required = true,
    };

    private readonly Choice<DType?> _dtype = new(
        "--dtype", "the type of the numbers that are written: that of the file, or another", ("own", null), ("f32", DType.F32),
        ("bf16", DType.BF16));

    private readonly Option<bool> _quiet = Shared.Quiet();

    public ConvertVerb(Terminal terminal)
    {
        _terminal = terminal;
        Command = new Verb(
            "convert", "Writes weights as safetensors; nothing in a .bin file is run.",
            ("dnabert2 convert DNABERT-2-117M/pytorch_model.bin -o DNABERT-2-117M/model.safetensors", "one file"),
            ("dnabert2 convert DNABERT-2-117M -o dnabert2-safetensors", "a whole folder as downloaded from Hugging Face"),
            ("dnabert2 convert DNABERT-2-117M -o half --dtype bf16", "the same in half the space"))
        {
            _input.Argument, _output, _dtype.Option, _quiet,
        };
        foreach (Option option in _input.Options) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        string input = _input.NameOf(parsed)!, output = parsed.GetRequiredValue(_output);
        if (input == ModelSource.BuiltIn) return SavePlain(parsed, output);
        if (Directory.Exists(input) && WeightsOf(input) is null) return SavePlain(parsed, output);
        if (_input.BaseOf(parsed) is not null) throw new UsageException($"--base: {input} is not an adapter, so it has no base");
        string weights = Directory.Exists(input) ? WeightsOf(input)! : input;
        if (!File.Exists(weights))
            throw new FileNotFoundException(
                $"{weights}: there is no such file; give a pytorch_model.bin, a safetensors file, or the folder of a model");
        bool toFolder = Directory.Exists(output) || !output.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);
        if (toFolder && (File.Exists(output) || Path.GetExtension(output) is ".bin" or ".pt" or ".pth"))
            throw new UsageException($"-o {output}: name a .safetensors file or a folder; no other format is written");
        string target = toFolder ? Path.Combine(output, SafetensorsName) : output;
        bool isNew = toFolder && !Directory.Exists(output);
        if (!isNew) ResultPaths.Check(_terminal, [weights], ("-o", target));

        using WeightFile file = WeightFile.Open(weights);
        DType? dtype = _dtype.Of(parsed);
        string? source = toFolder && weights != input ? input : null;
        if (isNew) WriteNewFolder(file, dtype, source, output);
        else Write(file, dtype, source, target);
        if (!parsed.GetValue(_quiet)) _terminal.Say($"{Shared.Count(file.Entries.Count(e => e.TiedTo is null), "tensor")} to {target}");
        return CommandLineTool.Done;
    }

    /// <summary>The one file of a folder's weights; null of an adapter, of a run, and where there are several files or none.</summary>
    private static string? WeightsOf(string folder)
    {
        if (ModelSource.HoldsAdapter(folder)) return null;
        foreach (string name in (ReadOnlySpan<string>)["pytorch_model.bin", SafetensorsName])
            if (File.Exists(Path.Combine(folder, name))) return Path.Combine(folder, name);
        return null;
    }

    /// <summary>Writes what is not one file as the model that it stands for.</summary>
    private int SavePlain(ParseResult parsed, string output)
    {
        ModelSource source = _input.Open(parsed, _terminal, parsed.GetValue(_quiet));
        if (Path.Exists(output) || Path.GetExtension(output) is ".safetensors" or ".bin" or ".pt" or ".pth")
            throw new UsageException($"-o {output}: name a new folder; {source.Folder} is written as one with all files of its model");
        source.SavePlain(output, _dtype.Of(parsed));
        if (!parsed.GetValue(_quiet)) _terminal.Say($"a plain model: {output}");
        return CommandLineTool.Done;
    }

    private void WriteNewFolder(WeightFile file, DType? dtype, string? source, string output)
    {
        using var folder = new ResultFolder(output);
        Write(file, dtype, source, Path.Combine(folder.Path, SafetensorsName));
        folder.Commit();
    }

    /// <summary>Writes the weights and, from a folder, the other files of its model.</summary>
    private void Write(WeightFile file, DType? dtype, string? source, string target)
    {
        using var files = new ResultFiles();
        file.SaveAsSafetensors(target, dtype, files, _terminal.Cancellation);
        if (source is not null)
            // The code of the classes that auto_map in config.json names lies beside it.
            foreach (string path in Companions.SelectMany(pattern => Directory.EnumerateFiles(source, pattern))
                .Where(p => !p.EndsWith(".index.json", StringComparison.Ordinal)))
                Copy(path, Path.Combine(Path.GetDirectoryName(target)!, Path.GetFileName(path)), files);
        files.Commit();
    }

    private static void Copy(string path, string target, ResultFiles files)
    {
        if (FileIdentity.AreSame(path, target)) return;
        using FileStream from = RegularFile.Open(path);
        from.CopyTo(files.Add(target));
    }
}

using Dnabert2.Files;

namespace Dnabert2.Tool.Output;

/// <summary>Refuses, before any work is done, to write a result where it cannot go or over what it is made from.</summary>
internal static class ResultPaths
{
    private static readonly string[] ResultExtensions =
    [
        ".tsv", ".csv", ".npy", ".parquet", ".svg", ".onnx", ".data", ".vcf", ".gz", ".tbi", ".csi", ".bedgraph", ".bw", ".bigwig",
    ];

    private static readonly string[] RunFiles = ["train.csv", "evaluation.csv", "loss.svg"];

    /// <summary>Checks where a command writes.</summary>
    /// <param name="terminal">What "-" stands for.</param>
    /// <param name="inputs">The files and the folders of models that it reads; "-" is standard input.</param>
    /// <param name="outputs">The files it writes and the options that name them; "-" is standard output, and null no file.</param>
    /// <exception cref="UsageException">An output is an input or another output, by whatever name.</exception>
    /// <exception cref="IOException">An output is a folder, a pipe or a device, or its folder does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">An output, or its folder, may not be written to.</exception>
    public static void Check(Terminal terminal, IEnumerable<string> inputs, params IReadOnlyList<(string Option, string? Path)> outputs)
    {
        string[] read = [.. inputs];
        for (int i = 0; i < outputs.Count; i++)
        {
            if (outputs[i] is not (string option, string path)) continue;
            foreach (string input in read) CheckApart(terminal, input, option, path);
            for (int j = 0; j < i; j++)
                if (outputs[j].Path is { } other && other != "-" && path != "-" && FileIdentity.AreSame(path, other))
                    throw new UsageException($"{option} {path}: this is what {outputs[j].Option} {other} names; name another file");
            if (path != "-") ResultFiles.Check(path);
        }
    }

    private static void CheckApart(Terminal terminal, string input, string option, string path)
    {
        bool same = (input, path) switch
        {
            ("-", "-") => false,
            ("-", _) => terminal.InputFile is { } file && FileIdentity.IsOf(file, path),
            (_, "-") => terminal.OutputFile is { } file && FileIdentity.IsOf(file, input),
            _ => FileIdentity.AreSame(input, path),
        };
        if (same && path == "-") throw new UsageException($"standard output is appended to the input {input}; name another file");
        if (same) throw new UsageException($"{option} {path}: this is the input; name another file");
        if (input == "-" || path == "-" || !Directory.Exists(input)) return;
        foreach (string file in Directory.EnumerateFiles(input).Where(IsPartOfModel))
            if (FileIdentity.AreSame(file, path))
                throw new UsageException($"{option} {path}: this is a file of the model {input}; name another file");
    }

    /// <summary>Whether a file in the folder of a model may be part of it, rather than a result that was put there.</summary>
    private static bool IsPartOfModel(string path) =>
        !ResultExtensions.Contains(Path.GetExtension(path).ToLowerInvariant()) || RunFiles.Contains(Path.GetFileName(path));
}

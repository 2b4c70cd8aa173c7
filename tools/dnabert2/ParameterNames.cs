using System.CommandLine;
using System.Text.RegularExpressions;

namespace Dnabert2.Tool;

/// <summary>
/// Says what the library says of its parameters in the words of the command line: <c>MaxTokens</c> is <c>--max-tokens</c> and
/// <c>OnAmbiguous = Drop</c> is <c>--on-n drop</c>, where the verb has that option.
/// </summary>
internal static partial class ParameterNames
{
    /// <summary>Options that are not called after the parameters they set.</summary>
    public static readonly (string Parameter, string Option)[] Others =
    [
        ("OnAmbiguous", "--on-n"), ("BaseFolder", "--base"), ("GlobalBatch", "--batch"), ("LearningRate", "--lr"),
        ("PeakLearningRate", "--lr"),
        ("LoraLearningRate", "--lora-lr"), ("WarmupSteps", "--warmup"), ("ClipNorm", "--clip"), ("MaskProbability", "--mask"),
        ("KeepCheckpoints", "--keep"), ("VocabularySize", "--vocab-size"),
    ];

    /// <summary>A message for somebody who has typed a verb.</summary>
    /// <param name="message">The library's message.</param>
    /// <param name="verb">The verb.</param>
    public static string Translate(string message, Command verb)
    {
        HashSet<string> options = [.. verb.Options.Select(option => option.Name)];
        string text = Value().Replace(message, match =>
            OptionOf(match.Groups[1].Value, options) is { } option ? $"{option} {match.Groups[2].Value.ToLowerInvariant()}" : match.Value);
        text = Subject().Replace(text, match => OptionOf(match.Value, options) ?? match.Value);
        text = Name().Replace(text, match => OptionOf(match.Value, options) ?? match.Value);
        if (options.Contains("--dtype")) text = Type().Replace(text, match => "--dtype " + match.Groups[1].Value.ToLowerInvariant());
        return options.Contains("--device") ? Cpu().Replace(text, "$1 the CPU (--device cpu)") : text;
    }

    private static string? OptionOf(string name, HashSet<string> options)
    {
        name = char.ToUpperInvariant(name[0]) + name[1..];
        string option = Array.Find(Others, other => other.Parameter == name && options.Contains(other.Option)).Option
            ?? "--" + InnerCapital().Replace(name, "-$0").ToLowerInvariant();
        return options.Contains(option) ? option : null;
    }

    [GeneratedRegex(@"\b(\w+) = (\w+)\b")]
    private static partial Regex Value();

    [GeneratedRegex(@"^\w+(?= is )")]
    private static partial Regex Subject();

    // A word with a capital inside; not in paths, in names of files, or in what is quoted.
    [GeneratedRegex(@"(?<![\w./\\'""-])[A-Za-z]+[A-Z]\w*(?![\w/\\'""-]|\.\w)")]
    private static partial Regex Name();

    [GeneratedRegex(@"\bDType\.(\w+)")]
    private static partial Regex Type();

    [GeneratedRegex(@"\b(use|on) the CPU\b(?! \()")]
    private static partial Regex Cpu();

    [GeneratedRegex("(?<!^)[A-Z]")]
    private static partial Regex InnerCapital();
}

using System.Text.RegularExpressions;

namespace Engine.KernelCompiler;

/// <summary>What the head of a PTX text says.</summary>
/// <param name="Entry">The kernel's name.</param>
/// <param name="Threads">The threads of a block, from <c>.maxntid</c>.</param>
/// <param name="StaticShared">Bytes of declared shared memory.</param>
/// <param name="Parameters">Name, place and size of each parameter, in bytes.</param>
internal sealed record PtxHeader(
    string Entry, int Threads, int StaticShared, IReadOnlyList<(string Name, int Offset, int Size)> Parameters);

/// <summary>PTX as text: what is read from it, and how the compiler's is made independent of the order of compilation.</summary>
internal static partial class PtxText
{
    /// <summary>
    /// The compiler's text with one entry under our name, parameters under the source's names and labels numbered from 0. The empty
    /// functions that stand for instructions are left out. Conditional branches lose the claim that all threads take them: the compiler
    /// believes it of conditions that come from our instructions.
    /// </summary>
    public static string Clean(string assembly, string entry, IReadOnlyList<string> parameters)
    {
        string text = assembly.ReplaceLineEndings("\n");
        text = Function().Replace(text, "");
        if (text.Contains("call", StringComparison.Ordinal))
            throw new NotSupportedException($"{entry} calls a function that was not inlined");
        text = Entry().Replace(text, ".visible .entry " + entry + "(");
        foreach (string parameter in parameters) text = Regex.Replace(text, $@"\b_{parameter}_\d+\b", parameter);
        var labels = new Dictionary<string, string>();
        foreach (Match label in Label().Matches(text)) labels.TryAdd(label.Value, $"L{labels.Count}");
        text = Label().Replace(text, label => labels[label.Value]);
        text = ClaimedUniform().Replace(text, "$1");
        return BlankLines().Replace(text, "\n\n").Trim() + "\n";
    }

    /// <summary>
    /// The text of a kernel for compute capability 9.0: the language that has its instructions, and the alignments that they demand of
    /// tensor maps and of tiles in shared memory.
    /// </summary>
    public static string ForHopper(string text)
    {
        text = Head().Replace(text, ".version 8.0\n.target sm_90a\n");
        text = DynamicShared().Replace(text, ".align 1024 ");
        return MapParameter().Replace(text, ".align 64 ");
    }

    /// <summary>Reads entry, block size, shared memory and parameters from a text with one entry.</summary>
    public static PtxHeader ReadHeader(string text)
    {
        Match entry = EntryHead().Match(text);
        if (!entry.Success) throw new InvalidDataException("no .entry");
        var parameters = new List<(string Name, int Offset, int Size)>();
        int end = 0;
        foreach (Match p in Parameter().Matches(entry.Groups["parameters"].Value))
        {
            int align, size;
            if (p.Groups["array"].Success) (align, size) = (int.Parse(p.Groups["align"].Value), int.Parse(p.Groups["size"].Value));
            else align = size = int.Parse(p.Groups["bits"].Value) / 8;
            int offset = (end + align - 1) / align * align;
            parameters.Add((p.Groups["name"].Value, offset, size));
            end = offset + size;
        }

        Match threads = MaxThreads().Match(text);
        int shared = 0;
        foreach (Match m in Shared().Matches(text))
        {
            int align = int.Parse(m.Groups["align"].Value);
            shared = ((shared + align - 1) / align * align) + int.Parse(m.Groups["size"].Value);
        }

        return new(entry.Groups["name"].Value, threads.Success ? int.Parse(threads.Groups["x"].Value) : 0, shared, parameters);
    }

    [GeneratedRegex(@"^\.visible \.func .*?(\n\}|\n;)\n", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Function();

    [GeneratedRegex(@"\.visible \.entry \w+\(")]
    private static partial Regex Entry();

    [GeneratedRegex(@"\bL_\d+\b")]
    private static partial Regex Label();

    [GeneratedRegex(@"(@!?%p\d+ bra)\.uni")]
    private static partial Regex ClaimedUniform();

    [GeneratedRegex(@"^\.version [\d.]+\n\.target \w+\n", RegexOptions.Multiline)]
    private static partial Regex Head();

    [GeneratedRegex(@"(?<=^\.extern \.shared )\.align \d+ ", RegexOptions.Multiline)]
    private static partial Regex DynamicShared();

    [GeneratedRegex(@"\.align 8 (?=\.b8 \w+\[128\])")]
    private static partial Regex MapParameter();

    [GeneratedRegex(@"\n{3,}")]
    private static partial Regex BlankLines();

    [GeneratedRegex(@"\.visible \.entry (?<name>\w+)\((?<parameters>[^)]*)\)")]
    private static partial Regex EntryHead();

    [GeneratedRegex(@"\.param (\.align (?<align>\d+) \.b8 (?<name>\w+)(?<array>\[(?<size>\d+)\])|\.[bfsu](?<bits>\d+) (?<name>\w+))")]
    private static partial Regex Parameter();

    [GeneratedRegex(@"\.maxntid (?<x>\d+), 1, 1")]
    private static partial Regex MaxThreads();

    [GeneratedRegex(@"^\s*\.shared \.align (?<align>\d+) \.b8 \w+\[(?<size>\d+)\]", RegexOptions.Multiline)]
    private static partial Regex Shared();
}

using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Tests.Architecture;

public partial class ArchitectureTests
{
    /// <summary>kernels ← runtime ← autograd ← model ← tools; the tokenizer stands alone.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Engine.Kernels"] = [],
        ["Engine.Runtime"] = ["Engine.Kernels"],
        ["Engine.KernelCompiler"] = ["Engine.Kernels"],
        ["Engine.Autograd"] = ["Engine.Kernels", "Engine.Runtime"],
        ["Dnabert2.Tokenizers"] = [],
        ["Dnabert2.Model"] = ["Engine.Kernels", "Engine.Runtime", "Engine.Autograd", "Dnabert2.Tokenizers"],
        ["Dnabert2.BuiltInModel"] = [],
        ["Dnabert2.Onnx"] = ["Engine.Kernels", "Engine.Runtime", "Engine.Autograd", "Dnabert2.Tokenizers", "Dnabert2.Model"],
        ["Dnabert2.Extensions.AI"] = ["Engine.Kernels", "Engine.Runtime", "Engine.Autograd", "Dnabert2.Tokenizers", "Dnabert2.Model"],
        ["dnabert2"] =
            ["Engine.Kernels", "Engine.Runtime", "Engine.Autograd", "Dnabert2.Tokenizers", "Dnabert2.Model", "Dnabert2.Onnx"],
        ["dnabert2-server"] = ["Engine.Kernels", "Engine.Runtime", "Engine.Autograd", "Dnabert2.Tokenizers", "Dnabert2.Model"],
        ["libdnabert2"] = ["Engine.Kernels", "Engine.Runtime", "Engine.Autograd", "Dnabert2.Tokenizers", "Dnabert2.Model"],
    };

    public static TheoryData<string> Assemblies => [.. Allowed.Keys];

    public static TheoryData<string> Libraries =>
        [.. Allowed.Keys.Where(name => name is not ("dnabert2" or "dnabert2-server" or "libdnabert2"))];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Assemblies_reference_only_what_lies_below_them(string name)
    {
        IEnumerable<string> ours = Assembly.Load(name).GetReferencedAssemblies().Select(a => a.Name!).Where(Allowed.ContainsKey);
        Assert.Empty(ours.Except(Allowed[name]));
    }

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Only_what_compiles_kernels_needs_their_compiler(string name) =>
        Assert.Equal(name == "Engine.KernelCompiler",
            Assembly.Load(name).GetReferencedAssemblies().Any(a => a.Name!.StartsWith("ILGPU", StringComparison.Ordinal)));

    [Fact]
    public void Projects_reference_only_what_lies_below_them()
    {
        foreach (string path in ProjectFiles("engine", "model", "tokenizer", "extensions"))
        {
            string name = Path.GetFileNameWithoutExtension(path);
            IEnumerable<string> references = XDocument.Load(path).Descendants("ProjectReference")
                .Select(e => Path.GetFileNameWithoutExtension(e.Attribute("Include")!.Value.Replace('\\', '/')));
            Assert.Empty(references.Except(Allowed[name]));
        }
    }

    /// <summary>What both need is in tests/conformance.</summary>
    [Fact]
    public void Tests_and_benchmarks_compile_no_sources_of_each_other() =>
        Assert.All(ProjectFiles("tests", "bench"), path => Assert.Empty(XDocument.Load(path).Descendants("Compile").Attributes("Include")));

    [Fact]
    public void Libraries_need_no_package_beyond_the_ones_agreed()
    {
        string[] agreed = ["System.Numerics.Tensors", "CommunityToolkit.HighPerformance", "Iced"];
        foreach (string path in ProjectFiles("engine", "model", "tokenizer"))
        {
            bool isExport = Path.GetFileName(path) == "Dnabert2.Onnx.csproj";
            IEnumerable<string> packages = XDocument.Load(path).Descendants("PackageReference")
                .Select(e => e.Attribute("Include")!.Value);
            Assert.Empty(packages.Except(isExport ? ["Google.Protobuf"] : agreed));
        }
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public void Messages_of_libraries_name_parameters_and_leave_options_to_the_command_line(string name)
    {
        Assert.DoesNotContain(Strings(Assembly.Load(name)), text => Option().IsMatch(text));
        Assert.Contains(Strings(Assembly.Load("dnabert2")), text => Option().IsMatch(text));
    }

    [Fact]
    public void Source_files_hold_no_unfinished_work_and_no_collection_by_hand()
    {
        string[] banned = ["TO" + "DO", "FIX" + "ME", "Not" + "ImplementedException", "GC." + "Collect"];
        foreach (string path in SourceFiles())
        {
            string text = File.ReadAllText(path);
            foreach (string word in banned) Assert.False(text.Contains(word, StringComparison.Ordinal), $"{path} contains {word}");
        }
    }

    /// <summary>The build checks all other code style; this order only <c>dotnet format</c> knows, and it takes minutes.</summary>
    [Fact]
    public void Usings_are_in_order()
    {
        foreach (string path in SourceFiles().Concat(Files("*.cs", "docs")))
            Assert.Null(FirstUsingOutOfOrder(File.ReadAllLines(path)) is { } line ? $"{path}: {line}" : null);
    }

    [Theory]
    [InlineData(null, "using System;", "using System.Text;", "using Engine.Runtime;", "using static System.Math;", "using A = B.C;")]
    [InlineData(null, "using Dnabert2.Tool;", "using Dnabert2.Tools;", "using DNABERT3;", "using Xunit;")]
    [InlineData("using System;", "using Dnabert2;", "using System;")]
    [InlineData("using System;", "using System.Text;", "using System;")]
    [InlineData("using Dnabert2.Tool;", "using Dnabert2.Training;", "using Dnabert2.Tool;")]
    [InlineData("using Xunit;", "using static System.Math;", "using Xunit;")]
    [InlineData("using static System.Math;", "using A = B.C;", "using static System.Math;")]
    [InlineData("using A = C.D;", "using B = C.E;", "using A = C.D;")]
    public void Usings_out_of_order_are_found(string? expected, params string[] lines) =>
        Assert.Equal(expected, FirstUsingOutOfOrder([.. lines, "", "namespace X;"]));

    /// <summary>Namespaces, then types, then aliases; of each, System first, and then by the parts of the name.</summary>
    private static string? FirstUsingOutOfOrder(string[] lines)
    {
        (int Kind, bool Other, string[] Parts)? before = null;
        foreach (string line in lines.TakeWhile(line => !line.StartsWith("namespace ", StringComparison.Ordinal)))
        {
            // What is behind a condition begins an order of its own.
            if (line.StartsWith('#')) before = null;
            if (UsingDirective().Match(line) is not { Success: true } match) continue;
            string[] parts = match.Groups["name"].Value.Split('.');
            int kind = match.Groups["alias"].Success ? 2 : match.Groups["static"].Success ? 1 : 0;
            if (kind == 2) parts = [match.Groups["alias"].Value];
            var now = (Kind: kind, Other: parts[0] != "System", Parts: parts);
            if (before is { } last && (last.Kind, last.Other).CompareTo((now.Kind, now.Other)) is var order
                && (order > 0 || (order == 0 && Compare(last.Parts, parts) > 0)))
                return line;
            before = now;
        }

        return null;

        static int Compare(string[] a, string[] b)
        {
            for (int i = 0; i < Math.Min(a.Length, b.Length); i++)
                if (string.Compare(a[i], b[i], StringComparison.OrdinalIgnoreCase) is var order and not 0) return order;
            return a.Length - b.Length;
        }
    }

    /// <summary>
    /// A namespace is the root namespace of its project with its folders behind it. The exceptions are folders of parts that a program
    /// names together: the operations, whose folders have the names of types, and the tokenizers.
    /// </summary>
    private static readonly Dictionary<string, string> SharedNamespaces = new()
    {
        ["engine/kernels"] = "Engine.Kernels",
        ["engine/kernels/Gpu"] = "Engine.Kernels.Gpu",
        ["engine/autograd/Ops"] = "Engine.Autograd",
        ["tokenizer/Bpe"] = "Dnabert2.Tokenizers",
        ["tokenizer/Kmer"] = "Dnabert2.Tokenizers",
        ["tokenizer/Letters"] = "Dnabert2.Tokenizers",
    };

    [Fact]
    public void Namespaces_are_folders()
    {
        var roots = ProjectFiles("engine", "model", "tokenizer", "tools", "tests").ToDictionary(
            project => Path.GetDirectoryName(project)!, project => XDocument.Load(project).Descendants("RootNamespace").Single().Value);
        int found = 0;
        foreach (string path in Files("*.cs", "engine", "model", "tokenizer", "tools", "tests"))
        {
            if (Namespace().Match(File.ReadAllText(path)) is not { Success: true } match) continue;
            string expected = NamespaceOf(Path.GetDirectoryName(path)!, roots);
            Assert.True(match.Groups[1].Value == expected, $"{path} is in the namespace {match.Groups[1].Value}, not in {expected}");
            found++;
        }

        Assert.True(found > 500, "the sources were not found");
    }

    private static string NamespaceOf(string folder, Dictionary<string, string> roots)
    {
        for (string outer = folder; ; outer = Path.GetDirectoryName(outer)!)
        {
            if (SharedNamespaces.TryGetValue(Path.GetRelativePath(SharedData.Checkout, outer).Replace('\\', '/'), out string? shared))
                return shared;
            if (!roots.TryGetValue(outer, out string? root)) continue;
            return string.Join(
                '.', Path.GetRelativePath(outer, folder).Split(Path.DirectorySeparatorChar).Where(part => part != ".").Prepend(root));
        }
    }

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    [GeneratedRegex(@"^using (?<static>static )?((?<alias>\w+) = )?(?<name>[\w.]+)(<.*>)?;$")]
    private static partial Regex UsingDirective();

    private static IEnumerable<string> SourceFiles() =>
        Files("*.cs", "engine", "model", "tokenizer", "tools", "tests", "bench");

    private static IEnumerable<string> ProjectFiles(params string[] folders) => Files("*.csproj", folders);

    private static IEnumerable<string> Files(string pattern, params string[] folders) =>
        folders.SelectMany(
            folder => Directory.EnumerateFiles(Path.Combine(SharedData.Checkout, folder), pattern, SearchOption.AllDirectories))
            .Where(path => !path.Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin"));

    /// <summary>All string literals.</summary>
    private static IEnumerable<string> Strings(Assembly assembly)
    {
        using var file = new PEReader(File.OpenRead(assembly.Location));
        MetadataReader metadata = file.GetMetadataReader();
        for (UserStringHandle at = MetadataTokens.UserStringHandle(1); !at.IsNil; at = metadata.GetNextHandle(at))
            yield return metadata.GetUserString(at);
    }

    [GeneratedRegex(@"(?<![\w-])--[a-z]")]
    private static partial Regex Option();
}

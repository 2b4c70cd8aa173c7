using System.Diagnostics;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Tests.Weights;

namespace Tests.Tools;

/// <summary>The packages as somebody else uses them; with DNABERT2_PACK=1, since it takes minutes.</summary>
[Collection(nameof(PackageTests))]
public sealed class PackageTests(PackageTests.Feed feed) : IClassFixture<PackageTests.Feed>
{
    private const string Program = """
        using Dnabert2;
        using Dnabert2.Embeddings;
        using var model = Dnabert2Model.LoadDefault();
        var vectors = new Embedder(model).Embed(["ACGTTGCATTGACCA", "GGGATTTACCCATTG"]);
        Console.WriteLine($"{vectors.Height} x {vectors.Width}");
        """;

    /// <summary>Each package with the most kilobytes that it may have, and all that it depends on.</summary>
    private static readonly Dictionary<string, (int MostKilobytes, string[] Dependencies)> Packages = new()
    {
        ["Dnabert2.BuiltInModel"] = (12_000, []),
        ["Dnabert2.Engine.Autograd"] = (120, ["Dnabert2.Engine.Runtime"]),
        ["Dnabert2.Engine.KernelCompiler"] = (200, ["Dnabert2.Engine.Kernels", "ILGPU"]),
        ["Dnabert2.Engine.Kernels"] = (2_000, ["Iced"]),
        ["Dnabert2.Engine.Runtime"] = (
            100, ["CommunityToolkit.HighPerformance", "Dnabert2.Engine.Kernels", "System.Numerics.Tensors"]),
        ["Dnabert2.Extensions.AI"] = (
            40,
            ["Dnabert2.Model", "Microsoft.Extensions.AI.Abstractions", "Microsoft.Extensions.DependencyInjection.Abstractions",
                "Microsoft.Extensions.Logging.Abstractions"]),
        ["Dnabert2.Model"] = (
            700, ["CommunityToolkit.HighPerformance", "Dnabert2.Engine.Autograd", "Dnabert2.Tokenizers", "System.Numerics.Tensors"]),
        ["Dnabert2.Onnx"] = (60, ["Dnabert2.Model", "Google.Protobuf"]),
        ["Dnabert2.Tokenizers"] = (200, []),
    };

    [Fact]
    public void Packages_are_few_and_small_and_each_says_what_it_is()
    {
        feed.Pack();
        Assert.Equal(
            Packages.Keys.Order(StringComparer.Ordinal),
            Directory.GetFiles(feed[""], "*.nupkg").Select(path => Path.GetFileName(path)!)
                .Select(name => name.Replace(".0.1.0.nupkg", "", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        foreach ((string id, (int most, string[] dependencies)) in Packages)
        {
            using ZipArchive package = ZipFile.OpenRead(feed[$"{id}.0.1.0.nupkg"]);
            Assert.InRange(new FileInfo(feed[$"{id}.0.1.0.nupkg"]).Length >> 10, 1, most);
            foreach (string name in (string[])["PACKAGE.md", "icon.png", $"{id}.nuspec"]) Assert.NotNull(package.GetEntry(name));
            using Stream stream = package.GetEntry($"{id}.nuspec")!.Open();
            var nuspec = XDocument.Load(stream);
            string Text(string name) => nuspec.Descendants().Single(e => e.Name.LocalName == name).Value;
            Assert.Equal(("Apache-2.0", "icon.png", "PACKAGE.md"), (Text("license"), Text("icon"), Text("readme")));
            Assert.Contains("DNA", Text("tags"), StringComparison.Ordinal);
            Assert.Equal("git", nuspec.Descendants().Single(e => e.Name.LocalName == "repository").Attribute("type")!.Value);
            Assert.Equal(
                dependencies, nuspec.Descendants().Where(e => e.Name.LocalName == "dependency").Select(e => e.Attribute("id")!.Value)
                    .Order(StringComparer.Ordinal));
            if (id != "Dnabert2.BuiltInModel") Assert.True(File.Exists(feed[$"{id}.0.1.0.snupkg"]));
        }
    }

    /// <summary>A program that refers to a library that refers to the packages, as it is built and in each way of publishing.</summary>
    [Fact]
    public void A_program_finds_the_built_in_model_however_it_is_published()
    {
        TempFolder folder = feed.Pack();
        Write(
            folder["library/Library.csproj"],
            Project(folder, "", """
                <PackageReference Include="Dnabert2.Model" Version="0.1.0" />
                <PackageReference Include="Dnabert2.BuiltInModel" Version="0.1.0" />
                """));
        Write(
            folder["program/Program.csproj"],
            Project(folder, "<OutputType>Exe</OutputType>", """<ProjectReference Include="../library/Library.csproj" />"""));
        Write(folder["program/Program.cs"], Program);
        Dotnet(folder["program"], "build", "-c", "Release", "-o", folder["built"]);
        Assert.Equal("2 x 256", Run("dotnet", folder["built"], "Program.dll").Trim());
        string rid = RuntimeInformation.RuntimeIdentifier, program = OperatingSystem.IsWindows() ? "Program.exe" : "Program";
        List<(string Name, string[] Options)> ways =
        [
            ("single", ["-p:PublishSingleFile=true", "--self-contained", "false"]),
        ];
        // Trimming and compiling ahead take a minute, and analyzers tell their warnings in every build.
        if (Environment.GetEnvironmentVariable("DNABERT2_NATIVE") == "1")
        {
            ways.Add(("trimmed", ["-p:PublishSingleFile=true", "-p:PublishTrimmed=true", "-p:TreatWarningsAsErrors=true"]));
            ways.Add(("native", ["-p:PublishAot=true", "-p:TreatWarningsAsErrors=true", .. Linker]));
        }

        foreach ((string name, string[] options) in ways)
        {
            Dotnet(folder["program"], ["publish", "-c", "Release", "-r", rid, "-o", folder[name], .. options]);
            // One file, but for symbols.
            Assert.Equal([program], Directory.GetFiles(folder[name]).Select(path => Path.GetFileName(path)!)
                .Where(file => !file.EndsWith(".pdb", StringComparison.Ordinal) && !file.EndsWith(".dbg", StringComparison.Ordinal)));
            Assert.Equal("2 x 256", Run(folder[$"{name}/{program}"], folder[name]).Trim());
        }
    }

    [Fact]
    public void A_program_without_the_package_of_the_model_is_told_which_one_it_lacks()
    {
        TempFolder folder = feed.Pack();
        Write(
            folder["program/Program.csproj"],
            Project(folder, "<OutputType>Exe</OutputType>", """<PackageReference Include="Dnabert2.Model" Version="0.1.0" />"""));
        Write(folder["program/Program.cs"], $$"""
            try
            {
                Dnabert2.Dnabert2Model.LoadDefault();
            }
            catch (FileNotFoundException e)
            {
                Console.WriteLine(e.Message);
            }
            """);
        Dotnet(folder["program"], "build", "-c", "Release", "-o", folder["built"]);
        Assert.Contains("add a reference to the package Dnabert2.BuiltInModel", Run("dotnet", folder["built"], "Program.dll"),
            StringComparison.Ordinal);
    }

    /// <summary>The code of its cells, as a kernel runs them one after the other.</summary>
    [Fact]
    public void The_notebook_runs_against_the_packages_that_it_names()
    {
        TempFolder folder = feed.Pack();
        string path = Path.Combine(SharedData.Checkout, "docs", "samples", "embed.ipynb");
        using var notebook = JsonDocument.Parse(File.ReadAllBytes(path));
        string[] lines = [.. notebook.RootElement.GetProperty("cells").EnumerateArray()
            .Where(cell => cell.GetProperty("cell_type").GetString() == "code")
            .SelectMany(cell => cell.GetProperty("source").EnumerateArray().Select(line => line.GetString()!.TrimEnd('\n')))];
        string[] references = [.. lines.Where(line => line.StartsWith("#r ", StringComparison.Ordinal))
            .Select(line => Regex.Replace(line, "^#r \"nuget: (.*), (.*)\"$", "<PackageReference Include=\"$1\" Version=\"$2\" />"))];
        Assert.Equal(2, references.Length);
        Write(folder["program/Program.csproj"], Project(folder, "<OutputType>Exe</OutputType>", string.Concat(references)));
        IOrderedEnumerable<string> code = lines.Where(line => !line.StartsWith('#'))
            .OrderByDescending(line => line.StartsWith("using ", StringComparison.Ordinal));
        Write(folder["program/Program.cs"], string.Join('\n', code));
        Dotnet(folder["program"], "build", "-c", "Release", "-o", folder["built"]);
        string printed = Run("dotnet", folder["built"], "Program.dll");
        Assert.Matches(@"^ACGTTGCATTGACCA and ACGTTGCATTGACCG: 0\.\d+\s+ACGTTGCATTGACCA and GGGATTTACCCATTG: 0\.\d+\s+$", printed);
    }

    [Fact]
    public void The_page_about_operations_followed_to_the_letter_is_a_program_that_runs_against_the_packages()
    {
        TempFolder folder = feed.Pack();
        string page = File.ReadAllText(Path.Combine(SharedData.Checkout, "docs", "adding-an-op.md"));
        MatchCollection pieces = Regex.Matches(
            page, @"\*\*\d\. `(?<file>[\w.]+)`\*\*\n\n```csharp\n(?<code>.*?)```", RegexOptions.Singleline);
        Assert.Equal(4, pieces.Count);
        foreach (Match piece in pieces) Write(folder["program/" + piece.Groups["file"].Value], piece.Groups["code"].Value);
        File.Copy(
            Path.Combine(SharedData.Checkout, "docs", "samples", "OwnOperation", "Program.cs"), folder["program/Program.cs"],
            overwrite: true);
        Write(
            folder["program/Program.csproj"],
            Project(
                folder, "<OutputType>Exe</OutputType><Nullable>enable</Nullable><AllowUnsafeBlocks>true</AllowUnsafeBlocks>",
                """
                <PackageReference Include="Dnabert2.Engine.Autograd" Version="0.1.0" />
                <PackageReference Include="Dnabert2.Engine.KernelCompiler" Version="0.1.0" />
                """));
        Dotnet(folder["program"], "build", "-c", "Release", "-o", folder["built"]);
        Assert.Contains("the gradient of SiLU is", Run("dotnet", folder["built"], "Program.dll"), StringComparison.Ordinal);
    }

    /// <summary>The packages, made once for all tests: a folder <c>feed</c>, and a cache that was empty before.</summary>
    public sealed class Feed : IDisposable
    {
        private readonly List<TempFolder> _folders = [];
        private string? _packages;

        /// <summary>A folder for a program that refers to them.</summary>
        internal TempFolder Pack()
        {
            Assert.SkipUnless(Environment.GetEnvironmentVariable("DNABERT2_PACK") == "1", "packing takes minutes: set DNABERT2_PACK=1");
            var folder = new TempFolder();
            _folders.Add(folder);
            string configuration = Path.GetFileName(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory))!);
            if (_packages is null)
                Dotnet(SharedData.Checkout, "pack", "Engine.sln", "-c", configuration, "--no-build", "-o", _packages = folder["feed"]);
            Write(
                folder["nuget.config"],
                $"""<configuration><packageSources><add key="packed" value="{_packages}" /></packageSources></configuration>""");
            return folder;
        }

        /// <summary>A package.</summary>
        public string this[string name] => Path.Combine(_packages!, name);

        public void Dispose() => _folders.ForEach(folder => folder.Dispose());
    }

    /// <summary>A project file; what was packed before is in no cache of its own.</summary>
    private static string Project(TempFolder folder, string properties, string references) => $"""
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings>{properties}
            <RestorePackagesPath>{folder["cache"]}</RestorePackagesPath><RestoreFallbackFolders>{Cache}</RestoreFallbackFolders>
          </PropertyGroup>
          <ItemGroup>{references}</ItemGroup>
        </Project>
        """;

    private static string Cache => Environment.GetEnvironmentVariable("NUGET_PACKAGES")
        ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    private static void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    /// <summary>The linker of the AOT compiler, where that is not the one it looks for.</summary>
    private static string[] Linker =>
        OperatingSystem.IsLinux() && !File.Exists("/usr/bin/clang") ? ["-p:CppCompilerAndLinker=gcc"] : [];

    private static string Dotnet(string folder, params string[] args) => Run("dotnet", folder, args);

    private static string Run(string program, string folder, params string[] args)
    {
        var start = new ProcessStartInfo(program)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string arg in args) start.ArgumentList.Add(arg);
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, output + error.GetAwaiter().GetResult());
        return output;
    }
}

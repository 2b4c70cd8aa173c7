using System.Diagnostics;
using System.IO.Compression;
using System.Text.RegularExpressions;
using Tests.Weights;

namespace Tests.Tools;

/// <summary>The packages as somebody else uses them; with DNABERT2_PACK=1, since it takes half a minute.</summary>
public sealed class PackageTests
{
    private const string Program = """
        using Dnabert2;
        using Dnabert2.Embeddings;
        using var model = Dnabert2Model.LoadDefault();
        var vectors = new Embedder(model).Embed(["ACGTTGCATTGACCA", "GGGATTTACCCATTG"]);
        Console.WriteLine($"{vectors.Height} x {vectors.Width}");
        """;

    [Fact]
    public void A_program_that_refers_to_the_package_finds_the_built_in_model_in_its_output_and_published()
    {
        using var folder = new TempFolder();
        Pack(folder);
        Assert.Equal(
            ["Dnabert2.Engine.Autograd", "Dnabert2.Engine.KernelCompiler", "Dnabert2.Engine.Kernels", "Dnabert2.Engine.Runtime",
                "Dnabert2.Model", "Dnabert2.Tokenizers"],
            Directory.GetFiles(folder["feed"], "*.nupkg")
            .Select(path => Path.GetFileName(path)!.Replace(".0.1.0.nupkg", "", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        using (ZipArchive package = ZipFile.OpenRead(folder["feed/Dnabert2.Model.0.1.0.nupkg"]))
            foreach (string name in (string[])["builtin/model.safetensors", "builtin/config.json", "builtin/tokenizer.json",
                "builtin/tokenizer_config.json", "README.md"])
                Assert.NotNull(package.GetEntry(name));

        // A program that refers to a library that refers to the package.
        Write(folder["library/Library.csproj"], Project(folder, "", """<PackageReference Include="Dnabert2.Model" Version="0.1.0" />"""));
        Write(
            folder["program/Program.csproj"],
            Project(folder, "<OutputType>Exe</OutputType>", """<ProjectReference Include="../library/Library.csproj" />"""));
        Write(folder["program/Program.cs"], Program);
        Dotnet(folder["program"], "build", "-c", "Release", "-o", folder["built"]);
        Dotnet(folder["program"], "publish", "-c", "Release", "-o", folder["published"]);
        Assert.Equal("2 x 256", Dotnet(folder["built"], "Program.dll").Trim());
        Assert.Equal("2 x 256", Dotnet(folder["published"], "Program.dll").Trim());
    }

    [Fact]
    public void The_page_about_operations_followed_to_the_letter_is_a_program_that_runs_against_the_packages()
    {
        using var folder = new TempFolder();
        Pack(folder);
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
        Assert.Contains("the gradient of SiLU is", Dotnet(folder["built"], "Program.dll"), StringComparison.Ordinal);
    }

    private static void Pack(TempFolder folder)
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("DNABERT2_PACK") == "1", "packing takes half a minute: set DNABERT2_PACK=1");
        string configuration = Path.GetFileName(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory))!);
        Dotnet(SharedData.Checkout, "pack", "Engine.sln", "-c", configuration, "--no-build", "-o", folder["feed"]);
        Write(
            folder["nuget.config"],
            $"""<configuration><packageSources><add key="packed" value="{folder["feed"]}" /></packageSources></configuration>""");
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

    private static string Dotnet(string folder, params string[] args)
    {
        var start = new ProcessStartInfo("dotnet")
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

using System.Diagnostics;
using System.Runtime.InteropServices;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Native;

/// <summary>
/// The command line and the C library as native code, used without .NET: from a shell, C and Python. With DNABERT2_NATIVE=1, since
/// compiling each takes a minute.
/// </summary>
[Collection(nameof(PackageTests))]
public sealed class BuiltLibraryTests : IDisposable
{
    private static readonly string[] Sequences = ["ACGTTGCATTGACCA", "GGGATTTACCCATTG"];
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_library_gives_C_and_Python_the_vectors_of_the_command_line()
    {
        Publish("tools/native/Dnabert2.Native.csproj");
        File.WriteAllLines(_folder["two.txt"], Sequences);
        ToolRun.Of("embed", _folder["two.txt"], "-o", _folder["two.tsv"], "-q").Succeeds();
        string[][] table = [.. File.ReadLines(_folder["two.tsv"]).Select(line => line.Split('\t'))];
        string[] expected = [.. table.Skip(1).Select(row => row[Array.IndexOf(table[0], "d0")])];
        string native = Path.Combine(SharedData.Checkout, "tools", "native");
        string library = _folder[OperatingSystem.IsWindows() ? "libdnabert2.dll"
            : OperatingSystem.IsMacOS() ? "libdnabert2.dylib" : "libdnabert2.so"];
        if (Find("cc") is { } compiler)
        {
            Run(compiler, Path.Combine(native, "example.c"), "-I" + native, library, "-Wall", "-Wextra", "-Werror", "-lm", "-o",
                _folder["example"], "-Wl,-rpath," + Path.GetDirectoryName(library));
            AssertNumbers(expected, Run(_folder["example"], Sequences));
        }

        if (Find("python3") is { } python)
        {
            Environment.SetEnvironmentVariable("DNABERT2_LIBRARY", library);
            AssertNumbers(expected, Run(python, [Path.Combine(native, "dnabert2.py"), .. Sequences]));
        }
    }

    [Fact]
    public void The_command_line_is_one_native_file_of_at_most_30_megabytes_that_gives_the_same_vectors()
    {
        Publish("tools/dnabert2/dnabert2.csproj");
        string program = _folder[OperatingSystem.IsWindows() ? "dnabert2.exe" : "dnabert2"];
        Assert.Equal([Path.GetFileName(program)], _folder.Names);
        Assert.InRange(new FileInfo(program).Length, 1, 30_000_000);
        // Wherever the processor has AVX-512, both use it.
        foreach (string dtype in (string[])["f32", "bf16", "i8"])
        {
            ToolRun.Of("embed", ToyModel.SamplePath, "-o", _folder["jit.npy"], "-q", "--dtype", dtype).Succeeds();
            Run(program, "embed", ToyModel.SamplePath, "-o", _folder["native.npy"], "-q", "--dtype", dtype);
            Assert.Equal(File.ReadAllBytes(_folder["jit.npy"]), File.ReadAllBytes(_folder["native.npy"]));
        }
    }

    /// <summary>Each line ends in the first number of the vector, or has it before a comma.</summary>
    private static void AssertNumbers(string[] expected, string output)
    {
        string[] lines = output.TrimEnd().Split('\n');
        Assert.Equal(expected.Length, lines.Length);
        for (int i = 0; i < lines.Length; i++)
        {
            string number = lines[i].Split("first number ")[1].Split(',')[0];
            Assert.Equal(
                float.Parse(expected[i], System.Globalization.CultureInfo.InvariantCulture),
                float.Parse(number, System.Globalization.CultureInfo.InvariantCulture), 2e-5f);
        }
    }

    private void Publish(string project)
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("DNABERT2_NATIVE") == "1", "compiling takes a minute: set DNABERT2_NATIVE=1");
        string[] linker = OperatingSystem.IsLinux() && Find("clang") is null ? ["-p:CppCompilerAndLinker=gcc"] : [];
        Run("dotnet", ["publish", Path.Combine(SharedData.Checkout, project), "-c", "Release", "-r", RuntimeInformation.RuntimeIdentifier,
            "-o", _folder["."], .. linker]);
    }

    private static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    private static string Run(string program, params string[] args)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, args)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, output + error.GetAwaiter().GetResult());
        return output;
    }
}

using System.ComponentModel;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Engine.Kernels.Gpu;

namespace Engine.KernelCompiler;

/// <summary>What a kernel needs once it is assembled for an architecture.</summary>
internal sealed record AssembledKernel(int Registers, int Stack, int SpillStores, int SpillLoads, int Shared)
{
    public bool IsClean => Stack == 0 && SpillStores == 0 && SpillLoads == 0;
}

/// <summary>NVIDIA's assembler, where it is on the path.</summary>
internal static partial class Assembler
{
    private static readonly string[] Newer = ["sm_80", "sm_90"], HopperAlone = ["sm_90a"];

    /// <summary>The architectures for which a kernel is assembled.</summary>
    public static IReadOnlyList<string> Architectures(CompiledKernel kernel) => kernel.Target == KernelTarget.Hopper ? HopperAlone : Newer;

    public static bool IsPresent()
    {
        try
        {
            Run("-V");
            return true;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }

    /// <summary>Assembles a kernel's text and throws the result away.</summary>
    /// <exception cref="InvalidDataException">The assembler refuses the text.</exception>
    public static AssembledKernel Assemble(string entry, ReadOnlySpan<byte> text, string architecture)
    {
        string file = Path.GetTempFileName(), output;
        try
        {
            File.WriteAllBytes(file, text);
            output = Run("-v", "-arch=" + architecture, "-o", OperatingSystem.IsWindows() ? "NUL" : "/dev/null", file);
        }
        finally
        {
            File.Delete(file);
        }

        Match usage = Usage().Match(output), memory = Memory().Match(output);
        if (!usage.Success || !memory.Success) throw new InvalidDataException($"{entry} for {architecture}: {output}");
        Match shared = Shared().Match(output);
        return new(Number(usage, 1), Number(memory, 1), Number(memory, 2), Number(memory, 3), shared.Success ? Number(shared, 1) : 0);
    }

    private static int Number(Match match, int group) => int.Parse(match.Groups[group].Value);

    private static string Run(params string[] arguments)
    {
        var start = new ProcessStartInfo("ptxas", arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output + errors.Result;
    }

    [GeneratedRegex(@"Used (\d+) registers")]
    private static partial Regex Usage();

    [GeneratedRegex(@"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")]
    private static partial Regex Memory();

    [GeneratedRegex(@"(\d+) bytes smem")]
    private static partial Regex Shared();
}

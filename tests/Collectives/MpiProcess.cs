using System.Diagnostics;
using Tests.Tools;

namespace Tests.Collectives;

/// <summary>The tool under a launcher of MPI.</summary>
internal static class MpiProcess
{
    /// <summary>The launchers of Debian, by which their names differ; elsewhere there is none of these.</summary>
    public static TheoryData<string> Launchers => ["mpirun.openmpi", "mpirun.mpich"];

    /// <summary>Skips a test where a launcher is not installed.</summary>
    public static void SkipWithout(string launcher)
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        Assert.SkipUnless(
            Array.Exists(folders, folder => File.Exists(Path.Combine(folder, launcher))),
            $"{launcher} is not installed (Debian: openmpi-bin, mpich)");
    }

    /// <summary>Starts ranks.</summary>
    /// <param name="launcher">The launcher.</param>
    /// <param name="size">How many.</param>
    /// <param name="args">The line of each.</param>
    /// <param name="script">A shell script that starts the program, or null.</param>
    /// <param name="variables">Added to the environment.</param>
    public static Process Start(
        string launcher, int size, string[] args, string? script = null, params (string Name, string Value)[] variables)
    {
        var start = new ProcessStartInfo(launcher)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        string[] options = launcher == "mpirun.openmpi" ? ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"] : [];
        string[] program = script is null ? ["dotnet"] : ["sh", script];
        foreach (string word in (string[])[.. options, "-n", $"{size}", .. program, ToolRun.Program, .. args]) start.ArgumentList.Add(word);
        foreach ((string name, string value) in variables) start.Environment[name] = value;
        Process process = Process.Start(start)!;
        process.StandardInput.Close();
        return process;
    }

    /// <summary>Runs ranks to their end.</summary>
    public static ToolRun Run(
        string launcher, int size, string[] args, string? script = null, params (string Name, string Value)[] variables)
    {
        using Process process = Start(launcher, size, args, script, variables);
        return End(process, TimeSpan.FromMinutes(5));
    }

    /// <summary>What ranks say until their end, which has to come in time.</summary>
    public static ToolRun End(Process process, TimeSpan time)
    {
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(time))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"the ranks did not end within {time}: {error.Result}");
        }

        return new ToolRun(process.ExitCode, System.Text.Encoding.UTF8.GetBytes(output.Result), error.Result);
    }

    /// <summary>The processes of ranks that work in a folder, by their ranks.</summary>
    public static SortedDictionary<int, int> RanksIn(string folder)
    {
        var found = new SortedDictionary<int, int>();
        foreach (string process in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(process), out int id)) continue;
            try
            {
                string[] line = File.ReadAllText(Path.Combine(process, "cmdline")).Split('\0');
                if (Path.GetFileName(line[0]) != "dotnet" || !line.Contains(folder)) continue;
                foreach (string variable in File.ReadAllText(Path.Combine(process, "environ")).Split('\0'))
                    if (variable.Split('=') is ["OMPI_COMM_WORLD_RANK" or "PMI_RANK", var rank]) found[int.Parse(rank)] = id;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It has ended meanwhile.
            }
        }

        return found;
    }
}

using System.Security.Cryptography;
using System.Text;

namespace Engine.KernelCompiler;

/// <summary>The sources that compiled kernels depend on, and their hashes.</summary>
internal static class KernelSources
{
    /// <summary>Sources of the CPU build that kernels are compiled with too.</summary>
    private static readonly string[] Shared = ["Numerics/BiasTable.cs", "Numerics/IReal.cs", "Attention/IScoreModification.cs", "Attention/ScoreModifications.cs"];

    /// <summary>The folder of the kernels in the checkout that contains <paramref name="start"/>, or null.</summary>
    public static string? FindFolder(string start)
    {
        for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Engine.sln"))) return Path.Combine(folder.FullName, "engine", "kernels");
        return null;
    }

    /// <summary>SHA-256 of each source by its path from the kernels' folder. Empty lines and lines of comment alone do not count.</summary>
    public static SortedDictionary<string, string> Hashes(string kernels)
    {
        var hashes = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (string file in Directory.EnumerateFiles(kernels, "*.Gpu.cs", SearchOption.AllDirectories))
            hashes.Add(Path.GetRelativePath(kernels, file).Replace('\\', '/'), Hash(file));
        foreach (string file in Shared) hashes.Add(file, Hash(Path.Combine(kernels, file)));
        return hashes;
    }

    private static string Hash(string file)
    {
        var code = new StringBuilder();
        foreach (string line in File.ReadLines(file))
        {
            string trimmed = line.Trim();
            if (trimmed.Length > 0 && !trimmed.StartsWith("//", StringComparison.Ordinal)) code.Append(trimmed).Append('\n');
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(code.ToString())));
    }
}

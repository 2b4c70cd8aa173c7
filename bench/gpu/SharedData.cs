namespace GpuBench;

/// <summary>The reference data beside the program, in its folder <c>shared</c>.</summary>
internal static class SharedData
{
    /// <summary>The full path of a reference file.</summary>
    /// <exception cref="FileNotFoundException">It was not published with the program.</exception>
    public static string Path(string relative)
    {
        string path = System.IO.Path.Combine(AppContext.BaseDirectory, "shared", relative);
        return File.Exists(path)
            ? path : throw new FileNotFoundException($"{path} is absent: publish with DNABERT2_SHARED set to the folder of reference data");
    }

    /// <summary>The full path of a golden file of the model.</summary>
    /// <exception cref="FileNotFoundException">It was not published with the program.</exception>
    public static string Golden(string name) => Path($"golden/{name}.json");
}

namespace Tests;

/// <summary>
/// Finds the reference data that lies beside the checkout; tests that need it are skipped, with the reason, where it is absent.
/// </summary>
internal static class SharedData
{
    private static readonly string? Root = FindRoot();

    /// <summary>The full path of a reference file or folder; skips the running test when it is absent.</summary>
    public static string Path(string relative)
    {
        Assert.SkipWhen(
            Root is null,
            "the reference data is absent: no folder 'shared' beside the checkout, and DNABERT2_SHARED is not set");
        string path = System.IO.Path.Combine(Root!, relative);
        Assert.SkipUnless(File.Exists(path) || Directory.Exists(path), $"the reference data lacks '{relative}'");
        return path;
    }

    /// <summary>The full path of a golden file of the model.</summary>
    public static string Golden(string name) => Path($"golden/{name}.json");

    /// <summary>The root of this checkout, the folder that holds Engine.sln.</summary>
    public static string Checkout { get; } = FindCheckout();

    /// <summary>The folder of the model that comes with the library.</summary>
    public static string BuiltInFolder { get; } = System.IO.Path.Combine(Checkout, "model", "builtin");

    private static string FindCheckout()
    {
        for (string? dir = AppContext.BaseDirectory; dir is not null; dir = System.IO.Path.GetDirectoryName(dir))
            if (File.Exists(System.IO.Path.Combine(dir, "Engine.sln"))) return dir;
        throw new InvalidOperationException("Engine.sln was not found above " + AppContext.BaseDirectory);
    }

    private static string? FindRoot()
    {
        string? set = Environment.GetEnvironmentVariable("DNABERT2_SHARED");
        string path = string.IsNullOrEmpty(set) ? System.IO.Path.Combine(FindCheckout(), "..", "shared") : set;
        return Directory.Exists(path) ? System.IO.Path.GetFullPath(path) : null;
    }
}

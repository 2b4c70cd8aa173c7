namespace Tests.Architecture;

public sealed class LineLengthTests
{
    private const int Most = 140;

    [Fact]
    public void No_line_of_a_source_file_has_more_than_140_characters()
    {
        List<string> files = [.. Sources()];
        Assert.True(files.Count > 100, $"{files.Count} source files were found");
        Assert.Empty(files.SelectMany(TooLong));
    }

    private static IEnumerable<string> TooLong(string path) => File.ReadLines(Path.Combine(SharedData.Checkout, path)).Index()
        .Where(line => line.Item.Length > Most).Select(line => $"{path}:{line.Index + 1}: {line.Item.Length}");

    private static IEnumerable<string> Sources() =>
        Directory.EnumerateFiles(SharedData.Checkout, "*.cs", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(SharedData.Checkout, path).Replace(Path.DirectorySeparatorChar, '/'))
            .Where(path => !path.Split('/').Any(folder => folder is "obj" or "bin"))
            .Where(path => !path.StartsWith("docs/", StringComparison.Ordinal));
}

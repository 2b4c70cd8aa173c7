using System.Text.RegularExpressions;

namespace Tests.Fuzz;

/// <summary>
/// Every source file that takes in what a user hands over (the bytes of a file, JSON, numbers in text, expressions) has a fuzz target, or
/// is named here with the reason why it needs none. That a target reaches its source files is shown by its run: each of them refuses
/// something.
/// </summary>
public sealed partial class ParserListTests
{
    // Nothing is thrown by them, so that no run can show that they are reached: the target that reads through them.
    private static readonly Dictionary<string, string> WithoutRefusal = new()
    {
        ["BaseIdentity"] = "adapter_model.safetensors",
        ["HyenaBuffers"] = "folder of a HyenaDNA by model.safetensors",
        ["JsonPlace"] = "tokenizer.json",
        ["LabelNames"] = "labelled data",
        ["LogRows"] = "train.csv of a run",
        ["PositionedFile"] = "safetensors",
        ["RunRecord"] = "record of a piece",
        ["RunKind"] = "train.csv of a run",
        ["Shared"] = "command lines",
        ["SuiteIdentity"] = "identity.json of a suite",
        ["VariantContigs"] = "variants",
        ["ViewReader"] = "pickle in a zip",
    };

    private static readonly Dictionary<string, string> WithoutTarget = new()
    {
        ["AttentionNodes"] = "takes a number from the name of an attention, which the parser of config.json has read",
        ["CheckpointStore"] = "knows its own folders by their names",
        ["ConvertVerb"] = "copies files beside the weights as they are",
        ["FileHash"] = "hashes bytes",
        ["FileStatus"] = "asks the system for the identity of a file",
        ["Fingerprint"] = "hashes pieces of files, and knows nothing of what is in them",
        ["HyenaArchitecture"] = "parses what it has just written",
        ["IndexVerb"] = "gives a genome to the makers of its indexes",
        ["InfoVerb"] = "takes the processor's name from the system",
        ["KnownCheckpoint"] = "hashes files, and parses the record that comes with the library",
        ["Merger"] = "copies bytes between places that the parser of records has checked, and compares their hashes",
        ["Launch"] = "takes numbers from the variables that a launcher sets",
        ["RankAgreement"] = "compares what ranks of one program send each other",
        ["Ranks"] = "takes a number of seconds from a variable",
        ["ModelInventory"] = "counts the tensors of files that it leaves to their parser",
        ["ModelFolder"] = "parses what it has just written",
        ["OwnVariants"] = "loads an assembly, whose code is run",
        ["ParameterNames"] = "replaces names in messages",
        ["Pretrainer"] = "reads through the parsers of a checkpoint's files",
        ["RandomBytes"] = "reads bytes at any place, and knows nothing of what they are",
        ["RegularFile"] = "opens files, and knows nothing of what is in them",
        ["RotaryFrequencies"] = "compares numbers that the parser of weights gives it",
        ["StoredFile"] = "gives files or contents to their parsers, and knows nothing of what is in them",
        ["TemporaryName"] = "tries locks",
        ["TokenizerFile"] = "leaves what it reads to the parser of one tokenizer or another, and takes a number from a name",
    };

    [Fact]
    public void Every_parser_has_a_target()
    {
        string[] found = [.. Sources().Where(path => Takes().IsMatch(File.ReadAllText(path)))
            .Select(path => Path.GetFileNameWithoutExtension(path)!).Order(StringComparer.Ordinal)];
        string[] listed = [.. FuzzTargets.Parsers.Values.SelectMany(parser => parser.Sources).Concat(WithoutRefusal.Keys)
            .Concat(WithoutTarget.Keys).Distinct()];
        Assert.True(found.Length > 50, "the sources were not found");
        string[] missing = [.. found.Except(listed)], gone = [.. listed.Except(found)];
        Assert.True(
            missing.Length
            == 0, "these source files take in what a user hands over, and no target of FuzzTargets names "
            + $"them: {string.Join(", ", missing)}");
        Assert.True(gone.Length == 0, $"these take in nothing, or are gone: {string.Join(", ", gone)}");
        Assert.All(WithoutRefusal.Values, target => Assert.Contains(target, FuzzTargets.Parsers.Keys));
    }

    [GeneratedRegex(
        @"\b(ByteSource|PositionedFile|JsonFields|JsonElement|Utf8JsonReader|JsonDocument|StreamReader|RegularFile|Regex)\b"
        + @"|JsonNode\.Parse|\bfile\.Read\((Max|Most|Tokenizer)|\bFile\.(Read|Open)\w*\(|WeightFile\.Open"
        + @"|\b(int|long|ulong|double|float|Enum|BigInteger)\.(Try)?Parse\b|FileMode\.Open\b")]
    private static partial Regex Takes();

    private static IEnumerable<string> Sources() =>
        new[] { "engine/runtime", "engine/autograd", "model", "tokenizer", "tools/dnabert2" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(SharedData.Checkout, folder), "*.cs", SearchOption.AllDirectories))
            .Where(path => !path.Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin"));
}

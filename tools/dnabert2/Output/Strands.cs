namespace Dnabert2.Tool.Output;

/// <summary>
/// How a result says that its numbers are averages over both strands; one that does not is of the sequences as they stand.
/// </summary>
internal static class Strands
{
    /// <summary>The column of a table, and the key in a file's metadata.</summary>
    public const string Column = "strands";

    /// <summary>What stands there.</summary>
    public const string Both = "both";
}

namespace Tests;

/// <summary>
/// Proofs on large models and long sequences, which take minutes and gigabytes, and long ones in the interpreter: they run with
/// DNABERT2_LONG=1.
/// </summary>
internal static class LongTests
{
    /// <summary>Skips the running test unless long ones are asked for.</summary>
    public static void SkipUnlessAsked() =>
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("DNABERT2_LONG") == "1", "it takes long: set DNABERT2_LONG=1");
}

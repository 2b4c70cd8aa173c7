namespace Tests;

/// <summary>Proofs on large models and long sequences, which take minutes and gigabytes: they run with DNABERT2_LONG=1.</summary>
internal static class LongTests
{
    /// <summary>Skips the running test unless long ones are asked for.</summary>
    public static void SkipUnlessAsked() =>
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("DNABERT2_LONG") == "1", "it takes minutes and gigabytes: set DNABERT2_LONG=1");
}

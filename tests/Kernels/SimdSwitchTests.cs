using Engine.Runtime;

namespace Tests.Kernels;

public class SimdSwitchTests
{
    [Theory]
    [InlineData("DOTNET_EnableHWIntrinsic", new[] { "no SIMD" })]
    [InlineData("DOTNET_EnableAVX2", new[] { "128-bit SIMD" })]
    [InlineData("DOTNET_EnableAVX512", new[] { "AVX2", "128-bit SIMD" })]
    public void A_runtime_switch_forces_the_narrower_form(string variable, string[] forms)
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable(variable) == "0", $"{variable}=0 is not set; .ci/run sets it");
        using Backend backend = CpuBackend.Create(1);
        Assert.Contains(forms, form => backend.Description.Contains(form, StringComparison.Ordinal));
        const string processor = "/proc/cpuinfo";
        bool hasMore = variable == "DOTNET_EnableAVX2" && File.Exists(processor)
            && File.ReadAllText(processor).Contains(" avx2 ", StringComparison.Ordinal);
        if (hasMore) Assert.NotNull(CpuBackend.UnusedSimd());
    }
}

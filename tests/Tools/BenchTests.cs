using System.Text.Json;
using Dnabert2;
using Dnabert2.Benchmarking;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Tools;

[Trait("Category", "Slow")]
public class BenchTests(ToyModel toy) : IClassFixture<ToyModel>
{
    [Fact]
    public void The_table_has_every_shape_and_every_operation_with_its_share_of_the_peak()
    {
        var run = ToolRun.Of("bench", "--model", toy.Folder, "--shapes", "2x16,1x5", "--rounds", "1", "--threads", "1");
        Assert.Equal(0, run.Code);
        foreach (string expected in (string[])["measured peaks", "2×16", "1×5", "operations at 2×16", "linear [", "attention [",
            "layer norm [", "embedding [", " %"])
            Assert.Contains(expected, run.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", run.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_lines_can_be_parsed_and_repeat_the_same_check()
    {
        JsonElement first = Line(), second = Line(), training = Line("--training");
        Assert.Equal(("infer", "2x16"), (first.GetProperty("what").GetString(), first.GetProperty("shape").GetString()));
        Assert.Equal("train", training.GetProperty("what").GetString());
        Assert.True(first.GetProperty("ms").GetDouble() > 0 && first.GetProperty("gflops").GetDouble() > 0);
        Assert.NotEqual(0, first.GetProperty("checksum").GetDouble());
        Assert.Equal(first.GetProperty("checksum").GetDouble(), second.GetProperty("checksum").GetDouble());

        JsonElement Line(params string[] more) => JsonDocument.Parse(
            ToolRun.Of(["bench", "--model", toy.Folder, "--shapes", "2x16", "--rounds", "1", "--json", .. more]).Succeeds().Text)
            .RootElement;
    }

    [Fact]
    public void Training_on_sequences_without_a_token_to_mask_is_an_error_that_says_so()
    {
        ToolRun run = ToolRun.Of("bench", "--model", toy.Folder, "--shapes", "9x4", "--rounds", "1", "--training", "--json");
        Assert.Equal(0, run.Code);
        run = ToolRun.Of("bench", "--model", toy.Folder, "--shapes", "1x4", "--rounds", "1", "--training", "--json");
        Assert.Equal(1, run.Code);
        Assert.Contains("sequences of 4 tokens have none to mask", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("8by128", "--shapes 8by128: expected SEQUENCESxTOKENS")]
    [InlineData("1x1", "--shapes 1x1: expected SEQUENCESxTOKENS")]
    [InlineData("99999x99999", "--shapes 99999x99999: expected SEQUENCESxTOKENS")]
    public void A_shape_that_is_none_is_refused(string shape, string message)
    {
        var run = ToolRun.Of("bench", "--model", toy.Folder, "--shapes", shape);
        Assert.Equal(2, run.Code);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Attention_is_timed_with_every_modification_that_is_named()
    {
        var run = ToolRun.Of("bench", "attention", "--variant", "alibi,none,causal,window:3,softcap:2.5,relative:4,window,rotary:2",
            "--shapes", "2x9,1x5", "--rounds", "1",
            "--heads", "2", "--head-size", "8", "--threads", "1", "--device", "cpu");
        Assert.Equal(0, run.Code);
        Assert.Contains("measured peak", run.Text, StringComparison.Ordinal);
        foreach (string name in (string[])["alibi ", "none ", "causal ", "window:3 ", "softcap:2.5 ", "relative:4 ", "window:256 ",
            "rotary:2 "])
            Assert.Equal(
                2, run.Text.Split('\n')
                .Count(line => line.StartsWith(name, StringComparison.Ordinal) && line.Contains(" %", StringComparison.Ordinal)));
        Assert.DoesNotContain("NaN", run.Text, StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse(
            ToolRun.Of("bench", "attention", "--variant", "relative", "--shapes", "1x6", "--rounds", "1", "--json").Succeeds().Text)
            .RootElement;
        Assert.Equal(("relative:128", "1x6"), (json.GetProperty("variant").GetString(), json.GetProperty("shape").GetString()));
        Assert.True(json.GetProperty("forward_ms").GetDouble() > 0 && json.GetProperty("backward_gflops").GetDouble() > 0);
    }

    [Fact]
    public void Variants_are_timed_beside_a_plain_loop_that_computes_more()
    {
        string[] common =
            ["bench", "variants", "--model", toy.Folder, "--densities", "3000,30", "--variants", "24", "--window", "64", "--rounds", "1"];
        JsonElement[] lists = [.. ToolRun.Of([.. common, "--json"]).Succeeds().Lines.Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal([3000, 30], lists.Select(list => list.GetProperty("per_kilobase").GetInt32()));
        Assert.All(lists, list => Assert.True(list.GetProperty("shared_per_s").GetDouble() > 0));
        Assert.All(lists, list => Assert.Equal(0, list.GetProperty("largest_difference").GetDouble()));
        // All substitutions of eight bases share their windows.
        Assert.InRange(
            lists[0].GetProperty("tokens_one_by_one").GetDouble() / lists[0].GetProperty("tokens_shared").GetDouble(), 2, 4);
        Assert.True(lists[0].GetProperty("tokens_shared").GetInt64() < lists[1].GetProperty("tokens_shared").GetInt64());
        Assert.Contains("windows of 64 bases every 16, both strands", ToolRun.Of(common).Succeeds().Text, StringComparison.Ordinal);
        ToolRun refused = ToolRun.Of("bench", "variants", "--model", toy.Folder, "--densities", "3001");
        Assert.Equal(2, refused.Code);
        Assert.Contains("--densities 3001: expected whole numbers from 1 to 3000", refused.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--variant", "windows", "--variant windows: expected alibi, none, causal, window:TOKENS")]
    [InlineData("--variant", "alibi:3", "--variant alibi:3: expected alibi")]
    [InlineData("--variant", "window:-1", "--variant window:-1: expected alibi")]
    [InlineData("--variant", "softcap:0", "--variant softcap:0: expected alibi")]
    [InlineData("--variant", "relative:999999999", "--variant relative:999999999: expected alibi")]
    [InlineData("--shapes", "8by128", "--shapes 8by128: expected SEQUENCESxTOKENS")]
    [InlineData("--heads", "0", "'dnabert2 bench attention --help' shows how to use it")]
    public void An_attention_that_is_none_is_refused(string option, string value, string message)
    {
        var run = ToolRun.Of("bench", "attention", option, value);
        Assert.Equal(2, run.Code);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Score_modifications_of_an_assembly_are_checked_and_timed_beside_the_built_in_ones()
    {
        string sample = typeof(AttentionVariant.DistanceDecay).Assembly.Location;
        string[] common = ["--shapes", "1x9", "--rounds", "1", "--heads", "2", "--head-size", "8", "--threads", "1", "--device", "cpu"];
        var run = ToolRun.Of(["bench", "attention", "--assembly", sample, "--variant", "alibi,DistanceDecay:7.5", .. common]);
        Assert.Equal(0, run.Succeeds().Code);
        Assert.Matches(@"(?m)^DistanceDecay:7\.5: error \d\.\dE-00[6-9] forward, \d\.\dE-00[5-9] backward, against float64$", run.Text);
        foreach (string name in (string[])["alibi ", "DistanceDecay:7.5 "])
            Assert.Single(
                run.Lines, line => line.StartsWith(name, StringComparison.Ordinal) && line.Contains(" 1×9 ", StringComparison.Ordinal));

        Refused(2, "Blocks needs the numbers of its constructor; name it: --variant Blocks:SIZE", "--assembly", sample);
        Refused(2, "DistanceDecay needs the numbers", "--assembly", sample, "--variant", "DistanceDecay:7:8");
        Refused(2, "--variant Decay:7: expected alibi", "--assembly", sample, "--variant", "Decay:7");
        Refused(1, "my.dll: no such file", "--assembly", "my.dll");
        Refused(2, "it is no .NET assembly", "--assembly", Path.Combine(toy.Folder, "config.json"));
        Refused(2, "no type in it implements IScoreModification", "--assembly",
            typeof(ToolRun).Assembly.Location.Replace("Tests.dll", "xunit.v3.core.dll"));
        Refused(1, "HalfDerivative: against float64 its error is", "--assembly", typeof(HalfDerivative).Assembly.Location, "--variant",
            "HalfDerivative");

        void Refused(int code, string message, params string[] args)
        {
            var refused = ToolRun.Of(["bench", "attention", .. args, .. common]);
            Assert.Equal(code, refused.Code);
            Assert.Contains(message, refused.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Training_in_8_bit_integers_is_refused_before_anything_is_measured()
    {
        var run = ToolRun.Of("bench", "--model", toy.Folder, "--training", "--dtype", "i8");
        Assert.Equal(2, run.Code);
        Assert.Contains("8-bit integers are for inference", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_profile_counts_the_operations_and_their_work()
    {
        using Backend backend = CpuBackend.Create(1);
        using Dnabert2Model model = Dnabert2Model.Load(toy.Folder, backend, ModelParts.Encoder);
        using var benchmark = new ModelBenchmark(model, training: false);
        backend.Profile = new Profile();
        BenchmarkSample sample = benchmark.Run(3, 7);
        IReadOnlyCollection<OperationTime> operations = backend.Profile.Operations;
        Assert.Equal(4 * model.Config.NumHiddenLayers, operations.Where(o => o.Name == "linear").Sum(o => o.Calls));
        Assert.Equal(model.Config.NumHiddenLayers, operations.Single(o => o.Name == "attention").Calls);
        Assert.Equal(sample.Flops, operations.Sum(o => o.Flops), sample.Flops * 1e-9);
        Assert.All(operations, o => Assert.True(o.Seconds > 0 && o.Bytes > 0));
    }

    [Fact]
    public void The_measured_peak_is_not_zero_in_any_precision()
    {
        foreach (Precision precision in Enum.GetValues<Precision>()) Assert.True(MachinePeak.Gflops(1, precision) > 0);
    }

    /// <summary>Scores halved, without the derivative to match.</summary>
    private readonly struct HalfDerivative : IScoreModification<HalfDerivative>
    {
        public static T Score<T>(in HalfDerivative mod, T score, T query, T key)
            where T : unmanaged, IReal<T>
            => score * 0.5f;
    }
}

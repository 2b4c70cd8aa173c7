using System.Text.Json;
using Dnabert2;
using Dnabert2.Benchmarking;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Folders;
using Tests.Weights;

namespace Tests.Tools;

/// <summary>The benchmark of a model of any architecture.</summary>
[Trait("Category", "Slow")]
public sealed class EveryModelBenchTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly Backend _backend = CpuBackend.Create(1);

    public static TheoryData<string> Names => TinyModels.Names;

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_work_of_a_pass_is_the_sum_of_its_operations_and_its_check_repeats(string name)
    {
        using SequenceModel model = TinyModels.Make(name, _backend, TinyModels.Find(name).LanguageModel!.Value);
        using var benchmark = new ModelBenchmark(model, training: false);
        var profile = new Profile();
        _backend.Profile = profile;
        BenchmarkSample sample = benchmark.Run(3, 17);
        _backend.Profile = null;
        // Of HyenaDNA the linear layers of tokens are counted, not what its filters take; of other models all but turning by positions.
        Assert.Equal(
            sample.Flops, profile.Operations.Where(o => name == "HyenaDNA" ? o.Name == "linear" && o.Shape[0] == 51
                : o.Name != "rotary positions").Sum(o => o.Flops), sample.Flops * 1e-9);
        Assert.All(profile.Operations, o => Assert.True(o.Seconds > 0 && o.Bytes > 0, o.Name));
        Assert.NotEqual(0, sample.Check);
        Assert.Equal(sample.Check, benchmark.Run(3, 17).Check);
        if (model.MaxTokens is { } most) Assert.Throws<ArgumentException>(() => benchmark.Run(1, most + 1));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_training_step_begins_with_the_loss_of_an_even_guess_and_learns(string name)
    {
        using SequenceModel model = TinyModels.Make(name, _backend, TinyModels.Find(name).LanguageModel!.Value);
        using var benchmark = new ModelBenchmark(model, training: true);
        double first = benchmark.Run(4, 20).Check, last = first;
        Assert.Equal(Math.Log(model.Tokenizer.VocabularySize), first, 0.5);
        for (int i = 0; i < 30; i++) last = benchmark.Run(4, 20).Check;
        Assert.True(last < first, $"{first} to {last}");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_command_line_times_passes_steps_and_operations(string name)
    {
        TinyModels.Write(name, _folder["tiny"], _backend);
        string[] common = ["bench", "--model", _folder["tiny"], "--rounds", "1", "--threads", "1"];
        ToolRun table = ToolRun.Of([.. common, "--shapes", "2x16"]).Succeeds();
        foreach (string expected in (string[])["2×16", "operations at 2×16", "linear [", " %"])
            Assert.Contains(expected, table.Text, StringComparison.Ordinal);
        JsonElement line = JsonDocument.Parse(
            ToolRun.Of([.. common, "--shapes", "2x16", "--training", "--json"]).Succeeds().Text).RootElement;
        Assert.Equal("train", line.GetProperty("what").GetString());
        Assert.True(line.GetProperty("gflops").GetDouble() > 0 && line.GetProperty("checksum").GetDouble() > 0);
    }

    [Fact]
    public void Shapes_of_more_tokens_than_the_model_has_positions_for_are_left_out_or_refused()
    {
        TinyModels.Write("DNABERT", _folder["tiny"], _backend);
        string[] common = ["bench", "--model", _folder["tiny"], "--rounds", "1", "--threads", "1", "--json"];
        ToolRun refused = ToolRun.Of([.. common, "--shapes", "2x16,1x25"]);
        Assert.Equal(2, refused.Code);
        Assert.Contains("--shapes 1x25: this model has positions for 24 tokens", refused.Error, StringComparison.Ordinal);
        Assert.Contains("\"1x24\"", ToolRun.Of(common).Succeeds().Text, StringComparison.Ordinal);
    }
}

using System.Text.Json;
using Dnabert2;
using Dnabert2.Adapters;
using Dnabert2.Data;
using Dnabert2.FineTuning;
using Engine.Kernels;

namespace Tests.FineTuning;

public class FineTuneOptionsTests
{
    private static readonly FineTuneOptions Other = new()
    {
        Method = FineTuneMethod.Lora,
        Lora = new LoraOptions { Rank = 4, Alpha = 3, Dropout = 0.5, Targets = ["a", "b.*"] },
        RandomInitialization = true,
        Dropout = 0.3,
        Epochs = 7,
        Steps = 9,
        Batch = 5,
        MaxTokens = 77,
        MicroBatchTokens = 100,
        Shards = 4,
        LearningRate = 0.25,
        WarmupSteps = 3,
        Beta1 = 0.5,
        Beta2 = 0.6,
        Epsilon = 1e-3,
        WeightDecay = 0.2,
        ClipNorm = null,
        ClassWeights = ClassWeighting.Balanced,
        AugmentReverseComplement = true,
        ClassifierPooling = Pooling.Mean,
        AverageReverseComplement = true,
        Seed = ulong.MaxValue,
        EvaluateEvery = 11,
        Patience = 12,
        Recompute = true,
        MaxNonFinite = 13,
    };

    [Fact]
    public void The_defaults_are_the_paper_s()
    {
        var o = new FineTuneOptions();
        Assert.Equal((3e-5, 50, 32, 200, 0.01), (o.PeakLearningRate, o.WarmupSteps, o.Batch, o.EvaluateEvery, o.WeightDecay));
        Assert.Equal((0.9, 0.999, 1e-8, 1.0), (o.Beta1, o.Beta2, o.Epsilon, o.ClipNorm));
        Assert.False(o.Optimizer.DecayBiasAndNorm);
        Assert.Equal(1e-4, (o with { Method = FineTuneMethod.Lora }).PeakLearningRate);
    }

    [Fact]
    public void Every_option_is_written_read_and_compared()
    {
        byte[] json = Bytes(Other);
        FineTuneOptions read = JsonFields.Read("o.json", json, "", FineTuneOptionsJson.Read);
        Assert.Equal(Other with { Lora = read.Lora }, read);
        Assert.Equal(Other.Lora with { Targets = read.Lora.Targets }, read.Lora);
        Assert.Equal(Other.Lora.Targets, read.Lora.Targets);
        using JsonDocument defaults = JsonDocument.Parse(Bytes(new FineTuneOptions()));
        using JsonDocument others = JsonDocument.Parse(json);
        foreach (JsonProperty property in defaults.RootElement.EnumerateObject())
            Assert.True(property.Value.GetRawText() != others.RootElement.GetProperty(property.Name).GetRawText(),
                $"{property.Name} does not differ: the test shows nothing of it");
        Assert.Null(FineTuneOptionsJson.Difference(Other, Other with { MaxNonFinite = 1 }));
        Assert.Equal("shards was 4 and is 1", FineTuneOptionsJson.Difference(Other, Other with { Shards = 1 }));
        Assert.Equal("shards was 1 and is 4", FineTuneOptionsJson.Difference(Other with { Shards = 1 }, Other));
        Assert.Contains("seed was", FineTuneOptionsJson.Difference(Other, Other with { Seed = 1 }), StringComparison.Ordinal);
    }

    [Fact]
    public void What_makes_no_sense_is_refused_by_name()
    {
        foreach ((FineTuneOptions options, string name) in new[]
        {
            (new FineTuneOptions { Epochs = 0 }, "Epochs"), (new() { Steps = 0 }, "Steps"), (new() { Batch = 0 }, "Batch"),
            (new() { MaxTokens = 3 }, "MaxTokens"),
            (new() { LearningRate = double.NaN }, "LearningRate"), (new() { WeightDecay = 1 }, "WeightDecay"),
            (new() { ClipNorm = 0 }, "ClipNorm"),
            (new() { EvaluateEvery = 0 }, "EvaluateEvery"), (new() { Patience = 0 }, "Patience"), (new() { Dropout = 1 }, "Dropout"),
            (new() { Beta2 = 1 }, "Beta2"),
            (new() { ClassifierPooling = Pooling.Max }, "ClassifierPooling"),
        })
            Assert.Contains(name, Assert.Throws<ArgumentException>(options.Validate).Message, StringComparison.Ordinal);
    }

    private static byte[] Bytes(FineTuneOptions options)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream)) FineTuneOptionsJson.Write(json, options);
        return stream.ToArray();
    }
}

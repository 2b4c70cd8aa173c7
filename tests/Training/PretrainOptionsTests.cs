using Dnabert2.Data;
using Dnabert2.Training;
using Engine.Autograd;

namespace Tests.Training;

public sealed class PretrainOptionsTests : IDisposable
{
    private readonly Toy _toy = new();

    public void Dispose() => _toy.Dispose();

    [Fact]
    public void The_defaults_are_the_recipe_of_the_paper()
    {
        var o = new PretrainOptions();
        Assert.Equal((500_000, 4096, 5e-4, 30_000, Decay.Linear), (o.Steps, o.GlobalBatch, o.LearningRate, o.WarmupSteps, o.Decay));
        Assert.Equal((0.9, 0.98, 1e-6, 1e-5, (double?)null), (o.Beta1, o.Beta2, o.Epsilon, o.WeightDecay, o.ClipNorm));
        Assert.Equal((0.15, 0.8, 0.1), (o.MaskProbability, o.MaskShare, o.RandomShare));
        Assert.Equal(128, new CorpusOptions().MaxTokens);
    }

    [Fact]
    public void Every_option_survives_its_file()
    {
        var o = new PretrainOptions
        {
            Steps = 2,
            GlobalBatch = 3,
            MicroBatchTokens = 5,
            Shards = 3,
            LearningRate = 0.1,
            WarmupSteps = 7,
            Decay = Decay.Cosine,
            Beta1 = 0.11,
            Beta2 = 0.13,
            Epsilon = 0.17,
            WeightDecay = 0.19,
            ClipNorm = 0.23,
            MaskProbability = 0.29,
            MaskShare = 0.31,
            RandomShare = 0.37,
            AugmentReverseComplement = true,
            Seed = ulong.MaxValue,
            SpeciesExponent = 0.41,
            SpeciesWeights = new Dictionary<string, double> { ["a b"] = 2, ["c"] = 0 },
            Recompute = true,
            EvaluateEvery = 43,
            EvaluationWindows = 47,
            CheckpointEvery = 53,
            KeepCheckpoints = 59,
            MaxNonFinite = 61,
        };
        var none = new PretrainOptions();
        foreach (System.Reflection.PropertyInfo p in typeof(PretrainOptions).GetProperties())
            Assert.False(Equals(p.GetValue(o), p.GetValue(none)), $"{p.Name} has its default: the test shows nothing");
        o.Save(_toy["o.json"]);
        PretrainOptions read = PretrainOptions.Load(_toy["o.json"]);
        Assert.Equal(o.SpeciesWeights, read.SpeciesWeights);
        Assert.Equal(o, read with { SpeciesWeights = o.SpeciesWeights });
        File.WriteAllText(_toy["o.json"], "{}");
        Assert.Null(PretrainOptionsJson.Difference(none, PretrainOptions.Load(_toy["o.json"])));
    }

    [Theory]
    [InlineData("{\"stepps\":1}", "stepps")]
    [InlineData("{\"steps\":0}", "steps")]
    [InlineData("{\"steps\":1.5}", "steps")]
    [InlineData("{\"decay\":\"square\"}", "decay")]
    [InlineData("{\"learning_rate\":\"high\"}", "learning_rate")]
    [InlineData("{\"mask_share\":0.9,\"random_share\":0.2}", "RandomShare")]
    [InlineData("{\"species_weights\":{\"x\":-1}}", "species_weights.x")]
    [InlineData("{\"steps\":1,\"steps\":2}", "steps appears twice")]
    [InlineData("[1]", "Array")]
    [InlineData("{", "JSON")]
    public void A_file_with_a_fault_is_refused_by_name(string json, string what)
    {
        _toy.Write("o.json", json);
        string message = Assert.Throws<InvalidDataException>(() => PretrainOptions.Load(_toy["o.json"])).Message;
        Assert.Contains("o.json", message, StringComparison.Ordinal);
        Assert.Contains(what, message, StringComparison.Ordinal);
    }
}

using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dnabert2;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;
using Tests.Tools;

namespace Tests.Folders;

/// <summary>Published models that are on record, with the built-in model as a stand-in for one.</summary>
public sealed class KnownCheckpointTests
{
    private const string Sequence = "ACGTNACGTTGCAACGTACGT";

    [Fact]
    public void A_stand_in_on_record_is_recognised_and_its_outputs_are_compared()
    {
        using Dnabert2Model model = Dnabert2Model.LoadDefault();
        double[] mean = Mean(model);
        KnownCheckpoint known = KnownCheckpoint.Find(SharedData.BuiltInFolder, Record(mean, Hash()), default)!;
        Assert.Equal(("someone/stand-in", "1234"), (known.Name, known.Revision));
        CheckpointVerification result = known.Verify(model);
        Assert.True(result.Holds, $"{result}");
        Assert.Equal(1, result.Outputs);
        Assert.InRange(result.LargestDifference, 0, 1e-6);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(15)]
    [InlineData(20)]
    public void A_number_or_a_length_that_differs_is_told(int changed)
    {
        using Dnabert2Model model = Dnabert2Model.LoadDefault();
        double[] mean = Mean(model);
        mean[changed] += 1;
        CheckpointVerification result =
            KnownCheckpoint.Find(SharedData.BuiltInFolder, Record(mean, Hash()), default)!.Verify(model);
        Assert.False(result.Holds, $"{result}");
    }

    [Fact]
    public void Weights_that_are_not_on_record_are_no_published_model()
    {
        Assert.Null(KnownCheckpoint.Find(SharedData.BuiltInFolder, Record([1, 2], new string('0', 64)), default));
        Assert.Null(KnownCheckpoint.Find(SharedData.BuiltInFolder));
        ToolRun run = ToolRun.Of("info", "default", "--verify");
        Assert.Equal(1, run.Code);
        Assert.Contains("verified    no: its weights are none of those on record (zhihan1996/DNABERT-2-117M, ", run.Text,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_record_is_that_of_the_published_models()
    {
        string path = SharedData.Path("golden/baselines/real_checkpoint_vectors.json");
        using var vectors = JsonDocument.Parse(File.ReadAllBytes(path));
        using Stream stream = typeof(KnownCheckpoint).Assembly.GetManifestResourceStream("Dnabert2.Folders.known_checkpoints.json")!;
        using var record = JsonDocument.Parse(stream);
        JsonElement[] known = [.. record.RootElement.GetProperty("checkpoints").EnumerateArray()];
        JsonProperty[] models = [.. vectors.RootElement.GetProperty("models").EnumerateObject()];
        Assert.Equal(models.Length, known.Length);
        for (int i = 0; i < known.Length; i++)
        {
            Assert.Equal(models[i].Value.GetProperty("repo").GetString(), known[i].GetProperty("name").GetString());
            foreach (JsonProperty file in known[i].GetProperty("weights").EnumerateObject())
                Assert.Equal(
                    models[i].Value.GetProperty("files").GetProperty(file.Name).GetProperty("sha256").GetString(), file.Value.GetString());
            JsonElement[] outputs = [.. known[i].GetProperty("outputs").EnumerateArray()],
                inputs = [.. models[i].Value.GetProperty("inputs").EnumerateArray()];
            Assert.Equal(inputs.Length, outputs.Length);
            for (int j = 0; j < inputs.Length; j++)
            {
                double[] mean = Numbers(inputs[j].GetProperty("mean_pool")), first = Numbers(outputs[j].GetProperty("first"));
                Assert.Equal(inputs[j].GetProperty("sequence").GetString(), outputs[j].GetProperty("sequence").GetString());
                Assert.Equal(mean[..16], first);
                Assert.Equal(Math.Sqrt(mean.Sum(v => v * v)), outputs[j].GetProperty("length").GetDouble(), 1e-6);
            }
        }

        static double[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(number => number.GetDouble())];
    }

    /// <summary>The mean over the tokens of the sequence, [CLS] and [SEP].</summary>
    private static double[] Mean(Dnabert2Model model)
    {
        int[] ids = [.. ((BpeTokenizer)model.Tokenizer).Encode(Sequence).Ids];
        using var arena = new Arena(model.Backend);
        Variable hidden = model.Encode(Tape.ForInference(arena), new Batch(arena, ids, [ids.Length]));
        var values = new float[ids.Length * model.HiddenSize];
        model.Backend.Download<float>(hidden.Data, values);
        return [.. Enumerable.Range(0, model.HiddenSize).Select(
            i => Enumerable.Range(0, ids.Length).Average(t => (double)values[(t * model.HiddenSize) + i]))];
    }

    private static string Hash() => Convert.ToHexStringLower(
        SHA256.HashData(File.ReadAllBytes(Path.Combine(SharedData.BuiltInFolder, "model.safetensors"))));

    private static IReadOnlyList<KnownCheckpoint> Record(double[] mean, string hash)
    {
        string first = string.Join(',', mean.Take(16).Select(v => v.ToString("R", CultureInfo.InvariantCulture)));
        string length = Math.Sqrt(mean.Sum(v => v * v)).ToString("R", CultureInfo.InvariantCulture);
        string json = $$"""
            {"checkpoints": [{"name": "someone/stand-in", "revision": "1234", "weights": {"model.safetensors": "{{hash}}"},
            "outputs": [{"sequence": "{{Sequence}}", "special_tokens": true, "first": [{{first}}], "length": {{length}}}]}]}
            """;
        return KnownCheckpoint.Read(new MemoryStream(Encoding.UTF8.GetBytes(json)));
    }
}

using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Dnabert2;
using Dnabert2.Adapters;
using Dnabert2.Data;
using Dnabert2.Embeddings;
using Dnabert2.FineTuning;
using Dnabert2.FineTuning.Baselines;
using Dnabert2.FineTuning.Suites;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;

namespace Tests.Field;

/// <summary>Every field of every record of options has a range, and a value outside of it is refused by the field's name.</summary>
public sealed class OptionRangeTests
{
    // Decides random streams: every number is as good as another.
    private const string AnyNumber = "Seed";

    private static readonly Dictionary<Type, Action<object>> Records = new()
    {
        [typeof(Dnabert2Config)] = o => ((Dnabert2Config)o).Validate(),
        [typeof(PretrainOptions)] = o => ((PretrainOptions)o).Validate(),
        [typeof(FineTuneOptions)] = o => ((FineTuneOptions)o).Validate(),
        [typeof(LoraOptions)] = o => ((LoraOptions)o).Validate(),
        [typeof(CorpusOptions)] = o => ((CorpusOptions)o).Validate(),
        [typeof(EmbedOptions)] = o => ((EmbedOptions)o).Validate(),
        [typeof(AttributionOptions)] = o => ((AttributionOptions)o).Validate(),
        [typeof(VariantOptions)] = o => ((VariantOptions)o).Validate(),
        [typeof(KmerOptions)] = o => ((KmerOptions)o).Validate(),
        [typeof(SuiteRecipe)] = o => ((SuiteRecipe)o).Validate(),
        [typeof(AdamWOptions)] = o => ((AdamWOptions)o).Validate(),
        [typeof(BpeTrainerOptions)] = o => new BpeTrainer((BpeTrainerOptions)o),
        [typeof(SequenceOptions)] = o =>
            SequenceReader.Open(new MemoryStream(">a\nACGT\n"u8.ToArray()), "x.fa", (SequenceOptions)o).Dispose(),
    };

    // What is no number, or has numbers in it.
    private static readonly Dictionary<(Type, string), object?[]> Others = new()
    {
        [(typeof(PretrainOptions), "SpeciesWeights")] = [
            .. new[] { -1, double.NaN, double.PositiveInfinity, 1e30 }.Select(
                w => new Dictionary<string, double> { ["SpeciesWeights"] = w })],
        [(typeof(Dnabert2Config), "Attention")] = [SelfAttention.Parse("rotary:99999999")],
        [(typeof(LoraOptions), "Targets")] = [Array.Empty<string>(), new[] { " " }, Enumerable.Repeat("a", 100_000).ToArray()],
        [(typeof(FineTuneOptions), "Lora")] = [.. new[] { 0, -1, 5000 }.Select(r => new LoraOptions { Rank = r })],
        [(typeof(AttributionOptions), "Region")] = [new SequenceRegion(null, -1, 5), new SequenceRegion(null, 5, 5)],
        [(typeof(KmerOptions), "Lambdas")] = [Array.Empty<double>(), new[] { double.NaN }, new[] { -1.0 }, new double[5000]],
        [(typeof(SuiteRecipe), "Common")] = [new FineTuneOptions { Batch = 0 }],
        [(typeof(BpeTrainerOptions), "SpecialTokens")] = [new[] { "ACGT" }, new[] { new string('x', 300) }, new[] { "a", "a" }],
    };

    private static readonly HashSet<(Type, string)> AnyValue =
    [
        (typeof(AttributionOptions), "Class"), // A name, held against those of the model.
        (typeof(FineTuneOptions), "RandomInitialization"),
        (typeof(SequenceOptions), "SequenceColumn"), // Names, held against those of the table.
        (typeof(SequenceOptions), "SecondSequenceColumn"),
    ];

    public static TheoryData<Type> Types => [.. Records.Keys];

    [Theory]
    [MemberData(nameof(Types))]
    public void A_value_out_of_range_is_refused_by_the_name_of_its_field(Type type)
    {
        int seen = 0;
        foreach (PropertyInfo property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            Type value = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            if (value == typeof(bool) || property.Name == AnyNumber || AnyValue.Contains((type, property.Name))) continue;
            object?[] wrong = Others.TryGetValue((type, property.Name), out object?[]? others) ? others
                : value == typeof(int) ? [int.MinValue, -1, int.MaxValue]
                : value == typeof(double) ? [double.NaN, double.PositiveInfinity, double.NegativeInfinity, -11.0, 1e30]
                : value == typeof(float) ? [float.NaN, float.PositiveInfinity, float.NegativeInfinity, -1f, 1e30f]
                : value.IsEnum ? [Enum.ToObject(value, 99)]
                : throw new InvalidOperationException($"{type.Name}.{property.Name} has no wrong values: add some");
            // A token of any length may be asked for, and a sequence of any.
            if (type == typeof(SequenceOptions) && value == typeof(int)) wrong = wrong[..2];
            if (type == typeof(BpeTrainerOptions) && property.Name is "MaxTokenLength" or "MinimumCount") wrong = wrong[..2];
            foreach (object? given in wrong)
            {
                object options = Activator.CreateInstance(type)!;
                property.SetValue(options, given);
                var error = Assert.IsAssignableFrom<ArgumentException>(Record.Exception(() => Records[type](options)));
                string name = Others.ContainsKey((type, property.Name)) && value != typeof(int) ? ""
                    : type == typeof(Dnabert2Config) ? Key(property.Name)
                    : property.Name;
                Assert.True(
                    error.Message.Contains(name, StringComparison.Ordinal), $"{type.Name}.{property.Name} = {given}: {error.Message}");
                seen++;
            }
        }

        Assert.True(seen > 5, $"{seen} values of {type.Name} were tried");
        object sound = Activator.CreateInstance(type)!;
        Records[type](sound);
    }

    [Fact]
    public void Every_record_of_options_is_among_those_that_are_tried()
    {
        string[] known = [.. Records.Keys.Select(t => t.Name), "SuiteOptions"];
        foreach (string assembly in new[] { "Engine.Kernels", "Engine.Runtime", "Engine.Autograd", "Dnabert2.Tokenizers",
            "Dnabert2.Model" })
            foreach (Type type in Assembly.Load(assembly).GetExportedTypes())
                if (type.Name.EndsWith("Options", StringComparison.Ordinal) || type.Name.EndsWith("Recipe", StringComparison.Ordinal))
                    Assert.Contains(type.Name, known);
    }

    [Theory]
    [InlineData("pretrain")]
    [InlineData("finetune")]
    [InlineData("config")]
    public void A_value_out_of_range_in_a_file_is_refused_by_file_and_key(string kind)
    {
        byte[] sound = kind switch
        {
            "pretrain" => PretrainOptionsJson.Write(new PretrainOptions()),
            "finetune" => OptionsJson.Bytes(
                new FineTuneOptions { Lora = new LoraOptions { Targets = ["query"] } }, FineTuneOptionsJson.Write),
            _ => ModelFolder.Config(new Dnabert2Config()),
        };
        Action<byte[]> read = kind switch
        {
            "pretrain" => json => PretrainOptionsJson.Read("f.json", json),
            "finetune" => json => JsonFields.Read("f.json", json, "", FineTuneOptionsJson.Read),
            _ => json => JsonFields.Read("f.json", json, "", fields => new ConfigReader(fields).Read()),
        };
        read(sound);
        using JsonDocument document = JsonDocument.Parse(sound);
        int keys = 0;
        foreach (JsonProperty property in document.RootElement.EnumerateObject())
        {
            string[] wrong = property.Value.ValueKind switch
            {
                _ when property.Name is "seed" or "alibi_starting_size" or "max_position_embeddings" => [],
                JsonValueKind.Number or JsonValueKind.Null => ["-11", "1e300", "1e999", "\"x\"", "[]"],
                JsonValueKind.True or JsonValueKind.False => ["0", "\"true\""],
                JsonValueKind.String when property.Name is not ("model_type" or "position_embedding_type" or "lora_targets") =>
                    ["\"other\"", "1"],
                _ => [],
            };
            foreach (string value in wrong)
            {
                string text = "{"
                    + string.Join(
                        ',', document.RootElement.EnumerateObject()
                        .Select(p => $"\"{p.Name}\":{(p.Name == property.Name ? value : p.Value.GetRawText())}")) + "}";
                Exception? error = Record.Exception(() => read(System.Text.Encoding.UTF8.GetBytes(text)));
                Assert.True(error is InvalidDataException, $"{property.Name}: {value}: {error}");
                Assert.StartsWith("f.json: ", error.Message);
                string name = property.Name.Replace("_", "", StringComparison.Ordinal).Replace("lora", "", StringComparison.Ordinal);
                Assert.True(
                    error.Message.Replace("_", "", StringComparison.Ordinal).Contains(name, StringComparison.OrdinalIgnoreCase),
                    $"{property.Name} = {value}: {error.Message}");
            }

            keys += wrong.Length > 0 ? 1 : 0;
        }

        Assert.True(keys >= 12, $"{keys} keys of {kind} were tried");
    }

    [Fact]
    public void Epochs_that_make_more_steps_than_can_be_counted_are_refused()
    {
        var options = new FineTuneOptions { Epochs = 100_000, Batch = 1 };
        options.Validate();
        Assert.Contains("Epochs", Assert.Throws<ArgumentException>(() => options.StepsOf(1_000_000)).Message, StringComparison.Ordinal);
        Assert.Equal(300, (options with { Epochs = 3 }).StepsOf(100));
    }

    /// <summary>The name in a <c>config.json</c>.</summary>
    private static string Key(string property) =>
        string.Concat(
            property.Select((c, i) => char.IsUpper(c) ? (i > 0 ? "_" : "") + char.ToLower(c, CultureInfo.InvariantCulture) : $"{c}"));
}

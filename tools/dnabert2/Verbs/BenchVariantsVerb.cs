using System.CommandLine;
using System.Globalization;
using System.Text;
using Dnabert2.Benchmarking;
using Dnabert2.Folders;
using Dnabert2.Interpretation;
using Engine.Runtime;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>bench variants</c>: variants in a second, beside a plain loop of batches.</summary>
internal sealed class BenchVariantsVerb
{
    private const string Published = "117m";
    private readonly Terminal _terminal;
    private readonly ModelChoice _model = ModelChoice.Optional(
        "--model",
        "a model with the head of its language model: its folder; 'default', or the shape of the published DNABERT-2 with random weights, "
        + Published, Published);

    private readonly Option<string> _densities = new("--densities")
    {
        Description = "variants in 1,000 bases of a list; 3000: each base has its three substitutions",
        HelpName = "N,…",
        DefaultValueFactory = _ => "3000,200,30",
    };

    private readonly Option<int> _variants = Shared.Number("--variants", "the variants of a list", 64, 1, 1_000_000);
    private readonly Option<int?> _window = Shared.OptionalNumber(
        "--window", "bases that the model sees around a variant [default: 512, or what the model's limit of tokens holds]", 8);
    private readonly Option<int?> _step = Shared.OptionalNumber(
        "--step", "windows begin every N bases [default: a quarter of the window]", 1);
    private readonly ScoreChoice _scores = new();
    private readonly Option<int> _batchTokens = Shared.Number("--batch-tokens", "tokens computed together", 4096, 1);
    private readonly Option<int> _rounds = Shared.Number("--rounds", "measurements of each list; the median is reported", 3, 1);
    private readonly Option<bool> _json = new("--json") { Description = "print one JSON object per line and list, and nothing else" };
    private readonly Compute _compute;

    public BenchVariantsVerb(Terminal terminal)
    {
        _terminal = terminal;
        _compute = new Compute(terminal, training: false);
        Command = new Verb(
            "variants",
            "Times the scoring of variants on both strands, with what they share computed once, beside a plain loop of batches in which "
            + "each variant has its passes to itself, and the largest difference of a score: 0 on the CPU, rounding on a GPU.",
            ("dnabert2 bench variants --model default --variants 12 --densities 3000 --window 64 --rounds 1",
                "the built-in model, all substitutions of four bases"))
        {
            _densities, _variants, _window, _step, _scores.Option, _batchTokens, _rounds, _json,
        };
        foreach (Option option in _model.Options.Concat(_compute.Options)) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        int[] densities = Densities(parsed.GetRequiredValue(_densities));
        int variants = parsed.GetValue(_variants), rounds = parsed.GetValue(_rounds);
        bool json = parsed.GetValue(_json);
        using Backend backend = _compute.Open(parsed);
        using SequenceModel model = Load(parsed, backend, json);
        var options = new VariantOptions
        {
            Window = parsed.GetValue(_window),
            Scores = _scores.Of(parsed),
            BatchTokens = parsed.GetValue(_batchTokens),
            AverageReverseComplement = true,
        };
        options = options with { Step = parsed.GetValue(_step) ?? Math.Max(1, VariantBenchmark.WindowOf(model, options) / 4) };
        var benchmark = new VariantBenchmark(model, options);
        benchmark.Measure(Math.Min(variants, 8), densities[0], _terminal.Cancellation);
        if (!json)
        {
            Print($"{backend.Description}; windows of {VariantBenchmark.WindowOf(model, options)} bases every {options.Step}, "
                + $"both strands, median of {rounds}\n");
            Print($"{"in 1,000 bases",-16}{"variants",9}{"one by one/s",14}{"shared/s",10}{"ratio",7}{"tokens each",13}{"shared",8}"
                + $"{"difference",12}");
        }

        foreach (int density in densities)
        {
            var samples = new List<VariantSample>();
            for (int round = 0; round < rounds; round++) samples.Add(benchmark.Measure(variants, density, _terminal.Cancellation));
            Print(json ? Json(density, samples) : Row(density, samples));
        }

        return CommandLineTool.Done;
    }

    private SequenceModel Load(ParseResult parsed, Backend backend, bool quiet)
    {
        if (_model.NameOf(parsed) == Published)
            return Dnabert2Model.Initialize(
                new Dnabert2Config { HiddenDropoutProb = 0 }, Shared.BuiltInTokenizer(), seed: 1, backend, ModelParts.MlmHead);
        ModelSource source = _model.Open(parsed, _terminal, quiet);
        return source.Load(backend, source.LanguageModel);
    }

    private static string Row(int density, List<VariantSample> samples)
    {
        VariantSample s = samples[0];
        double alone = Median(samples, sample => sample.OneByOne), shared = Median(samples, sample => sample.Shared);
        return $"{density,-16:N0}{s.Variants,9:N0}{s.Variants / alone,14:F2}{s.Variants / shared,10:F2}{alone / shared,7:F2}"
            + $"{(double)s.TokensOneByOne / s.Variants,13:F0}{(double)s.TokensShared / s.Variants,8:F0}"
            + $"{s.LargestDifference,12:G2}";
    }

    private static string Json(int density, List<VariantSample> samples)
    {
        VariantSample s = samples[0];
        double alone = Median(samples, sample => sample.OneByOne), shared = Median(samples, sample => sample.Shared);
        return string.Create(CultureInfo.InvariantCulture,
            $$"""{"what":"variants","per_kilobase":{{density}},"variants":{{s.Variants}},"one_by_one_per_s":{{s.Variants / alone:F3}},"""
            + $$""" "shared_per_s":{{s.Variants / shared:F3}},"tokens_one_by_one":{{s.TokensOneByOne}},"""
            + $$""" "tokens_shared":{{s.TokensShared}},"largest_difference":{{s.LargestDifference:G9}}}""");
    }

    private static double Median(List<VariantSample> samples, Func<VariantSample, double> of) =>
        samples.Select(of).Order().ElementAt(samples.Count / 2);

    /// <summary>Numbers of variants in 1,000 bases, separated by commas.</summary>
    /// <exception cref="UsageException">One of them is none.</exception>
    internal static int[] Densities(string text) => Array.ConvertAll(text.Split(','), part =>
        int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is >= 1 and <= 3000 ? number
            : throw new UsageException($"--densities {part}: expected whole numbers from 1 to 3000, with commas between them"));

    private void Print(string line)
    {
        _terminal.Output.Write(Encoding.UTF8.GetBytes(line + "\n"));
        _terminal.Output.Flush();
    }
}

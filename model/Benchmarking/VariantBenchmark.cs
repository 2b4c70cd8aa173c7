using System.Diagnostics;
using System.Text;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Engine.Kernels;

namespace Dnabert2.Benchmarking;

/// <summary>What a list of variants took, computed one by one and with what they share computed once.</summary>
/// <param name="Variants">The variants.</param>
/// <param name="OneByOne">Seconds of the plain loop.</param>
/// <param name="Shared">Seconds of <see cref="VariantScorer.Score"/>.</param>
/// <param name="TokensOneByOne">Tokens that went through the model in the plain loop, special ones included.</param>
/// <param name="TokensShared">Those of <see cref="VariantScorer.Score"/>.</param>
/// <param name="LargestDifference">
/// The largest difference of a score in both: 0 on the CPU; on a GPU, which multiplies batches of different sizes with different kernels,
/// that of rounding.
/// </param>
public readonly record struct VariantSample(
    int Variants, double OneByOne, double Shared, long TokensOneByOne, long TokensShared, double LargestDifference);

/// <summary>
/// Times <see cref="VariantScorer"/> beside a plain loop of batches: the same windows and batches of as many tokens on the same engine, but
/// each variant has all its forward passes to itself, in the order of the list. The genome is random, and so are the variants: nine of ten
/// are substitutions, the tenth deletes or inserts bases.
/// </summary>
public sealed class VariantBenchmark
{
    private readonly InterpretedModel _model;
    private readonly VariantOptions _options;

    /// <summary>A benchmark of a model, which stays the caller's.</summary>
    /// <param name="model">The model; with the head of its language model the likelihood is among the scores.</param>
    /// <param name="options">How variants are scored.</param>
    /// <exception cref="ArgumentException">The model has no vectors of tokens.</exception>
    public VariantBenchmark(SequenceModel model, VariantOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        if (model.RefusalOf(pooling: null) is { } why) throw new ArgumentException($"it cannot be measured: {why}", nameof(model));
        (_model, _options) = (new InterpretedModel(model, null, [], null), options);
    }

    /// <summary>The bases of a window that the options leave to the model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">The options.</param>
    public static int WindowOf(SequenceModel model, VariantOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        return options.WindowFor(new InterpretedModel(model, null, [], null));
    }

    /// <summary>Scores a list in both ways.</summary>
    /// <param name="variants">The variants of the list.</param>
    /// <param name="perKilobase">How many there are in 1,000 bases, from 1 to 3,000: at 3,000 each base has three.</param>
    /// <param name="cancellation">Ends the work between two batches.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are none, or there is no such list.</exception>
    /// <exception cref="ArgumentException">An option is out of its range, or asks for what the model does not have.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public VariantSample Measure(int variants, int perKilobase, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(variants, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(perKilobase, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(perKilobase, 3000);
        const int Margin = 2048;
        byte[] bases = Bases((int)((variants * 1000L / perKilobase) + (2 * Margin)));
        using var stream = new MemoryStream([.. ">r\n"u8, .. bases, (byte)'\n']);
        using SequenceReader reader = SequenceReader.Open(stream, "r.fa", cancellation: cancellation);
        using Genome genome = Genome.Read(reader);
        Variant[] list = List(bases, variants, perKilobase, Margin);
        (double alone, long tokensAlone, VariantScore[] scoresAlone) = Run(shares: false);
        (double shared, long tokensShared, VariantScore[] scoresShared) = Run(shares: true);
        return new VariantSample(list.Length, alone, shared, tokensAlone, tokensShared, LargestDifference(scoresAlone, scoresShared));

        (double Seconds, long Tokens, VariantScore[] Scores) Run(bool shares)
        {
            var scorer = new VariantScorer(_model, genome, _options, shares);
            var tokens = new Tokens();
            long start = Stopwatch.GetTimestamp();
            VariantScore[] scores = [.. scorer.Score(list, tokens, cancellation)];
            return (Stopwatch.GetElapsedTime(start).TotalSeconds, tokens.Done, scores);
        }
    }

    private static byte[] Bases(int count)
    {
        var random = new Philox(1, 0, 0);
        byte[] bases = new byte[count];
        for (int i = 0; i < count; i++) bases[i] = "ACGT"u8[(int)(random.Word((ulong)i) & 3)];
        return bases;
    }

    private static Variant[] List(byte[] bases, int count, int perKilobase, int margin)
    {
        var list = new Variant[count];
        for (int i = 0; i < count; i++)
        {
            int at = margin + (int)(i * 1000L / perKilobase), length = i % 10 == 9 ? 1 + (i / 10 % 3) : 0;
            string reference = Encoding.ASCII.GetString(bases, at, 1), other = Substitution(bases[at], i);
            list[i] = length == 0 ? new(i + 1, "r", at + 1, ".", reference, other)
                : i % 20 == 9 ? new(i + 1, "r", at + 1, ".", Encoding.ASCII.GetString(bases, at, 1 + length), reference)
                : new(i + 1, "r", at + 1, ".", reference, reference + new string(other[0], length));
        }

        return list;
    }

    /// <summary>One of the three other bases.</summary>
    private static string Substitution(byte b, int which) => $"{(char)"ACGT"u8[("ACGT"u8.IndexOf(b) + 1 + (which % 3)) % 4]}";

    private double LargestDifference(VariantScore[] alone, VariantScore[] shared)
    {
        double largest = 0;
        List<VariantColumn> columns = VariantColumn.Of(_model, _options.ScoresFor(_model));
        for (int i = 0; i < alone.Length; i++)
            foreach (VariantColumn column in columns)
            {
                double difference = Math.Abs(column.Of(alone[i]) - column.Of(shared[i]));
                if (difference > largest) largest = difference;
            }

        return largest;
    }

    private sealed class Tokens : IProgress<long>
    {
        public long Done { get; private set; }

        public void Report(long value) => Done = value;
    }
}

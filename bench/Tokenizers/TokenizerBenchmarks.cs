using System.Text;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Dnabert2.Tokenizers;

namespace Bench.Tokenizers;

/// <summary>
/// One thread, one megabase each time. The sequences and the vocabulary (4096 ids, trained on the sequences' first half) come from a
/// fixed generator; DNABERT2_TOKENIZER names a <c>tokenizer.json</c> and DNABERT2_SEQUENCE a file of plain bases to use instead.
/// </summary>
[Config(typeof(Config))]
[MemoryDiagnoser]
public class TokenizerBenchmarks
{
    private const int Megabase = 1_000_000;
    private const int ShortLength = 1000;

    private readonly List<int> _ids = [];
    private readonly List<int> _starts = [];
    private byte[] _sequence = [];
    private string[] _strings = [];
    private BpeTokenizer _bpe = null!;
    private DnabertTokenizer _kmer = null!;

    [GlobalSetup]
    public void Setup()
    {
        string? sequence = Environment.GetEnvironmentVariable("DNABERT2_SEQUENCE");
        byte[] bases = sequence is null ? RandomGenome(2 * Megabase) : [.. File.ReadAllBytes(sequence).Where(b => "ACGT"u8.Contains(b))];
        if (bases.Length < Megabase) throw new InvalidDataException($"{sequence}: {bases.Length} bases; a million are needed");
        _sequence = bases[^Megabase..];
        _strings =
            [.. Enumerable.Range(0, Megabase / ShortLength).Select(i => Encoding.ASCII.GetString(_sequence, i * ShortLength, ShortLength))];
        _kmer = new DnabertTokenizer(6);
        if (Environment.GetEnvironmentVariable("DNABERT2_TOKENIZER") is { } path)
        {
            _bpe = BpeTokenizer.Load(path);
            return;
        }
        var trainer = new BpeTrainer();
        trainer.Add(bases.AsSpan(0, Megabase));
        _bpe = trainer.Train();
    }

    [Benchmark(Baseline = true)]
    public int BpeThousandBases()
    {
        int tokens = 0;
        for (int i = 0; i < Megabase; i += ShortLength)
        {
            _ids.Clear();
            _bpe.EncodeSequence(_sequence.AsSpan(i, ShortLength), _ids);
            tokens += _ids.Count;
        }
        return tokens;
    }

    [Benchmark]
    public int BpeOneRecord()
    {
        _ids.Clear();
        _bpe.EncodeSequence(_sequence, _ids);
        return _ids.Count;
    }

    [Benchmark]
    public int BpeOneRecordWithStarts()
    {
        _ids.Clear();
        _starts.Clear();
        _bpe.EncodeSequence(_sequence, _ids, _starts);
        return _ids.Count;
    }

    [Benchmark]
    public int BpeThousandBasesFromStrings()
    {
        int tokens = 0;
        foreach (string text in _strings) tokens += _bpe.Encode(text).Count;
        return tokens;
    }

    [Benchmark]
    public int OverlappingSixMers()
    {
        _ids.Clear();
        _kmer.EncodeSequence(_sequence, _ids);
        return _ids.Count;
    }

    [Benchmark]
    public int TrainingTo4096()
    {
        var trainer = new BpeTrainer();
        for (int i = 0; i < Megabase; i += ShortLength) trainer.Add(_sequence.AsSpan(i, ShortLength));
        return trainer.Train().VocabularySize;
    }

    /// <summary>Bases whose next one depends on the four before it, with repeats.</summary>
    private static byte[] RandomGenome(int length)
    {
        var random = new Random(20240229);
        var weights = new double[256 * 4];
        for (int i = 0; i < weights.Length; i++) weights[i] = 0.3 + random.NextDouble();
        var bases = new byte[length];
        int context = 0;
        for (int i = 0; i < length; i++)
        {
            if (i > 10_000 && random.Next(2000) == 0)
            {
                int copied = Math.Min(random.Next(20, 400), length - i);
                bases.AsSpan(random.Next(0, i - 1000), copied).CopyTo(bases.AsSpan(i));
                i += copied - 1;
                continue;
            }
            ReadOnlySpan<double> w = weights.AsSpan(context * 4, 4);
            double at = random.NextDouble() * (w[0] + w[1] + w[2] + w[3]);
            int next = 0;
            while (next < 3 && (at -= w[next]) > 0) next++;
            bases[i] = "ACGT"u8[next];
            context = (context << 2 | next) & 255;
        }
        return bases;
    }

    private sealed class Config : ManualConfig
    {
        public Config() => AddColumn(new MegabasesPerSecond());
    }

    private sealed class MegabasesPerSecond : IColumn
    {
        public string Id => nameof(MegabasesPerSecond);
        public string ColumnName => "MB/s";
        public bool AlwaysShow => true;
        public ColumnCategory Category => ColumnCategory.Custom;
        public int PriorityInCategory => 0;
        public bool IsNumeric => true;
        public UnitType UnitType => UnitType.Dimensionless;
        public string Legend => "Millions of bases a second, from the mean";
        public bool IsAvailable(Summary summary) => true;
        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;
        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
            => summary[benchmarkCase]?.ResultStatistics is { } statistics ? $"{Megabase / (statistics.Mean / 1e9) / 1e6:F1}" : "-";
    }
}

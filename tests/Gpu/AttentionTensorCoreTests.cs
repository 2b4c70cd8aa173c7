using Conformance.Cases;
using Conformance.Gpu;
using Conformance.Ptx;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Ptx;

namespace Tests.Gpu;

/// <summary>Attention on tensor cores, in the interpreter, beside a naive form in the same type.</summary>
[Trait("Category", "Slow")]
public sealed class AttentionTensorCoreTests : IDisposable
{
    private readonly InterpretedDevice _device = new();

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData(new[] { 1 }, 2, 8)]
    [InlineData(new[] { 63, 0, 64, 1 }, 1, 32)]
    [InlineData(new[] { 70 }, 2, 40)]
    [InlineData(new[] { 65, 0, 7 }, 2, 64)]
    [InlineData(new[] { 0, 129 }, 1, 64)]
    [InlineData(new[] { 70 }, 1, 104)]
    [InlineData(new[] { 65, 3 }, 1, 128)]
    public void Attention_with_ALiBi_and_its_gradient_are_as_near_as_a_naive_form(int[] lengths, int heads, int headSize) =>
        Run(checks => checks.Attention(lengths, heads, headSize, default(Alibi)));

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    [InlineData(128)]
    public void Every_other_score_modification_and_its_gradient_are_as_near_as_a_naive_form(int headSize)
    {
        if (headSize != 64) LongTests.SkipUnlessAsked();
        Run(checks => checks.Attention([1, 0, 66], 1, headSize, default(NoModification)));
        Run(checks => checks.Attention([5, 130], 1, headSize, default(Causal)));
        Run(checks => checks.Attention([130, 0, 1], 1, headSize, new SlidingWindow(20)));
        Run(checks => checks.Attention([63, 0, 1, 64], 1, headSize, new SoftCap(1.5f)));
    }

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    [InlineData(128)]
    public void Attention_with_relative_biases_and_its_gradient_are_as_near_as_a_naive_form(int headSize)
    {
        Run(checks => checks.RelativeAttention([65, 0, 7], headSize, RelativeTable.Of(heads: 1, radius: 20)));
        Run(checks => checks.RelativeAttention([1, 64], headSize, RelativeTable.Of(heads: 1, radius: 0)));
    }

    [Theory]
    [InlineData(new[] { 65, 0, 7 }, 2, 32)]
    [InlineData(new[] { 1, 66 }, 1, 64)]
    [InlineData(new[] { 3, 65 }, 1, 128)]
    public void Attention_that_drops_probabilities_and_its_gradient_are_as_near_as_a_naive_form(int[] lengths, int heads, int headSize) =>
        Run(checks => checks.Attention(lengths, heads, headSize, default(Alibi), gradient: true, dropout: 0.4f));

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    [InlineData(128)]
    public void What_stands_behind_the_last_query_and_key_adds_nothing_however_large_its_score(int headSize)
    {
        // exp(100) is no float. Every query and key of the sequence has a log-sum-exp to match; what fills the tile behind its end has not.
        Run(checks => checks.RelativeAttention([70], headSize, new RelativeTable(heads: 1, [100, 0, 0])));
        Run(checks => checks.RelativeAttention([70], headSize, new RelativeTable(heads: 1, [0, 0, 100])));
    }

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    [InlineData(128)]
    public void Tiles_meet_no_bank_conflicts_and_are_copied_in_whole_sectors(int headSize)
    {
        Run(checks => checks.Attention([128], 1, headSize, default(Alibi), gradient: true));
        (string Entry, LaunchReport Report)[] launches =
            [.. _device.Reports.Where(r => !r.Entry.StartsWith("attention_delta", StringComparison.Ordinal)).Take(3)];
        Assert.Equal(3, launches.DistinctBy(r => r.Entry).Count());
        foreach ((_, LaunchReport report) in launches)
        {
            Assert.True(report.Shared.Count >= 16);
            Assert.All(report.Shared, site => Assert.True(site.Degree == 1, site.ToString()));
            Assert.Equal(report.IdealSectors, report.Sectors);
        }
    }

    [Theory]
    [InlineData(32)]
    [InlineData(128)]
    public void Relative_biases_and_dropout_bring_no_bank_conflicts(int headSize)
    {
        Run(checks => checks.RelativeAttention([128], headSize, RelativeTable.Of(heads: 1)));
        Run(checks => checks.Attention([128], 1, headSize, default(Alibi), dropout: 0.1f));
        Assert.Equal(7, _device.Reports.DistinctBy(r => r.Entry).Count());
        Assert.All(
            _device.Reports, launch => Assert.All(launch.Report.Shared, site => Assert.True(site.Degree == 1, $"{launch.Entry}: {site}")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_backend_in_bf16_launches_them_with_the_mask_and_the_table_of_the_CPU(bool dropped)
    {
        using Backend cpu = CpuBackend.Create(1);
        using var gpu = new CudaBackend(new InterpretedDevice(), DType.BF16);
        float[][] expected = On(cpu), actual = On(gpu);
        for (int i = 0; i < expected.Length; i++)
            Check.NearRelative(Array.ConvertAll(expected[i], v => (double)v), actual[i], 0.02, $"output {i}");

        float[][] On(Backend backend)
        {
            const int Heads = 2, Size = 8, Hidden = Heads * Size;
            int[] lengths = [130, 0, 3];
            int tokens = lengths.Sum();
            using var arena = new Arena(backend);
            var t = new Activations(backend, arena);
            Tensor qkv = t.Normal(tokens, 3 * Hidden, 1), dy = t.Normal(tokens, Hidden, 2), y = t.Empty(tokens, Hidden),
                dqkv = t.Empty(tokens, 3 * Hidden);
            Tensor lse = arena.Rent(new Shape(Heads, tokens), DType.F32), dtable = arena.Rent(new Shape(Heads, 19), DType.F32),
                stream = arena.Rent(new Shape(3), DType.I32);
            backend.Upload<uint>([7, 8, 9], stream);
            backend.Clear(dtable);
            var borders = arena.RentCuSeqlens(lengths);
            if (dropped)
            {
                var dropout = new AttentionDropout(stream, 5, 0.5f);
                backend.Run(new AttentionForward<Alibi>(qkv, borders, Heads, default(Alibi), lse, y, dropout));
                backend.Run(new AttentionBackward<Alibi>(qkv, borders, Heads, default(Alibi), lse, y, dy, dqkv, dropout));
                return [t.Read(y), t.Read(dqkv)];
            }

            RelativeBias bias = RelativeTable.Of(Heads).On(backend, arena.Rent);
            backend.Run(new AttentionForward<RelativeBias>(qkv, borders, Heads, bias, lse, y));
            backend.Run(new AttentionBackward<RelativeBias>(qkv, borders, Heads, bias, lse, y, dy, dqkv, dropout: default, dtable));
            return [t.Read(y), t.Read(dqkv), t.Read(dtable)];
        }
    }

    [Fact]
    public void Tiles_outside_a_sliding_window_are_skipped()
    {
        // Each half of the queries sees 136 of 256 keys, which are three tiles of four. For the gradients, each quarter of the queries sees
        // at most 80 keys, two tiles of four, and each of the keys two or three tiles of queries.
        long[] full = Products(new SlidingWindow(256)), narrow = Products(new SlidingWindow(8));
        Assert.Equal(full[0] * 3 / 4, narrow[0]);
        Assert.Equal(full[1] * 10 / 16, narrow[1]);
        Assert.Equal(full[2] / 2, narrow[2]);
    }

    private long[] Products(SlidingWindow window)
    {
        _device.Reports.Clear();
        Run(checks => checks.Attention([256], 1, 32, window));
        return [.. _device.Reports.DistinctBy(r => r.Entry).Select(r => r.Report.Count("mma")).Where(count => count > 0)];
    }

    private void Run(Action<BFloat16Checks> check)
    {
        using var checks = new BFloat16Checks(_device);
        check(checks);
    }
}

using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Runtime;

public class RuntimeTests
{
    [Fact]
    public void Philox_gives_the_known_answers_of_its_authors()
    {
        Assert.Equal((0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u), new Philox(0, 0, 0).Block(0));
        Assert.Equal((0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu),
            new Philox(ulong.MaxValue, uint.MaxValue, uint.MaxValue).Block(ulong.MaxValue));
        Assert.Equal((0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u),
            new Philox(0x299f31d0a4093822, 0x03707344, 0x13198a2e).Block(0x85a308d3243f6a88));
    }

    [Fact]
    public void Normal_deviates_have_the_moments_of_a_normal_distribution()
    {
        var values = new float[1_000_003];
        new Philox(7, 1, 2).FillNormal(values, 0.5f);
        double mean = values.Average(), variance = values.Sum(v => (v - mean) * (v - mean)) / values.Length;
        double kurtosis = values.Sum(v => Math.Pow(v - mean, 4)) / values.Length / (variance * variance);
        Assert.InRange(mean, -0.0025, 0.0025);
        Assert.InRange(variance, 0.2485, 0.2515);
        Assert.InRange(kurtosis, 2.97, 3.03);
    }

    [Fact]
    public void A_backend_refuses_to_close_over_a_leaked_storage()
    {
        Backend backend = CpuBackend.Create(1);
        Storage leaked = backend.Allocate(100);
        Assert.Throws<InvalidOperationException>(backend.Dispose);
        leaked.Dispose();
        leaked.Dispose();
        Assert.Equal((0, 0L), (backend.LiveStorages, backend.LiveBytes));
        backend.Dispose();
        Assert.Throws<ObjectDisposedException>(() => backend.Allocate(1));
    }

    [Fact]
    public void A_disposed_storage_is_no_longer_read()
    {
        using Backend backend = CpuBackend.Create(1);
        Storage storage = backend.Allocate(64);
        var tensor = new Tensor(storage, 0, new Shape(4), DType.F32);
        storage.Dispose();
        Assert.Throws<ObjectDisposedException>(() => backend.Download<float>(tensor, new float[4]));
    }

    [Fact]
    public void An_arena_hands_out_disjoint_aligned_tensors_and_settles_on_one_storage()
    {
        using Backend backend = CpuBackend.Create(1);
        using var arena = new Arena(backend);
        for (int round = 0; round < 3; round++)
        {
            var tensors = new List<Tensor>();
            for (int i = 0; i < 50; i++) tensors.Add(arena.Rent(new Shape(i, 1000), DType.F32));
            for (int i = 0; i < tensors.Count; i++) tensors[i].Span<float>().Fill(i);
            for (int i = 0; i < tensors.Count; i++) Assert.All(tensors[i].Span<float>().ToArray(), v => Assert.Equal(i, v));
            unsafe
            {
                Assert.All(tensors, t => Assert.Equal(0, (nint)t.Address % 64));
            }

            if (round > 0) Assert.Equal(1, backend.LiveStorages);
            arena.Reset();
        }
    }

    [Fact]
    public void A_mark_takes_back_only_what_came_after_it()
    {
        using Backend backend = CpuBackend.Create(1);
        using var arena = new Arena(backend);
        Tensor kept = arena.Rent(new Shape(10), DType.F32);
        kept.Span<float>().Fill(1);
        ArenaMark mark = arena.Mark();
        arena.Rent(new Shape(3_000_000), DType.F32);
        arena.Reset(mark);
        arena.Rent(new Shape(3_000_000), DType.F32).Span<float>().Fill(2);
        Assert.All(kept.Span<float>().ToArray(), v => Assert.Equal(1, v));
        Assert.InRange(arena.HighWater, 12_000_000, 13_000_000);
    }

    [Fact]
    public void Tensors_outside_their_storage_are_refused()
    {
        using Backend backend = CpuBackend.Create(1);
        using Storage storage = backend.Allocate(64);
        Assert.Throws<ArgumentException>(() => new Tensor(storage, 0, new Shape(17), DType.F32));
        Assert.Throws<ArgumentException>(() => new Tensor(storage, 4, new Shape(16), DType.F32));
        var tensor = new Tensor(storage, 0, new Shape(4, 4), DType.F32);
        Assert.Equal(new Shape(2, 4), tensor.Slice(8, new Shape(2, 4)).Shape);
        Assert.Throws<ArgumentException>(() => tensor.Slice(9, new Shape(2, 4)));
        Assert.Throws<ArgumentException>(() => tensor.Slice(-1, new Shape(1)));
    }

    [Fact]
    public void Shapes_know_rank_and_count_and_refuse_nonsense()
    {
        Assert.Equal("[3, 4]", new Shape(3, 4).ToString());
        Assert.Equal(1L << 40, new Shape(1 << 20, 1 << 20).Count);
        Assert.Throws<ArgumentException>(() => new Shape(1, 1, 1, 1, 1));
        Assert.Throws<ArgumentException>(() => new Shape(3, -1));
        Assert.Throws<OverflowException>(() => new Shape(int.MaxValue, int.MaxValue, int.MaxValue));
        Assert.NotEqual(new Shape(6), new Shape(2, 3));
    }

    [Fact]
    public void Wrong_operands_are_named()
    {
        using Backend backend = CpuBackend.Create(1);
        using var arena = new Arena(backend);
        Tensor x = arena.Rent(new Shape(2, 3), DType.F32), w = arena.Rent(new Shape(4, 5), DType.F32),
            y = arena.Rent(new Shape(2, 4), DType.F32);
        Assert.Contains("x is F32 [2, 3], expected F32 [2, 5]", Assert.Throws<ArgumentException>(() =>
            backend.Run(new LinearForward(x, new Weight(w), default, Activation.None, default, y))).Message, StringComparison.Ordinal);
        Tensor ids = arena.Rent(new Shape(1), DType.I32);
        ids.Span<int>()[0] = 4;
        Tensor norm = arena.Rent(new Shape(5), DType.F32);
        Assert.Contains("token id 4 at 0", Assert.Throws<ArgumentException>(() =>
            backend.Run(
                new EmbeddingForward(
                    ids, default, w, w, new Norm(norm, norm, 0), default, default, arena.Rent(new Shape(1, 5), DType.F32))))
                .Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0f, 0x0000)]
    [InlineData(1f, 0x3F80)]
    [InlineData(1.00390625f, 0x3F80)]
    [InlineData(1.01171875f, 0x3F82)]
    [InlineData(float.PositiveInfinity, 0x7F80)]
    [InlineData(float.MaxValue, 0x7F80)]
    [InlineData(-3.140625f, 0xC049)]
    public void Bfloat16_rounds_to_nearest_even(float value, int bits) => Assert.Equal(bits, ((BFloat16)value).Bits);

    [Fact]
    public void Bfloat16_keeps_nan_a_nan()
    {
        Assert.True(float.IsNaN((float)(BFloat16)float.NaN));
        Assert.True(float.IsNaN((float)(BFloat16)BitConverter.UInt32BitsToSingle(0x7F800001)));
    }
}

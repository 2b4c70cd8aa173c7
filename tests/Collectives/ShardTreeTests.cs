using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Collectives;

namespace Tests.Collectives;

public sealed class ShardTreeTests
{
    // Of 3 shards and 5: halves are powers of two, whoever adds.
    [Theory]
    [InlineData(1, "0")]
    [InlineData(2, "(0+1)")]
    [InlineData(3, "((0+1)+2)")]
    [InlineData(5, "(((0+1)+(2+3))+4)")]
    [InlineData(8, "(((0+1)+(2+3))+((4+5)+(6+7)))")]
    public void The_order_of_the_sum_is_written_down(int shards, string order) =>
        Assert.Equal(order, Order(new ShardRange(0, shards)));

    [Fact]
    public void Ranks_have_neighbouring_shards_and_all_of_them()
    {
        for (int shards = 1; shards <= 40; shards++)
        {
            for (int ranks = 1; ranks <= shards; ranks++)
            {
                int next = 0;
                for (int rank = 0; rank < ranks; rank++)
                {
                    var own = ShardTree.Of(shards, rank, ranks);
                    Assert.Equal(next, own.Start);
                    Assert.InRange(own.Count, shards / ranks, (shards + ranks - 1) / ranks);
                    next = own.End;
                }

                Assert.Equal(shards, next);
            }
        }
    }

    [Fact]
    public void Neighbours_are_halves_of_a_branch_as_the_tree_says()
    {
        for (int shards = 1; shards <= 20; shards++)
        {
            HashSet<(ShardRange, ShardRange)> halves = [];
            Halves(new ShardRange(0, shards), halves);
            for (int a = 0; a < shards; a++)
                for (int b = a + 1; b < shards; b++)
                    for (int c = b + 1; c <= shards; c++)
                    {
                        ShardRange left = new(a, b), right = new(b, c);
                        Assert.Equal(halves.Contains((left, right)), ShardTree.AreHalves(shards, left, right));
                    }
        }
    }

    [Theory]
    [InlineData(8, 1)]
    [InlineData(8, 2)]
    [InlineData(8, 3)]
    [InlineData(8, 4)]
    [InlineData(8, 8)]
    [InlineData(13, 5)]
    [InlineData(3, 2)]
    public void A_sum_is_that_of_the_tree_bit_for_bit_on_any_number_of_ranks(int shards, int size)
    {
        const int count = 1000;
        float[][] given = [.. Enumerable.Range(0, shards).Select(Values)];
        float[] expected = Sum(new ShardRange(0, shards), given);
        float[][] sums = ThreadRanks.Run(size, ranks =>
        {
            using Backend backend = CpuBackend.Create(threads: 1);
            using var arena = new Arena(backend);
            Tensor values = arena.Rent(new Shape(count), DType.F32);
            backend.Clear(values);
            using var sum = new TreeSum(backend, values, shards, size == 1 ? null : ranks);
            for (int step = 0; step < 2; step++)
            {
                for (int shard = sum.Own.Start; shard < sum.Own.End; shard++)
                {
                    if (shard > sum.Own.Start) Assert.Equal(new float[count], values.Span<float>().ToArray());
                    backend.Upload<float>(given[shard], values);
                    sum.Take(shard);
                }

                sum.Finish();
            }

            return values.Span<float>().ToArray();
        });
        foreach (float[] sum in sums) Assert.Equal(expected, sum);
        // The values are such that another order gives other bits.
        if (shards > 3) Assert.NotEqual(expected, given.Aggregate((a, b) => [.. a.Zip(b, (x, y) => x + y)]));

        static float[] Values(int shard)
        {
            float[] values = new float[count];
            new Philox(5, (uint)shard, 0).FillNormal(values, 1);
            return values;
        }
    }

    [Theory]
    [InlineData(8, 2, 1)]
    [InlineData(8, 4, 1)]
    [InlineData(8, 8, 1)]
    [InlineData(8, 3, 2)]
    public void The_bytes_that_are_sent_are_those_of_the_formula(int shards, int size, int most)
    {
        const int count = 16 * 24;
        long[] sent = ThreadRanks.Run(size, ranks =>
        {
            using Backend backend = CpuBackend.Create(threads: 1);
            using var arena = new Arena(backend);
            Tensor values = arena.Rent(new Shape(count), DType.F32);
            backend.Clear(values);
            using var sum = new TreeSum(backend, values, shards, ranks);
            for (int shard = sum.Own.Start; shard < sum.Own.End; shard++) sum.Take(shard);
            sum.Finish();
            return ranks.BytesSent;
        });
        for (int rank = 0; rank < size; rank++)
        {
            int branches = ShardTree.Branches(shards, ShardTree.Of(shards, rank, size)).Count;
            Assert.InRange(branches, 1, most);
            Assert.Equal(4L * count * (branches + 1) * (size - 1) / size, sent[rank]);
        }
    }

    [Fact]
    public void Fewer_shards_than_ranks_are_refused() => Assert.Contains(
        "too few for 3 ranks", Assert.Throws<ArgumentException>(() => ThreadRanks.Run(3, ranks =>
        {
            using Backend backend = CpuBackend.Create(threads: 1);
            using var arena = new Arena(backend);
            using var sum = new TreeSum(backend, arena.Rent(new Shape(16), DType.F32), 2, ranks);
            return 0;
        })).Message, StringComparison.Ordinal);

    [Fact]
    public void Sums_of_ranks_are_added_in_their_order()
    {
        float[][] given = [[1e8f, 1, 2], [-1e8f, 2, 3], [3, 3, 4]];
        float[][] sums = ThreadRanks.Run(3, ranks =>
        {
            float[] values = [.. given[ranks.Rank]];
            ranks.AllReduce(values);
            return values;
        });
        foreach (float[] sum in sums) Assert.Equal([3f, 6, 9], sum);
        float[][] parts = ThreadRanks.Run(3, ranks =>
        {
            float[] own = new float[1];
            ranks.ReduceScatter(given[ranks.Rank], own);
            return own;
        });
        Assert.Equal([3f, 6, 9], parts.SelectMany(part => part));
    }

    [Fact]
    public void What_ranks_say_has_a_length_of_its_own()
    {
        byte[][][] all = ThreadRanks.Run(3, ranks => ranks.AllGather(new byte[ranks.Rank]));
        foreach (byte[][] parts in all) Assert.Equal([0, 1, 2], parts.Select(part => part.Length));
        Assert.Equal([true, true], ThreadRanks.Run(2, ranks => ranks.Any(ranks.Rank == 1)));
        Assert.Equal([false, false], ThreadRanks.Run(2, ranks => ranks.Any(false)));
    }

    private static string Order(ShardRange branch)
    {
        if (branch.Count == 1) return $"{branch.Start}";
        int middle = ShardTree.Middle(branch);
        return $"({Order(branch with { End = middle })}+{Order(branch with { Start = middle })})";
    }

    private static void Halves(ShardRange branch, HashSet<(ShardRange, ShardRange)> found)
    {
        if (branch.Count == 1) return;
        int middle = ShardTree.Middle(branch);
        (ShardRange left, ShardRange right) = (branch with { End = middle }, branch with { Start = middle });
        found.Add((left, right));
        Halves(left, found);
        Halves(right, found);
    }

    private static float[] Sum(ShardRange branch, float[][] given)
    {
        if (branch.Count == 1) return given[branch.Start];
        int middle = ShardTree.Middle(branch);
        return [.. Sum(branch with { End = middle }, given).Zip(Sum(branch with { Start = middle }, given), (x, y) => x + y)];
    }
}

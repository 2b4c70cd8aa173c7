using Engine.Kernels;

namespace Tests.Kernels;

/// <summary>
/// How evenly the tiles of products are shared out, counted: workers take blocks in turn, the next one he who is done first. Products are
/// more than nine tenths of the operations of a pass.
/// </summary>
public unsafe class WorkBalanceTests
{
    private static readonly (int Rows, int Registers, int Lanes)[] Tiles = [(6, 2, 8), (9, 3, 16), (12, 2, 16)];

    /// <summary>Outputs and inputs of the linear layers of DNABERT-2.</summary>
    private static readonly (int Outputs, int Inputs, Activation Activation)[] Layers =
        [(2304, 768, Activation.None), (768, 768, Activation.None), (6144, 768, Activation.Geglu), (768, 3072, Activation.None)];

    [Theory]
    [InlineData(128, false, 1.10)] // a dozen rows of tiles among 64 workers: the tile itself is the limit
    [InlineData(512, false, 1.05)]
    [InlineData(1024, false, 1.05)]
    [InlineData(2048, false, 1.05)]
    [InlineData(4096, false, 1.05)]
    [InlineData(1024, true, 1.05)]
    [InlineData(4096, true, 1.05)]
    public void From_one_to_64_workers_none_has_more_of_the_products_of_a_pass_than_its_share(int tokens, bool training, double most)
    {
        foreach ((int rows, int registers, int lanes) in Tiles)
        {
            var tile = new MatMulTile(rows, registers, lanes, Precision.F32, 1);
            for (int workers = 1; workers <= 64; workers++)
            {
                double longest = 0, even = 0;
                foreach ((int outputs, int inputs, Activation activation) in Layers)
                {
                    Add(tokens, outputs, inputs, activation, transposed: false);
                    if (!training) continue;
                    Add(tokens, inputs, outputs, Activation.None, transposed: false);
                    Add(outputs, inputs, tokens, Activation.None, transposed: true);
                }

                Assert.True(
                    longest <= most * even,
                    $"{tokens} tokens, tiles of {rows} x {registers * lanes}, {workers} workers: {longest / even:F3}");

                void Add(int resultRows, int columns, int depth, Activation activation, bool transposed)
                {
                    var product = new MatMulArguments
                    {
                        Rows = resultRows,
                        Columns = columns,
                        Depth = depth,
                        TransposeLeft = transposed,
                        Tile = tile,
                        Activation = activation,
                    };
                    (long slowest, long all) = Schedule(new MatMulGrid(product, workers), workers);
                    longest += (double)slowest * depth;
                    even += (double)all * depth / workers;
                }
            }
        }
    }

    [Fact]
    public void A_product_that_large_blocks_share_out_evenly_is_not_cut_into_small_ones()
    {
        // A product of the built-in model: 171 strips, and 16 panels of the 24 that a block may have.
        var product = new MatMulArguments
        {
            Rows = 1024,
            Columns = 256,
            Depth = 256,
            Tile = new MatMulTile(6, 2, 8, Precision.F32, 1),
        };
        var grid = new MatMulGrid(product, workers: 2);
        Assert.Equal((16, 8), (grid.PanelsOfBlock, grid.Blocks));
    }

    /// <summary>Every tile is in one block, whatever the number of workers.</summary>
    [Fact]
    public void Every_tile_of_a_product_is_computed_once()
    {
        foreach ((int rows, int columns) in new[] { (1, 1), (7, 16), (100, 17), (333, 4096), (1024, 768) })
            foreach (bool transposed in (bool[])[false, true])
                for (int workers = 1; workers <= 70; workers += 3)
                {
                    var product = new MatMulArguments
                    {
                        Rows = rows,
                        Columns = columns,
                        Depth = 1500,
                        TransposeLeft = transposed,
                        Tile = new MatMulTile(6, 2, 8, Precision.F32, 1),
                    };
                    var grid = new MatMulGrid(product, workers);
                    var tiles = new HashSet<(int, int)>();
                    for (int block = 0; block < grid.Blocks; block++)
                    {
                        (int s0, int s1, int p0, int p1) = grid[block];
                        for (int s = s0; s < s1; s++)
                            for (int p = p0; p < p1; p++) Assert.True(tiles.Add((s, p)));
                    }

                    Assert.Equal(grid.Strips * ((columns + 15) / 16), tiles.Count);
                }
    }

    /// <summary>The tiles of the worker that ends last, and all tiles.</summary>
    private static (long Slowest, long All) Schedule(MatMulGrid grid, int workers)
    {
        var ends = new PriorityQueue<int, long>();
        for (int worker = 0; worker < workers; worker++) ends.Enqueue(worker, 0);
        long slowest = 0, all = 0;
        for (int block = 0; block < grid.Blocks; block++)
        {
            (int s0, int s1, int p0, int p1) = grid[block];
            long tiles = (long)(s1 - s0) * (p1 - p0);
            ends.TryDequeue(out int worker, out long end);
            ends.Enqueue(worker, end + tiles);
            (slowest, all) = (Math.Max(slowest, end + tiles), all + tiles);
        }

        return (slowest, all);
    }
}

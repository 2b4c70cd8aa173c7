using System.Runtime.InteropServices;

namespace Engine.Kernels;

/// <summary>The operands of a matrix product; see <see cref="MatMul"/> for the formula.</summary>
internal unsafe struct MatMulArguments
{
    /// <summary>Rows of the left factor and of the result.</summary>
    public int Rows;

    /// <summary>Columns of the product; the result has half as many with <see cref="Activation.Geglu"/>.</summary>
    public int Columns;

    /// <summary>Length of the reduction.</summary>
    public int Depth;

    /// <summary>The left factor, row-major: <c>[rows, depth]</c>, or <c>[depth, rows]</c> if it is to be transposed.</summary>
    public float* Left;

    public bool TransposeLeft;

    /// <summary>What the kernels read: the left factor itself, or what it was made into.</summary>
    public MatMulLeft Prepared;

    public MatMulRight Right;

    /// <summary>Null, or one value a column of the product.</summary>
    public float* Bias;

    /// <summary>Null, or an addend of the result's shape and stride; it may be the result, which is then accumulated.</summary>
    public float* Residual;

    public float* Result;

    public long LeadingResult;

    public Activation Activation;

    public MatMulTile Tile;
}

/// <summary>The left factor as the kernels read it.</summary>
internal unsafe struct MatMulLeft
{
    /// <summary>Rows of words.</summary>
    public uint* Words;

    /// <summary>Words from a row to the next.</summary>
    public long Leading;

    /// <summary>Null, or the scale of each row of integers.</summary>
    public float* Scales;
}

/// <summary>The right factor as the kernels read it.</summary>
internal unsafe struct MatMulRight
{
    /// <summary>The panels, <c>[panels][steps][width]</c>.</summary>
    public uint* Words;

    /// <summary>
    /// For integers, <c>[panels][width]</c>: what the sums of a column begin with, to make up for the left factor's offset; else null.
    /// </summary>
    public int* Starts;

    /// <summary>For integers, <c>[panels][width]</c>: the scale of each column; else null.</summary>
    public float* Scales;

    /// <summary>The parts of a packed right factor, one after the other.</summary>
    public static MatMulRight At(uint* memory, in MatMulTile tile, int columns, int depth, Activation activation)
    {
        long panels = tile.Panels(columns, activation);
        var right = new MatMulRight { Words = memory };
        if (tile.Precision != Precision.I8) return right;
        right.Starts = (int*)(memory + (panels * tile.PanelWords(depth)));
        right.Scales = (float*)(right.Starts + (panels * tile.Width));
        return right;
    }

    /// <summary>Words of a packed right factor.</summary>
    public static long Length(in MatMulTile tile, int columns, int depth, Activation activation) =>
        tile.Panels(columns, activation) * (tile.PanelWords(depth) + (tile.Precision == Precision.I8 ? 2L * tile.Width : 0));
}

/// <summary>
/// The product of prepared factors with its epilogue. Workers take blocks of the result as they get to them, so that one that is held up
/// does not hold up the others; which worker computes a block makes no difference to it.
/// </summary>
/// <param name="a">The product.</param>
/// <param name="tiles">Room for partial sums, <paramref name="tilesPerWorker"/> floats each.</param>
/// <param name="tilesPerWorker">See <see cref="TilesPerWorker"/>.</param>
/// <param name="taken">The number of blocks that have been taken: 0.</param>
internal readonly unsafe struct MatMulJob<TS, TV>(MatMulArguments a, float* tiles, long tilesPerWorker, int* taken) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    // No tile is wider.
    private const int MostWidth = 64;

    /// <summary>Floats of partial sums that each worker needs.</summary>
    public static long TilesPerWorker(in MatMulTile tile, int depth) =>
        (tile.Steps(depth) <= tile.StepBlock ? 1L : MatMul.StripGroup * MatMul.GroupPanels(tile, depth)) * tile.Rows * tile.Width;

    public void Run(int worker, int workers)
    {
        var grid = new MatMulGrid(a, workers);
        float* scratch = tiles + (worker * tilesPerWorker);
        float* zeros = stackalloc float[MostWidth];
        NativeMemory.Clear(zeros, MostWidth * sizeof(float));
        int groupStrips = a.Tile.Steps(a.Depth) <= a.Tile.StepBlock ? grid.Strips : MatMul.StripGroup;
        for (int block = Interlocked.Increment(ref *taken) - 1; block < grid.Blocks; block = Interlocked.Increment(ref *taken) - 1)
        {
            (int s0, int s1, int p0, int p1) = grid[block];
            int probablyNext = grid[Math.Min(block + workers, grid.Blocks - 1)].FirstPanel;
            for (int s = s0; s < s1; s += groupStrips)
            {
                int end = Math.Min(s1, s + groupStrips);
                Block(s, end, p0, p1, end < s1 ? p0 : probablyNext, scratch, zeros);
            }
        }
    }

    private void Block(int s0, int s1, int p0, int p1, int nextPanel, float* scratch, float* zeros)
    {
        // Partial sums are kept per tile; when one pass over the reduction suffices, a single tile serves all.
        int steps = a.Tile.Steps(a.Depth), tileFloats = steps <= a.Tile.StepBlock ? 0 : a.Tile.Rows * a.Tile.Width;
        for (int k = 0; k < steps; k += Math.Min(a.Tile.StepBlock, steps - k))
        {
            int depth = Math.Min(a.Tile.StepBlock, steps - k);
            bool last = k + depth == steps;
            uint* next = last ? Panel(nextPanel, 0) : Panel(p0, k + depth);
            float* tile = scratch;
            for (int s = s0; s < s1; s++)
                for (int p = p0; p < p1; p++, tile += tileFloats)
                {
                    // The first strips bring in the panels that come next, part by part, and the others the strip that comes next.
                    long ahead = 4L * (s - s0) * depth;
                    uint* prefetch = ahead < (long)depth * a.Tile.Width ? next + ((long)(p - p0) * steps * a.Tile.Width) + ahead
                        : a.Prepared.Words + ((s + 1) * a.Tile.Rows * a.Prepared.Leading) + k + (4L * (p - p0) * depth);
                    if (last) MatMul.PrefetchResult(a, s * a.Tile.Rows, p);
                    Tile(s, k, depth, p, prefetch, tile, zeros);
                    if (last) MatMul.Finish<TS, TV>(a, s * a.Tile.Rows, p, tile);
                }
        }
    }

    private uint* Panel(int panel, int step) => a.Right.Words + (((long)panel * a.Tile.Steps(a.Depth)) + step) * a.Tile.Width;

    private void Tile(int strip, int step, int steps, int p, uint* prefetch, float* tile, float* zeros)
    {
        int row = strip * a.Tile.Rows;
        var arguments = new TileArguments
        {
            Left = a.Prepared.Words + (row * a.Prepared.Leading) + step,
            LeftStride = a.Prepared.Leading * sizeof(uint),
            Right = Panel(p, step),
            Steps = steps,
            Start = step > 0 ? tile : a.Right.Starts != null ? (float*)(a.Right.Starts + ((long)p * a.Tile.Width)) : zeros,
            StartStride = step > 0 ? a.Tile.Width * sizeof(float) : 0,
            Tile = tile,
            Prefetch = prefetch,
        };
        a.Tile.Run<TS, TV>(Math.Min(a.Tile.Rows, a.Rows - row), &arguments);
    }
}

internal static unsafe partial class MatMul
{
    /// <summary>Right panels worked on together, so that they stay in L2.</summary>
    public static int GroupPanels(in MatMulTile tile, int depth) =>
        Math.Max(1, PanelGroupWords / (Math.Min(tile.Steps(depth), tile.StepBlock) * tile.Width));
}

/// <summary>The blocks of a product's result: a group of panels by a range of strips.</summary>
internal readonly struct MatMulGrid
{
    // So many blocks a worker, where there is enough to do, even out what they take.
    private const int BlocksPerWorker = 4;
    private readonly int _panels, _groupPanels, _groups, _rangeStrips;

    public MatMulGrid(in MatMulArguments a, int workers)
    {
        Strips = (a.Rows + a.Tile.Rows - 1) / a.Tile.Rows;
        _panels = a.Tile.Panels(a.Columns, a.Activation);
        _groupPanels = MatMul.GroupPanels(a.Tile, a.Depth);
        _groups = (_panels + _groupPanels - 1) / _groupPanels;
        if (Strips == 0 || _groups == 0) return;
        int ranges = workers == 1 ? 1 : Math.Min(Strips, ((BlocksPerWorker * workers) + _groups - 1) / _groups);
        _rangeStrips = (Strips + ranges - 1) / ranges;
        Blocks = _groups * ((Strips + _rangeStrips - 1) / _rangeStrips);
    }

    public int Strips { get; }

    public int Blocks { get; }

    public (int FirstStrip, int EndStrip, int FirstPanel, int EndPanel) this[int block]
    {
        get
        {
            int strip = block / _groups * _rangeStrips, panel = block % _groups * _groupPanels;
            return (strip, Math.Min(Strips, strip + _rangeStrips), panel, Math.Min(_panels, panel + _groupPanels));
        }
    }
}

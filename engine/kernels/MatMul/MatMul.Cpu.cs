using System.Runtime.InteropServices;

namespace Engine.Kernels;

/// <summary>The operands of a matrix product; see <see cref="MatMul"/> for the formula.</summary>
internal unsafe struct MatMulArguments
{
    /// <summary>Rows of the left factor and of the result.</summary>
    public int Rows;

    /// <summary>Columns of the product; the result has half as many if a gated activation follows.</summary>
    public int Columns;

    /// <summary>Length of the reduction.</summary>
    public int Depth;

    /// <summary>The left factor, row-major: <c>[rows, depth]</c>, or <c>[depth, rows]</c> if it is to be transposed.</summary>
    public float* Left;

    public bool TransposeLeft;

    /// <summary>Whether the left factor is transposed while the product is computed: it is the larger one.</summary>
    public readonly bool TransposesInBlocks => TransposeLeft && Rows > Columns;

    /// <summary>What the kernels read: the left factor itself, or what it was made into; nothing if it is transposed in blocks.</summary>
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

    /// <summary>See <see cref="CpuLauncher.Stop"/>.</summary>
    public int* Stop;
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
/// <param name="scratch">Room for a transposed left factor and partial sums, <paramref name="scratchPerWorker"/> floats each.</param>
/// <param name="scratchPerWorker">See <see cref="ScratchPerWorker"/>.</param>
/// <param name="taken">The number of blocks that have been taken: 0.</param>
internal readonly unsafe struct MatMulJob<T>(MatMulArguments a, float* scratch, long scratchPerWorker, int* taken) : IJob
    where T : unmanaged, ISimd<T>
{
    // No tile is wider.
    private const int MostWidth = 64;

    /// <summary>Floats of scratch memory that each worker needs.</summary>
    public static long ScratchPerWorker(in MatMulArguments a)
    {
        var grid = new MatMulGrid(a, workers: 1);
        long tiles = a.Tile.Steps(a.Depth) <= a.Tile.StepBlock ? 1L : (long)grid.StripsTogether * grid.PanelsOfBlock;
        return (grid.StripsTogether * LeftOfStrip(a)) + (tiles * a.Tile.Rows * a.Tile.Width);
    }

    public void Run(int worker, int workers)
    {
        var grid = new MatMulGrid(a, workers);
        float* zeros = stackalloc float[MostWidth];
        NativeMemory.Clear(zeros, MostWidth * sizeof(float));
        for (int block = Interlocked.Increment(ref *taken) - 1; block < grid.Blocks; block = Interlocked.Increment(ref *taken) - 1)
        {
            (int s0, int s1, int p0, int p1) = grid[block];
            int probablyNext = grid[Math.Min(block + workers, grid.Blocks - 1)].FirstPanel;
            for (int s = s0; s < s1; s += grid.StripsTogether)
            {
                int end = Math.Min(s1, s + grid.StripsTogether);
                Block(s, end, p0, p1, grid.PanelsTogether, end < s1 ? p0 : probablyNext, scratch + (worker * scratchPerWorker), zeros);
            }
        }
    }

    /// <summary>Words of a strip of a left factor that is transposed block by block.</summary>
    private static long LeftOfStrip(in MatMulArguments a) => a.TransposesInBlocks ? a.Tile.Rows * LeadingOf(a) : 0;

    // Rows a multiple of 4 KB apart would share their sets of the cache.
    private static long LeadingOf(in MatMulArguments a) => Math.Min(a.Tile.Steps(a.Depth), a.Tile.StepBlock) + MatMul.LineFloats;

    private void Block(int s0, int s1, int p0, int p1, int panelsTogether, int nextPanel, float* memory, float* zeros)
    {
        // Partial sums are kept per tile; when one pass over the reduction suffices, a single tile serves all.
        int steps = a.Tile.Steps(a.Depth), tileFloats = steps <= a.Tile.StepBlock ? 0 : a.Tile.Rows * a.Tile.Width;
        float* tiles = memory + ((s1 - s0) * LeftOfStrip(a));
        for (int k = 0; k < steps; k += Math.Min(a.Tile.StepBlock, steps - k))
        {
            int depth = Math.Min(a.Tile.StepBlock, steps - k);
            bool last = k + depth == steps;
            int row = s0 * a.Tile.Rows;
            MatMulLeft left = a.Prepared;
            left.Words += (row * left.Leading) + k;
            if (a.TransposesInBlocks)
            {
                left = new MatMulLeft { Words = (uint*)memory, Leading = LeadingOf(a) };
                MatMul.TransposeLeft(a, row, Math.Min(a.Rows, s1 * a.Tile.Rows) - row, k, depth, left);
            }

            for (int p = p0; p < p1; p += panelsTogether)
            {
                int end = Math.Min(p1, p + panelsTogether);
                uint* next = end < p1 ? Panel(end, k) : last ? Panel(nextPanel, 0) : Panel(p0, k + depth);
                for (int s = s0; s < s1 && !StopFlag.IsRaised(a.Stop); s++)
                    for (int q = p; q < end; q++)
                    {
                        uint* strip = left.Words + ((s - s0) * a.Tile.Rows * left.Leading);
                        float* tile = tiles + ((((s - s0) * (p1 - p0)) + q - p0) * (long)tileFloats);
                        // The first strips bring in the panels that come next, part by part, and the others the strip that comes next.
                        long ahead = 4L * (s - s0) * depth;
                        uint* prefetch = ahead < (long)depth * a.Tile.Width ? next + ((long)(q - p) * steps * a.Tile.Width) + ahead
                            : strip + (a.Tile.Rows * left.Leading) + (4L * (q - p) * depth);
                        if (last) MatMul.PrefetchResult(a, s * a.Tile.Rows, q);
                        Tile(s, strip, left.Leading, k, depth, q, prefetch, tile, zeros);
                        if (last) MatMul.Finish<T>(a, s * a.Tile.Rows, q, tile);
                        if (a.TransposesInBlocks)
                            PrefetchLeft(s0, s1, last ? 0 : k + depth, ((q - p0) * (s1 - s0)) + s - s0, (p1 - p0) * (s1 - s0));
                    }
            }
        }
    }

    // What is transposed next lies scattered over as many pages as it has steps; each tile brings in its share.
    private void PrefetchLeft(int s0, int s1, int step, int share, int shares)
    {
        int row = (step > 0 ? s0 : s1) * a.Tile.Rows, rows = Math.Min((s1 - s0) * a.Tile.Rows, a.Rows - row);
        int depth = Math.Min(a.Tile.StepBlock * a.Tile.Elements, a.Depth - (step * a.Tile.Elements));
        (int start, int end) = Partition.Share(depth, 1, share, shares);
        for (int d = start; d < end; d++) MatMul.Prefetch(a.Left + (((long)step * a.Tile.Elements + d) * a.Rows) + row, rows);
    }

    private uint* Panel(int panel, int step) => a.Right.Words + (((long)panel * a.Tile.Steps(a.Depth)) + step) * a.Tile.Width;

    private void Tile(int s, uint* strip, long leading, int step, int steps, int p, uint* prefetch, float* tile, float* zeros)
    {
        var arguments = new TileArguments
        {
            Left = strip,
            LeftStride = leading * sizeof(uint),
            Right = Panel(p, step),
            Steps = steps,
            Start = step > 0 ? tile : a.Right.Starts != null ? (float*)(a.Right.Starts + ((long)p * a.Tile.Width)) : zeros,
            StartStride = step > 0 ? a.Tile.Width * sizeof(float) : 0,
            Tile = tile,
            Prefetch = prefetch,
        };
        a.Tile.Run<T>(Math.Min(a.Tile.Rows, a.Rows - (s * a.Tile.Rows)), &arguments);
    }
}

/// <summary>
/// The blocks of a product's result: a range of strips by some panels. The factor that is larger by far is to be read once: a weight on the
/// right, whose panels stay in L2 for all strips, and on the left one that is to be transposed, some of whose strips stay there for all
/// panels. Blocks are as large as leaves every worker as much to do as the others.
/// </summary>
internal readonly struct MatMulGrid
{
    // So many blocks a worker, where there is enough to do, even out what they take.
    private const int BlocksPerWorker = 4;

    // The last worker ends at most so much later than if tiles were shared out evenly, or as little later as blocks allow.
    private const double Uneven = 1.03;
    private readonly int _panels, _groups, _rangeStrips;

    public MatMulGrid(in MatMulArguments a, int workers)
    {
        MatMulTile tile = a.Tile;
        int steps = tile.Steps(a.Depth);
        bool deep = steps > tile.StepBlock;
        Strips = (a.Rows + tile.Rows - 1) / tile.Rows;
        _panels = tile.Panels(a.Columns, a.Activation);
        PanelsTogether = a.TransposesInBlocks ? 1 : Math.Max(1, MatMul.PanelGroupWords / (Math.Min(steps, tile.StepBlock) * tile.Width));
        PanelsOfBlock = Math.Min(_panels, a.TransposesInBlocks ? MatMul.TransposedColumns / tile.Width : PanelsTogether);
        StripsTogether = a.TransposesInBlocks ? MatMul.TransposedRows / tile.Rows : deep ? MatMul.StripGroup : Strips;
        if (Strips == 0 || _panels == 0) return;
        _rangeStrips = Strips;
        if (workers > 1)
        {
            // What is transposed in blocks is so for each block's panels anew.
            (_rangeStrips, PanelsOfBlock) = Even(workers, fewestPanels: a.TransposesInBlocks ? Ceiling(PanelsOfBlock, 2) : 1);
        }

        _groups = Ceiling(_panels, PanelsOfBlock);
        Blocks = _groups * Ceiling(Strips, _rangeStrips);
    }

    /// <summary>Strips worked on together; bounds the partial sums kept when the reduction is deeper than one block.</summary>
    public int StripsTogether { get; }

    /// <summary>Panels worked on together.</summary>
    public int PanelsTogether { get; }

    /// <summary>The most panels of a block.</summary>
    public int PanelsOfBlock { get; }

    public int Strips { get; }

    public int Blocks { get; }

    public (int FirstStrip, int EndStrip, int FirstPanel, int EndPanel) this[int block]
    {
        get
        {
            int strip = block / _groups * _rangeStrips, panel = block % _groups * PanelsOfBlock;
            return (strip, Math.Min(Strips, strip + _rangeStrips), panel, Math.Min(_panels, panel + PanelsOfBlock));
        }
    }

    /// <summary>
    /// The largest blocks that are even enough, else those that are most even. Fewer strips are tried first: the panels of a block that has
    /// fewer are no longer read once for all.
    /// </summary>
    private (int Strips, int Panels) Even(int workers, int fewestPanels)
    {
        double most = Uneven * Strips * _panels / workers, least = double.PositiveInfinity;
        (int Strips, int Panels) best = (Strips, PanelsOfBlock);
        for (int panels = PanelsOfBlock; least > most; panels = Ceiling(panels, 2))
        {
            int groups = Ceiling(_panels, panels);
            int first = Ceiling(Strips, Math.Min(Strips, Ceiling(BlocksPerWorker * workers, groups)));
            for (int strips = first; strips > 0 && least > most; strips--)
            {
                // Whole ranges come first, and the blocks of the range that is left over fill the last round. The last group may have
                // fewer panels; its blocks come round to every worker, so that the mean is what counts.
                int whole = Strips / strips * groups, rounds = Ceiling(whole, workers), left = Strips % strips;
                int behind = left == 0 ? 0 : Math.Max(0, groups - ((rounds * workers) - whole));
                double last = (((double)rounds * strips) + ((double)Ceiling(behind, workers) * left)) * _panels / groups;
                if (last >= least) continue;
                (least, best) = (last, (strips, panels));
            }

            if (panels == fewestPanels) break;
        }

        return best;
    }

    private static int Ceiling(int a, int b) => (a + b - 1) / b;
}

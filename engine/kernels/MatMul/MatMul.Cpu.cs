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

/// <summary>The product of prepared factors with its epilogue.</summary>
internal readonly unsafe struct MatMulJob<TS, TV>(MatMulArguments a, float* tiles, long tilesPerWorker) : IJob
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
        int strips = (a.Rows + a.Tile.Rows - 1) / a.Tile.Rows;
        int panels = a.Tile.Panels(a.Columns, a.Activation);
        (int across, int down) = MatMul.Grid(strips, panels, workers);
        (int p0, int p1) = Partition.Share(panels, 1, worker % across, across);
        (int s0, int s1) = Partition.Share(strips, 1, worker / across, down);
        float* scratch = tiles + (worker * tilesPerWorker);
        float* zeros = stackalloc float[MostWidth];
        NativeMemory.Clear(zeros, MostWidth * sizeof(float));
        int groupPanels = MatMul.GroupPanels(a.Tile, a.Depth);
        int groupStrips = a.Tile.Steps(a.Depth) <= a.Tile.StepBlock ? strips : MatMul.StripGroup;
        for (int p = p0; p < p1; p += groupPanels)
            for (int s = s0; s < s1; s += groupStrips)
            {
                int endStrip = Math.Min(s1, s + groupStrips), endPanel = Math.Min(p1, p + groupPanels);
                Block(s, endStrip, p, endPanel, endStrip < s1 ? p : endPanel, scratch, zeros);
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
                    // Each strip brings in another part of the panels that come next.
                    long ahead = 4L * (s - s0) * depth;
                    uint* prefetch = ahead < (long)depth * a.Tile.Width ? next + ((long)(p - p0) * steps * a.Tile.Width) + ahead : Panel(p, k);
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

    /// <summary>
    /// Splits the result among workers: as many as possible across the columns (a worker's right panels then stay its own), the rest
    /// down the rows.
    /// </summary>
    public static (int Across, int Down) Grid(int strips, int panels, int workers)
    {
        (int Across, int Down) best = (1, workers);
        long bestLoad = long.MaxValue;
        for (int across = workers; across >= 1; across--)
        {
            if (workers % across != 0) continue;
            int down = workers / across;
            long load = (long)((panels + across - 1) / across) * ((strips + down - 1) / down);
            if (load < bestLoad) (best, bestLoad) = ((across, down), load);
        }

        return best;
    }
}

using System.Runtime.CompilerServices;

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

    /// <summary>Room for the packed left factor: <see cref="MatMul.PackedLength"/> floats.</summary>
    public float* PackedLeft;

    /// <summary>The packed right factor.</summary>
    public float* PackedRight;

    /// <summary>Null, or one value a column of the product.</summary>
    public float* Bias;

    /// <summary>Null, or an addend of the result's shape and stride; it may be the result, which is then accumulated.</summary>
    public float* Residual;

    public float* Result;

    public long LeadingResult;

    public Activation Activation;
}

/// <summary>Packs the left factor of a product, strip by strip.</summary>
internal readonly unsafe struct PackLeftJob<TS, TV>(MatMulArguments a) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(a.Rows, TS.TileRows, worker, workers);
        for (int row = start; row < end; row += TS.TileRows)
        {
            int rows = Math.Min(TS.TileRows, a.Rows - row);
            float* strip = a.PackedLeft + ((long)row * a.Depth);
            if (a.TransposeLeft) MatMul.PackColumns(a.Left + row, a.Rows, rows, a.Depth, strip, TS.TileRows);
            else MatMul.PackRows(a.Left + ((long)row * a.Depth), a.Depth, rows, a.Depth, strip, TS.TileRows, TS.TileRows);
        }
    }
}

/// <summary>Packs a weight <c>[columns, depth]</c>, row-major, as the right factor of a product.</summary>
internal readonly unsafe struct PackWeightJob<TS, TV>(float* weight, int columns, int depth, Activation activation, float* packed) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        if (activation == Activation.Geglu) PackInterleaved(worker, workers);
        else
        {
            int width = 2 * TS.Lanes;
            (int start, int end) = Partition.Share(columns, width, worker, workers);
            for (int c = start; c < end; c += width)
                MatMul.PackRows(weight + ((long)c * depth), depth, Math.Min(width, columns - c), depth, packed + ((long)c * depth), width, width);
        }
    }

    // The left register of a panel takes Lanes columns of the first half, the right one the same columns of the second half.
    private void PackInterleaved(int worker, int workers)
    {
        int half = columns / 2;
        (int start, int end) = Partition.Share(half, TS.Lanes, worker, workers);
        for (int c = start; c < end; c += TS.Lanes)
        {
            float* panel = packed + (2L * c * depth);
            int valid = Math.Min(TS.Lanes, half - c);
            MatMul.PackRows(weight + ((long)c * depth), depth, valid, depth, panel, TS.Lanes, 2 * TS.Lanes);
            MatMul.PackRows(weight + ((long)(half + c) * depth), depth, valid, depth, panel + TS.Lanes, TS.Lanes, 2 * TS.Lanes);
        }
    }
}

/// <summary>Packs a matrix <c>[depth, columns]</c>, row-major, as the right factor of a product.</summary>
internal readonly unsafe struct PackRightJob<TS, TV>(float* right, int columns, int depth, float* packed) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        int width = 2 * TS.Lanes;
        (int start, int end) = Partition.Share(columns, width, worker, workers);
        for (int c = start; c < end; c += width)
            MatMul.PackColumns(right + c, columns, Math.Min(width, columns - c), depth, packed + ((long)c * depth), width);
    }
}

/// <summary>The product of packed factors with its epilogue.</summary>
internal readonly unsafe struct MatMulJob<TS, TV>(MatMulArguments a, float* tiles, long tilesPerWorker) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    /// <summary>Floats of partial sums that each worker needs.</summary>
    public static long TilesPerWorker(int depth) =>
        (depth <= MatMul.DepthBlock ? 1L : MatMul.StripGroup * MatMul.GroupPanels<TS, TV>(depth)) * TS.TileRows * 2 * TS.Lanes;

    public void Run(int worker, int workers)
    {
        int strips = (a.Rows + TS.TileRows - 1) / TS.TileRows;
        int panels = MatMul.Panels<TS, TV>(a);
        (int across, int down) = MatMul.Grid(strips, panels, workers);
        (int p0, int p1) = Partition.Share(panels, 1, worker % across, across);
        (int s0, int s1) = Partition.Share(strips, 1, worker / across, down);
        float* scratch = tiles + (worker * tilesPerWorker);
        int groupPanels = MatMul.GroupPanels<TS, TV>(a.Depth);
        for (int p = p0; p < p1; p += groupPanels)
            for (int s = s0; s < s1; s += MatMul.StripGroup)
                Block(s, Math.Min(s1, s + MatMul.StripGroup), p, Math.Min(p1, p + groupPanels), scratch);
    }

    private void Block(int s0, int s1, int p0, int p1, float* scratch)
    {
        // Partial sums are kept per tile; when one pass over the reduction suffices, a single tile serves all.
        int tileFloats = a.Depth <= MatMul.DepthBlock ? 0 : TS.TileRows * 2 * TS.Lanes;
        for (int k = 0; k < a.Depth; k += MatMul.DepthBlock)
        {
            int depth = Math.Min(MatMul.DepthBlock, a.Depth - k);
            bool last = k + depth == a.Depth;
            float* tile = scratch;
            for (int s = s0; s < s1; s++)
            {
                float* left = a.PackedLeft + (((long)s * a.Depth) + k) * TS.TileRows;
                for (int p = p0; p < p1; p++, tile += tileFloats)
                {
                    MatMul.Tile<TS, TV>(depth, left, a.PackedRight + (((long)p * a.Depth) + k) * 2 * TS.Lanes, tile, k > 0);
                    if (last) MatMul.Finish<TS, TV>(a, s * TS.TileRows, p, tile);
                }
            }
        }
    }
}

internal static unsafe partial class MatMul
{
    /// <summary>Panels of the packed right factor.</summary>
    public static int Panels<TS, TV>(in MatMulArguments a)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        => a.Activation == Activation.Geglu
            ? ((a.Columns / 2) + TS.Lanes - 1) / TS.Lanes
            : (a.Columns + (2 * TS.Lanes) - 1) / (2 * TS.Lanes);

    /// <summary>Right panels worked on together, so that they stay in L2.</summary>
    public static int GroupPanels<TS, TV>(int depth)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        => Math.Max(1, PanelGroupFloats / (Math.Min(depth, DepthBlock) * 2 * TS.Lanes));

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

    /// <summary>Applies bias, activation and residual to one tile and writes it to the result.</summary>
    public static void Finish<TS, TV>(in MatMulArguments a, int row, int panel, float* tile)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        int rows = Math.Min(TS.TileRows, a.Rows - row);
        bool geglu = a.Activation == Activation.Geglu;
        int width = geglu ? TS.Lanes : 2 * TS.Lanes;
        int column = panel * width;
        int columns = Math.Min(width, (geglu ? a.Columns / 2 : a.Columns) - column);
        for (int r = 0; r < rows; r++, tile += 2 * TS.Lanes)
        {
            long offset = ((row + r) * a.LeadingResult) + column;
            float* residual = a.Residual == null ? null : a.Residual + offset;
            if (geglu) FinishGated<TS, TV>(a, column, columns, tile, residual, a.Result + offset);
            else FinishRow<TS, TV>(a, column, columns, tile, residual, a.Result + offset);
        }
    }

    private static void FinishRow<TS, TV>(in MatMulArguments a, int column, int columns, float* tile, float* residual, float* result)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        float* bias = a.Bias == null ? null : a.Bias + column;
        int c = 0;
        for (; c + TS.Lanes <= columns; c += TS.Lanes)
            FinishValue<TS, TV>(tile + c, bias == null ? null : bias + c, a.Activation, residual == null ? null : residual + c, result + c);
        for (; c < columns; c++)
            FinishValue<SimdScalar, float>(tile + c, bias == null ? null : bias + c, a.Activation, residual == null ? null : residual + c, result + c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FinishValue<TS, TV>(float* tile, float* bias, Activation activation, float* residual, float* result)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV v = TS.Load(tile);
        if (bias != null) v = TS.Add(v, TS.Load(bias));
        if (activation == Activation.Gelu) v = Elementary.Gelu<TS, TV>(v);
        if (residual != null) v = TS.Add(v, TS.Load(residual));
        TS.Store(result, v);
    }

    private static void FinishGated<TS, TV>(in MatMulArguments a, int column, int columns, float* tile, float* residual, float* result)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        float* gateBias = a.Bias == null ? null : a.Bias + column;
        float* upBias = a.Bias == null ? null : a.Bias + (a.Columns / 2) + column;
        if (columns == TS.Lanes) FinishGatedValue<TS, TV>(tile, TS.Lanes, gateBias, upBias, residual, result);
        else
            for (int c = 0; c < columns; c++)
                FinishGatedValue<SimdScalar, float>(tile + c, TS.Lanes, gateBias == null ? null : gateBias + c,
                    upBias == null ? null : upBias + c, residual == null ? null : residual + c, result + c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FinishGatedValue<TS, TV>(float* tile, int toUp, float* gateBias, float* upBias, float* residual, float* result)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV gate = TS.Load(tile), up = TS.Load(tile + toUp);
        if (gateBias != null) (gate, up) = (TS.Add(gate, TS.Load(gateBias)), TS.Add(up, TS.Load(upBias)));
        TV v = TS.Multiply(Elementary.Gelu<TS, TV>(gate), up);
        if (residual != null) v = TS.Add(v, TS.Load(residual));
        TS.Store(result, v);
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Engine.Kernels;

/// <summary>What follows the reduction: scales of integers, bias, activation and residual, while a tile is in cache.</summary>
internal static unsafe partial class MatMul
{
    public const int LineFloats = 16;

    /// <summary>Brings in what <see cref="Finish"/> will read and write of one tile, while the reduction runs.</summary>
    public static void PrefetchResult(in MatMulArguments a, int row, int panel)
    {
        if (!Sse.IsSupported) return;
        int width = a.Activation == Activation.Geglu ? a.Tile.Width / 2 : a.Tile.Width, rows = Math.Min(a.Tile.Rows, a.Rows - row);
        long offset = (row * a.LeadingResult) + ((long)panel * width);
        for (int r = 0; r < rows; r++, offset += a.LeadingResult)
            for (int c = 0; c < width; c += LineFloats)
            {
                Sse.Prefetch0(a.Result + offset + c);
                if (a.Residual != null && a.Residual != a.Result) Sse.Prefetch0(a.Residual + offset + c);
            }
    }

    /// <summary>Brings a row into the second cache.</summary>
    public static void Prefetch(float* row, int count)
    {
        if (!Sse.IsSupported) return;
        for (int c = 0; c < count; c += LineFloats) Sse.Prefetch1(row + c);
    }

    /// <summary>Applies bias, activation and residual to one tile and writes it to the result.</summary>
    public static void Finish<TS, TV>(in MatMulArguments a, int row, int panel, float* tile)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        int rows = Math.Min(a.Tile.Rows, a.Rows - row);
        bool geglu = a.Activation == Activation.Geglu;
        int width = geglu ? a.Tile.Width / 2 : a.Tile.Width;
        int column = panel * width;
        int columns = Math.Min(width, (geglu ? a.Columns / 2 : a.Columns) - column);
        for (int r = 0; r < rows; r++, tile += a.Tile.Width)
        {
            if (a.Right.Scales != null) Scale<TS, TV>(tile, a.Tile.Width, a.Right.Scales + ((long)panel * a.Tile.Width), a.Prepared.Scales[row + r]);
            long offset = ((row + r) * a.LeadingResult) + column;
            float* residual = a.Residual == null ? null : a.Residual + offset;
            if (geglu) FinishGated<TS, TV>(a, column, columns, tile, residual, a.Result + offset);
            else FinishRow<TS, TV>(a, column, columns, tile, residual, a.Result + offset);
        }
    }

    private static void Scale<TS, TV>(float* tile, int width, float* columnScales, float rowScale)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV scale = TS.Broadcast(rowScale);
        for (int c = 0; c < width; c += TS.Lanes)
            TS.Store(tile + c, TS.Multiply(TS.Load(tile + c), TS.Multiply(scale, TS.Load(columnScales + c))));
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

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
        int width = a.Activation.IsGated() ? a.Tile.Width / 2 : a.Tile.Width, rows = Math.Min(a.Tile.Rows, a.Rows - row);
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
    public static void Finish<T>(in MatMulArguments a, int row, int panel, float* tile)
        where T : unmanaged, ISimd<T>
    {
        int rows = Math.Min(a.Tile.Rows, a.Rows - row);
        bool gated = a.Activation.IsGated();
        int width = gated ? a.Tile.Width / 2 : a.Tile.Width;
        int column = panel * width;
        int columns = Math.Min(width, (gated ? a.Columns / 2 : a.Columns) - column);
        for (int r = 0; r < rows; r++, tile += a.Tile.Width)
        {
            if (a.Right.Scales != null)
                Scale<T>(tile, a.Tile.Width, a.Right.Scales + ((long)panel * a.Tile.Width), a.Prepared.Scales[row + r]);
            long offset = ((row + r) * a.LeadingResult) + column;
            float* residual = a.Residual == null ? null : a.Residual + offset;
            if (a.Activation == Activation.Geglu) FinishGated<T, GeluFunction>(a, column, columns, tile, residual, a.Result + offset);
            else if (gated) FinishGated<T, SiluFunction>(a, column, columns, tile, residual, a.Result + offset);
            else FinishRow<T>(a, column, columns, tile, residual, a.Result + offset);
        }
    }

    private static void Scale<T>(float* tile, int width, float* columnScales, float rowScale)
        where T : unmanaged, ISimd<T>
    {
        T scale = rowScale;
        for (int c = 0; c < width; c += T.Lanes)
            T.Store(tile + c, T.Load(tile + c) * (scale * T.Load(columnScales + c)));
    }

    private static void FinishRow<T>(in MatMulArguments a, int column, int columns, float* tile, float* residual, float* result)
        where T : unmanaged, ISimd<T>
    {
        float* bias = a.Bias == null ? null : a.Bias + column;
        int c = 0;
        for (; c + T.Lanes <= columns; c += T.Lanes)
            FinishValue<T>(tile + c, bias == null ? null : bias + c, a.Activation, residual == null ? null : residual + c, result + c);
        for (; c < columns; c++)
            FinishValue<SimdScalar>(
                tile + c, bias == null ? null : bias + c, a.Activation, residual == null ? null : residual + c, result + c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FinishValue<T>(float* tile, float* bias, Activation activation, float* residual, float* result)
        where T : unmanaged, ISimd<T>
    {
        T v = T.Load(tile);
        if (bias != null) v += T.Load(bias);
        if (activation == Activation.Gelu) v = GeluFormula.Value(v);
        if (residual != null) v += T.Load(residual);
        T.Store(result, v);
    }

    private static void FinishGated<T, TFunction>(
        in MatMulArguments a, int column, int columns, float* tile, float* residual, float* result)
        where T : unmanaged, ISimd<T>
        where TFunction : struct, IElementwise
    {
        float* gateBias = a.Bias == null ? null : a.Bias + column;
        float* upBias = a.Bias == null ? null : a.Bias + (a.Columns / 2) + column;
        if (columns == T.Lanes) FinishGatedValue<T, TFunction>(tile, T.Lanes, gateBias, upBias, residual, result);
        else
            for (int c = 0; c < columns; c++)
                FinishGatedValue<SimdScalar, TFunction>(tile + c, T.Lanes, gateBias == null ? null : gateBias + c,
                    upBias == null ? null : upBias + c, residual == null ? null : residual + c, result + c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FinishGatedValue<T, TFunction>(
        float* tile, int toUp, float* gateBias, float* upBias, float* residual, float* result)
        where T : unmanaged, ISimd<T>
        where TFunction : struct, IElementwise
    {
        T gate = T.Load(tile), up = T.Load(tile + toUp);
        if (gateBias != null) (gate, up) = (gate + T.Load(gateBias), up + T.Load(upBias));
        T v = TFunction.Apply(gate, gate) * up;
        if (residual != null) v += T.Load(residual);
        T.Store(result, v);
    }
}

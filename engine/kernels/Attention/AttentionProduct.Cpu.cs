namespace Engine.Kernels;

/// <summary>The products of attention: a panel of <c>2·Lanes</c> columns times rows of any number.</summary>
internal static unsafe class AttentionProduct
{
    /// <summary><c>result[r, c] = start[r, c] + Σₛ left[r, s] · right[s, c]</c>, in strips of nearly equal height.</summary>
    /// <param name="tile">The tile; c runs over its width.</param>
    /// <param name="rows">Rows of the result.</param>
    /// <param name="left">The left factor.</param>
    /// <param name="leading">Words from one of its rows to the next; or, by columns, from a step to the next.</param>
    /// <param name="byColumns">Whether the rows of the left factor lie side by side.</param>
    /// <param name="right">[steps, width].</param>
    /// <param name="steps">Length of the reduction.</param>
    /// <param name="start">The result itself, or a row that all of its rows begin with.</param>
    /// <param name="result">[rows, width].</param>
    public static void Run<T>(
        in MatMulTile tile, int rows, float* left, long leading, bool byColumns, float* right, int steps, float* start, float* result)
        where T : unmanaged, ISimd<T>
    {
        int strips = (rows + tile.Rows - 1) / tile.Rows, row = 0;
        for (int strip = 0; strip < strips; strip++)
        {
            int height = (rows - row + strips - strip - 1) / (strips - strip);
            var arguments = new TileArguments
            {
                Left = (uint*)(left + (byColumns ? row : row * leading)),
                LeftStride = leading * sizeof(float),
                Right = (uint*)right,
                Steps = steps,
                Start = start == result ? result + ((long)row * tile.Width) : start,
                StartStride = start == result ? tile.Width * sizeof(float) : 0,
                Tile = result + ((long)row * tile.Width),
                Prefetch = right,
            };
            tile.Run<T>(height, &arguments, byColumns);
            row += height;
        }
    }

    /// <summary>Σ x · y over the size of a head.</summary>
    public static float Dot<T>(float* x, float* y, int headSize)
        where T : unmanaged, ISimd<T>
    {
        T sum = 0f;
        int d = 0;
        for (; d + T.Lanes <= headSize; d += T.Lanes) sum = T.MultiplyAdd(T.Load(x + d), T.Load(y + d), sum);
        float total = T.Sum(sum);
        for (; d < headSize; d++) total += x[d] * y[d];
        return total;
    }
}

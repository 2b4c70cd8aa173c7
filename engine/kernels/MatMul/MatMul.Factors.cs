namespace Engine.Kernels;

/// <summary>Makes the left factor of a product rows of words.</summary>
/// <param name="a">The product.</param>
/// <param name="target">Where to.</param>
internal readonly unsafe struct PrepareLeftJob(MatMulArguments a, MatMulLeft target) : IJob
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(a.Rows, 1, worker, workers);
        if (a.TransposeLeft)
        {
            var share = new MatMulLeft { Words = target.Words + (start * target.Leading), Leading = target.Leading };
            MatMul.TransposeLeft(a, start, end - start, 0, a.Tile.Steps(a.Depth), share);
            return;
        }

        WordFormat format = MatMul.FormatOf(a.Tile, left: true);
        for (int row = start; row < end; row++)
        {
            float* source = a.Left + ((long)row * a.Depth);
            float scale = target.Scales == null ? 0 : target.Scales[row] = MatMul.ScaleOf(source, a.Depth);
            MatMul.ConvertRow(format, source, a.Depth, target.Words + (row * target.Leading), scale);
        }
    }
}

/// <summary>Packs a weight <c>[columns, depth]</c>, row-major, as the right factor of a product.</summary>
internal readonly unsafe struct PackWeightJob(
    float* weight, int columns, int depth, Activation activation, MatMulTile tile, MatMulRight packed) : IJob
{
    private const int RowGroup = 16, WordBlock = 128;

    public void Run(int worker, int workers)
    {
        // The left half of a panel takes columns of the first half of a gated weight, the right half the same ones of the second.
        bool gated = activation.IsGated();
        int width = gated ? tile.Width / 2 : tile.Width, total = gated ? columns / 2 : columns;
        (int start, int end) = Partition.Share(total, width, worker, workers);
        for (int c = start; c < end; c += width)
        {
            long panel = c / width;
            int valid = Math.Min(width, total - c);
            Pack(weight + ((long)c * depth), valid, width, panel, 0);
            if (gated) Pack(weight + ((long)(total + c) * depth), valid, width, panel, width);
        }
    }

    private void Pack(float* rows, int valid, int width, long panel, int column)
    {
        WordFormat format = MatMul.FormatOf(tile, left: false);
        uint* destination = packed.Words + (panel * tile.PanelWords(depth)) + column;
        int steps = tile.Steps(depth);
        if (format == WordFormat.Float)
            for (int k = 0; k < depth; k += WordBlock)
                MatMul.Transpose(
                    (uint*)rows + k, depth, valid, Math.Min(WordBlock, depth - k), destination + ((long)k * tile.Width), tile.Width);
        else
            for (int r = 0; r < valid; r += RowGroup)
                Convert(format, rows + ((long)r * depth), Math.Min(RowGroup, valid - r), destination + r,
                    (panel * tile.Width) + column + r);

        for (int r = valid; r < width; r++)
        {
            for (int s = 0; s < steps; s++) destination[((long)s * tile.Width) + r] = 0;
            if (packed.Scales != null)
                packed.Scales[(panel * tile.Width) + column + r] = packed.Starts[(panel * tile.Width) + column + r] = 0;
        }
    }

    private void Convert(WordFormat format, float* source, int count, uint* destination, long column)
    {
        uint* words = stackalloc uint[RowGroup * WordBlock];
        int* sums = stackalloc int[RowGroup];
        float* scales = stackalloc float[RowGroup];
        for (int r = 0; r < count; r++)
        {
            sums[r] = 0;
            scales[r] = packed.Scales == null ? 0 : MatMul.ScaleOf(source + ((long)r * depth), depth);
        }

        int block = WordBlock * tile.Elements;
        for (int k = 0; k < depth; k += block)
        {
            int length = Math.Min(block, depth - k);
            for (int r = 0; r < count; r++)
                sums[r] += MatMul.ConvertRow(format, source + ((long)r * depth) + k, length, words + (r * WordBlock), scales[r]);
            MatMul.Transpose(words, WordBlock, count, tile.Steps(length), destination + (k / tile.Elements * (long)tile.Width), tile.Width);
        }

        if (packed.Scales == null) return;
        for (int r = 0; r < count; r++)
        {
            packed.Scales[column + r] = scales[r];
            packed.Starts[column + r] = -MatMul.Int8Offset * sums[r];
        }
    }
}

/// <summary>Packs a matrix <c>[depth, columns]</c>, row-major, as the right factor of a product.</summary>
internal readonly unsafe struct PackRightJob(float* right, int columns, int depth, MatMulTile tile, uint* packed) : IJob
{
    // Rows are read from end to end while so many steps of each panel are written.
    private const int StepBlock = 16;

    public void Run(int worker, int workers)
    {
        WordFormat format = MatMul.FormatOf(tile, left: false);
        int steps = tile.Steps(depth), width = tile.Width;
        (int start, int end) = Partition.Share(steps, StepBlock, worker, workers);
        for (int step = start; step < end; step += StepBlock)
            for (int c = 0; c < columns; c += width)
            {
                int count = Math.Min(width, columns - c);
                uint* panel = packed + ((((long)(c / width) * steps) + step) * width);
                for (int s = step; s < Math.Min(end, step + StepBlock); s++, panel += width)
                {
                    int k = s * tile.Elements;
                    MatMul.InterleaveRows(
                        format, right + ((long)k * columns) + c, columns, Math.Min(tile.Elements, depth - k), count, panel);
                    new Span<uint>(panel + count, width - count).Clear();
                }
            }
    }
}

internal static unsafe partial class MatMul
{
    private const int RowBlock = 128, TransposedSteps = 16;

    /// <summary>
    /// Makes a part of a left factor <c>[depth, rows]</c> that is to be transposed rows of words: those from <paramref name="row"/> on, of
    /// the steps from <paramref name="step"/> on.
    /// </summary>
    public static void TransposeLeft(in MatMulArguments a, int row, int rows, int step, int steps, in MatMulLeft target)
    {
        uint* words = stackalloc uint[TransposedSteps * RowBlock];
        WordFormat format = FormatOf(a.Tile, left: true);
        int elements = a.Tile.Elements;
        for (int r = 0; r < rows; r += RowBlock)
            for (int k = 0; k < steps; k += TransposedSteps)
            {
                // 16 steps at a time: whole cache lines are written.
                int height = Math.Min(RowBlock, rows - r), count = Math.Min(TransposedSteps, steps - k);
                for (int s = 0; s < count; s++)
                {
                    int depth = (step + k + s) * elements;
                    InterleaveRows(
                        format, a.Left + ((long)depth * a.Rows) + row + r, a.Rows, Math.Min(elements, a.Depth - depth), height,
                        words + (s * RowBlock));
                }

                Transpose(words, RowBlock, count, height, target.Words + (r * target.Leading) + k, target.Leading);
            }
    }
}

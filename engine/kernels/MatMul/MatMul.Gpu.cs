using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>What a matrix product does to its sums before it writes them.</summary>
internal interface IEpilogue
{
    /// <summary>Whether the right factor has twice the columns of the result: the first half is activated and multiplies the second.</summary>
    static abstract bool Gated { get; }

    static abstract float Apply(float x);
}

internal readonly struct LinearEpilogue : IEpilogue
{
    public static bool Gated => false;

    public static float Apply(float x) => x;
}

internal readonly struct GeluEpilogue : IEpilogue
{
    public static bool Gated => false;

    public static float Apply(float x) => GpuMath.Gelu(x);
}

internal readonly struct GegluEpilogue : IEpilogue
{
    public static bool Gated => true;

    public static float Apply(float x) => GpuMath.Gelu(x);
}

/// <summary>
/// The matrix product of a linear layer in fp32 on the GPU, <c>y = f(x wᵀ + bias) + residual</c>. A block of 256 threads computes
/// 128 × 128 sums, each thread 8 × 8 in registers, from tiles of depth 16 in shared memory; the next tile is read from memory while the
/// present one is multiplied. With GEGLU a tile holds 64 columns of either half, so that both meet in one thread.
/// </summary>
internal static class MatMulKernels
{
    public const int Tile = 128, Depth = 16, Threads = 256;

    // Columns of a tile in shared memory: four more than the tile has, so that rows start in different banks.
    private const int Stride = Tile + 4;

    public static void Register(KernelList list)
    {
        list.Add("linear_f32", Forward<LinearEpilogue>, Threads);
        list.Add("linear_gelu_f32", Forward<GeluEpilogue>, Threads);
        list.Add("linear_geglu_f32", Forward<GegluEpilogue>, Threads);
    }

    /// <summary>
    /// x: [rows, depth]; w: [columns, depth], or [2 · columns, depth] with GEGLU; bias: a row of w's columns, or empty; residual and y:
    /// [rows, columns], residual may be empty. Depth is a multiple of four. Grid: (⌈columns / 128⌉, or / 64 with GEGLU; ⌈rows / 128⌉).
    /// </summary>
    public static void Forward<TEpilogue>(
        ArrayView<float> x, ArrayView<float> w, ArrayView<float> bias, ArrayView<float> residual, ArrayView<float> y, int rows, int columns, int depth)
        where TEpilogue : struct, IEpilogue
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(2 * 2 * Depth * Stride / 4);
        ArrayView<float> scalars = shared.Cast<float>();
        int thread = Group.IdxX, firstRow = Grid.IdxY * Tile, firstColumn = Grid.IdxX * (TEpilogue.Gated ? Tile / 2 : Tile);

        // Loading: a thread takes eight consecutive elements of one row of either factor.
        int line = thread & (Tile - 1), k = (thread >> 7) * 8;
        int left = firstRow + line, right = firstColumn + line;
        bool leftInside = left < rows, rightInside = right < columns;
        if (TEpilogue.Gated && line >= Tile / 2)
        {
            rightInside = right - (Tile / 2) < columns;
            right += columns - (Tile / 2);
        }

        ArrayView<Float4> leftRow = x.SubView((long)left * depth, depth).Cast<Float4>(), rightRow = w.SubView((long)right * depth, depth).Cast<Float4>();
        Float4 a0 = Load(leftRow, k, depth, leftInside), a1 = Load(leftRow, k + 4, depth, leftInside);
        Float4 b0 = Load(rightRow, k, depth, rightInside), b1 = Load(rightRow, k + 4, depth, rightInside);
        Spread(scalars, (k * Stride) + line, a0, a1);
        Spread(scalars, ((Depth + k) * Stride) + line, b0, b1);
        Group.Barrier();

        int i = thread >> 4, j = thread & 15, stage = 0;
        var sums = new RegisterTile();
        for (int start = 0; start < depth; start += Depth)
        {
            bool more = start + Depth < depth;
            if (more)
            {
                a0 = Load(leftRow, start + Depth + k, depth, leftInside);
                a1 = Load(leftRow, start + Depth + k + 4, depth, leftInside);
                b0 = Load(rightRow, start + Depth + k, depth, rightInside);
                b1 = Load(rightRow, start + Depth + k + 4, depth, rightInside);
            }

            int at = stage * 2 * Depth * (Stride / 4);
            for (int d = 0; d < Depth; d++)
            {
                int line4 = at + (d * (Stride / 4)), other = line4 + (Depth * (Stride / 4));
                sums.Accumulate(shared[line4 + i], shared[line4 + 16 + i], new(shared[other + j], shared[other + 16 + j]));
            }

            stage ^= 1;
            if (more)
            {
                Spread(scalars, (((stage * 2 * Depth) + k) * Stride) + line, a0, a1);
                Spread(scalars, (((stage * 2 * Depth) + Depth + k) * Stride) + line, b0, b1);
            }

            Group.Barrier();
        }

        Epilogue<TEpilogue> epilogue = new(bias, residual, y, rows, columns, firstColumn + (j * 4));
        int row = firstRow + (i * 4);
        epilogue.Write(row + 0, sums.R0L, sums.R0H);
        epilogue.Write(row + 1, sums.R1L, sums.R1H);
        epilogue.Write(row + 2, sums.R2L, sums.R2H);
        epilogue.Write(row + 3, sums.R3L, sums.R3H);
        epilogue.Write(row + 64, sums.R4L, sums.R4H);
        epilogue.Write(row + 65, sums.R5L, sums.R5H);
        epilogue.Write(row + 66, sums.R6L, sums.R6H);
        epilogue.Write(row + 67, sums.R7L, sums.R7H);
    }

    private static Float4 Load(ArrayView<Float4> row, int k, int depth, bool inside) => Ptx.LoadConstant(ref row[k >> 2], inside & (k < depth));

    /// <summary>Writes eight elements of a row below each other: the tiles of shared memory are transposed.</summary>
    private static void Spread(ArrayView<float> shared, int at, Float4 low, Float4 high)
    {
        shared[at] = low.X;
        shared[at + Stride] = low.Y;
        shared[at + (2 * Stride)] = low.Z;
        shared[at + (3 * Stride)] = low.W;
        shared[at + (4 * Stride)] = high.X;
        shared[at + (5 * Stride)] = high.Y;
        shared[at + (6 * Stride)] = high.Z;
        shared[at + (7 * Stride)] = high.W;
    }

    /// <summary>The 8 × 8 sums of a thread: rows 4i … 4i + 3 and 64 more, columns 4j … 4j + 3 (L) and 64 more (H).</summary>
    private struct RegisterTile
    {
        public Float4 R0L, R0H, R1L, R1H, R2L, R2H, R3L, R3H, R4L, R4H, R5L, R5H, R6L, R6H, R7L, R7H;

        public void Accumulate(Float4 low, Float4 high, Float8 right)
        {
            R0L = Float4.Fma(low.X, right.Low, R0L);
            R0H = Float4.Fma(low.X, right.High, R0H);
            R1L = Float4.Fma(low.Y, right.Low, R1L);
            R1H = Float4.Fma(low.Y, right.High, R1H);
            R2L = Float4.Fma(low.Z, right.Low, R2L);
            R2H = Float4.Fma(low.Z, right.High, R2H);
            R3L = Float4.Fma(low.W, right.Low, R3L);
            R3H = Float4.Fma(low.W, right.High, R3H);
            R4L = Float4.Fma(high.X, right.Low, R4L);
            R4H = Float4.Fma(high.X, right.High, R4H);
            R5L = Float4.Fma(high.Y, right.Low, R5L);
            R5H = Float4.Fma(high.Y, right.High, R5H);
            R6L = Float4.Fma(high.Z, right.Low, R6L);
            R6H = Float4.Fma(high.Z, right.High, R6H);
            R7L = Float4.Fma(high.W, right.Low, R7L);
            R7H = Float4.Fma(high.W, right.High, R7H);
        }
    }

    /// <summary>How a thread finishes and writes four columns, and the four that lie 64 further.</summary>
    private readonly struct Epilogue<TEpilogue>
        where TEpilogue : struct, IEpilogue
    {
        private readonly ArrayView<float> _residual, _y;
        private readonly Float4 _biasLow, _biasHigh;
        private readonly int _rows, _columns, _column;

        public Epilogue(ArrayView<float> bias, ArrayView<float> residual, ArrayView<float> y, int rows, int columns, int column)
        {
            (_residual, _y, _rows, _columns, _column) = (residual, y, rows, columns, column);
            (_biasLow, _biasHigh) = (Float4.Broadcast(0), Float4.Broadcast(0));
            if (bias.Length == 0) return;
            _biasLow = Columns(bias, column, columns);
            if (TEpilogue.Gated) _biasHigh = Columns(bias.SubView(columns, columns), column, columns);
            else _biasHigh = Columns(bias, column + 64, columns);
        }

        public void Write(int row, Float4 low, Float4 high)
        {
            if (row >= _rows) return;
            low = Apply(low + _biasLow);
            high += _biasHigh;
            ArrayView<float> y = _y.SubView((long)row * _columns, _columns), residual = _residual;
            bool sum = residual.Length > 0;
            if (sum) residual = residual.SubView((long)row * _columns, _columns);
            if (TEpilogue.Gated) Write(y, residual, sum, low * high, _column);
            else
            {
                Write(y, residual, sum, low, _column);
                Write(y, residual, sum, Apply(high), _column + 64);
            }
        }

        private void Write(ArrayView<float> y, ArrayView<float> residual, bool sum, Float4 value, int column)
        {
            if (sum) value += Columns(residual, column, _columns);
            if ((_columns & 3) == 0)
            {
                Ptx.Store(ref y.Cast<Float4>()[column >> 2], column < _columns, value);
                return;
            }

            if (column < _columns) y[column] = value.X;
            if (column + 1 < _columns) y[column + 1] = value.Y;
            if (column + 2 < _columns) y[column + 2] = value.Z;
            if (column + 3 < _columns) y[column + 3] = value.W;
        }

        private static Float4 Apply(Float4 v) => new(TEpilogue.Apply(v.X), TEpilogue.Apply(v.Y), TEpilogue.Apply(v.Z), TEpilogue.Apply(v.W));

        private static Float4 Columns(ArrayView<float> row, int column, int columns)
        {
            Float4 value = Float4.Broadcast(0);
            if (column < columns) value.X = row[column];
            if (column + 1 < columns) value.Y = row[column + 1];
            if (column + 2 < columns) value.Z = row[column + 2];
            if (column + 3 < columns) value.W = row[column + 3];
            return value;
        }
    }
}

using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>What a matrix product does to its sums before it writes them.</summary>
internal interface IEpilogue
{
    /// <summary>
    /// Whether the right factor has twice the columns of the result: the first half is activated and multiplies the second.
    /// </summary>
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

    public static float Apply(float x) => GeluFormula.Value<GpuFloat>(x).Value;
}

internal readonly struct GegluEpilogue : IEpilogue
{
    public static bool Gated => true;

    public static float Apply(float x) => GeluFormula.Value<GpuFloat>(x).Value;
}

internal readonly struct SwigluEpilogue : IEpilogue
{
    public static bool Gated => true;

    public static float Apply(float x) => SiluFunction.Apply<GpuFloat>(x, x).Value;
}

/// <summary>How a factor of a matrix product lies in memory, and how the 256 threads of a block read a tile of 128 × 16 of it.</summary>
internal interface IFactorLayout
{
    /// <summary>The position within the tile of what this thread reads.</summary>
    static abstract int Place { get; }

    /// <summary>
    /// This thread's eight elements, 0 outside the factor.
    /// </summary>
    /// <param name="factor">The elements.</param>
    /// <param name="place">The position within the factor: the tile's first, plus <see cref="Place"/>.</param>
    /// <param name="extent">The extent that is not the depth.</param>
    /// <param name="inside">Whether the position is within the factor.</param>
    /// <param name="start">The depth at which the tile starts.</param>
    /// <param name="depth">The extent over which products are summed.</param>
    static abstract Float8 Load(ArrayView<float> factor, int place, int extent, bool inside, int start, int depth);

    /// <summary>Writes them to the tile in shared memory, whose rows run along the extent.</summary>
    static abstract void Place8(ArrayView<float> tile, int at, Float8 value);
}

/// <summary>[extent, depth]: a thread takes eight consecutive elements of one row.</summary>
internal readonly struct ByRows : IFactorLayout
{
    public static int Place => Group.IdxX & (MatMulKernels.Tile - 1);

    private static int K => (Group.IdxX >> 7) * 8;

    public static Float8 Load(ArrayView<float> factor, int place, int extent, bool inside, int start, int depth)
    {
        ArrayView<float> row = factor.SubView((long)place * depth, depth);
        return new(MatMulKernels.Quad(row, start + K, depth, inside), MatMulKernels.Quad(row, start + K + 4, depth, inside));
    }

    public static void Place8(ArrayView<float> tile, int at, Float8 value)
    {
        int first = at + (K * MatMulKernels.Stride) + Place;
        tile[first] = value.Low.X;
        tile[first + MatMulKernels.Stride] = value.Low.Y;
        tile[first + (2 * MatMulKernels.Stride)] = value.Low.Z;
        tile[first + (3 * MatMulKernels.Stride)] = value.Low.W;
        tile[first + (4 * MatMulKernels.Stride)] = value.High.X;
        tile[first + (5 * MatMulKernels.Stride)] = value.High.Y;
        tile[first + (6 * MatMulKernels.Stride)] = value.High.Z;
        tile[first + (7 * MatMulKernels.Stride)] = value.High.W;
    }
}

/// <summary>[depth, extent]: a thread takes four consecutive elements of two rows, eight apart.</summary>
internal readonly struct ByColumns : IFactorLayout
{
    public static int Place => (Group.IdxX & 31) * 4;

    private static int K => Group.IdxX >> 5;

    public static Float8 Load(ArrayView<float> factor, int place, int extent, bool inside, int start, int depth)
    {
        int k = start + K;
        return new(
            MatMulKernels.Quad(factor.SubView((long)k * extent, extent), place, extent, k < depth),
            MatMulKernels.Quad(factor.SubView((long)(k + 8) * extent, extent), place, extent, k + 8 < depth));
    }

    public static void Place8(ArrayView<float> tile, int at, Float8 value)
    {
        ArrayView<Float4> quads = tile.Cast<Float4>();
        int first = (at + (K * MatMulKernels.Stride) + Place) >> 2;
        quads[first] = value.Low;
        quads[first + (8 * MatMulKernels.Stride / 4)] = value.High;
    }
}

/// <summary>
/// Matrix products in fp32 on the GPU: of a linear layer, <c>y = f(x wᵀ + bias) + residual</c>, and of its gradients. A block of 256
/// threads computes 128 × 128 sums, each thread 8 × 8 in registers, from tiles of depth 16 in shared memory; the next tile is read from
/// memory while the present one is multiplied. With a gate a tile holds 64 columns of either half, so that both meet in one thread.
/// </summary>
internal static class MatMulKernels
{
    public const int Tile = 128, Depth = 16, Threads = 256;

    /// <summary>Columns of a tile in shared memory: four more than the tile has, so that rows start in different banks.</summary>
    public const int Stride = Tile + 4;

    public static void Register(KernelList list)
    {
        list.AddFamily("linear", Threads, f32: Product<LinearEpilogue, ByRows, ByRows>);
        list.AddFamily("linear_gelu", Threads, f32: Product<GeluEpilogue, ByRows, ByRows>);
        list.AddFamily("linear_geglu", Threads, f32: Product<GegluEpilogue, ByRows, ByRows>);
        list.AddFamily("linear_swiglu", Threads, f32: Product<SwigluEpilogue, ByRows, ByRows>);
        list.AddFamily("linear_input_gradient", Threads, f32: Product<LinearEpilogue, ByRows, ByColumns>);
        list.AddFamily("linear_weight_gradient", Threads, f32: Product<LinearEpilogue, ByColumns, ByColumns>);
    }

    /// <summary>
    /// y[r, c] = f(Σₖ left[r, k] · right[c, k] + bias[c]) + residual[r, c]. left: [rows, depth]; right: [columns, depth], or
    /// [2 · columns, depth] with a gate; either transposed in the layout <see cref="ByColumns"/>; bias: a row of the right factor's
    /// columns, or empty; residual and y: [rows, columns], residual may be empty, or y itself to add to it. Grid: (⌈columns / 128⌉, or / 64
    /// with a gate; ⌈rows / 128⌉).
    /// </summary>
    public static void Product<TEpilogue, TLeft, TRight>(
        ArrayView<float> left, ArrayView<float> right, ArrayView<float> bias, ArrayView<float> residual, ArrayView<float> y, int rows,
        int columns, int depth)
        where TEpilogue : struct, IEpilogue
        where TLeft : struct, IFactorLayout
        where TRight : struct, IFactorLayout
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(2 * 2 * Depth * Stride / 4);
        ArrayView<float> scalars = shared.Cast<float>();
        int thread = Group.IdxX, firstRow = Grid.IdxY * Tile, firstColumn = Grid.IdxX * (TEpilogue.Gated ? Tile / 2 : Tile);
        int leftPlace = firstRow + TLeft.Place, rightPlace = firstColumn + TRight.Place;
        bool leftInside = leftPlace < rows, rightInside = rightPlace < columns;
        if (TEpilogue.Gated && TRight.Place >= Tile / 2)
        {
            rightInside = rightPlace - (Tile / 2) < columns;
            rightPlace += columns - (Tile / 2);
        }

        Float8 a = TLeft.Load(left, leftPlace, rows, leftInside, 0, depth),
            b = TRight.Load(right, rightPlace, columns, rightInside, 0, depth);
        TLeft.Place8(scalars, 0, a);
        TRight.Place8(scalars, Depth * Stride, b);
        Group.Barrier();

        int i = thread >> 4, j = thread & 15, stage = 0;
        var sums = new RegisterTile();
        for (int start = 0; start < depth; start += Depth)
        {
            bool more = start + Depth < depth;
            if (more)
            {
                a = TLeft.Load(left, leftPlace, rows, leftInside, start + Depth, depth);
                b = TRight.Load(right, rightPlace, columns, rightInside, start + Depth, depth);
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
                TLeft.Place8(scalars, stage * 2 * Depth * Stride, a);
                TRight.Place8(scalars, ((stage * 2) + 1) * Depth * Stride, b);
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

    /// <summary>Four elements of a row from a multiple of four on, 0 from <paramref name="end"/> on or where not inside.</summary>
    public static Float4 Quad(ArrayView<float> row, int start, int end, bool inside)
    {
        if ((end & 3) == 0) return Ptx.LoadConstant(ref row.Cast<Float4>()[start >> 2], inside & (start < end));
        return new(
            Ptx.LoadConstant(ref row[start], inside & (start < end)), Ptx.LoadConstant(ref row[start + 1], inside & (start + 1 < end)),
            Ptx.LoadConstant(ref row[start + 2], inside & (start + 2 < end)),
            Ptx.LoadConstant(ref row[start + 3], inside & (start + 3 < end)));
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

        private static Float4 Apply(Float4 v) =>
            new(TEpilogue.Apply(v.X), TEpilogue.Apply(v.Y), TEpilogue.Apply(v.Z), TEpilogue.Apply(v.W));

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

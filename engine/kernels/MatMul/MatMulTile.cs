namespace Engine.Kernels;

/// <summary>What a tile kernel is given; <see cref="TileAssembler"/> knows the layout.</summary>
internal unsafe struct TileArguments
{
    /// <summary>The left factor at the first row and the first step.</summary>
    public uint* Left;

    /// <summary>
    /// Bytes from a row of the left factor to the next, whose steps follow each other; or, by columns, from a step to the next, whose
    /// rows follow each other.
    /// </summary>
    public long LeftStride;

    /// <summary>The panel at the first step.</summary>
    public uint* Right;

    /// <summary>Steps of the reduction.</summary>
    public long Steps;

    /// <summary>What the sums begin with: a row of the tile's width.</summary>
    public float* Start;

    /// <summary>Bytes from the beginning of a row to that of the next; 0 if all begin alike.</summary>
    public long StartStride;

    /// <summary>Receives the sums, <c>[rows, width]</c>.</summary>
    public float* Tile;

    /// <summary>What will be read soon: four bytes of it a step are brought into the second cache meanwhile. Any address will do.</summary>
    public void* Prefetch;
}

/// <summary>
/// The part of a product that is held in registers while the reduction runs, and how its factors are laid out. A step of the reduction
/// takes four bytes of a row: one float, two bfloat16 or four 8-bit integers.
/// </summary>
/// <param name="rows">Rows of the tile.</param>
/// <param name="registers">Registers of columns.</param>
/// <param name="lanes">Columns of a register.</param>
/// <param name="precision">What the factors are rounded to.</param>
/// <param name="elements">
/// Elements of the reduction in a step. One, of whatever precision: the machine lacks its instructions, and rounded floats take their
/// place.
/// </param>
/// <param name="code">Entry r is the machine code for r + 1 rows; null: the compiled form.</param>
/// <param name="columnsCode">The same for a left factor by columns.</param>
internal readonly unsafe struct MatMulTile(
    int rows, int registers, int lanes, Precision precision, int elements, nint* code = null, nint* columnsCode = null)
{
    public int Rows { get; } = rows;

    public int Width { get; } = registers * lanes;

    public Precision Precision { get; } = precision;

    public int Elements { get; } = elements;

    /// <summary>Steps that are worked through before the next block of the reduction; sums of integers are not split.</summary>
    public int StepBlock => Elements == 4 ? int.MaxValue : MatMul.DepthBlock;

    public int Steps(int depth) => (depth + Elements - 1) / Elements;

    /// <summary>Steps of a panel for <paramref name="depth"/> elements times its width: 32-bit words.</summary>
    public long PanelWords(int depth) => (long)Steps(depth) * Width;

    /// <summary>Computes <c>tile[r, c] = start[r, c] + Σₛ left[r, s] · right[s, c]</c> for some rows, at most <see cref="Rows"/>.</summary>
    public void Run<T>(int rows, TileArguments* arguments, bool byColumns = false)
        where T : unmanaged, ISimd<T>
    {
        // A tile takes some microseconds and calls nothing back, so the runtime need not be told that the thread has left it.
        if (code != null)
            ((delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>)(byColumns ? columnsCode : code)[rows - 1])(arguments);
        else MatMul.Tile<T>(rows, arguments, byColumns);
    }

    public int Panels(int columns, Activation activation) =>
        activation.IsGated() ? ((columns / 2) + (Width / 2) - 1) / (Width / 2) : (columns + Width - 1) / Width;
}

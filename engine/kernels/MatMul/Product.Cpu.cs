namespace Engine.Kernels;

/// <summary>Matrix products on the processor: the tile, the packing of either factor, the product.</summary>
internal static unsafe class CpuProduct
{
    /// <summary>The tile of a product of so many columns.</summary>
    public static MatMulTile TileFor<T>(CpuLauncher cpu, Activation activation, int columns)
        where T : unmanaged, ISimd<T>
        => cpu.Tiles?.For(activation, columns) ?? new MatMulTile(T.TileRows, 2, T.Lanes, cpu.Precision, 1);

    /// <summary>The tile of attention's products.</summary>
    /// <param name="cpu">The backend.</param>
    /// <param name="rounded">Whether the factors may be rounded.</param>
    public static MatMulTile AttentionTile<T>(CpuLauncher cpu, bool rounded)
        where T : unmanaged, ISimd<T>
        => cpu.Tiles?.ForAttention(rounded) ?? new MatMulTile(T.TileRows, 2, T.Lanes, Precision.F32, 1);

    /// <summary>Lays a row-major weight out as the product reads it.</summary>
    /// <param name="cpu">The backend.</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="activation">What follows.</param>
    /// <param name="memory">Where the result lives.</param>
    public static Weight Pack<T>(CpuLauncher cpu, in Weight weight, Activation activation, IScratch memory)
        where T : unmanaged, ISimd<T>
    {
        int outputs = weight.Outputs, inputs = weight.Inputs;
        if (activation.IsGated() && outputs % 2 != 0)
            throw new ArgumentException($"{activation} halves the outputs, which are {outputs}");
        MatMulTile tile = TileFor<T>(cpu, activation, outputs);
        Tensor data = memory.Rent(CpuLauncher.FlatShape(MatMulRight.Length(tile, outputs, inputs, activation)), DType.F32);
        MatMulRight right = MatMulRight.At(data.Pointer<uint>(), tile, outputs, inputs, activation);
        cpu.Run(new PackWeightJob(weight.Data.Pointer<float>(), outputs, inputs, activation, tile, right));
        return new Weight(data, outputs, inputs, activation);
    }

    /// <summary>A product whose right factor is row-major.</summary>
    public static void RunWithRight<T>(CpuLauncher cpu, float* right, MatMulArguments arguments)
        where T : unmanaged, ISimd<T>
    {
        if (cpu.Precision == Precision.I8) throw new InvalidOperationException("8-bit integers are for inference: train in F32 or BF16");
        MatMulTile tile = TileFor<T>(cpu, Activation.None, arguments.Columns);
        var packed = (uint*)cpu.Rent(MatMulRight.Length(tile, arguments.Columns, arguments.Depth, Activation.None));
        cpu.Run(new PackRightJob(right, arguments.Columns, arguments.Depth, tile, packed));
        arguments.Tile = tile;
        arguments.Right = MatMulRight.At(packed, tile, arguments.Columns, arguments.Depth, Activation.None);
        Run<T>(cpu, arguments);
    }

    /// <summary>A product whose right factor is packed.</summary>
    public static void Run<T>(CpuLauncher cpu, MatMulArguments a)
        where T : unmanaged, ISimd<T>
    {
        a.Stop = cpu.Stop;
        a.Prepared = new MatMulLeft { Words = (uint*)a.Left, Leading = a.Depth };
        if ((cpu.Precision != Precision.F32 || a.TransposeLeft) && !a.TransposesInBlocks) PrepareLeft(cpu, ref a);
        long perWorker = MatMulJob<T>.ScratchPerWorker(a);
        var taken = (int*)cpu.Rent(1);
        *taken = 0;
        cpu.Run(new MatMulJob<T>(a, cpu.Rent(perWorker * cpu.Workers), perWorker, taken));
    }

    private static void PrepareLeft(CpuLauncher cpu, ref MatMulArguments a)
    {
        // Rows a multiple of 4 KB apart would share their sets of the cache.
        long words = a.Tile.Steps(a.Depth), leading = words % 1024 == 0 ? words + 16 : (words + 15) / 16 * 16;
        var prepared = new MatMulLeft { Words = (uint*)cpu.Rent(leading * a.Rows), Leading = leading };
        if (cpu.Precision == Precision.I8) prepared.Scales = cpu.Rent(a.Rows);
        cpu.Run(new PrepareLeftJob(a, prepared));
        a.Prepared = prepared;
    }
}

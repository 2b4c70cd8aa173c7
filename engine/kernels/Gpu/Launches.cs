namespace Engine.Kernels.Gpu;

/// <summary>The sizes of grids.</summary>
internal static class Launches
{
    /// <summary>Warps of a block, columns that a warp works on, and elements of a block of kernels over flat arrays.</summary>
    public const int WarpsPerBlock = 8, Chunk = 256, FlatBlock = WarpsPerBlock * Chunk;

    /// <summary>The widest row that a warp holds in registers.</summary>
    public const int LargestRegisterRow = 1024;

    /// <summary>Blocks for so many pieces of work.</summary>
    public static long Blocks(long count, int perBlock) => (count + perBlock - 1) / perBlock;

    /// <summary>Stretches of 256 columns in a row.</summary>
    public static int Chunks(int width) => (width + Chunk - 1) / Chunk;

    /// <summary>Tensor cores read rows 16 bytes at a time.</summary>
    /// <exception cref="NotSupportedException">A width that they do not read.</exception>
    public static void ExpectMultipleOfEight(int width)
    {
        if (width % 8 != 0)
            throw new NotSupportedException(
                $"rows of {width} elements: in bf16 the GPU wants a multiple of eight (widths and head sizes); use DType.F32");
    }
}

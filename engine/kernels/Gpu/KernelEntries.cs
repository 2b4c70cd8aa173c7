namespace Engine.Kernels.Gpu;

/// <summary>The names of a kernel in its element types.</summary>
internal sealed class KernelEntries(string name)
{
    private readonly string _f32 = name + "_f32", _anyF32 = name + "_any_f32", _bf16 = name + "_bf16";

    /// <summary>The name for operands of a type.</summary>
    /// <param name="dtype">The type.</param>
    /// <param name="aligned">Whether rows are read 16 bytes at a time.</param>
    public string For(DType dtype, bool aligned) => dtype switch
    {
        DType.F32 => aligned ? _f32 : _anyF32,
        DType.BF16 when aligned => _bf16,
        DType.BF16 => throw new NotSupportedException("rows of this width: in bf16 the GPU wants a multiple of eight (widths and head sizes); use DType.F32"),
        _ => throw new NotSupportedException($"there are no GPU kernels for {dtype}"),
    };
}

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

/// <summary>Tensors, and what belongs together, as arguments.</summary>
internal static unsafe class TensorArguments
{
    /// <summary>The elements of a tensor; an empty view for «no tensor».</summary>
    public static void View(this KernelArguments arguments, Tensor tensor) =>
        arguments.View((nint)tensor.Address, tensor.IsAbsent ? 0 : tensor.Count);

    /// <summary>The parameters of attention's dropout, the last ones of its kernels; stream: I32 [3].</summary>
    public static void Dropout(this KernelArguments arguments, nint stream, float probability, int site)
    {
        var mask = new AttentionMask(default, probability);
        arguments.View(stream, 3);
        arguments.U32(mask.Threshold);
        arguments.F32(mask.Scale);
        arguments.U32((uint)site);
    }
}

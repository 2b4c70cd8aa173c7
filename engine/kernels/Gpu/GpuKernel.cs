using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>
/// The arguments of a GPU kernel. Those of the engine's kernels are generated from the kernels' parameters, one required member a
/// parameter, so that none is left out or given in another one's place.
/// </summary>
internal interface IKernelArguments
{
    /// <summary>Writes the arguments in the order of the kernel's parameters.</summary>
    /// <param name="to">Where to.</param>
    void Write(KernelArguments to);
}

/// <summary>A kernel, with the type of its arguments.</summary>
/// <typeparam name="TArguments">The arguments.</typeparam>
/// <param name="entry">The name under which it was compiled.</param>
internal sealed class GpuKernel<TArguments>(string entry)
    where TArguments : struct, IKernelArguments
{
    public string Entry { get; } = entry;
}

/// <summary>A kernel in its element types.</summary>
/// <typeparam name="TArguments">The arguments of all of them.</typeparam>
/// <param name="name">What their names begin with.</param>
internal sealed class GpuKernelFamily<TArguments>(string name)
    where TArguments : struct, IKernelArguments
{
    private readonly GpuKernel<TArguments> _f32 = new(name + "_f32"), _anyF32 = new(name + "_any_f32"), _bf16 = new(name + "_bf16");

    /// <summary>The kernel for operands of a type.</summary>
    /// <param name="dtype">The type.</param>
    /// <param name="width">The width of their rows: a multiple of eight is read 16 bytes at a time.</param>
    /// <exception cref="NotSupportedException">There is no such kernel; the message says what helps.</exception>
    public GpuKernel<TArguments> For(DType dtype, int width = 8) => dtype switch
    {
        DType.F32 => width % 8 == 0 ? _f32 : _anyF32,
        DType.BF16 when width % 8 == 0 => _bf16,
        DType.BF16 => throw new NotSupportedException(
            "rows of this width: in bf16 the GPU wants a multiple of eight (widths and head sizes); use DType.F32"),
        _ => throw new NotSupportedException($"there are no GPU kernels for {dtype}"),
    };
}

/// <summary>A matrix of bf16 elements that the copy engine reads.</summary>
/// <param name="Elements">Its elements; they begin at a multiple of 16 bytes.</param>
/// <param name="Rows">Its rows.</param>
/// <param name="Columns">Its columns, a multiple of eight.</param>
internal readonly record struct MappedMatrix(Tensor Elements, int Rows, int Columns);

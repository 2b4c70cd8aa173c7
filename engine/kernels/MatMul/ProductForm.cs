using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>Which product of a linear layer: it decides how the factors lie.</summary>
internal enum ProductKind
{
    /// <summary>x · wᵀ.</summary>
    Forward,

    /// <summary>dy · w.</summary>
    InputGradient,

    /// <summary>dyᵀ · x.</summary>
    WeightGradient,
}

/// <summary>A way to compute a product on tensor cores: every <see cref="ProductKernel"/> is compiled in each.</summary>
/// <param name="Index">Its place in <see cref="All"/>.</param>
/// <param name="Name">Its name in tables.</param>
/// <param name="Rows">The rows of a block's results.</param>
/// <param name="Columns">Their columns.</param>
/// <param name="BlocksPerMultiprocessor">Blocks that fit a multiprocessor.</param>
/// <param name="ForHopper">Whether it runs on compute capability 9.0 alone.</param>
internal sealed record ProductForm(int Index, string Name, int Rows, int Columns, int BlocksPerMultiprocessor, bool ForHopper)
{
    /// <summary><c>mma.sync</c>: everywhere.</summary>
    public static readonly ProductForm Mma = new(0, "mma-128", 128, 128, 2, false);

    /// <summary><c>mma.sync</c> in small tiles, for small batches.</summary>
    public static readonly ProductForm Mma64 = new(1, "mma-64", 64, 64, 3, false);

    /// <summary><c>wgmma</c>, two blocks a multiprocessor.</summary>
    public static readonly ProductForm Wgmma128 = new(2, "wgmma-128", 128, 128, 2, true);

    /// <summary><c>wgmma</c> with tiles twice as wide.</summary>
    public static readonly ProductForm Wgmma256 = new(3, "wgmma-256", 128, 256, 1, true);

    public static readonly IReadOnlyList<ProductForm> All = [Mma, Mma64, Wgmma128, Wgmma256];
}

/// <summary>A product on tensor cores, with what is done to its sums.</summary>
internal sealed class ProductKernel
{
    public static readonly ProductKernel
        Linear = new(
            "linear", ProductKind.Forward, [GpuKernels.Linear, GpuKernels.Linear64],
            [GpuKernels.LinearWgmma128, GpuKernels.LinearWgmma256]),
        Gelu = new(
            "linear_gelu", ProductKind.Forward, [GpuKernels.LinearGelu, GpuKernels.LinearGelu64],
            [GpuKernels.LinearGeluWgmma128, GpuKernels.LinearGeluWgmma256]),
        Geglu = new(
            "linear_geglu", ProductKind.Forward, [GpuKernels.LinearGeglu, GpuKernels.LinearGeglu64],
            [GpuKernels.LinearGegluWgmma128, GpuKernels.LinearGegluWgmma256], parts: 2),
        Swiglu = new(
            "linear_swiglu", ProductKind.Forward, [GpuKernels.LinearSwiglu, GpuKernels.LinearSwiglu64],
            [GpuKernels.LinearSwigluWgmma128, GpuKernels.LinearSwigluWgmma256], parts: 2),
        InputGradient = new(
            "linear_input_gradient", ProductKind.InputGradient, [GpuKernels.LinearInputGradient, GpuKernels.LinearInputGradient64],
            [GpuKernels.LinearInputGradientWgmma128, GpuKernels.LinearInputGradientWgmma256]);

    private readonly GpuKernelFamily<LinearKernelArguments>[] _everywhere;
    private readonly GpuKernelFamily<LinearWgmma128KernelArguments>[] _forHopper;

    /// <summary>Those that <see cref="TensorCoreProducts.Launch(ProductKernel, in LinearKernelArguments)"/> launches.</summary>
    public static readonly IReadOnlyList<ProductKernel> All = [Linear, Gelu, Geglu, Swiglu, InputGradient];

    private ProductKernel(
        string name, ProductKind kind, GpuKernelFamily<LinearKernelArguments>[] everywhere,
        GpuKernelFamily<LinearWgmma128KernelArguments>[] forHopper, int parts = 1) =>
        (Name, Kind, Parts, _everywhere, _forHopper) = (name, kind, parts, everywhere, forHopper);

    /// <summary>The name that its forms have in common.</summary>
    public string Name { get; }

    public ProductKind Kind { get; }

    /// <summary>2 where the right factor has gates and values.</summary>
    public int Parts { get; }

    /// <summary>The kernel in a form that is not for Hopper.</summary>
    public GpuKernel<LinearKernelArguments> For(ProductForm form) => _everywhere[form.Index].For(DType.BF16);

    /// <summary>The kernel in a form that is for Hopper.</summary>
    public GpuKernel<LinearWgmma128KernelArguments> ForHopper(ProductForm form) =>
        _forHopper[form.Index - _everywhere.Length].For(DType.BF16);
}

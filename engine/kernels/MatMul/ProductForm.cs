namespace Engine.Kernels.Gpu;

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
/// <param name="Suffix">What the names of its kernels end with.</param>
/// <param name="Rows">The rows of a block's results.</param>
/// <param name="Columns">Their columns.</param>
/// <param name="BlocksPerMultiprocessor">Blocks that fit a multiprocessor.</param>
/// <param name="ForHopper">Whether it runs on compute capability 9.0 alone.</param>
internal sealed record ProductForm(int Index, string Name, string Suffix, int Rows, int Columns, int BlocksPerMultiprocessor, bool ForHopper)
{
    /// <summary><c>mma.sync</c>: everywhere.</summary>
    public static readonly ProductForm Mma = new(0, "mma-128", "", 128, 128, 2, false);

    /// <summary><c>mma.sync</c> in small tiles, for small batches.</summary>
    public static readonly ProductForm Mma64 = new(1, "mma-64", "_64", 64, 64, 3, false);

    /// <summary><c>wgmma</c>, two blocks a multiprocessor.</summary>
    public static readonly ProductForm Wgmma128 = new(2, "wgmma-128", "_wgmma_128", 128, 128, 2, true);

    /// <summary><c>wgmma</c> with tiles twice as wide.</summary>
    public static readonly ProductForm Wgmma256 = new(3, "wgmma-256", "_wgmma_256", 128, 256, 1, true);

    public static readonly IReadOnlyList<ProductForm> All = [Mma, Mma64, Wgmma128, Wgmma256];
}

/// <summary>A product on tensor cores, with what is done to its sums.</summary>
internal sealed class ProductKernel
{
    public static readonly ProductKernel Linear = new("linear_bf16", ProductKind.Forward), Gelu = new("linear_gelu_bf16", ProductKind.Forward),
        Geglu = new("linear_geglu_bf16", ProductKind.Forward, parts: 2),
        InputGradient = new("linear_input_gradient_bf16", ProductKind.InputGradient),
        WeightGradient = new("linear_weight_gradient_split_bf16", ProductKind.WeightGradient);

    private readonly string[] _entries;

    /// <summary>Those that <see cref="TensorCoreProducts.Launch(ProductKernel, in ProductOperands)"/> launches.</summary>
    public static readonly IReadOnlyList<ProductKernel> All = [Linear, Gelu, Geglu, InputGradient];

    private ProductKernel(string name, ProductKind kind, int parts = 1)
    {
        (Name, Kind, Parts) = (name, kind, parts);
        _entries = [.. ProductForm.All.Select(form => name + form.Suffix)];
    }

    /// <summary>The name of its kernel in the form <see cref="ProductForm.Mma"/>.</summary>
    public string Name { get; }

    public ProductKind Kind { get; }

    /// <summary>2 where the right factor has gates and values.</summary>
    public int Parts { get; }

    public string Entry(ProductForm form) => _entries[form.Index];
}

using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Runs operations for the sake of the kernels that they launch: what they compute is not looked at.</summary>
/// <param name="backend">Where they run.</param>
/// <param name="type">The type of activations.</param>
internal sealed class KernelLaunches(Backend backend, DType type) : IDisposable
{
    private readonly Arena _arena = new(backend);

    /// <summary>Rows of matrices, and elements of vectors.</summary>
    public int Rows => 300;

    /// <summary>The operations that were run.</summary>
    public HashSet<System.Type> Seen { get; } = [];

    /// <summary>The type of activations.</summary>
    public DType Type => type;

    /// <summary>
    /// Widths of rows that are read 16 bytes at a time; in registers, and wider; and in fp32 those that are read one by one.
    /// </summary>
    public int[] Widths => type == DType.F32 ? [64, 1032, 13] : [64, 1032];

    public void Run<TOperation>(in TOperation operation)
        where TOperation : struct, IOperation
    {
        Seen.Add(typeof(TOperation));
        backend.Run(operation);
    }

    /// <summary>A tensor of the type of activations.</summary>
    public Tensor Numbers(params ReadOnlySpan<int> extents) => Zeros(type, extents);

    public Tensor Floats(params ReadOnlySpan<int> extents) => Zeros(DType.F32, extents);

    public Tensor Integers(params ReadOnlySpan<int> extents) => Zeros(DType.I32, extents);

    public Tensor Doubles(params ReadOnlySpan<int> extents) => Zeros(DType.F64, extents);

    public CuSeqlens Borders(params ReadOnlySpan<int> lengths) => _arena.RentCuSeqlens(lengths);

    public void Dispose() => _arena.Dispose();

    private Tensor Zeros(DType dtype, ReadOnlySpan<int> extents)
    {
        Tensor tensor = _arena.Rent(new Shape(extents), dtype);
        backend.Clear(tensor);
        return tensor;
    }
}

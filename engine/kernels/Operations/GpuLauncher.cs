using System.Runtime.InteropServices;
using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>
/// What the GPU form of an operation launches its kernels with, one after the other, and memory until the operation ends. Memory that is
/// taken back while kernels still use it is only given to kernels that run after them.
/// </summary>
public sealed class GpuLauncher
{
    private readonly KernelLauncher _device;
    private readonly IScratch _scratch, _constants;
    private readonly List<KnownHeads> _heads = [];

    /// <param name="device">Launches the kernels.</param>
    /// <param name="scratch">Memory; whoever runs the operation takes it back.</param>
    /// <param name="constants">Memory that stays.</param>
    /// <param name="products">Which forms of matrix products are the fastest.</param>
    internal GpuLauncher(KernelLauncher device, IScratch scratch, IScratch constants, ProductTable products) =>
        (_device, _scratch, _constants, Products) = (device, scratch, constants, new(device, products));

    internal TensorCoreProducts Products { get; }

    /// <summary>Uninitialised memory until the operation ends.</summary>
    public Tensor Rent(Shape shape, DType dtype) => _scratch.Rent(shape, dtype);

    /// <summary>Sets all bytes of a tensor to 0.</summary>
    public unsafe void Clear(Tensor y) => _device.Clear((nint)y.Address, y.Bytes);

    /// <summary>Copies a tensor to another one of its shape and type.</summary>
    public unsafe void Copy(Tensor source, Tensor destination) =>
        _device.Copy((nint)source.Address, (nint)destination.Address, source.Bytes);

    /// <summary>Runs another operation as a part of this one.</summary>
    public void Run<TOperation>(in TOperation operation)
        where TOperation : struct, IOperation
        => operation.RunOnGpu(this);

    /// <summary>Launches a kernel.</summary>
    /// <typeparam name="TArguments">The type of its arguments.</typeparam>
    /// <param name="kernel">The kernel.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="gridX">Blocks; a launch without blocks does nothing.</param>
    /// <param name="gridY">Blocks in the second dimension.</param>
    /// <param name="gridZ">Blocks in the third dimension.</param>
    /// <exception cref="NotSupportedException">The kernel cannot be compiled, or needs more shared memory than the GPU has.</exception>
    /// <exception cref="ArgumentException">An argument has another element type than the kernel's, or the grid is too large.</exception>
    public void Launch<TArguments>(GpuKernel<TArguments> kernel, in TArguments arguments, long gridX, int gridY = 1, int gridZ = 1)
        where TArguments : struct, IKernelArguments
    {
        ArgumentNullException.ThrowIfNull(kernel);
        _device.Launch(kernel, arguments, gridX, gridY, gridZ);
    }

    /// <inheritdoc cref="KernelLauncher.Launch{TArguments}(GpuKernel{TArguments}, in TArguments, long, int, int, int)"/>
    internal void Launch<TArguments>(
        GpuKernel<TArguments> kernel, in TArguments arguments, long gridX, int gridY, int gridZ, int dynamicShared)
        where TArguments : struct, IKernelArguments
        => _device.Launch(kernel, arguments, gridX, gridY, gridZ, dynamicShared);

    /// <summary>The parameters of a score modification for each head. They are computed once; a model uses one or two.</summary>
    internal unsafe HeadParameters Heads<TMod>(in TMod mod, int heads)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<TMod>(in mod));
        foreach (KnownHeads known in _heads)
            if (known.Type == typeof(TMod) && known.Heads == heads && bytes.SequenceEqual(known.Modification))
                return new(known.Values, heads);
        var perHead = new TMod[heads];
        for (int head = 0; head < heads; head++) perHead[head] = TMod.ForHead(mod, head, heads);
        Tensor values = _constants.Rent(new Shape(heads * sizeof(TMod)), DType.U8);
        _device.Upload(MemoryMarshal.AsBytes(perHead.AsSpan()), (nint)values.Address);
        _heads.Add(new(typeof(TMod), heads, bytes.ToArray(), values));
        return new(values, heads);
    }

    /// <summary>Forgets what lies in the memory that stays, since it is given back.</summary>
    internal void ForgetConstants() => _heads.Clear();

    private sealed record KnownHeads(Type Type, int Heads, byte[] Modification, Tensor Values);
}

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Engine.Kernels.Gpu;

/// <summary>
/// The arguments of a launch, written into native memory as the kernel's manifest lays them out. One object serves all launches: it
/// allocates nothing. An argument of another kind than the manifest's is refused.
/// </summary>
internal sealed unsafe class KernelArguments : IDisposable
{
    /// <summary>The largest parameter block of a kernel, and the most parameters that fit it.</summary>
    private const int MaxBytes = 4096, MaxParameters = MaxBytes / 4, TensorMapBytes = 128;

    private byte* _block = (byte*)NativeMemory.AlignedAlloc(MaxBytes, 64);
    private void** _pointers = (void**)NativeMemory.AlignedAlloc(MaxParameters * (nuint)sizeof(void*), 16);
    private CompiledKernel? _kernel;
    private int _count;

    /// <summary>One pointer a parameter, as the driver wants them.</summary>
    public void** Pointers => _pointers;

    /// <summary>The bytes of the parameter block.</summary>
    public ReadOnlySpan<byte> Block => new(_block, _kernel is { Parameters: [.., { } last] } ? last.Offset + last.Size : 0);

    /// <summary>Starts the arguments of a launch.</summary>
    public void Begin(CompiledKernel kernel) => (_kernel, _count) = (kernel, 0);

    /// <summary>A view of device memory; null and 0 for an operand that is absent.</summary>
    public void View(nint address, long elements)
    {
        byte* place = Next(KernelParameterKind.View);
        Unsafe.WriteUnaligned(place, address);
        Unsafe.WriteUnaligned(place + sizeof(long), elements);
    }

    /// <summary>The place of a tensor map, to be filled.</summary>
    public Span<byte> TensorMap() => new(Next(KernelParameterKind.TensorMap), TensorMapBytes);

    public void I32(int value) => Unsafe.WriteUnaligned(Next(KernelParameterKind.I32), value);

    public void U32(uint value) => Unsafe.WriteUnaligned(Next(KernelParameterKind.U32), value);

    public void I64(long value) => Unsafe.WriteUnaligned(Next(KernelParameterKind.I64), value);

    public void F32(float value) => Unsafe.WriteUnaligned(Next(KernelParameterKind.F32), value);

    /// <summary>Ends the arguments: all must have been given.</summary>
    /// <returns>The kernel.</returns>
    public CompiledKernel End()
    {
        CompiledKernel kernel = _kernel!;
        if (_count != kernel.Parameters.Count)
            throw new InvalidOperationException($"{kernel.Entry} has {kernel.Parameters.Count} parameters, {_count} arguments were given");
        return kernel;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_block);
        NativeMemory.AlignedFree(_pointers);
        _block = null;
        _pointers = null;
        _kernel = null;
    }

    private byte* Next(KernelParameterKind kind)
    {
        CompiledKernel kernel = _kernel!;
        KernelParameter? parameter = _count < kernel.Parameters.Count ? kernel.Parameters[_count] : null;
        if (parameter?.Kind != kind) throw new InvalidOperationException($"{kernel.Entry}: argument {_count} is {kind}, the parameter {parameter}");
        byte* place = _block + parameter.Offset;
        _pointers[_count++] = place;
        return place;
    }
}

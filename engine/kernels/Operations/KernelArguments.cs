using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>
/// The arguments of a launch, written into native memory as the compiled kernel lays them out. One object serves all launches: it allocates
/// nothing. An argument has the name of its parameter, which is that of the member or variable in the call unless another is given; case
/// does not matter. One of another name, kind or element type than the kernel's next parameter is refused.
/// </summary>
public sealed unsafe class KernelArguments
{
    /// <summary>The largest parameter block of a kernel, and the most parameters that fit it.</summary>
    private const int MaxBytes = 4096, MaxParameters = MaxBytes / 4;

    private readonly KernelLauncher _device;
    private byte* _block = (byte*)NativeMemory.AlignedAlloc(MaxBytes, 64);
    private void** _pointers = (void**)NativeMemory.AlignedAlloc(MaxParameters * (nuint)sizeof(void*), 16);
    private CompiledKernel? _kernel;
    private int _count;

    /// <param name="device">Where kernels are launched: it encodes tensor maps.</param>
    internal KernelArguments(KernelLauncher device) => _device = device;

    /// <summary>One pointer a parameter, as the driver wants them.</summary>
    internal void** Pointers => _pointers;

    /// <summary>The bytes of the parameter block.</summary>
    internal ReadOnlySpan<byte> Block => new(_block, _kernel is { Parameters: [.., { } last] } ? last.Offset + last.Size : 0);

    /// <summary>Starts the arguments of a launch.</summary>
    internal void Begin(CompiledKernel kernel) => (_kernel, _count) = (kernel, 0);

    /// <summary>A tensor, for a view of its elements; an absent one gives an empty view. I32 serves for <c>uint</c> as well.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="name">The name of the parameter.</param>
    /// <exception cref="ArgumentException">Its elements are of another type than the view's.</exception>
    /// <exception cref="InvalidOperationException">The kernel's next parameter has another name, or is no view.</exception>
    public void Add(Tensor tensor, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        KernelParameter parameter = Next(KernelParameterKind.View, name, out byte* place);
        if (!tensor.IsAbsent && !IsOf(parameter.Element, tensor.DType))
            throw new ArgumentException($"{_kernel!.Entry}: {name} is {tensor}, the kernel has a view of {parameter.Element}", name);
        Write(place, (nint)tensor.Address, tensor.IsAbsent ? 0 : tensor.Count);
    }

    /// <summary>A matrix for a tensor map.</summary>
    internal void Add(MappedMatrix matrix, string name)
    {
        KernelParameter parameter = Next(KernelParameterKind.TensorMap, name, out byte* place);
        _device.EncodeTensorMap((nint)matrix.Elements.Address, matrix.Rows, matrix.Columns, new Span<byte>(place, parameter.Size));
    }

    /// <summary>A number of type <c>int</c>.</summary>
    /// <param name="value">The number.</param>
    /// <param name="name">The name of the parameter.</param>
    /// <exception cref="InvalidOperationException">The kernel's next parameter has another name or type.</exception>
    public void Add(int value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        Next(KernelParameterKind.I32, name, out byte* place);
        Unsafe.WriteUnaligned(place, value);
    }

    /// <summary>A number of type <c>uint</c>.</summary>
    /// <param name="value">The number.</param>
    /// <param name="name">The name of the parameter.</param>
    /// <exception cref="InvalidOperationException">The kernel's next parameter has another name or type.</exception>
    public void Add(uint value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        Next(KernelParameterKind.U32, name, out byte* place);
        Unsafe.WriteUnaligned(place, value);
    }

    /// <summary>A number of type <c>long</c>.</summary>
    /// <param name="value">The number.</param>
    /// <param name="name">The name of the parameter.</param>
    /// <exception cref="InvalidOperationException">The kernel's next parameter has another name or type.</exception>
    public void Add(long value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        Next(KernelParameterKind.I64, name, out byte* place);
        Unsafe.WriteUnaligned(place, value);
    }

    /// <summary>A number of type <c>float</c>.</summary>
    /// <param name="value">The number.</param>
    /// <param name="name">The name of the parameter.</param>
    /// <exception cref="InvalidOperationException">The kernel's next parameter has another name or type.</exception>
    public void Add(float value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        Next(KernelParameterKind.F32, name, out byte* place);
        Unsafe.WriteUnaligned(place, value);
    }

    /// <summary>The parameters of a score modification, for a view of its structs.</summary>
    internal void Add(HeadParameters parameters, string name)
    {
        Next(KernelParameterKind.View, name, out byte* place);
        Write(place, (nint)parameters.Values.Address, parameters.Heads);
    }

    /// <summary>An argument of any kind as the bytes of another launch.</summary>
    internal void AddBytes(ReadOnlySpan<byte> bytes, KernelParameter parameter)
    {
        Next(parameter.Kind, parameter.Name, out byte* place);
        bytes[..parameter.Size].CopyTo(new Span<byte>(place, parameter.Size));
    }

    /// <summary>Ends the arguments: all must have been given.</summary>
    /// <returns>The kernel.</returns>
    internal CompiledKernel End()
    {
        CompiledKernel kernel = _kernel!;
        if (_count != kernel.Parameters.Count)
            throw new InvalidOperationException($"{kernel.Entry} has {kernel.Parameters.Count} parameters, {_count} arguments were given");
        return kernel;
    }

    /// <summary>Returns the memory.</summary>
    internal void Free()
    {
        NativeMemory.AlignedFree(_block);
        NativeMemory.AlignedFree(_pointers);
        _block = null;
        _pointers = null;
        _kernel = null;
    }

    private static void Write(byte* place, nint address, long elements)
    {
        Unsafe.WriteUnaligned(place, address);
        Unsafe.WriteUnaligned(place + sizeof(long), elements);
    }

    private static bool IsOf(string? element, DType dtype) => dtype switch
    {
        DType.F32 => element == "f32",
        DType.BF16 => element == "bf16",
        DType.F16 => element == "f16",
        DType.F64 => element == "f64",
        DType.I32 => element is "i32" or "u32",
        _ => element == "u8",
    };

    private KernelParameter Next(KernelParameterKind kind, string name, out byte* place)
    {
        CompiledKernel kernel = _kernel!;
        KernelParameter? parameter = _count < kernel.Parameters.Count ? kernel.Parameters[_count] : null;
        if (parameter?.Kind != kind || !parameter.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
            throw new InvalidOperationException(
                $"{kernel.Entry}: argument {_count} is {name} ({kind}), " +
                (parameter is null ? "the kernel has no such parameter" : $"the kernel's parameter {parameter.Name} ({parameter.Kind})"));
        place = _block + parameter.Offset;
        _pointers[_count++] = place;
        return parameter;
    }
}

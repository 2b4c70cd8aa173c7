using System.Runtime.InteropServices;
using Conformance.Gpu;
using Engine.Kernels;
using Engine.Kernels.Gpu;

namespace Tests.Gpu;

public sealed class KernelArgumentsTests : IDisposable
{
    private static readonly CompiledKernel Kernel = new("scale", 256, 0, 0,
    [
        new("x", KernelParameterKind.View, "f32", 0), new("n", KernelParameterKind.I32, null, 16),
        new("count", KernelParameterKind.I64, null, 24), new("factor", KernelParameterKind.F32, null, 32),
        new("site", KernelParameterKind.U32, null, 36),
    ]);

    private readonly LaunchList _device = new([]);
    private readonly DeviceMemory _memory;
    private readonly KernelArguments _arguments;
    private readonly Tensor _x;

    public KernelArgumentsTests()
    {
        (_memory, _arguments) = (new(_device), new(_device));
        _x = _memory.Rent(DType.F32, 7, 11);
        _arguments.Begin(Kernel);
    }

    public void Dispose()
    {
        _arguments.Free();
        _memory.Dispose();
        _device.Dispose();
    }

    [Fact]
    public unsafe void Arguments_lie_where_the_manifest_says()
    {
        _arguments.Add(_x, "x");
        _arguments.Add(-3, "n");
        _arguments.Add(1L << 40, "count");
        _arguments.Add(0.5f, "factor");
        _arguments.Add(uint.MaxValue, "site");
        Assert.Same(Kernel, _arguments.End());
        ReadOnlySpan<byte> block = _arguments.Block;
        Assert.Equal(40, block.Length);
        Assert.Equal([DeviceMemory.Address(_x), 77], MemoryMarshal.Cast<byte, long>(block[..16]).ToArray());
        Assert.Equal(-3, MemoryMarshal.Read<int>(block[16..]));
        Assert.Equal(1L << 40, MemoryMarshal.Read<long>(block[24..]));
        Assert.Equal(0.5f, MemoryMarshal.Read<float>(block[32..]));
        Assert.Equal(uint.MaxValue, MemoryMarshal.Read<uint>(block[36..]));
        for (int i = 0; i < Kernel.Parameters.Count; i++)
            Assert.Equal(Kernel.Parameters[i].Offset, (int)((byte*)_arguments.Pointers[i] - (byte*)_arguments.Pointers[0]));
    }

    [Fact]
    public void An_absent_tensor_is_an_empty_view()
    {
        _arguments.Add(default(Tensor), "x");
        Assert.Equal([0, 0], MemoryMarshal.Cast<byte, long>(_arguments.Block[..16]).ToArray());
    }

    [Fact]
    public void An_argument_of_another_kind_name_or_element_type_or_one_too_many_is_refused()
    {
        Assert.Throws<InvalidOperationException>(() => _arguments.Add(1, "x"));
        string message = Assert.Throws<InvalidOperationException>(() => _arguments.Add(_x, "y")).Message;
        Assert.Equal("scale: argument 0 is y (View), the kernel's parameter x (View)", message);
        message = Assert.Throws<ArgumentException>(() => _arguments.Add(_memory.Rent(DType.BF16, 3), "x")).Message;
        Assert.StartsWith("scale: x is BF16 [3], the kernel has a view of f32", message, StringComparison.Ordinal);
        _arguments.Begin(Kernel);
        _arguments.Add(_x, "x");
        _arguments.Add(1, "n");
        _arguments.Add(1L, "count");
        _arguments.Add(1f, "factor");
        _arguments.Add(1u, "site");
        Assert.Throws<InvalidOperationException>(() => _arguments.Add(1u, "site"));
    }

    [Fact]
    public void A_missing_argument_is_refused()
    {
        _arguments.Add(_x, "x");
        Assert.Contains("5 parameters, 1 arguments", Assert.Throws<InvalidOperationException>(() => _arguments.End()).Message);
    }
}

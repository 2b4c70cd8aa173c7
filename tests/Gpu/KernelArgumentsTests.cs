using System.Runtime.InteropServices;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Tests.Gpu;

public sealed class KernelArgumentsTests
{
    private static readonly CompiledKernel Kernel = new("scale", 256, 0, 0,
    [
        new("x", KernelParameterKind.View, "f32", 0), new("n", KernelParameterKind.I32, null, 16),
        new("count", KernelParameterKind.I64, null, 24), new("factor", KernelParameterKind.F32, null, 32), new("site", KernelParameterKind.U32, null, 36),
    ]);

    [Fact]
    public unsafe void Arguments_lie_where_the_manifest_says()
    {
        using var arguments = new KernelArguments();
        arguments.Begin(Kernel);
        arguments.View(unchecked((nint)0x1234_5678_9ABC), 77);
        arguments.I32(-3);
        arguments.I64(1L << 40);
        arguments.F32(0.5f);
        arguments.U32(uint.MaxValue);
        Assert.Same(Kernel, arguments.End());
        ReadOnlySpan<byte> block = arguments.Block;
        Assert.Equal(40, block.Length);
        Assert.Equal([0x1234_5678_9ABC, 77], MemoryMarshal.Cast<byte, long>(block[..16]).ToArray());
        Assert.Equal(-3, MemoryMarshal.Read<int>(block[16..]));
        Assert.Equal(1L << 40, MemoryMarshal.Read<long>(block[24..]));
        Assert.Equal(0.5f, MemoryMarshal.Read<float>(block[32..]));
        Assert.Equal(uint.MaxValue, MemoryMarshal.Read<uint>(block[36..]));
        for (int i = 0; i < Kernel.Parameters.Count; i++)
            Assert.Equal(Kernel.Parameters[i].Offset, (int)((byte*)arguments.Pointers[i] - (byte*)arguments.Pointers[0]));
    }

    [Fact]
    public void An_argument_of_another_kind_or_one_too_many_is_refused()
    {
        using var arguments = new KernelArguments();
        arguments.Begin(Kernel);
        arguments.View(64, 1);
        Assert.Throws<InvalidOperationException>(() => arguments.F32(1));
        arguments.I32(1);
        arguments.I64(1);
        arguments.F32(1);
        arguments.U32(1);
        Assert.Throws<InvalidOperationException>(() => arguments.U32(1));
    }

    [Fact]
    public void A_missing_argument_is_refused()
    {
        using var arguments = new KernelArguments();
        arguments.Begin(Kernel);
        arguments.View(64, 1);
        Assert.Contains("5 parameters, 1 arguments", Assert.Throws<InvalidOperationException>(() => arguments.End()).Message);
    }
}

using System.Runtime.InteropServices;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

/// <summary>Launches of one device, run on another one.</summary>
internal static class RepeatedLaunch
{
    /// <summary>Launches a kernel with a block of parameters.</summary>
    /// <param name="device">Where.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="block">Its parameters, as its manifest lays them out.</param>
    /// <param name="gridX">Blocks.</param>
    /// <param name="gridY">Blocks in the second dimension.</param>
    /// <param name="gridZ">Blocks in the third dimension.</param>
    /// <param name="dynamicShared">Bytes of shared memory that the launch provides.</param>
    /// <param name="copies">Addresses in whose place others are given.</param>
    public static void Repeat(
        this GpuDevice device, CompiledKernel kernel, byte[] block, int gridX, int gridY, int gridZ, int dynamicShared,
        Dictionary<nint, nint>? copies = null)
    {
        byte[] own = [.. block];
        foreach (KernelParameter p in kernel.Parameters)
        {
            if (p.Kind != KernelParameterKind.View || copies is null) continue;
            Span<byte> value = own.AsSpan(p.Offset);
            nint address = (nint)MemoryMarshal.Read<long>(value);
            MemoryMarshal.Write(value, (long)copies.GetValueOrDefault(address, address));
        }

        device.Launch(kernel, new Bytes(kernel, own), gridX, gridY, gridZ, dynamicShared);
    }

    /// <summary>The arguments of another launch.</summary>
    private readonly struct Bytes(CompiledKernel kernel, byte[] block) : IKernelArguments
    {
        public void Write(KernelArguments arguments)
        {
            foreach (KernelParameter p in kernel.Parameters) arguments.AddBytes(block.AsSpan(p.Offset), p);
        }
    }
}

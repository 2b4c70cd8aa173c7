using System.Runtime.InteropServices;
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
        this GpuDevice device, CompiledKernel kernel, byte[] block, int gridX, int gridY, int gridZ, int dynamicShared, Dictionary<nint, nint>? copies = null)
    {
        KernelArguments a = device.Begin(kernel.Entry);
        foreach (KernelParameter p in kernel.Parameters)
        {
            ReadOnlySpan<byte> value = block.AsSpan(p.Offset);
            switch (p.Kind)
            {
                case KernelParameterKind.View:
                    nint address = (nint)MemoryMarshal.Read<long>(value);
                    a.View(copies?.GetValueOrDefault(address, address) ?? address, MemoryMarshal.Read<long>(value[8..]));
                    break;
                case KernelParameterKind.I32: a.I32(MemoryMarshal.Read<int>(value)); break;
                case KernelParameterKind.U32: a.U32(MemoryMarshal.Read<uint>(value)); break;
                case KernelParameterKind.I64: a.I64(MemoryMarshal.Read<long>(value)); break;
                case KernelParameterKind.TensorMap: value[..p.Size].CopyTo(a.TensorMap()); break;
                default: a.F32(MemoryMarshal.Read<float>(value)); break;
            }
        }

        device.Launch(gridX, gridY, gridZ, dynamicShared);
    }
}

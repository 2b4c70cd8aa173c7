using System.Runtime.InteropServices;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

/// <summary>
/// A GPU that runs fp32 kernels, and after each rounds to bf16 what its bf16 form holds in bf16: the error of this type and of nothing
/// else, beside which that of the bf16 kernels is held.
/// </summary>
internal sealed class RoundingDevice(GpuDevice inner) : WrappedDevice(inner)
{
    public override string Description => Inner.Description + ", rounding";

    protected override void Launch(CompiledKernel kernel, KernelArguments arguments, int gridX, int gridY, int gridZ, int dynamicShared)
    {
        byte[] block = arguments.Block.ToArray();
        CompiledKernel? twin = Twin(kernel.Entry);
        // Before: parameters, which nobody has rounded yet. After: results.
        if (twin is not null) Round(twin, block);
        Inner.Repeat(kernel, block, gridX, gridY, gridZ, dynamicShared);
        if (twin is not null) Round(twin, block);
    }

    private CompiledKernel? Twin(string entry)
    {
        string name = entry.Replace("_any_f32", "", StringComparison.Ordinal).Replace("_f32", "", StringComparison.Ordinal);
        return Library.Find(name + "_bf16") ?? Library.Find(name + "_64_bf16");
    }

    private void Round(CompiledKernel twin, byte[] block)
    {
        foreach (KernelParameter p in twin.Parameters)
        {
            if (p.Kind != KernelParameterKind.View || p.Element != "bf16") continue;
            var address = (nint)BitConverter.ToInt64(block, p.Offset);
            var values = new float[BitConverter.ToInt64(block, p.Offset + 8)];
            if (values.Length == 0) continue;
            Inner.Download(address, MemoryMarshal.AsBytes(values.AsSpan()));
            for (int i = 0; i < values.Length; i++) values[i] = (float)(BFloat16)values[i];
            Inner.Upload(MemoryMarshal.AsBytes(values.AsSpan()), address);
        }
    }
}

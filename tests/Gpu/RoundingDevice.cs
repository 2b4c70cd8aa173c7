using System.Runtime.InteropServices;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Tests.Gpu;

/// <summary>
/// A GPU that runs fp32 kernels, and after each rounds to bf16 what its bf16 form holds in bf16: the error of this type and of nothing
/// else, beside which that of the bf16 kernels is held.
/// </summary>
internal sealed class RoundingDevice(GpuDevice inner) : GpuDevice
{
    public override string Description => inner.Description + ", rounding";

    public override bool Records => false;

    public override int MaxSharedBytes => inner.MaxSharedBytes;

    public override void Enter() => inner.Enter();

    public override nint Allocate(long bytes)
    {
        // Whole operands are rounded, of which a kernel may write a part.
        nint address = inner.Allocate(bytes);
        inner.Clear(address, bytes);
        return address;
    }

    public override void Free(nint address) => inner.Free(address);

    public override void Upload(ReadOnlySpan<byte> source, nint destination) => inner.Upload(source, destination);

    public override void Download(nint source, Span<byte> destination) => inner.Download(source, destination);

    public override void Copy(nint source, nint destination, long bytes) => inner.Copy(source, destination, bytes);

    public override void Clear(nint destination, long bytes) => inner.Clear(destination, bytes);

    public override CudaGraph Record(Action step) => throw new NotSupportedException("nothing is recorded");

    public override double Time(Action work) => throw new NotSupportedException("no time is measured");

    public override void Dispose()
    {
        base.Dispose();
        inner.Dispose();
    }

    protected override void Launch(CompiledKernel kernel, KernelArguments arguments, int gridX, int gridY, int gridZ, int dynamicShared)
    {
        byte[] block = arguments.Block.ToArray();
        CompiledKernel? twin = Twin(kernel.Entry);
        // Before: parameters, which nobody has rounded yet. After: results.
        if (twin is not null) Round(twin, block);
        inner.Repeat(kernel, block, gridX, gridY, gridZ, dynamicShared);
        if (twin is not null) Round(twin, block);
    }

    private static CompiledKernel? Twin(string entry)
    {
        string name = entry.Replace("_any_f32", "", StringComparison.Ordinal).Replace("_f32", "", StringComparison.Ordinal);
        return KernelManifest.Compiled.GetValueOrDefault(name + "_bf16") ?? KernelManifest.Compiled.GetValueOrDefault(name + "_64_bf16");
    }

    private void Round(CompiledKernel twin, byte[] block)
    {
        foreach (KernelParameter p in twin.Parameters)
        {
            if (p.Kind != KernelParameterKind.View || p.Element != "bf16") continue;
            var address = (nint)BitConverter.ToInt64(block, p.Offset);
            var values = new float[BitConverter.ToInt64(block, p.Offset + 8)];
            if (values.Length == 0) continue;
            inner.Download(address, MemoryMarshal.AsBytes(values.AsSpan()));
            for (int i = 0; i < values.Length; i++) values[i] = (float)(BFloat16)values[i];
            inner.Upload(MemoryMarshal.AsBytes(values.AsSpan()), address);
        }
    }
}

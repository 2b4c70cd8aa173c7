using System.Runtime.InteropServices;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Tests.Gpu;

/// <summary>A GPU that runs nothing: it notes which kernels are launched.</summary>
internal sealed unsafe class LaunchList(SortedSet<string> launched) : GpuDevice
{
    public override string Description => "list of launches";

    public override bool CapturesGraphs => false;

    public override int MaxSharedBytes => 227 * 1024;

    public override Version ComputeCapability { get; } = new(9, 0);

    public override bool IsHopper => true;

    public override void EncodeTensorMap(nint matrix, long rows, long columns, Span<byte> map) => map.Clear();

    public override void Enter()
    {
    }

    public override nint Allocate(long bytes) => (nint)NativeMemory.AlignedAlloc((nuint)bytes, 64);

    public override void Free(nint address) => NativeMemory.AlignedFree((void*)address);

    public override void Upload(ReadOnlySpan<byte> source, nint destination) =>
        source.CopyTo(new Span<byte>((void*)destination, source.Length));

    public override void Download(nint source, Span<byte> destination) =>
        new ReadOnlySpan<byte>((void*)source, destination.Length).CopyTo(destination);

    public override void Copy(nint source, nint destination, long bytes) =>
        Buffer.MemoryCopy((void*)source, (void*)destination, bytes, bytes);

    public override void Clear(nint destination, long bytes) => NativeMemory.Clear((void*)destination, (nuint)bytes);

    public override CudaGraph Capture(Action step) => throw new NotSupportedException();

    public override double Time(Action work) => throw new NotSupportedException();

    protected override void Launch(CompiledKernel kernel, KernelArguments arguments, int gridX, int gridY, int gridZ, int dynamicShared) =>
        launched.Add(kernel.Entry);
}

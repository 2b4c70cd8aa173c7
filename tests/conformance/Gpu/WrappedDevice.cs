using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

/// <summary>A GPU that hands on to another one all but its launches, each of which it runs on it in its own way.</summary>
internal abstract class WrappedDevice(GpuDevice inner) : GpuDevice(inner.Library)
{
    public override bool CapturesGraphs => false;

    public override int MaxSharedBytes => Inner.MaxSharedBytes;

    public override Version ComputeCapability => Inner.ComputeCapability;

    public override bool IsHopper => Inner.IsHopper;

    protected GpuDevice Inner { get; } = inner;

    public override void EncodeTensorMap(nint matrix, long rows, long columns, Span<byte> map) =>
        Inner.EncodeTensorMap(matrix, rows, columns, map);

    public override void Enter() => Inner.Enter();

    public override nint Allocate(long bytes)
    {
        // Whole operands are read and written back, of which a kernel may write a part.
        nint address = Inner.Allocate(bytes);
        Inner.Clear(address, bytes);
        return address;
    }

    public override void Free(nint address) => Inner.Free(address);

    public override void Upload(ReadOnlySpan<byte> source, nint destination) => Inner.Upload(source, destination);

    public override void Download(nint source, Span<byte> destination) => Inner.Download(source, destination);

    public override void Copy(nint source, nint destination, long bytes) => Inner.Copy(source, destination, bytes);

    public override void Clear(nint destination, long bytes) => Inner.Clear(destination, bytes);

    public override CudaGraph Capture(Action step) => throw new NotSupportedException("no graphs are captured");

    public override double Time(Action work) => throw new NotSupportedException("no time is measured");

    public override void Dispose()
    {
        base.Dispose();
        Inner.Dispose();
    }
}
